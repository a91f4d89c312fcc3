package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/process"
	"github.com/sidetone/sidetone/softphone"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/flite"
	ttyvoice "github.com/sidetone/sidetone/synthesizer/tty"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/sip"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/pocketsphinx"
	ttyears "github.com/sidetone/sidetone/transcriber/tty"
)

type phoneCommand struct {
	Number   string        `arg:"" optional:"" help:"Number to call."`
	Listen   string        `help:"Register this number with the server and answer its calls instead." placeholder:"NUMBER"`
	Count    int           `help:"With --listen: end after this many calls; 0 goes on."`
	Server   string        `help:"SIP address of the server." default:"127.0.0.1:5060" placeholder:"HOST:PORT"`
	From     string        `help:"Our number." default:"+12025550199"`
	User     string        `help:"Digest user, when the server asks for one." placeholder:"NAME"`
	Pass     string        `help:"Digest password." env:"SIDETONE_PHONE_PASSWORD,SIDETONE_CALL_PASSWORD" placeholder:"TEXT"`
	TCP      bool          `help:"Use SIP over TCP."`
	Say      []string      `help:"A line to say; repeat it for more. \"@1.5s text\" interrupts 1.5 s after the agent began; \"key:12#\" presses keys." sep:"none" placeholder:"TEXT"`
	Wav      string        `help:"Play this 16-bit mono WAV as the first line." type:"existingfile" placeholder:"FILE"`
	Mic      string        `help:"Command that writes raw 16-bit mono PCM at the line's rate (16000 Hz with G.722, 8000 otherwise); it replaces the lines." placeholder:"CMD"`
	Spk      string        `name:"speaker" help:"Command that reads what is heard, likewise." placeholder:"CMD"`
	Record   string        `help:"Write what is heard to this WAV." placeholder:"FILE"`
	Codec    string        `help:"G722, PCMU or PCMA; empty offers all." enum:",G722,PCMU,PCMA" default:""`
	TTY      bool          `name:"tty" help:"Talk Baudot tones, as a text telephone does."`
	Deaf     bool          `help:"Do not recognise what is heard."`
	Voice    string        `help:"Voice of the caller." default:"rms"`
	Stay     bool          `help:"Stay on the line after the last line until the agent hangs up."`
	Wait     time.Duration `help:"How long to wait for an answer before the next line." default:"15s"`
	Patience time.Duration `help:"How long the agent must be silent to have finished." default:"1.2s"`
	Shift    time.Duration `help:"Delay each line by this, to move its frame alignment." hidden:""`
	Length   time.Duration `help:"Hang up after this long." default:"10m"`
	URL      string        `help:"Address of the server's API, asked for the agent's words." default:"http://127.0.0.1:8080" env:"SIDETONE_URL" placeholder:"URL"`
	Key      string        `help:"API key; with one, the agent's own words are shown beside what this phone heard." env:"SIDETONE_API_KEY" placeholder:"KEY"`
	Env      string        `name:"environment" help:"Id of another environment of the account, for account-wide keys." env:"SIDETONE_ENVIRONMENT" placeholder:"ID"`
	JSON     bool          `name:"json" help:"Print one JSON object per event."`
	Ready    string        `name:"ready-file" help:"With --listen: create this file once registered." placeholder:"PATH"`
	Debug    bool          `help:"Log SIP detail to standard error."`
}

// Run calls, or waits to be called.
func (c phoneCommand) Run(a *app) error {
	if (c.Number == "") == (c.Listen == "") {
		return fmt.Errorf("name a number to call, or one to --listen on")
	}
	driver, err := sip.New(c.sipConfig(a))
	if err != nil {
		return err
	}
	defer func() { _ = driver.Close() }()
	phone, closers, err := c.phone(a, driver)
	if err != nil {
		return err
	}
	phone, end := c.withWords(a, phone)
	defer end()
	if c.Listen != "" {
		err = c.listen(a, driver, phone)
	} else {
		err = c.dial(a, driver, phone)
	}
	for _, cl := range closers {
		if e := cl(); err == nil {
			err = e
		}
	}
	return err
}

const (
	serverTrunk = "server"
	// answerSoon is when a caller is told that nothing comes back.
	answerSoon = 4 * time.Second
)

