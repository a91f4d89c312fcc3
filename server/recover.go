package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/store"
)

// recover goes on with the calls that were live when a previous process died, and closes
// those with which that cannot be done, with the reason server_restart and a recording
// that is repaired. On a database that other
// processes use too, a process can tell that of the one before it only: reap closes
// the calls of others.
func (s *server) recover(ctx context.Context) error {
	defer s.sip.EndResume()
	if !s.alone() {
		return s.inherit(ctx)
	}
	at := s.clock.Now().Add(24 * time.Hour)
	return s.settleAll(ctx, func() ([]sidetone.Call, error) { return s.store.LostCalls(ctx, at) })
}

// settleAll resumes or closes the calls that find returns, until it finds none that are
// not run.
func (s *server) settleAll(ctx context.Context, find func() ([]sidetone.Call, error)) error {
	for {
		lost, err := find()
		if err != nil {
			return fmt.Errorf("find lost calls: %w", err)
		}
		lost = slices.DeleteFunc(lost, func(c sidetone.Call) bool { return s.exchange.Runs(c.ID) })
		if len(lost) == 0 {
			return nil
		}
		taken, err := s.takeOver(ctx, lost)
		if err := errors.Join(err, s.closeAll(ctx, s.resumeAll(ctx, taken))); err != nil {
			return err
		}
	}
}

// orphan is a call that this process has taken over.
type orphan struct {
	sidetone.Call
	// unresumed is why it does not go on; nil when nobody tried.
	unresumed error
}

// takeOver takes calls over that nobody runs, for as long as the lease of a live one. One
// that another node was faster with, or that is over, is left out. Those that were taken
// are returned with an error, too.
func (s *server) takeOver(ctx context.Context, lost []sidetone.Call) ([]orphan, error) {
	var out []orphan
	for _, c := range lost {
		taken, err := s.store.TakeOver(ctx, c, s.node, s.clock.Now().Add(call.LeaseLength))
		switch {
		case sidetone.CodeOf(err) == sidetone.Conflict:
		case err != nil:
			return out, fmt.Errorf("take over lost call %s: %w", c.ID, err)
		default:
			taken.Lease = c.Lease // which tells when its process died
			out = append(out, orphan{Call: taken})
		}
	}
	return out, nil
}

// resumeWithin is how long messages of calls wait that are to be taken up.
const resumeWithin = 5 * time.Second

