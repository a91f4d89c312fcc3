package softphone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/transcriber"
)

// audible is the level from which a sample counts as sound: -40 dBFS.
const audible = 328

// hush is how long a pause inside the other side's speech may be.
const hush = 300 * time.Millisecond

// conversation is one call of a phone. The sender's goroutine owns line,
// pending and the like; what the reader learns is under mu.
type conversation struct {
	phone Phone
	leg   telephony.Leg
	rate  int
	start time.Time
	lines []Line

	telling   sync.Mutex // one event at a time
	mu        sync.Mutex
	result    Result
	talkSince time.Time // the other side began its current speech; zero when silent
	lastSound time.Time // its last audible sample
	answered  bool      // it has spoken since our last line ended
	lineBegan time.Time // our first voiced sample of the line under way or last
	lineEnded time.Time // our last voiced sample
	speaking  bool      // our line is under way
	cutting   bool      // it began while the other side spoke

	pending []int16
	stream  transcriber.Stream
	flushed chan struct{} // the recogniser has said what it heard to the end
}

// converse runs an answered call.
func (p Phone) converse(ctx context.Context, leg telephony.Leg) (Result, error) {
	if p.Patience == 0 {
		p.Patience = 1200 * time.Millisecond
	}
	if p.Wait == 0 {
		p.Wait = 15 * time.Second
	}
	if p.Length == 0 {
		p.Length = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, p.Length)
	defer cancel()
	c := &conversation{phone: p, leg: leg, rate: leg.Info().Rate, start: time.Now()}
	p.notify(Event{Kind: "answered", Text: leg.Info().Codec, ID: leg.Info().ID})
	lines, err := c.prepare(ctx)
	if err != nil {
		return c.abandon(err)
	}
	c.lines = lines
	var wg sync.WaitGroup
	defer wg.Wait()
	if err := c.openEars(ctx, &wg); err != nil {
		return c.abandon(err)
	}
	done := make(chan struct{})
	wg.Go(func() { c.send(ctx, done) })
	err = c.receive()
	c.result.Length = time.Since(c.start)
	close(done)
	c.closeEars()
	wg.Wait()
	p.notify(Event{Kind: "ended", Text: c.result.Cause.String(), At: c.result.Length})
	return c.result, err
}

// abandon hangs up before the conversation began.
func (c *conversation) abandon(why error) (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := c.leg.Hangup(ctx, telephony.CauseNormal); err != nil {
		return c.result, fmt.Errorf("%w (and hang up: %w)", why, err)
	}
	return c.result, why
}

// prepare synthesises all lines beforehand.
func (c *conversation) prepare(ctx context.Context) ([]Line, error) {
	out := make([]Line, len(c.phone.Lines))
	for i, l := range c.phone.Lines {
		if l.Text != "" && l.Sound == nil {
			pcm, err := c.speak(ctx, l.Text)
			if err != nil {
				return nil, fmt.Errorf("speak %q: %w", l.Text, err)
			}
			l.Sound = pcm
		}
		if l.Sound != nil {
			l.Sound = append(make([]int16, audio.Samples(l.Shift, c.rate)), l.Sound...)
		}
		out[i] = l
	}
	return out, nil
}

func (c *conversation) speak(ctx context.Context, text string) ([]int16, error) {
	var pcm []int16
	r := synthesizer.Request{Text: text, Voice: c.phone.VoiceName, Rate: c.rate}
	for chunk, err := range c.phone.Voice.Speak(ctx, r) {
		if err != nil {
			return nil, err
		}
		pcm = append(pcm, chunk.PCM...)
	}
	return pcm, nil
}

func (c *conversation) openEars(ctx context.Context, wg *sync.WaitGroup) error {
	if c.phone.Ears == nil {
		return nil
	}
	s, err := c.phone.Ears.Open(ctx, transcriber.Config{Rate: c.rate})
	if err != nil {
		return fmt.Errorf("open recogniser: %w", err)
	}
	c.stream, c.flushed = s, make(chan struct{}, 1)
	wg.Go(func() {
		for ev, err := range s.Events() {
			if err != nil {
				return
			}
			c.recognised(ev)
		}
	})
	return nil
}