func (c phoneCommand) sipConfig(a *app) sip.Config {
	level := slog.LevelError
	if c.Debug {
		level = slog.LevelDebug
	}
	transport := "udp"
	if c.TCP {
		transport = "tcp"
	}
	cfg := sip.Config{
		Listen: sip.LocalAddressTowards(c.Server) + ":0",
		Trunks: []sip.Trunk{{Name: serverTrunk, Host: c.Server, Transport: transport, Username: c.User, Password: sip.Secret(c.Pass)}},
		Logger: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level})),
	}
	if c.Codec != "" {
		cfg.Codecs = []string{c.Codec}
	} else if c.TTY {
		cfg.Codecs = []string{"PCMU", "PCMA"}
	}
	return cfg
}

func (c phoneCommand) dial(a *app, driver *sip.Driver, p softphone.Phone) error {
	told := p.Notify
	late := time.AfterFunc(answerSoon, func() {
		fmt.Fprintf(a.err, "no answer from %s yet: does a server listen for SIP there? (--server)\n", c.Server)
	})
	defer late.Stop()
	p.Notify = func(e softphone.Event) {
		late.Stop()
		told(e)
	}
	r, err := p.Call(a.ctx, telephony.DialRequest{From: c.From, To: c.Number, Trunk: serverTrunk})
	if err != nil {
		return err
	}
	return c.summary(a, r)
}

func (c phoneCommand) listen(a *app, driver *sip.Driver, p softphone.Phone) error {
	var failed error
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	registered := make(chan struct{})
	wg.Go(func() {
		err := driver.Register(ctx, serverTrunk, c.Listen, func() { close(registered) })
		if err != nil && ctx.Err() == nil {
			failed = fmt.Errorf("register %s: %w", c.Listen, err)
			cancel()
		}
	})
	wg.Go(func() {
		select {
		case <-registered:
			_ = c.announce(a)
		case <-ctx.Done():
		}
	})
	err := p.Listen(ctx, c.Count, func(r softphone.Result, err error) {
		if err == nil {
			err = c.summary(a, r)
		}
		if err != nil {
			fmt.Fprintln(a.err, "sidetone:", err)
		}
	})
	cancel()
	wg.Wait()
	if failed != nil {
		return failed
	}
	return err
}

func (c phoneCommand) announce(a *app) error {
	if !c.JSON {
		fmt.Fprintf(a.out, "listening on %s\n", c.Listen)
	}
	if c.Ready == "" {
		return nil
	}
	return os.WriteFile(c.Ready, []byte(c.Listen+"\n"), 0o600)
}

// phone equips the caller; closers complete what was opened.
func (c phoneCommand) phone(a *app, driver telephony.Driver) (p softphone.Phone, closers []func() error, err error) {
	p = softphone.Phone{Driver: driver, VoiceName: c.Voice, Wait: c.Wait, Patience: c.Patience, Stay: c.Stay, Length: c.Length, Notify: c.printer(a)}
	p.Voice, p.Ears = c.speech()
	if p.Lines, err = c.lines(); err != nil {
		return p, nil, err
	}
	if c.Record != "" {
		f, err := os.Create(c.Record)
		if err != nil {
			return p, nil, err
		}
		p.Record = f
		closers = append(closers, f.Close)
	}
	if c.Mic != "" {
		r, end, err := source(a.ctx, c.Mic)
		if err != nil {
			return p, closers, err
		}
		p.Microphone, closers = r, append(closers, end)
	}
	if c.Spk != "" {
		w, end, err := sink(a.ctx, c.Spk)
		if err != nil {
			return p, closers, err
		}
		p.Speaker, closers = w, append(closers, end)
	}
	return p, closers, nil
}

func (c phoneCommand) speech() (synthesizer.Driver, transcriber.Driver) {
	if c.TTY {
		return ttyvoice.New(ttyvoice.Options{Yield: "GA"}), ttyears.New(ttyears.Options{})
	}
	voice := flite.New(flite.Options{})
	if c.Deaf {
		return voice, nil
	}
	return voice, pocketsphinx.New(pocketsphinx.Options{})
}

