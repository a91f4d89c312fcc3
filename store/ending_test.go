package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// ending is a stored call with its events, shortened.
type ending struct {
	Status    sidetone.CallStatus
	Reason    string
	Sequences []int64
	Last      sidetone.EventKind
	Text      string
	Data      string
}

func endingOf(t *testing.T, s *store.Store, env, id string) (e ending) {
	t.Helper()
	err := s.Read(t.Context(), env, func(tx *store.Tx) error {
		c, err := tx.Call(id)
		if err != nil {
			return err
		}
		events, err := tx.Events(id, 0)
		e = ending{Status: c.Status, Reason: c.EndReason}
		for _, event := range events {
			e.Sequences = append(e.Sequences, event.Sequence)
			e.Last, e.Text, e.Data = event.Kind, event.Text, string(event.Data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func storedEvent(id string, sequence int64, kind sidetone.EventKind, text string) sidetone.Event {
	return sidetone.Event{CallID: id, Sequence: sequence, Kind: kind, At: day(2), Text: text}
}

// TestEveryEndHasItsLastEvent ends calls in every way there is.
func TestEveryEndHasItsLastEvent(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		ctx := context.Background()
		now := day(2)
		s := storetest.Open(t, url, func() time.Time { return now })
		env := account(t, s)
		result := sidetone.CallResult{Status: sidetone.CallEnded, Outcome: sidetone.OutcomeBotDisconnected, EndReason: "api", Ended: day(3)}
		finish := func(events ...sidetone.Event) func(id string) error {
			return func(id string) error {
				for i := range events {
					events[i].CallID = id
				}
				return s.FinishCall(ctx, env, id, result, events)
			}
		}
		claim := func(id string) error {
			i, _, err := s.ClaimIntent(ctx, env, "intent-"+id)
			if i.State != store.IntentFailed {
				t.Errorf("%s: the intent is %s", id, i.State)
			}
			return err
		}
		made := `{"outcome":"bot_disconnected","status":"ended"}`
		refused := `{"outcome":"call_did_not_connect","status":"error"}`
		for _, tt := range []struct {
			name   string
			before []sidetone.Event
			end    func(id string) error
			want   ending
		}{
			{"nobody said anything", nil, finish(), ending{"ended", "api", []int64{1}, sidetone.EventEnded, "api", made}},
			{"after others", []sidetone.Event{storedEvent("", 3, sidetone.EventCaller, "hello")}, finish(),
				ending{"ended", "api", []int64{3, 4}, sidetone.EventEnded, "api", made}},
			{"with the caller's", nil, finish(storedEvent("", 7, sidetone.EventEnded, "own")),
				ending{"ended", "api", []int64{7}, sidetone.EventEnded, "own", "{}"}},
			{"without a number", []sidetone.Event{storedEvent("", 3, sidetone.EventCaller, "hello")}, finish(storedEvent("", 0, sidetone.EventEnded, "own")),
				ending{"ended", "api", []int64{3, 4}, sidetone.EventEnded, "own", "{}"}},
			{"number taken", []sidetone.Event{storedEvent("", 2, sidetone.EventCaller, "hello")}, finish(storedEvent("", 2, sidetone.EventEnded, "own")),
				ending{"ended", "api", []int64{2, 3}, sidetone.EventEnded, "api", made}},
			{"on the list", nil, claim, ending{"error", "do_not_call", []int64{1}, sidetone.EventEnded, "do_not_call", refused}},
			{"too late", nil, claim, ending{"error", "expired", []int64{1}, sidetone.EventEnded, "expired", refused}},
		} {
			c := liveCall(tt.name, env)
			c.Outgoing, c.ToNumber = true, "+12125550100"
			intent := sidetone.DialIntent{ID: "intent-" + tt.name, CallID: tt.name, NotAfter: day(5), Created: day(1)}
			switch tt.name {
			case "on the list":
				c.ToNumber = "+12125550199"
			case "too late":
				intent.NotAfter = day(1)
			}
			write(t, s, env, func(tx *store.Tx) error {
				for i := range tt.before {
					tt.before[i].CallID = tt.name
				}
				return errors.Join(tx.InsertCall(c), tx.InsertIntent(intent), tx.AppendEvents(tt.before))
			})
			if tt.name == "on the list" {
				write(t, s, env, func(tx *store.Tx) error {
					return tx.InsertDNCNumber(sidetone.DNCNumber{ID: "d", Number: c.ToNumber})
				})
			}
			for range 2 { // the second time changes nothing
				if err := tt.end(tt.name); err != nil && sidetone.CodeOf(err) != sidetone.Conflict {
					t.Errorf("%s: %v", tt.name, err)
				}
				tt.end = finish()
			}
			if d := cmp.Diff(tt.want, endingOf(t, s, env, tt.name)); d != "" {
				t.Errorf("%s: %s", tt.name, d)
			}
		}
		over := liveCall("never began", env)
		over.Status, over.EndReason, over.Ended = sidetone.CallError, "no_agent", day(2)
		if err := s.StartCall(ctx, over); err != nil {
			t.Fatal(err)
		}
		want := ending{"error", "no_agent", []int64{1}, sidetone.EventEnded, "no_agent", `{"outcome":"","status":"error"}`}
		if d := cmp.Diff(want, endingOf(t, s, env, "never began")); d != "" {
			t.Error(d)
		}
	})
}

// TestOnlyFinishCallEndsCalls tries the other ways of changing a call.
func TestOnlyFinishCallEndsCalls(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		if err := s.StartCall(t.Context(), liveCall("c", env)); err != nil {
			t.Fatal(err)
		}
		for _, status := range []sidetone.CallStatus{sidetone.CallEnded, sidetone.CallError} {
			_, err := s.MarkCall(t.Context(), env, "c", func(c *sidetone.Call) { c.Status = status })
			wantCode(t, err, sidetone.Internal, "")
			err = s.Write(t.Context(), env, func(tx *store.Tx) error {
				c, err := tx.Call("c")
				c.Status = status
				return errors.Join(err, tx.UpdateCall(c))
			})
			wantCode(t, err, sidetone.Internal, "")
		}
		if got := endingOf(t, s, env, "c"); got.Status.Terminal() || len(got.Sequences) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// told notes which jobs were committed.
type told struct {
	jobs chan sidetone.Job
}

// Enqueue implements store.Enqueuer.
func (told) Enqueue(context.Context, *store.Tx, sidetone.Job) error { return nil }

// Committed implements store.Enqueuer.
func (n told) Committed(jobs []sidetone.Job) {
	for _, j := range jobs {
		n.jobs <- j
	}
}

// TestCommittedJobsAreTold has transactions that commit and some that do not.
func TestCommittedJobsAreTold(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		n := told{make(chan sidetone.Job, 10)}
		s.SetEnqueuer(n)
		failed := errors.New("changed my mind")
		for _, id := range []string{"a", "b", "c", "d"} {
			err := s.Write(t.Context(), env, func(tx *store.Tx) error {
				if err := errors.Join(tx.InsertCall(liveCall(id, env)), tx.InsertIntent(sidetone.DialIntent{ID: id, CallID: id})); err != nil {
					return err
				}
				if id == "b" || id == "d" {
					return failed
				}
				if len(n.jobs) != 0 && id == "a" {
					t.Error("told before the commit")
				}
				return nil
			})
			if err != nil && !errors.Is(err, failed) {
				t.Fatal(err)
			}
		}
		close(n.jobs)
		var ids []string
		for j := range n.jobs {
			ids = append(ids, j.(sidetone.DialJob).IntentID)
		}
		if !slices.Equal(ids, []string{"a", "c"}) {
			t.Errorf("told %v", ids)
		}
	})
}
