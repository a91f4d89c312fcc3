package conversation_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/script"
	"github.com/sidetone/sidetone/journal"
)

// The golden calls. A script is a text file of lines
//
//	# what behaviour it fixes
//	config greeting="Hello." speed=0.5
//	action book after_speech claims="booked|reserved"
//	1.250 caller quiet ago=0.2 length=0.9
//	  AskModel 2
//
// Inputs and fired timers begin with their time in seconds and have the form of
// package script, or one of the short forms of longForm; the indented lines below
// are the machine's outputs. Timers fire by themselves: their lines are written
// by -rewrite, without their epochs. "10.000 wait" lets time pass. None fires in the
// time before "line resumed". Commit only rewritten lines that you understand.
//
// Every call is then reproduced, twice, from its journal, and simulated with another
// configuration, which must lead to the same call.
func TestGoldenCalls(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 80 {
		t.Fatalf("scripts: %d, %v; want at least 80", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := playScript(t, string(raw))
			reproduce(t, c)
			rerunCall(t, c)
			rerunOtherwise(t, c)
			got := c.shown.String()
			if flag.Lookup("rewrite").Value.String() == "true" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(raw), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("call went differently (-script +machine):\n%s", diff)
			}
		})
	}
}

func TestMain(m *testing.M) {
	flag.Bool("rewrite", false, "write the machine's outputs into the scripts")
	flag.Parse()
	os.Exit(m.Run())
}

// reproduce reads the journal of a call and runs a new machine through it, twice:
// inputs and times alone give the same outputs, byte for byte.
func reproduce(t *testing.T, c *goldenCall) {
	t.Helper()
	for range 2 {
		m := conversation.New(c.cfg)
		var got []byte
		for e, err := range script.ReadJournal(bytes.NewReader(c.journal)) {
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range m.Step(e.At, e.In) {
				got = appendOutput(t, got, o)
			}
		}
		if diff := cmp.Diff(strings.Split(string(c.outputs), "\n"), strings.Split(string(got), "\n")); diff != "" {
			t.Errorf("the journal does not reproduce the call (-call +journal):\n%s", diff)
		}
	}
	if _, err := c.written().Replay(); err != nil {
		t.Errorf("the call is not replayed exactly: %v", err)
	}
}

// written is the journal of the call.
func (c *goldenCall) written() *journal.Journal {
	c.t.Helper()
	text, err := journal.AppendHeader(nil, journal.Header{Call: c.t.Name(), Tables: conversation.TablesVersion(), Config: c.cfg})
	if err != nil {
		c.t.Fatal(err)
	}
	j, err := journal.Read(c.w.End(append(text, c.lines...), c.clock))
	if err != nil {
		c.t.Fatal(err)
	}
	return j
}

func appendOutput(t *testing.T, b []byte, o conversation.Output) []byte {
	t.Helper()
	b, err := script.AppendOutput(b, o)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// goldenCall plays a script on a virtual clock.
type goldenCall struct {
	t      *testing.T
	m      *conversation.Machine
	cfg    conversation.Config
	clock  time.Duration
	timers []conversation.Arm
	said   map[uint64]string
	// shown is the script as the machine makes it, without its timers.
	shown strings.Builder
	// journal has all inputs, outputs all outputs; lines are those of a journal behind
	// its header.
	journal, outputs []byte
	lines, scratch   []byte
	w                journal.Writer
}

func playScript(t *testing.T, text string) *goldenCall {
	t.Helper()
	c := &goldenCall{t: t, cfg: conversation.Config{DynamicTurns: true}, said: map[uint64]string{}}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		c.line(lines.Text())
	}
	return c
}

func (c *goldenCall) line(line string) {
	first, rest, _ := strings.Cut(line, " ")
	switch {
	case line == "" || strings.HasPrefix(line, "#"):
		fmt.Fprintln(&c.shown, line)
	case first == "config":
		fmt.Fprintln(&c.shown, line)
		c.configure(rest, c.option)
	case first == "action":
		fmt.Fprintln(&c.shown, line)
		name, options, _ := strings.Cut(rest, " ")
		c.cfg.Actions = append(c.cfg.Actions, conversation.Action{Name: name})
		c.configure(options, c.actionOption)
	case line[0] == ' ' || strings.HasPrefix(rest, "timer "):
	default:
		if until, ok := strings.CutPrefix(rest, "line resumed until="); ok {
			c.until(seconds(c.t, until))
			c.clock = seconds(c.t, first) // nobody fired timers meanwhile
		} else {
			c.until(seconds(c.t, first))
		}
		fmt.Fprintln(&c.shown, line)
		if rest != "wait" {
			c.step(c.input(rest))
		}
	}
}