func (c phoneCommand) lines() ([]softphone.Line, error) {
	var out []softphone.Line
	if c.Wav != "" {
		l, err := wavLine(c.Wav, c.Codec)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	for _, s := range c.Say {
		l, err := parseLine(s)
		if err != nil {
			return nil, err
		}
		l.Shift = c.Shift
		out = append(out, l)
	}
	return out, nil
}

// parseLine reads "text", "@1.5s text" or "key:12#".
func parseLine(s string) (softphone.Line, error) {
	if keys, ok := strings.CutPrefix(s, "key:"); ok {
		return softphone.Line{Keys: keys}, nil
	}
	rest, ok := strings.CutPrefix(s, "@")
	if !ok {
		return softphone.Line{Text: s}, nil
	}
	after, text, found := strings.Cut(rest, " ")
	d, err := time.ParseDuration(after)
	if err != nil || !found || d <= 0 {
		return softphone.Line{}, fmt.Errorf("line %q: want \"@DURATION text\", such as \"@1.5s wait\"", s)
	}
	return softphone.Line{Text: text, After: d}, nil
}

func wavLine(path, codec string) (softphone.Line, error) {
	f, err := os.Open(path)
	if err != nil {
		return softphone.Line{}, err
	}
	defer func() { _ = f.Close() }()
	pcm, w, err := audio.ReadWAV(f)
	if err != nil {
		return softphone.Line{}, fmt.Errorf("read %s: %w", path, err)
	}
	rate := 16000
	if codec == "PCMU" || codec == "PCMA" {
		rate = 8000
	}
	if w.Channels != 1 {
		return softphone.Line{}, fmt.Errorf("%s has %d channels, want 1", path, w.Channels)
	}
	if w.Rate != rate {
		r, err := audio.NewResampler(w.Rate, rate)
		if err != nil {
			return softphone.Line{}, fmt.Errorf("%s: %w", path, err)
		}
		pcm = r.Flush(r.Process(nil, pcm))
	}
	return softphone.Line{Sound: pcm}, nil
}

// source starts a command and returns what it writes, and a function that ends
// it with all that it started.
func source(ctx context.Context, line string) (io.Reader, func() error, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := process.Command(ctx, "sh", "-c", line)
	cmd.Stderr = os.Stderr
	r, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, nil, fmt.Errorf("microphone: %w", err)
	}
	return r, func() error { cancel(); _ = cmd.Wait(); return nil }, nil // it ends with the call, however it likes
}

// sink starts a command and returns what it reads.
func sink(ctx context.Context, line string) (io.Writer, func() error, error) {
	cmd := process.Command(ctx, "sh", "-c", line)
	cmd.Stderr = os.Stderr
	w, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("speaker: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("speaker: %w", err)
	}
	return w, func() error {
		_ = w.Close() // the command sees the end
		return cmd.Wait()
	}, nil
}

// printer prints events as people or programs read them.
func (c phoneCommand) printer(a *app) func(softphone.Event) {
	var mu sync.Mutex
	return func(e softphone.Event) {
		mu.Lock()
		defer mu.Unlock()
		if c.JSON {
			_ = json.NewEncoder(a.out).Encode(map[string]any{"kind": e.Kind, "text": e.Text, "took_ms": ms(e.Took), "at_ms": ms(e.At)})
			return
		}
		text := strings.Map(printable, e.Text)
		switch {
		case e.Took > 0:
			text = fmt.Sprintf("%.0f ms", ms(e.Took))
		case e.Kind == "heard":
			text = fmt.Sprintf("%q, as this phone's recogniser understood it", text)
		}
		fmt.Fprintf(a.out, "%7.2fs  %-9s %s\n", e.At.Seconds(), e.Kind, text)
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (c phoneCommand) summary(a *app, r softphone.Result) error {
	if c.JSON {
		return json.NewEncoder(a.out).Encode(map[string]any{"kind": "result", "heard": r.Heard, "said": r.Said,
			"gaps_ms": millis(r.Gaps), "stops_ms": millis(r.Stops), "frames": r.Frames, "audible": r.Audible,
			"cause": r.Cause.String(), "remote": r.Remote, "length_ms": ms(r.Length)})
	}
	_, err := fmt.Fprintf(a.out, "%d lines said, %d frames heard (%d with sound), ended by %s after %.1f s\n",
		r.Said, r.Frames, r.Audible, r.Cause, r.Length.Seconds())
	return err
}

func millis(in []time.Duration) []float64 {
	out := make([]float64, len(in))
	for i, d := range in {
		out[i] = ms(d)
	}
	return out
}
