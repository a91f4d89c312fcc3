// Package transcribertest holds the conformance suite that every transcriber
// driver passes, and a stub driver for tests of whatever uses one.
package transcribertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/transcriber"
)

// Harness is one driver under test.
type Harness struct {
	// Driver is the driver.
	Driver transcriber.Driver
	// Rate is a sample rate that it serves.
	Rate int
	// Speech is sound at Rate, 100 ms to 9 s of it.
	Speech []int16
	// Want are words in the text that the driver makes of Speech.
	Want []string
	// Paced says that sound is written as a telephone line delivers it, which a vendor
	// itself may rely on.
	Paced bool
	// Limit is how many streams may be open at once; 0 means no limit.
	Limit int
	// Kill takes away what a stream needs outside the process, so that its
	// Events end with an error; nil when there is no such thing.
	Kill func(t *testing.T, s transcriber.Stream)
}

// Run checks that the driver of each harness that make returns keeps the
// promises of transcriber.Driver and transcriber.Stream.
func Run(t *testing.T, make func(t *testing.T) Harness) {
	t.Helper()
	t.Run("recognises and flushes", func(t *testing.T) { recognises(t, make(t)) })
	t.Run("flushes silence as nothing", func(t *testing.T) { silence(t, make(t)) })
	t.Run("answers every flush", func(t *testing.T) { flushes(t, make(t)) })
	t.Run("close ends the events", func(t *testing.T) { closes(t, make(t)) })
	t.Run("ended context closes", func(t *testing.T) { cancels(t, make(t)) })
	t.Run("writes do not wait", func(t *testing.T) { writes(t, make(t)) })
	t.Run("unknown rate is an error", func(t *testing.T) { badRate(t, make(t)) })
	t.Run("limit", func(t *testing.T) { limits(t, make(t)) })
	t.Run("death is an error", func(t *testing.T) { dies(t, make(t)) })
}

// Patience is how long the suite waits for anything before it fails.
const Patience = 60 * time.Second

// Reader collects a stream's events in a goroutine of its own.
type Reader struct {
	events chan transcriber.Event
	end    chan error
}

// Read starts reading s until its events end; the test's end waits for that, so
// close s before.
func Read(t *testing.T, s transcriber.Stream) *Reader {
	t.Helper()
	r := &Reader{events: make(chan transcriber.Event, 1000), end: make(chan error, 1)}
	go func() {
		var last error
		for e, err := range s.Events() {
			if err != nil {
				last = err
				continue
			}
			r.events <- e
		}
		close(r.events)
		r.end <- last
	}()
	return r
}

// Next returns the next event; the test fails when none comes or they ended.
func (r *Reader) Next(t *testing.T) transcriber.Event {
	t.Helper()
	select {
	case e, ok := <-r.events:
		if !ok {
			t.Fatal("the events ended")
		}
		return e
	case <-time.After(Patience):
		t.Fatal("no event came")
	}
	return transcriber.Event{}
}

// Flushed returns the text of all finals up to the next flushed one, which it
// includes, joined by spaces.
func (r *Reader) Flushed(t *testing.T) string {
	t.Helper()
	var texts []string
	for {
		e := r.Next(t)
		if e.Kind != transcriber.Final {
			continue
		}
		if e.Text != strings.TrimSpace(e.Text) {
			t.Errorf("text %q is not trimmed", e.Text)
		}
		if e.Text != "" {
			texts = append(texts, e.Text)
		}
		if e.Flushed {
			return strings.Join(texts, " ")
		}
	}
}

// End drains the events and returns the error that ended them.
func (r *Reader) End(t *testing.T) error {
	t.Helper()
	deadline := time.After(Patience)
	for {
		select {
		case <-r.events:
		case err := <-r.end:
			return err
		case <-deadline:
			t.Fatal("the events did not end")
		}
	}
}

// Feed writes pcm to s in frames of 20 ms, the first at offset, and returns the
// offset after them. Every frame reuses the same memory, which s must copy.
func Feed(t *testing.T, s transcriber.Stream, pcm []int16, rate int, offset int64) int64 {
	t.Helper()
	buffer := make([]int16, rate/50)
	for len(pcm) > 0 {
		n := copy(buffer, pcm)
		if err := s.Write(audio.Frame{PCM: buffer[:n], Rate: rate, Offset: offset}); err != nil {
			t.Fatalf("write: %v", err)
		}
		pcm, offset = pcm[n:], offset+int64(n)
	}
	return offset
}

