package synthesizertest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/sidetone/sidetone/synthesizer"
)

// Stub is a synthesizer.Driver whose sound starts on its first sample and is
// made of tones: every word is its own, at known samples, and DecodeWords reads
// it back from any recording. It is deterministic, starts no goroutine and works
// inside a testing/synctest bubble. The zero Stub is ready; its methods may be
// called concurrently. Change its fields only before the first Speak.
type Stub struct {
	// NoTimes leaves the words out of the chunks, as a driver without word
	// times does.
	NoTimes bool
	// OneChunk delivers all sound at once in place of a chunk a word.
	OneChunk bool
	// Delay passes before the first chunk and Pace before each later one. They
	// are real timers, so that a testing/synctest bubble makes them virtual.
	Delay, Pace time.Duration
	// Gate, when not nil, is received from (or found closed) before the first
	// chunk and after Delay.
	Gate <-chan struct{}

	mu       sync.Mutex
	failing  error
	after    int
	requests []synthesizer.Request
	running  int
}

// Fail makes every Speak fail with err after that many chunks, until it is
// called with nil.
func (s *Stub) Fail(err error, chunks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing, s.after = err, chunks
}

// Slow makes every Speak from now on wait d before its first chunk.
func (s *Stub) Slow(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Delay = d
}

// Requests returns what was asked for so far, oldest first.
func (s *Stub) Requests() []synthesizer.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Running returns how many Speak iterators are being read now.
func (s *Stub) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// Speak spells the words of the text as tones.
func (s *Stub) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	return func(yield func(synthesizer.Chunk, error) bool) {
		after, delay, failing := s.begin(r)
		defer s.end()
		err := wait(ctx, delay, s.Gate)
		if err == nil {
			err = s.stream(ctx, r, failing, after, yield)
		}
		if err != nil {
			yield(synthesizer.Chunk{}, err)
		}
	}
}

func (s *Stub) begin(r synthesizer.Request) (after int, delay time.Duration, failing error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running++
	s.requests = append(s.requests, r)
	return s.after, s.Delay, s.failing
}

func (s *Stub) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

// stream yields the chunks; it returns the error still to be yielded.
func (s *Stub) stream(ctx context.Context, r synthesizer.Request, failing error, after int, yield func(synthesizer.Chunk, error) bool) error {
	if r.Rate != 8000 && r.Rate != 16000 {
		return fmt.Errorf("speak with the stub voice: rate %d Hz is neither 8000 nor 16000", r.Rate)
	}
	for i, chunk := range s.chunks(r) {
		if failing != nil && i == after {
			return failing
		}
		if i > 0 {
			if err := wait(ctx, s.Pace, nil); err != nil {
				return err
			}
		}
		if !yield(chunk, nil) {
			return nil
		}
	}
	return failing
}

// chunks renders the words.
func (s *Stub) chunks(r synthesizer.Request) []synthesizer.Chunk {
	var all []synthesizer.Chunk
	at := int64(0)
	words := synthesizer.SplitWords(r.Text)
	for i, word := range words {
		pcm := speak(nil, r.Text[word.Start:word.End], r.Rate)
		word.FromSample, word.ToSample = at, at+int64(len(pcm))
		if i < len(words)-1 {
			pcm = append(pcm, make([]int16, r.Rate*gapMS/1000)...)
		}
		at += int64(len(pcm))
		chunk := synthesizer.Chunk{PCM: pcm, Words: []synthesizer.Word{word}}
		if s.NoTimes {
			chunk.Words = nil
		}
		all = append(all, chunk)
	}
	if !s.OneChunk || len(all) == 0 {
		return all
	}
	var whole synthesizer.Chunk
	for _, chunk := range all {
		whole.PCM = append(whole.PCM, chunk.PCM...)
		whole.Words = append(whole.Words, chunk.Words...)
	}
	return []synthesizer.Chunk{whole}
}

// wait returns after d and once gate is open, or with the error of ctx.
func wait(ctx context.Context, d time.Duration, gate <-chan struct{}) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if gate == nil {
		return nil
	}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