// resumeAll goes on with the calls that can be, and returns the others with the reasons.
func (s *server) resumeAll(ctx context.Context, all []orphan) []orphan {
	if !s.config.Server.Resume {
		return all
	}
	var wg sync.WaitGroup
	for i := range all { // all at once: a far end to which a connection has to be opened holds up nobody
		wg.Go(func() {
			if all[i].unresumed = s.resume(ctx, all[i].Call); all[i].unresumed == nil {
				s.resumed.Add(1)
			}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(all, func(o orphan) bool { return o.unresumed == nil })
}

// mostDeaths is how many processes may die that run a call: it may be what they die of.
const mostDeaths = 3

// resume goes on with a call whose process died.
func (s *server) resume(ctx context.Context, c sidetone.Call) error {
	switch {
	case c.Started.IsZero():
		return errors.New("it was not answered yet")
	case s.clock.Now().After(c.Lease.Add(call.LeaseRenewal)): // it was renewed at most that long before the death
		return errors.New("the server was away for too long")
	case c.Deaths >= mostDeaths:
		return fmt.Errorf("the server has died %d times during this call", c.Deaths)
	}
	events, err := s.events(ctx, c)
	if err != nil {
		return err
	}
	return s.exchange.Resume(ctx, call.Interrupted{Call: c, Events: events, Alive: s.alive}, s.sip)
}

// events are those of a call that are stored.
func (s *server) events(ctx context.Context, c sidetone.Call) (events []sidetone.Event, err error) {
	err = s.store.Read(ctx, c.EnvironmentID, func(tx *store.Tx) error {
		events, err = tx.Events(c.ID, 0)
		return err
	})
	return events, err
}

// closeAll hangs up and closes calls.
func (s *server) closeAll(ctx context.Context, gone []orphan) error {
	left := s.hangUpLost(gone)
	var failed error
	for _, c := range gone {
		if err := s.closeLost(ctx, c, left(c.ID)); err != nil {
			failed = errors.Join(failed, fmt.Errorf("close lost call %s: %w", c.ID, err))
		}
	}
	return failed
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

const (
	// reapEvery is the interval of looking for calls whose node is gone: whose lease of
	// 20 s, which a node that lives renews every 5 s, has run out.
	reapEvery = 2 * time.Second
	// reapAfter is how long a call must have been lost until it is closed: when the store
	// comes back after a failure, all nodes need a moment to renew leases. So a call is
	// closed 20 to 30 s after its node died, and a process that takes that one's place
	// within 20 s has it for itself.
	reapAfter = call.LeaseRenewal
)

// reapTimeout bounds one search.
const reapTimeout = 10 * time.Second

// reap closes the calls of nodes that died, until stop is closed.
func (s *server) reap(stop <-chan struct{}) {
	suspects := map[string]time.Time{}
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

// reapOnce closes the calls that have been lost for long enough. suspects are those that
// were lost before, with the times at which they were found; it returns the ones to look at again.
func (s *server) reapOnce(ctx context.Context, suspects map[string]time.Time) map[string]time.Time {
	ctx, cancel := context.WithTimeout(ctx, reapTimeout)
	defer cancel()
	now := s.clock.Now()
	lost, err := s.store.LostCalls(ctx, now)
	if err != nil {
		s.log.Warn("find lost calls", slog.Any("error", err))
		return nil
	}
	next := map[string]time.Time{}
	var gone []sidetone.Call
	for _, c := range lost {
		found, known := suspects[c.ID]
		switch {
		case s.exchange.Runs(c.ID):
		case !known:
			next[c.ID] = now
		case now.Sub(found) < reapAfter:
			next[c.ID] = found
		default:
			gone = append(gone, c)
		}
	}
	taken, err := s.takeOver(ctx, gone)
	if err := errors.Join(err, s.closeAll(ctx, taken)); err != nil {
		s.log.Warn("close lost calls", slog.Any("error", err))
	}
	return next
}

// closeLost stores that a call is over; left says why its far end may still have it,
// nil that it has not.
func (s *server) closeLost(ctx context.Context, c orphan, left error) error {
	path, length, err := s.disk.Repair(c.ID)
	if err != nil {
		s.log.Warn("repair recording", slog.String("call", c.ID), slog.Any("error", err))
	}
	events, err := s.events(ctx, c.Call)
	if err != nil {
		return err
	}
	r := lostResult(c)
	r.RecordingPath, r.Ended = path, s.clock.Now()
	if !c.HIPAA {
		r.Transcript = sidetone.Transcript(events)
	}
	if n := len(events); n > 0 {
		length = max(length, events[n-1].Offset)
	}
	end := sidetone.Event{CallID: c.ID, EnvironmentID: c.EnvironmentID, Kind: sidetone.EventEnded,
		At: r.Ended, Offset: length, Text: r.EndReason, Data: fmt.Appendf(nil, `{"status":%q}`, r.Status)}
	unshown, failures, err := s.unshownRuns(ctx, c.Call, events, end)
	if err != nil {
		return err
	}
	r.Errors = append(r.Errors, failures...)
	last := append(unshown, end) //nolint:gocritic // unshown is not used again
	if left != nil {
		failed := end
		failed.Kind, failed.Text, failed.Data = sidetone.EventError, "hang up: "+left.Error(), []byte("{}")
		r.Errors, last = append(r.Errors, failed.Text), append(unshown, failed, end)
	}
	s.lost.Add(1)
	s.log.Info("lost call closed", slog.String("call", c.ID), slog.Any("not_resumed", c.unresumed))
	return s.store.FinishCall(ctx, c.EnvironmentID, c.ID, r, last)
}

// unshownRuns are the events of a lost call's actions that its record does not show, and what
// its errors say of those that are not known to be done; like is an event of the same time. Of
// what was begun nobody knows any more whether it was done.
func (s *server) unshownRuns(ctx context.Context, c sidetone.Call, events []sidetone.Event, like sidetone.Event) (out []sidetone.Event, failures []string, err error) {
	runs, err := s.store.LoseRuns(ctx, c.EnvironmentID, c.ID)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range runs {
		// The events of a call that keeps no text do not say of which run they are.
		shown := c.HIPAA && r.State != sidetone.RunBegun || slices.ContainsFunc(events, func(e sidetone.Event) bool { return shows(e, r) })
		if shown {
			continue
		}
		outcome, said, name := r.State, r.Result, r.Name
		if c.HIPAA {
			name = ""
		}
		if r.State != sidetone.RunSucceeded {
			why := cmp.Or(r.Result, conversation.UnknownResult)
			said, failures = conversation.FailedResult+why, append(failures, strings.TrimSpace("action "+name)+": "+why)
		}
		if r.State == sidetone.RunBegun {
			outcome = sidetone.RunUnknown
		}
		e := like
		e.Kind, e.Text, e.Data = sidetone.EventAction, name, []byte("{}")
		data, err := json.Marshal(map[string]any{"said": said, "outcome": outcome, "key": r.ID, "action_id": r.ActionID})
		if !c.HIPAA && err == nil {
			e.Data = data
		}
		out = append(out, e)
	}
	return out, failures, nil
}

// shows reports whether an event is about a run.
func shows(e sidetone.Event, r sidetone.ActionRun) bool {
	var data struct {
		Key string `json:"key"`
	}
	return e.Kind == sidetone.EventAction && json.Unmarshal(e.Data, &data) == nil && data.Key == r.ID
}

// lostResult says how a call ended whose process died.
func lostResult(c orphan) sidetone.CallResult {
	var parted *call.Parted
	if errors.As(c.unresumed, &parted) { // all was said
		return sidetone.CallResult{Status: sidetone.CallEnded, Outcome: sidetone.OutcomeBotDisconnected, EndReason: parted.Reason,
			Errors: []string{"the server died while it hung up"}}
	}
	r := sidetone.CallResult{Status: sidetone.CallError, Outcome: sidetone.OutcomeBotDisconnected, EndReason: "server_restart",
		ErrorMessage: "the server stopped during the call", Errors: []string{"the server stopped during the call"}}
	if c.Started.IsZero() {
		r.Outcome = sidetone.OutcomeDidNotConnect
	}
	if c.unresumed != nil && !c.Started.IsZero() {
		r.Errors = append(r.Errors, "it could not go on: "+call.Public(c.unresumed))
	}
	return r
}