func (c *conversation) recognised(ev transcriber.Event) {
	if ev.Kind == transcriber.Final && strings.TrimSpace(ev.Text) != "" {
		c.mu.Lock()
		c.result.Heard = append(c.result.Heard, ev.Text)
		c.mu.Unlock()
		c.tell(Event{Kind: "heard", Text: ev.Text})
	}
	if ev.Flushed {
		select {
		case c.flushed <- struct{}{}:
		default: // nobody waits twice
		}
	}
}

// lastWords bounds the wait for what the other side said right before it hung
// up.
const lastWords = 2 * time.Second

func (c *conversation) closeEars() {
	if c.stream == nil {
		return
	}
	c.stream.Finalize()
	limit := time.NewTimer(lastWords)
	defer limit.Stop()
	select {
	case <-c.flushed:
	case <-limit.C:
	}
	_ = c.stream.Close() // what it heard was reported already
}

func (c *conversation) tell(e Event) {
	c.telling.Lock()
	defer c.telling.Unlock()
	e.At = time.Since(c.start)
	c.phone.notify(e)
}

// receive listens until the call is over.
func (c *conversation) receive() error {
	wav, err := c.openRecord()
	if err != nil {
		return err
	}
	for ev := range c.leg.Events(context.Background()) {
		switch ev.Kind {
		case telephony.KindAudio:
			c.sound(ev)
			if err := c.keep(wav, ev.Audio.PCM); err != nil {
				return err
			}
		case telephony.KindDigit:
			c.tell(Event{Kind: "key", Text: string(ev.Digit)})
		case telephony.KindEnded:
			c.mu.Lock()
			c.result.Cause, c.result.Remote = ev.Cause, ev.Remote
			c.mu.Unlock()
		}
	}
	if wav != nil {
		return wav.Close()
	}
	return nil
}

func (c *conversation) openRecord() (*audio.WAVWriter, error) {
	if c.phone.Record == nil {
		return nil, nil
	}
	return audio.NewWAVWriter(c.phone.Record, audio.WAVFormat{Rate: c.rate, Channels: 1})
}

func (c *conversation) keep(wav *audio.WAVWriter, pcm []int16) error {
	if wav != nil {
		if err := wav.Write(pcm); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	if c.phone.Speaker != nil {
		if err := writePCM(c.phone.Speaker, pcm); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return fmt.Errorf("speaker: %w", err)
		}
	}
	return nil
}

// sound notes whether the other side is audible.
func (c *conversation) sound(ev telephony.Event) {
	if c.stream != nil {
		_ = c.stream.Write(ev.Audio) // a failed stream ends its events
	}
	arrived := ev.Arrived
	if arrived.IsZero() {
		arrived = time.Now()
	}
	first, last := loudest(ev.Audio.PCM)
	at := func(i int) time.Time { return arrived.Add(audio.Span(int64(i), c.rate)) }
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Frames++
	if first < 0 {
		return
	}
	c.result.Audible++
	begins := c.talkSince.IsZero() || at(first).Sub(c.lastSound) > hush
	c.lastSound = at(last)
	if begins {
		c.talkSince = at(first)
	}
	if begins && !c.answered && !c.lineEnded.IsZero() && at(first).After(c.lineEnded) && !c.speaking {
		gap := at(first).Sub(c.lineEnded)
		c.result.Gaps = append(c.result.Gaps, gap)
		c.tell(Event{Kind: "gap", Took: gap})
	}
	if begins {
		c.answered = true
	}
}

// loudest returns the first and last audible sample; -1 when none is.
func loudest(pcm []int16) (first, last int) {
	first, last = -1, -1
	for i, s := range pcm {
		if s >= audible || s <= -audible {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	return first, last
}
