package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
)

// scribe stores the events of all live calls and then publishes them, so that a
// session never waits for the store. What cannot be stored yet waits in memory, up to
// scribeLimit events a call and scribeTotal of all calls; what is lost beyond
// that is counted.
type scribe struct {
	ledger    Ledger
	publisher Publisher
	clock     Clock
	log       *slog.Logger

	mu       sync.Mutex
	backlogs map[string]*backlog // by call
	total    int                 // events of all backlogs, those that are being stored included
	ready    chan struct{}
}

// backlog is what the scribe has of one call and the store has not.
type backlog struct {
	// writing is locked while events are stored and published, so that their order
	// holds.
	writing sync.Mutex
	// commit, waiting and lost are the scribe's mu's.
	commit  func()
	waiting []sidetone.Event
	lost    int
}

const (
	scribeLimit   = 10_000
	scribeTotal   = 100_000
	scribeRetry   = 500 * time.Millisecond
	scribeTimeout = 5 * time.Second
)

func newScribe(l Ledger, p Publisher, c Clock, log *slog.Logger) *scribe {
	return &scribe{ledger: l, publisher: p, clock: c, log: log, backlogs: map[string]*backlog{}, ready: make(chan struct{}, 1)}
}

// of returns the call's backlog. The caller locks mu.
func (s *scribe) of(id string) *backlog {
	p := s.backlogs[id]
	if p == nil {
		p = &backlog{}
		s.backlogs[id] = p
	}
	return p
}

// add queues an event; it never waits. commit is called before it is stored: a journal
// must not know less of its call than the record, or what a process repeats that takes
// the call over would be there twice.
func (s *scribe) add(e sidetone.Event, commit func()) {
	s.mu.Lock()
	p := s.of(e.CallID)
	p.commit = commit
	full := len(p.waiting) >= scribeLimit || s.total >= scribeTotal
	if full {
		p.lost++
	} else {
		p.waiting = append(p.waiting, e)
		s.total++
	}
	first := full && p.lost == 1
	s.mu.Unlock()
	if first {
		s.log.Error("events are lost: the store does not take them", slog.String("call", e.CallID))
	}
	s.wake()
}

func (s *scribe) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// take empties a backlog for writing; commit is to be called first.
func (s *scribe) take(p *backlog) (out []sidetone.Event, commit func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, p.waiting = p.waiting, nil
	return out, p.commit
}

// putBack returns what could not be stored to its backlog.
func (s *scribe) putBack(p *backlog, events []sidetone.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.waiting = append(events, p.waiting...)
}

// stored accounts for n events that the store has, and returns how many were
// lost of the call since the last time.
func (s *scribe) stored(p *backlog, n int) (lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total -= n
	lost, p.lost = p.lost, 0
	return lost
}

func (s *scribe) report(id string, lost int) {
	if lost > 0 {
		s.log.Error("events were lost", slog.String("call", id), slog.Int("events", lost))
	}
}

// storeEnd stores the end of a call together with what is not stored yet of it,
// and publishes it. Each try is bounded; it gives up when ctx ends.
func (s *scribe) storeEnd(ctx context.Context, c sidetone.Call, r sidetone.CallResult, last sidetone.Event) error {
	defer s.drop(c.ID)
	for {
		err := s.tryStoreEnd(ctx, c, r, last)
		if err == nil {
			return nil
		}
		s.log.Error("store the end of a call", slog.String("call", c.ID), slog.Any("error", err))
		if sidetone.CodeOf(err) == sidetone.NotFound {
			return err // the record itself is gone: no other try will do better
		}
		s.clock.Sleep(scribeRetry, ctx.Done())
		if ctx.Err() != nil {
			return err
		}
	}
}

// drop forgets a call that is over.
func (s *scribe) drop(id string) {
	s.mu.Lock()
	p := s.of(id)
	s.mu.Unlock()
	p.writing.Lock() // what is being written comes back, or is accounted for
	defer p.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total -= len(p.waiting)
	delete(s.backlogs, id)
}

func (s *scribe) tryStoreEnd(ctx context.Context, c sidetone.Call, r sidetone.CallResult, last sidetone.Event) error {
	s.mu.Lock()
	p := s.of(c.ID)
	lost := p.lost
	s.mu.Unlock()
	if lost > 0 {
		r.Errors = append(slices.Clip(r.Errors), fmt.Sprintf("%d events could not be stored", lost))
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	rest, _ := s.take(p) // no process takes over what is over
	events := append(slices.Clip(rest), last)
	err := s.bounded(ctx, func(ctx context.Context) error {
		return s.ledger.FinishCall(ctx, c.EnvironmentID, c.ID, r, events)
	})
	if err != nil {
		s.putBack(p, rest)
		return err
	}
	s.report(c.ID, s.stored(p, len(rest)))
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
			s.wake()
		}
	}
}

// flush stores what waits, call by call; it reports whether something has to be
// tried again. A store that hangs is not asked for one call after the other.
func (s *scribe) flush(ctx context.Context) (again bool) {
	s.mu.Lock()
	due := make(map[string]*backlog)
	for id, p := range s.backlogs {
		if len(p.waiting) > 0 {
			due[id] = p
		}
	}
	s.mu.Unlock()
	for id, p := range due {
		err := s.write(ctx, id, p)
		if err == nil {
			continue
		}
		s.log.Warn("store events", slog.String("call", id), slog.Any("error", err))
		again = true
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	return again
}

// write stores what waits of one call.
func (s *scribe) write(ctx context.Context, id string, p *backlog) error {
	if !p.writing.TryLock() {
		return nil // the call's end is being stored, and what waits with it
	}
	defer p.writing.Unlock()
	events, commit := s.take(p)
	if len(events) == 0 {
		return nil
	}
	commit()
	err := s.bounded(ctx, func(ctx context.Context) error {
		return s.ledger.AppendEvents(ctx, events[0].EnvironmentID, events)
	})
	if err != nil {
		s.putBack(p, events)
		return err
	}
	s.report(id, s.stored(p, len(events)))
	for _, e := range events {
		s.publisher.Publish(e)
	}
	return nil
}