// until fires the timers due by at, in order.
func (c *goldenCall) until(at time.Duration) {
	for {
		first := -1
		for i, a := range c.timers {
			if a.At <= at && (first < 0 || a.At < c.timers[first].At) {
				first = i
			}
		}
		if first < 0 {
			c.clock = at
			return
		}
		a := c.timers[first]
		c.timers = slices.Delete(c.timers, first, first+1)
		c.clock = max(c.clock, a.At)
		fmt.Fprintf(&c.shown, "%.3f timer %s\n", c.clock.Seconds(), a.Name)
		c.step(conversation.TimerFired{Name: a.Name, Epoch: a.Epoch})
	}
}

func (c *goldenCall) step(in conversation.Input) {
	if c.m == nil {
		c.m = conversation.New(c.cfg)
	}
	var err error
	if c.journal, err = script.AppendEntry(c.journal, script.Entry{At: c.clock, In: in}); err != nil {
		c.t.Fatal(err)
	}
	if c.lines, err = c.w.Input(c.lines, c.clock, in); err != nil {
		c.t.Fatal(err)
	}
	outs := c.m.Step(c.clock, in)
	if c.lines, c.scratch, err = c.w.Outputs(c.lines, c.scratch, outs); err != nil {
		c.t.Fatal(err)
	}
	for _, o := range outs {
		c.outputs = appendOutput(c.t, c.outputs, o)
		c.obey(o)
	}
}

func (c *goldenCall) obey(o conversation.Output) {
	switch o := o.(type) {
	case conversation.Arm:
		c.disarm(o.Name)
		c.timers = append(c.timers, o)
		return
	case conversation.Disarm:
		c.disarm(o.Name)
		return
	case conversation.Say:
		c.said[o.Utt] = o.Text
	case conversation.ResumePlayout:
		o.At = o.At.Round(time.Millisecond)
		c.show(o)
		return
	case conversation.Note:
		o.Figures = maps.Clone(o.Figures)
		for name, d := range o.Figures {
			o.Figures[name] = d.Round(time.Millisecond)
		}
		c.show(o)
		return
	}
	c.show(o)
}

// show adds an output to the script; callers round its times to milliseconds.
func (c *goldenCall) show(o conversation.Output) {
	fmt.Fprintf(&c.shown, "  %s", appendOutput(c.t, nil, o))
}

func (c *goldenCall) disarm(name conversation.Timer) {
	c.timers = slices.DeleteFunc(c.timers, func(a conversation.Arm) bool { return a.Name == name })
}

// input reads an input, of which the script may have a short form.
func (c *goldenCall) input(text string) conversation.Input {
	c.t.Helper()
	if f := strings.Fields(text); len(f) == 4 && f[0] == "voice" && f[1] != "failed" && f[1] != "sound" {
		return c.voiced(f[1], f[2], f[3])
	}
	in, err := script.ParseInput(longForm(text))
	if err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
	return in
}

// longForm adds what a script leaves out: the usual delay of the voice detector,
// and the arguments of a tool call without any.
func longForm(text string) string {
	switch f := strings.Fields(text); {
	case text == "caller speaks":
		return "caller speaks ago=0.080"
	case text == "caller quiet":
		return "caller quiet ago=0.200 length=1.000"
	case len(f) == 5 && f[0] == "model" && f[1] == "call":
		return text + " {}"
	default:
		return text
	}
}

// voiced is the short form of voice sound: "voice speaks 1 2.000" delivers all of
// utterance 1, 2 s in which its words have even shares; hums the same without
// times of words; halts the same, but the end of the sound is still to come.
func (c *goldenCall) voiced(how, utt, length string) conversation.Input {
	c.t.Helper()
	id, err := strconv.ParseUint(utt, 10, 64)
	if err != nil {
		c.t.Fatal(err)
	}
	v := conversation.Voiced{Utt: id, Total: seconds(c.t, length), Done: how != "halts"}
	switch how {
	case "speaks":
		v.Words = conversation.EvenWords(c.said[id], v.Total)
	case "hums", "halts":
	default:
		c.t.Fatalf("unknown input: voice %s", how)
	}
	return v
}

