package call

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
)

// scribe stores the events of all live calls and then publishes them, one batch
// after the other, so that a session never waits for the store. What cannot be
// stored yet is kept, up to scribeLimit events a call.
type scribe struct {
	ledger    Ledger
	publisher Publisher
	clock     Clock
	log       *slog.Logger

	writing sync.Mutex // held while a batch is stored and published, so that order holds
	mu      sync.Mutex
	waiting map[string][]sidetone.Event // by call
	ready   chan struct{}
}

const (
	scribeLimit   = 10_000
	scribeRetry   = 500 * time.Millisecond
	scribeTimeout = 5 * time.Second
)

func newScribe(l Ledger, p Publisher, c Clock, log *slog.Logger) *scribe {
	return &scribe{ledger: l, publisher: p, clock: c, log: log, waiting: map[string][]sidetone.Event{}, ready: make(chan struct{}, 1)}
}

// add queues an event; it never waits.
func (s *scribe) add(e sidetone.Event) {
	s.mu.Lock()
	if len(s.waiting[e.CallID]) < scribeLimit {
		s.waiting[e.CallID] = append(s.waiting[e.CallID], e)
	}
	s.mu.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// finish stores the end of a call together with what is not stored yet of it,
// and publishes it. Each try is bounded; it gives up when ctx ends.
func (s *scribe) finish(ctx context.Context, c sidetone.Call, r sidetone.CallResult, last sidetone.Event) error {
	for {
		err := s.tryFinish(ctx, c, r, last)
		if err == nil {
			return nil
		}
		s.log.Error("store the end of a call", slog.String("call", c.ID), slog.Any("error", err))
		if sidetone.CodeOf(err) == sidetone.NotFound {
			s.drop(c.ID) // the record itself is gone: no other try will do better
			return err
		}
		s.clock.Sleep(scribeRetry, ctx.Done())
		if ctx.Err() != nil {
			return err
		}
	}
}

func (s *scribe) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
}

func (s *scribe) tryFinish(ctx context.Context, c sidetone.Call, r sidetone.CallResult, last sidetone.Event) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	rest := s.waiting[c.ID]
	delete(s.waiting, c.ID)
	s.mu.Unlock()
	events := append(slices.Clip(rest), last)
	err := s.bounded(ctx, func(ctx context.Context) error {
		return s.ledger.FinishCall(ctx, c.EnvironmentID, c.ID, r, events)
	})
	if err != nil {
		s.putBack(c.ID, rest)
		return err
	}
	for _, e := range events {
		s.publisher.Publish(e)
	}
	return nil
}

func (s *scribe) bounded(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := s.clock.AfterFunc(scribeTimeout, cancel)
	defer stop()
	return f(ctx)
}

// run writes until ctx ends.
func (s *scribe) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.ready:
		}
		if s.flush(ctx) {
			s.clock.Sleep(scribeRetry, ctx.Done())
			select {
			case s.ready <- struct{}{}:
			default:
			}
		}
	}
}

// flush stores what waits, call by call; it reports whether something has to be
// tried again.
func (s *scribe) flush(ctx context.Context) (again bool) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	batch := s.waiting
	s.waiting = map[string][]sidetone.Event{}
	s.mu.Unlock()
	for id, events := range batch {
		err := s.bounded(ctx, func(ctx context.Context) error {
			return s.ledger.AppendEvents(ctx, events[0].EnvironmentID, events)
		})
		if err != nil {
			s.log.Warn("store events", slog.String("call", id), slog.Any("error", err))
			s.putBack(id, events)
			again = true
			continue
		}
		for _, e := range events {
			s.publisher.Publish(e)
		}
	}
	return again
}

func (s *scribe) putBack(id string, events []sidetone.Event) {
	if len(events) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[id] = append(events, s.waiting[id]...)
}