// feed is Feed in the pace that h wants.
func (h Harness) feed(t *testing.T, s transcriber.Stream, pcm []int16, offset int64) int64 {
	t.Helper()
	if !h.Paced {
		return Feed(t, s, pcm, h.Rate, offset)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for frame := range slices.Chunk(pcm, h.Rate/50) {
		<-tick.C
		offset = Feed(t, s, frame, h.Rate, offset)
	}
	return offset
}

func open(t *testing.T, h Harness) (transcriber.Stream, *Reader) {
	t.Helper()
	s, err := h.Driver.Open(t.Context(), transcriber.Config{Rate: h.Rate})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s, Read(t, s)
}

func recognises(t *testing.T, h Harness) {
	s, events := open(t, h)
	at := h.feed(t, s, make([]int16, h.Rate/2), 0)
	at = h.feed(t, s, h.Speech, at)
	h.feed(t, s, make([]int16, h.Rate/5), at)
	s.Finalize()
	text := strings.ToLower(events.Flushed(t))
	for _, word := range h.Want {
		if !strings.Contains(" "+text+" ", " "+strings.ToLower(word)+" ") {
			t.Errorf("text %q lacks %q", text, word)
		}
	}
}

func silence(t *testing.T, h Harness) {
	if stub, ok := h.Driver.(*Stub); ok {
		stub.Queue("")
	}
	s, events := open(t, h)
	h.feed(t, s, make([]int16, h.Rate/2), 0)
	s.Finalize()
	if e := events.Next(t); e.Kind != transcriber.Final || !e.Flushed || e.Text != "" {
		t.Errorf("silence gave %+v, want an empty flushed final", e)
	}
}

func flushes(t *testing.T, h Harness) {
	s, events := open(t, h)
	h.feed(t, s, h.Speech, 0)
	const n = 3
	for range n {
		s.Finalize()
	}
	for range n {
		events.Flushed(t)
	}
}

func closes(t *testing.T, h Harness) {
	s, events := open(t, h)
	h.feed(t, s, h.Speech, 0)
	start := time.Now()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("close took %v", took)
	}
	if err := events.End(t); err != nil {
		t.Errorf("a closed stream ended with %v", err)
	}
	if err := s.Write(audio.Frame{PCM: make([]int16, h.Rate/50), Rate: h.Rate}); !errors.Is(err, transcriber.ErrClosed) {
		t.Errorf("write after close: %v, want %v", err, transcriber.ErrClosed)
	}
	s.Finalize() // harmless
}

func cancels(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := h.Driver.Open(ctx, transcriber.Config{Rate: h.Rate})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	events := Read(t, s)
	cancel()
	if err := events.End(t); err != nil {
		t.Errorf("a stream whose context ended reports %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// writes gives 12 s at once: more than a stream must hold, faster than any
// recogniser.
func writes(t *testing.T, h Harness) {
	s, _ := open(t, h)
	frame := audio.Frame{PCM: make([]int16, h.Rate/50), Rate: h.Rate}
	start := time.Now()
	for range 12 * 50 {
		if err := s.Write(frame); err != nil {
			if !errors.Is(err, transcriber.ErrBehind) && !errors.Is(err, transcriber.ErrClosed) {
				t.Errorf("write: %v", err)
			}
			break
		}
		frame.Offset += int64(len(frame.PCM))
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("writing 12 s of sound took %v", took)
	}
}

func badRate(t *testing.T, h Harness) {
	for _, rate := range []int{0, -8000, 44100} {
		s, err := h.Driver.Open(t.Context(), transcriber.Config{Rate: rate})
		if err == nil {
			t.Errorf("rate %d was accepted", rate)
			_ = s.Close()
		}
	}
}

func limits(t *testing.T, h Harness) {
	if h.Limit == 0 {
		return
	}
	var all []transcriber.Stream
	for range h.Limit {
		s, _ := open(t, h)
		all = append(all, s)
	}
	if _, err := h.Driver.Open(t.Context(), transcriber.Config{Rate: h.Rate}); !errors.Is(err, transcriber.ErrBusy) {
		t.Errorf("one stream over the limit: %v, want %v", err, transcriber.ErrBusy)
	}
	if err := all[0].Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	open(t, h)
}

func dies(t *testing.T, h Harness) {
	if h.Kill == nil {
		return
	}
	s, events := open(t, h)
	h.feed(t, s, h.Speech, 0)
	h.Kill(t, s)
	if err := events.End(t); err == nil {
		t.Error("the events of a killed recogniser ended without an error")
	}
}