// configure reads the options of a config or action line.
func (c *goldenCall) configure(options string, set func(name, value string)) {
	for options != "" {
		name := options
		if i := strings.IndexAny(options, "= "); i >= 0 {
			name = options[:i]
		}
		options = options[len(name):]
		value := ""
		if rest, ok := strings.CutPrefix(options, "="); ok {
			value, options = optionValue(c.t, rest)
		}
		options = strings.TrimPrefix(options, " ")
		set(name, value)
	}
}

// optionValue reads a value, which is in quotes when it has blanks.
func optionValue(t *testing.T, s string) (value, rest string) {
	t.Helper()
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, " ")
		return value, rest
	}
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		t.Fatal(err)
	}
	if value, err = strconv.Unquote(quoted); err != nil {
		t.Fatal(err)
	}
	return value, s[len(quoted):]
}

func (c *goldenCall) option(name, value string) {
	cfg := &c.cfg
	switch name {
	case "greeting":
		cfg.Greeting = value
	case "greeting_delay":
		cfg.GreetingDelay = seconds(c.t, value)
	case "outbound":
		cfg.Outbound = true
	case "wait_for_greeting":
		cfg.WaitForGreeting = true
	case "protect_greeting":
		cfg.ProtectGreeting = true
	case "interrupt":
		cfg.Interrupt = conversation.Sensitivity(value)
	case "endpoint":
		cfg.Endpoint = conversation.Endpointing(value)
	case "fixed_turns":
		cfg.DynamicTurns = false
	case "speed":
		cfg.Speed = int(seconds(c.t, value) / time.Millisecond)
	case "ask_on_idle":
		cfg.AskOnIdle = true
	case "idle":
		cfg.IdleTime = seconds(c.t, value)
	case "max_duration":
		cfg.MaxDuration = seconds(c.t, value)
	case "final_wait":
		cfg.FinalWait = seconds(c.t, value)
	case "carrier":
		cfg.Carrier = true
	case "language":
		cfg.Language = value
	case "eager":
		cfg.Eager = true
	case "disclosure":
		cfg.Disclosure = value
	case "field", "secret":
		cfg.Fields = append(cfg.Fields, field(c.t, value))
		cfg.Fields[len(cfg.Fields)-1].Secret = name == "secret"
	default:
		c.t.Fatalf("unknown option %q", name)
	}
}

// field reads name:min:max, and :key of a terminator.
func field(t *testing.T, text string) conversation.Field {
	t.Helper()
	parts := strings.Split(text, ":")
	f := conversation.Field{Name: parts[0]}
	for i, n := range []*int{&f.Min, &f.Max} {
		var err error
		if *n, err = strconv.Atoi(parts[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if len(parts) > 3 {
		f.Terminator = []rune(parts[3])[0]
	}
	return f
}

// actionOption sets an option of the last action; sentences and words are separated by |.
func (c *goldenCall) actionOption(name, value string) {
	a := &c.cfg.Actions[len(c.cfg.Actions)-1]
	flags := map[string]*bool{"after_speech": &a.AfterSpeech, "says_first": &a.SaysFirst, "quiet": &a.Quiet, "repeatable": &a.Repeatable,
		"muted": &a.Muted, "silent": &a.Silent}
	lists := map[string]*[]string{"on_send": &a.OnSend, "waiting": &a.Waiting, "on_done": &a.OnDone, "on_failure": &a.OnFailure,
		"claims": &a.Claims, "phrases": &a.Phrases}
	times := map[string]*time.Duration{"longest": &a.Longest, "waiting_after": &a.WaitingAfter}
	switch {
	case flags[name] != nil:
		*flags[name] = true
	case lists[name] != nil:
		*lists[name] = strings.Split(value, "|")
	case times[name] != nil:
		*times[name] = seconds(c.t, value)
	case name == "otherwise":
		a.Otherwise = value
	default:
		c.t.Fatalf("unknown option %q of an action", name)
	}
}

func seconds(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s + "s")
	if err != nil {
		t.Fatal(err)
	}
	return d
}
