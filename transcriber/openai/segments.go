package openai

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/transcriber"
)

const (
	// lead is how much sound before the speech belongs to a segment.
	lead = 500 * time.Millisecond
	// longestSegment is where a segment is cut while the caller speaks on; Whisper
	// looks at 30 s at most.
	longestSegment = 25 * time.Second
)

// uploads is a stream. One goroutine uploads its segments, in order.
type uploads struct {
	driver *Upload
	config transcriber.Config
	life   context.Context //nolint:containedctx // the goroutine's, see transcriber.Driver
	end    context.CancelFunc
	queue  transcriber.Queue
	owned  sync.WaitGroup
	wake   chan struct{} // tells run about segments, capacity 1

	mu       sync.Mutex
	vad      *audio.VAD
	running  segment
	segments []segment     // not uploaded yet
	waiting  time.Duration // how much sound they have
	first    time.Duration // how much the first Write had
	position int64         // samples written
	closed   bool
}

// segment is sound to upload.
type segment struct {
	pcm     []int16
	from    int64 // position of pcm[0]
	speech  bool
	flushed bool // a Finalize lies at its end
}

func startUploads(ctx context.Context, d *Upload, c transcriber.Config, vad *audio.VAD) *uploads {
	s := &uploads{driver: d, config: c, vad: vad, wake: make(chan struct{}, 1)}
	s.life, s.end = context.WithCancel(ctx)
	s.owned.Go(s.run)
	return s
}

// Write adds the frame to the running segment.
func (s *uploads) Write(f audio.Frame) error {
	if f.Rate != s.config.Rate {
		return fmt.Errorf("write to a recogniser: frame of %d Hz, want %d", f.Rate, s.config.Rate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.life.Err() != nil {
		return transcriber.ErrClosed
	}
	if s.position == 0 {
		s.first = f.Duration()
	}
	if s.waiting > transcriber.MaxBehind+s.first {
		s.finish(transcriber.ErrBehind)
		return transcriber.ErrBehind
	}
	s.listen(f)
	r := &s.running
	r.pcm = append(r.pcm, f.PCM...)
	s.position += int64(len(f.PCM))
	over := len(r.pcm) - int(audio.Samples(lead, f.Rate))
	switch {
	case !r.speech && over > 0:
		r.pcm = r.pcm[:copy(r.pcm, r.pcm[over:])]
		r.from += int64(over)
	case r.speech && len(r.pcm) > int(audio.Samples(longestSegment, f.Rate)):
		s.cut(false)
	}
	return nil
}

// listen looks for speech in the frame; s.mu is held.
func (s *uploads) listen(f audio.Frame) {
	var e audio.VADEvent
	if f.Missing {
		e = s.vad.Skip(len(f.PCM))
	} else {
		e = s.vad.Write(f.PCM)
	}
	s.running.speech = s.running.speech || e.Started || e.Speech
}

// Finalize ends the running segment.
func (s *uploads) Finalize() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.cut(true)
	}
}

// cut ends the running segment; s.mu is held.
func (s *uploads) cut(flushed bool) {
	done := s.running
	done.flushed = flushed
	if !done.speech {
		done.pcm = nil
	}
	s.running = segment{from: s.position}
	s.segments = append(s.segments, done)
	s.waiting += audio.Span(int64(len(done.pcm)), s.config.Rate)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run uploads segments until the stream ends.
func (s *uploads) run() {
	for {
		next, ok := s.next()
		if !ok {
			select {
			case <-s.wake:
				continue
			case <-s.life.Done():
				s.mu.Lock()
				s.finish(nil)
				s.mu.Unlock()
				return
			}
		}
		if err := s.upload(next); err != nil {
			s.mu.Lock()
			if s.life.Err() == nil {
				s.finish(err)
			} else {
				s.finish(nil) // closed, or its call ended
			}
			s.mu.Unlock()
			return
		}
	}
}

// next takes the oldest segment.
func (s *uploads) next() (segment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 || s.life.Err() != nil {
		return segment{}, false
	}
	next := s.segments[0]
	s.segments = s.segments[1:]
	return next, true
}

// upload makes the final of one segment.
func (s *uploads) upload(g segment) error {
	e := transcriber.Event{Kind: transcriber.Final, Flushed: g.flushed}
	if len(g.pcm) > 0 {
		var err error
		if e.Text, e.Words, err = s.driver.recognise(s.life, s.config, g.pcm); err != nil {
			return err
		}
		at := audio.Span(g.from, s.config.Rate)
		for i := range e.Words {
			e.Words[i].From += at
			e.Words[i].To += at
		}
	}
	s.mu.Lock()
	s.waiting -= audio.Span(int64(len(g.pcm)), s.config.Rate)
	s.mu.Unlock()
	if e.Flushed || e.Text != "" {
		s.queue.Push(e)
	}
	return nil
}

// finish ends the stream; s.mu is held.
func (s *uploads) finish(err error) {
	s.closed = true
	s.queue.End(err)
	s.end()
}

// Behind implements transcriber.Lagger.
func (s *uploads) Behind() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// Events yields the finals.
func (s *uploads) Events() iter.Seq2[transcriber.Event, error] { return s.queue.Events() }

// Close ends the stream.
func (s *uploads) Close() error {
	s.mu.Lock()
	s.finish(nil)
	s.mu.Unlock()
	s.owned.Wait()
	return nil
}
