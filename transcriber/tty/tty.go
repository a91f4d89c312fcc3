// Package tty reads text telephones: it turns the Baudot tones (TIA/EIA-825-A,
// 45.45 baud) of a caller into text. The modem's carrier says when the caller
// sends, "GA" (go ahead) yields the turn and "SK" (stop keying) ends the call.
package tty

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/transcriber"
)

// Options configures a Driver.
type Options struct {
	// Pause is how long after the carrier's end a turn is over without GA; 0
	// means 1.5 s. It is counted in the stream's media time.
	Pause time.Duration
}

// Driver is a transcriber.Driver without a limit of streams. Its methods may be
// called concurrently.
type Driver struct{ pause time.Duration }

// New returns a driver.
func New(o Options) *Driver {
	if o.Pause <= 0 {
		o.Pause = 1500 * time.Millisecond
	}
	return &Driver{o.Pause}
}

// Open returns a stream; it implements transcriber.CarrierDetecting. Language
// and KeyTerms mean nothing to a modem.
func (d *Driver) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	if c.Rate != 8000 && c.Rate != 16000 {
		return nil, fmt.Errorf("open a TTY stream: rate %d Hz is neither 8000 nor 16000", c.Rate)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("open a TTY stream: %w", context.Cause(ctx))
	}
	s := &stream{
		rate: c.Rate, modem: audio.NewBaudotDemodulator(c.Rate),
		pause: audio.Samples(d.pause, c.Rate), yield: audio.Samples(yieldPause, c.Rate),
	}
	s.unwatch = context.AfterFunc(ctx, s.close)
	return s, nil
}

// yieldPause is how long nothing may follow GA or SK for it to count while the
// carrier is still there: it might be the beginning of GARAGE.
const yieldPause = 450 * time.Millisecond

// stream decodes in Write, which costs less than a hundredth of real time, and
// has no goroutine.
type stream struct {
	rate         int
	pause, yield int64
	queue        transcriber.Queue
	unwatch      func() bool

	mu      sync.Mutex
	modem   *audio.BaudotDemodulator
	closed  bool
	heard   int64 // samples
	carrier bool
	gone    int64 // when the carrier went
	text    []audio.BaudotCharacter
}

// Write decodes the frame.
func (s *stream) Write(f audio.Frame) error {
	if f.Rate != s.rate {
		return fmt.Errorf("write to a TTY stream: frame of %d Hz, want %d", f.Rate, s.rate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return transcriber.ErrClosed
	}
	for _, e := range s.modem.Write(f.PCM) {
		s.event(e)
	}
	s.heard += int64(len(f.PCM))
	s.settle()
	return nil
}

// event follows the modem.
func (s *stream) event(e audio.BaudotEvent) {
	switch {
	case e.CarrierOn:
		s.carrier = true
		s.queue.Push(transcriber.Event{Kind: transcriber.SpeechStarted})
	case e.CarrierOff:
		s.carrier, s.gone = false, e.At
		s.queue.Push(transcriber.Event{Kind: transcriber.SpeechEnded})
		s.yielded()
	default:
		if c := e.Character.Char; c == ' ' || c == '\n' {
			if s.yielded() || len(s.text) == 0 {
				return
			}
		}
		s.text = append(s.text, e.Character)
		s.queue.Push(transcriber.Event{Kind: transcriber.Partial, Text: s.string(), Words: s.words()})
	}
}

// settle ends what time alone ends.
func (s *stream) settle() {
	if len(s.text) == 0 {
		return
	}
	if s.heard-s.text[len(s.text)-1].End >= s.yield {
		s.yielded()
	}
	if !s.carrier && len(s.text) > 0 && s.heard-s.gone >= s.pause {
		s.final(false)
	}
}

// yielded ends the text if it ends with GA or SK, and says so.
func (s *stream) yielded() bool {
	last, kind := "", transcriber.EndOfTurn
	if all := strings.Fields(s.string()); len(all) > 0 {
		last = all[len(all)-1]
	}
	switch strings.TrimRight(last, ".") {
	case "GA":
	case "SK", "SKSK", "GASK":
		kind = transcriber.Goodbye
	default:
		return false
	}
	text := s.string()
	keep := len(text) - len(last)
	for kind == transcriber.Goodbye { // "THANKS GA SK SK"
		before := strings.TrimSpace(text[:keep])
		cut := strings.LastIndexByte(before, ' ') + 1
		if word := before[cut:]; word != "GA" && word != "SK" {
			break
		}
		keep = cut
	}
	s.text = s.text[:keep]
	if s.string() != "" {
		s.final(false)
	}
	s.text = s.text[:0]
	s.queue.Push(transcriber.Event{Kind: kind})
	return true
}

// final reports the text and begins a new one.
func (s *stream) final(flushed bool) {
	e := transcriber.Event{Kind: transcriber.Final, Text: s.string(), Words: s.words(), Flushed: flushed}
	s.text = s.text[:0]
	if e.Text != "" || flushed {
		s.queue.Push(e)
	}
}

// string returns the text, one byte for each character while it has not ended
// with a space.
func (s *stream) string() string {
	b := make([]byte, 0, len(s.text))
	for _, c := range s.text {
		if c.Char == '\n' {
			c.Char = ' '
		}
		b = append(b, c.Char)
	}
	return strings.TrimRight(string(b), " ")
}

// words returns the words of the text with their times.
func (s *stream) words() []transcriber.Word {
	var all []transcriber.Word
	open := false
	for _, c := range s.text {
		if c.Char == ' ' || c.Char == '\n' {
			open = false
			continue
		}
		if !open {
			all, open = append(all, transcriber.Word{From: audio.Span(c.Start, s.rate)}), true
		}
		w := &all[len(all)-1]
		w.Text += string(rune(c.Char))
		w.To = audio.Span(c.End, s.rate)
	}
	return all
}

// Finalize answers at once with what was received.
func (s *stream) Finalize() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.final(true)
	}
}

// Events yields the events.
func (s *stream) Events() iter.Seq2[transcriber.Event, error] { return s.queue.Events() }

// Close ends the stream; it always returns nil.
func (s *stream) Close() error {
	s.unwatch()
	s.close()
	return nil
}

func (s *stream) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.queue.End(nil)
}

// DetectsCarrier returns true.
func (s *stream) DetectsCarrier() bool { return true }
