package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// recover closes the calls that were live when a previous process died, with the
// reason server_restart, and repairs their recordings. On a database that other
// processes use too, a process can tell that of the one before it only: reap closes
// the calls of others.
func (s *server) recover(ctx context.Context) error {
	if !s.alone() {
		return s.inherit(ctx)
	}
	at := s.clock.Now().Add(24 * time.Hour)
	return s.closeAll(ctx, func() ([]sidetone.Call, error) { return s.store.LostCalls(ctx, at) })
}

// closeAll hangs up and closes the calls that find returns, until it finds none.
func (s *server) closeAll(ctx context.Context, find func() ([]sidetone.Call, error)) error {
	for {
		lost, err := find()
		if err != nil {
			return fmt.Errorf("find lost calls: %w", err)
		}
		if len(lost) == 0 {
			return nil
		}
		left := s.hangUpLost(lost)
		for _, c := range lost {
			if err := s.closeLost(ctx, c, left(c.ID)); err != nil {
				return fmt.Errorf("close lost call %s: %w", c.ID, err)
			}
		}
	}
}

// alone reports whether this is the only process that can run calls or buy
// numbers: with SQLite it holds the lock of the data directory.
func (s *server) alone() bool { return s.config.Database.URL == "" }

// abandoned returns a time at start: no process works any more on an unfinished
// purchase that began before it.
func (s *server) abandoned() time.Time {
	if s.alone() {
		return s.clock.Now().Add(24 * time.Hour)
	}
	return s.clock.Now().Add(-longestPurchase)
}

func (s *server) purchases() purchases {
	return purchases{store: s.store, shops: s.shops(), now: s.clock.Now, log: s.log}
}

// settlePurchases settles old purchases while others are under way.
func (s *server) settlePurchases() {
	ctx, cancel := context.WithTimeout(context.Background(), reapTimeout)
	defer cancel()
	s.purchases().settle(ctx, s.clock.Now().Add(-longestPurchase))
}

// reapEvery is the interval of looking for calls whose node is gone. A call that
// was not renewed for its lease (15 s) is closed at the second look: within 30 s
// of the death of its node. Between two looks a node that lives renews.
const reapEvery = 6 * time.Second

// reapTimeout bounds one search.
const reapTimeout = 10 * time.Second

// reap closes the calls of nodes that died, until stop is closed.
func (s *server) reap(stop <-chan struct{}) {
	suspects := map[string]bool{}
	for {
		suspects = s.reapOnce(context.Background(), suspects)
		s.settlePurchases()
		s.clock.Sleep(reapEvery, stop)
		select {
		case <-stop:
			return
		default:
		}
	}
}

// reapOnce closes the lost calls that were lost the last time already: when
// the store comes back after a failure, their nodes need a moment to renew the
// leases. It returns the ones to look at again.
func (s *server) reapOnce(ctx context.Context, suspects map[string]bool) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, reapTimeout)
	defer cancel()
	lost, err := s.store.LostCalls(ctx, s.clock.Now())
	if err != nil {
		s.log.Warn("find lost calls", slog.Any("error", err))
		return nil
	}
	next := map[string]bool{}
	var gone []sidetone.Call
	for _, c := range lost {
		switch {
		case s.exchange.Runs(c.ID):
		case !suspects[c.ID]:
			next[c.ID] = true
		default:
			gone = append(gone, c)
		}
	}
	left := s.hangUpLost(gone)
	for _, c := range gone {
		if err := s.closeLost(ctx, c, left(c.ID)); err != nil {
			s.log.Warn("close lost call", slog.String("call", c.ID), slog.Any("error", err))
			next[c.ID] = true
		}
	}
	return next
}

// closeLost stores that a call is over; left says why its far end may still have it,
// nil that it has not.
func (s *server) closeLost(ctx context.Context, c sidetone.Call, left error) error {
	path, length, err := s.disk.Repair(c.ID)
	if err != nil {
		s.log.Warn("repair recording", slog.String("call", c.ID), slog.Any("error", err))
	}
	var events []sidetone.Event
	err = s.store.Read(ctx, c.EnvironmentID, func(tx *store.Tx) error {
		events, err = tx.Events(c.ID, 0)
		return err
	})
	if err != nil {
		return err
	}
	transcript, outcome := sidetone.Transcript(events), sidetone.OutcomeBotDisconnected
	if c.HIPAA {
		transcript = ""
	}
	if c.Started.IsZero() {
		outcome = sidetone.OutcomeDidNotConnect
	}
	end := sidetone.Event{CallID: c.ID, EnvironmentID: c.EnvironmentID, Kind: sidetone.EventEnded,
		At: s.clock.Now(), Offset: length, Text: "server_restart", Data: []byte(`{"status":"error"}`)}
	failures, last := []string{"the server stopped during the call"}, []sidetone.Event{end}
	if left != nil {
		text := "hang up: " + left.Error()
		failed := end
		failed.Kind, failed.Text, failed.Data = sidetone.EventError, text, []byte("{}")
		failures, last = append(failures, text), []sidetone.Event{failed, end}
	}
	s.log.Info("lost call closed", slog.String("call", c.ID))
	return s.store.FinishCall(ctx, c.EnvironmentID, c.ID, sidetone.CallResult{
		Status: sidetone.CallError, Outcome: outcome, EndReason: "server_restart",
		ErrorMessage: "the server stopped during the call", Errors: failures,
		Transcript: transcript, RecordingPath: path, Ended: s.clock.Now(),
	}, last)
}
