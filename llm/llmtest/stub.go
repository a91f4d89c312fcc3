package llmtest

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/llm"
)

// Answer is what a Stub says to one request.
type Answer struct {
	// Deltas are the pieces of text, in order.
	Deltas []string
	// Calls are the tool calls made after the text.
	Calls []llm.ToolCall
	// Delay passes before the first delta, and Pace before each later one. They
	// are real timers, so that a testing/synctest bubble makes them virtual.
	Delay, Pace time.Duration
	// Gate, when not nil, is received from (or found closed) before the first
	// delta and after Delay.
	Gate <-chan struct{}
	// Err, when not nil, ends the answer after the deltas in place of Done.
	Err error
}

// Say returns an Answer of one delta.
func Say(text string) Answer { return Answer{Deltas: []string{text}} }

// Words returns an Answer with one delta for each word of text.
func Words(text string) Answer {
	return Answer{Deltas: slices.Collect(strings.SplitAfterSeq(text, " "))}
}

// Fail returns an Answer that is nothing but err.
func Fail(err error) Answer { return Answer{Err: err} }

// Stub is an llm.Driver that gives the answers it was told to give, one a
// request, and keeps the requests. It is deterministic, starts no goroutine and
// works inside a testing/synctest bubble. The zero Stub is ready and answers
// "OK."; its methods may be called concurrently.
type Stub struct {
	// Reply, when not nil, makes the answer of a request for which none is
	// queued. Set it before the first Generate.
	Reply func(llm.Request) Answer

	mu       sync.Mutex
	answers  []Answer
	failing  error
	requests []llm.Request
	running  int
}

// NewStub returns a Stub with answers queued.
func NewStub(answers ...Answer) *Stub { return &Stub{answers: answers} }

// Queue adds answers for the requests to come.
func (s *Stub) Queue(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answers...)
}

// FailAll makes every request fail with err, leaving the queue alone, until it
// is called with nil.
func (s *Stub) FailAll(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

// Requests returns the requests so far, oldest first.
func (s *Stub) Requests() []llm.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Running returns how many Generate iterators are being read now.
func (s *Stub) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// Generate streams the next answer.
func (s *Stub) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		answer := s.begin(r)
		defer s.end()
		if err := answer.stream(ctx, r, yield); err != nil {
			yield(llm.Delta{}, err)
		}
	}
}

// begin records r and picks its answer.
func (s *Stub) begin(r llm.Request) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running++
	r.Messages = slices.Clone(r.Messages)
	r.Tools = slices.Clone(r.Tools)
	s.requests = append(s.requests, r)
	switch {
	case s.failing != nil:
		return Fail(s.failing)
	case len(s.answers) > 0:
		answer := s.answers[0]
		s.answers = s.answers[1:]
		return answer
	case s.Reply != nil:
		return s.Reply(r)
	default:
		return Say("OK.")
	}
}

func (s *Stub) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

// stream yields the answer. It returns the error still to be yielded, or nil
// when the reader left or the answer is complete.
func (a Answer) stream(ctx context.Context, r llm.Request, yield func(llm.Delta, error) bool) error {
	if err := wait(ctx, a.Delay, a.Gate); err != nil {
		return err
	}
	for i, text := range a.Deltas {
		if i > 0 {
			if err := wait(ctx, a.Pace, nil); err != nil {
				return err
			}
		}
		if !yield(llm.Delta{Text: text}, nil) {
			return nil
		}
	}
	for _, call := range a.Calls {
		if !yield(llm.Delta{Call: &call}, nil) {
			return nil
		}
	}
	if a.Err != nil {
		return a.Err
	}
	yield(llm.Delta{Done: usage(r, a)}, nil)
	return nil
}

// usage counts words as tokens.
func usage(r llm.Request, a Answer) *llm.Usage {
	var u llm.Usage
	for _, m := range r.Messages {
		u.In += len(strings.Fields(m.Text))
	}
	for _, text := range a.Deltas {
		u.Out += len(strings.Fields(text))
	}
	return &u
}

// wait returns after d and once gate is open, or with the error of ctx.
func wait(ctx context.Context, d time.Duration, gate <-chan struct{}) error {
	if err := ctx.Err(); err != nil {
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
