package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

func liveCall(id, env string) sidetone.Call {
	return sidetone.Call{ID: id, EnvironmentID: env, Status: sidetone.CallNotStarted, Stage: sidetone.StageCreated,
		FromNumber: "+12125550100", ToNumber: "+12125550101", Created: day(1)}
}

func getCall(t *testing.T, s *store.Store, env, id string) sidetone.Call {
	t.Helper()
	var c sidetone.Call
	read(t, s, env, func(tx *store.Tx) (err error) { c, err = tx.Call(id); return err })
	return c
}

func events(callID string, from, to int64) []sidetone.Event {
	var out []sidetone.Event
	for i := from; i <= to; i++ {
		out = append(out, sidetone.Event{CallID: callID, Sequence: i, Kind: sidetone.EventCaller, At: day(1).Add(time.Duration(i) * time.Second),
			Offset: time.Duration(i) * time.Second, Text: fmt.Sprint("line ", i), Data: []byte(`{"gap_ms": 7}`)})
	}
	return out
}

func TestCallFromStartToFinish(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		env, other := account(t, s), account(t, s)
		if err := s.StartCall(ctx, liveCall("c1", env)); err != nil {
			t.Fatal(err)
		}
		answer := func(c *sidetone.Call) {
			c.Status, c.Stage, c.Started, c.Node, c.Lease = sidetone.CallInProgress, sidetone.StagePickedUp, day(2), "node", day(2).Add(time.Minute)
		}
		marked, err := s.MarkCall(ctx, env, "c1", answer)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(getCall(t, s, env, "c1"), marked); d != "" || marked.Version != 2 {
			t.Errorf("version %d %s", marked.Version, d)
		}
		_, err = s.MarkCall(ctx, other, "c1", answer)
		wantCode(t, err, sidetone.NotFound, "call not found")

		result := sidetone.CallResult{Status: sidetone.CallEnded, Outcome: sidetone.OutcomeHumanDisconnected, EndReason: "hangup",
			Errors: []string{"recogniser restarted"}, Transcript: "[00:01.00] HUMAN: hi", RecordingPath: "c1.wav", Ended: day(3)}
		wantCode(t, s.FinishCall(ctx, other, "c1", result, nil), sidetone.NotFound, "call not found")
		if err := s.FinishCall(ctx, env, "c1", result, events("c1", 1, 2)); err != nil {
			t.Fatal(err)
		}
		// A second end, or a change, comes too late.
		late := result
		late.EndReason = "server_restart"
		if err := s.FinishCall(ctx, env, "c1", late, events("c1", 3, 3)); err != nil {
			t.Fatal(err)
		}
		_, err = s.MarkCall(ctx, env, "c1", answer)
		wantCode(t, err, sidetone.Conflict, "call is over")
		c := getCall(t, s, env, "c1")
		got := sidetone.CallResult{Status: c.Status, Outcome: c.Outcome, EndReason: c.EndReason, ErrorMessage: c.ErrorMessage,
			Errors: c.Errors, Transcript: c.Transcript, RecordingPath: c.RecordingPath, Ended: c.Ended}
		if d := cmp.Diff(result, got); d != "" {
			t.Error(d)
		}
		read(t, s, env, func(tx *store.Tx) error {
			evs, err := tx.Events("c1", 0)
			if len(evs) != 3 || evs[2].Kind != sidetone.EventEnded {
				t.Errorf("events %+v", evs)
			}
			return err
		})
		open := sidetone.CallResult{Status: sidetone.CallInProgress}
		wantCode(t, s.FinishCall(ctx, env, "c1", open, nil), sidetone.Internal, "")
	})
}

func TestEvents(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		env, other := account(t, s), account(t, s)
		if err := s.StartCall(ctx, liveCall("c1", env)); err != nil {
			t.Fatal(err)
		}
		write(t, s, env, func(tx *store.Tx) error { return tx.AppendEvents(events("c1", 1, 90)) }) // more than a batch
		repeated := events("c1", 80, 100)
		repeated[0].Text = "another text under a known sequence"
		write(t, s, env, func(tx *store.Tx) error { return tx.AppendEvents(repeated) })
		read(t, s, env, func(tx *store.Tx) error {
			got, err := tx.Events("c1", 10)
			want := events("c1", 11, 100)
			for i := range want {
				want[i].EnvironmentID = env
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			return err
		})
		err := s.Write(ctx, other, func(tx *store.Tx) error { return tx.AppendEvents(events("c1", 101, 101)) })
		wantCode(t, err, sidetone.NotFound, "call not found")
		read(t, s, other, func(tx *store.Tx) error {
			got, err := tx.Events("c1", 0)
			if len(got) != 0 {
				t.Errorf("another environment sees %d events", len(got))
			}
			return err
		})
	})
}

func TestLostCallsAndLeases(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		ctx := context.Background()
		s := storetest.Open(t, url, func() time.Time { return day(6) })
		env := account(t, s)
		for _, id := range []string{"held", "lost", "over", "planned", "dialled", "ringing"} {
			c := liveCall(id, env)
			c.Node, c.Lease = "node", day(5)
			if id == "planned" || id == "dialled" || id == "ringing" {
				c.Outgoing, c.Lease = true, time.Time{}
			}
			if err := s.StartCall(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		write(t, s, env, func(tx *store.Tx) error {
			if err := tx.InsertIntent(sidetone.DialIntent{ID: "i1", CallID: "planned", Created: day(1)}); err != nil {
				return err
			}
			if err := tx.InsertIntent(sidetone.DialIntent{ID: "i3", CallID: "ringing", Created: day(1)}); err != nil {
				return err
			}
			return tx.InsertIntent(sidetone.DialIntent{ID: "i2", CallID: "dialled", Created: day(1)})
		})
		if _, _, err := s.ClaimIntent(ctx, env, "i3"); err != nil {
			t.Fatal(err)
		}
		i, _, err := s.ClaimIntent(ctx, env, "i2")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.FinishIntent(ctx, env, "i2", i.Fence, store.IntentDone); err != nil {
			t.Fatal(err)
		}
		if err := s.FinishCall(ctx, env, "over", sidetone.CallResult{Status: sidetone.CallError, Ended: day(5)}, nil); err != nil {
			t.Fatal(err)
		}
		if end, err := s.RenewLeases(ctx, "node", []string{"held", "over"}, day(7)); err != nil || len(end) != 1 || end[0].CallID != "over" {
			t.Fatalf("to end: %v, %v", end, err)
		}
		if _, err := s.RenewLeases(ctx, "another node", []string{"lost"}, day(7)); err != nil {
			t.Fatal(err)
		}
		for at, want := range map[time.Time][]string{
			day(6): {"dialled", "lost"},
			day(6).Add(store.ClaimLease + time.Second): {"dialled", "ringing", "lost"},
		} {
			var ids []string
			lost, err := s.LostCalls(ctx, at)
			for _, c := range lost {
				ids = append(ids, c.ID)
			}
			if d := cmp.Diff(want, ids); d != "" || err != nil {
				t.Error(at, d, err)
			}
		}
		if all, err := s.CallsOf(ctx, "node"); err != nil || len(all) != 5 || slices.ContainsFunc(all, func(c sidetone.Call) bool { return c.ID == "over" }) {
			t.Errorf("%d calls of the node, %v", len(all), err)
		}
		if all, err := s.CallsOf(ctx, "another node"); err != nil || len(all) != 0 {
			t.Errorf("%d calls of a node that runs none, %v", len(all), err)
		}
	})
}

// How to hang up a call is known while it lasts.
func TestTakeOverOfACall(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		ctx := context.Background()
		s := storetest.Open(t, url, func() time.Time { return day(6) })
		env := account(t, s)
		c := liveCall("call", env)
		c.Dialogs, c.Node, c.Lease = []string{"one"}, "before", day(6)
		c.Snapshot.Voice.APIKey = "hush"
		if err := s.StartCall(ctx, c); err != nil {
			t.Fatal(err)
		}
		if _, err := s.MarkCall(ctx, env, "call", func(c *sidetone.Call) { c.Dialogs = []string{"one", "two"} }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.MarkCall(ctx, env, "call", func(c *sidetone.Call) { c.Stage = sidetone.StagePickedUp }); err != nil {
			t.Fatal(err)
		}
		lost, err := s.LostCalls(ctx, day(9))
		if err != nil || len(lost) != 1 || len(lost[0].Dialogs) != 0 || lost[0].Snapshot.Voice.APIKey == "hush" {
			t.Fatalf("%+v, %v", lost, err)
		}
		taken, err := s.TakeOver(ctx, lost[0], "after", day(7))
		if err != nil || taken.Node != "after" || !taken.Lease.Equal(day(7)) || taken.Deaths != 1 ||
			!slices.Equal(taken.Dialogs, []string{"one", "two"}) || taken.Snapshot.Voice.APIKey != "hush" {
			t.Errorf("%+v, %v", taken, err)
		}
		_, err = s.TakeOver(ctx, lost[0], "third", day(8))
		wantCode(t, err, sidetone.Conflict, "call is over or runs elsewhere")
		if err := s.FinishCall(ctx, env, "call", sidetone.CallResult{Status: sidetone.CallError, Ended: day(7)}, nil); err != nil {
			t.Fatal(err)
		}
		_, err = s.TakeOver(ctx, taken, "third", day(8))
		wantCode(t, err, sidetone.Conflict, "call is over or runs elsewhere")
	})
}

func TestIntents(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		ctx := context.Background()
		now := day(1)
		s := storetest.Open(t, url, func() time.Time { return now })
		env, other := account(t, s), account(t, s)
		for _, id := range []string{"1", "2"} {
			if err := s.StartCall(ctx, liveCall("c"+id, env)); err != nil {
				t.Fatal(err)
			}
			write(t, s, env, func(tx *store.Tx) error {
				return tx.InsertIntent(sidetone.DialIntent{ID: "i" + id, CallID: "c" + id, NotAfter: day(2), Created: day(1)})
			})
		}
		second := s.Write(ctx, env, func(tx *store.Tx) error { return tx.InsertIntent(sidetone.DialIntent{ID: "i3", CallID: "c1"}) })
		wantCode(t, second, sidetone.Conflict, "call already has a dial intent")
		foreign := s.Write(ctx, other, func(tx *store.Tx) error { return tx.InsertIntent(sidetone.DialIntent{ID: "i3", CallID: "c1"}) })
		wantCode(t, foreign, sidetone.NotFound, "call not found")

		_, _, err := s.ClaimIntent(ctx, other, "i1")
		wantCode(t, err, sidetone.NotFound, "dial intent not found")
		intent, call, err := s.ClaimIntent(ctx, env, "i1")
		want := sidetone.DialIntent{ID: "i1", EnvironmentID: env, CallID: "c1", State: store.IntentDialling, Fence: 1, NotAfter: day(2), Created: day(1)}
		if d := cmp.Diff(want, intent); d != "" || err != nil || call.ID != "c1" {
			t.Error(d, err, call.ID)
		}
		_, _, err = s.ClaimIntent(ctx, env, "i1")
		wantCode(t, err, sidetone.Conflict, "dial intent is dialling")

		pending := func(at time.Time) {
			t.Helper()
			abandoned := s.AbandonIntents(ctx, at)
			jobs, err := s.PlannedDials(ctx)
			want := sidetone.DialJob{EnvironmentID: env, IntentID: "i2", Provider: call.Provider, FromNumber: call.FromNumber, AgentNumber: call.AgentNumber, NotAfter: day(2)}
			if d := cmp.Diff([]sidetone.DialJob{want}, jobs); d != "" || err != nil || abandoned != nil {
				t.Error(d, err, abandoned)
			}
		}
		pending(now) // the claim still holds
		wantCode(t, s.FinishIntent(ctx, env, "i1", 7, store.IntentDone), sidetone.Conflict, "dial intent was changed meanwhile")
		wantCode(t, s.FinishIntent(ctx, env, "i1", 1, "planned"), sidetone.Internal, "")
		until := now.Add(time.Hour)
		if err := s.RenewClaims(ctx, []string{"i1", "i2", "i9"}, until); err != nil {
			t.Fatal(err)
		}
		pending(until) // it was renewed, as i2, which is not claimed, was not
		wantCode(t, s.FinishIntent(ctx, env, "i1", 2, store.IntentDone), sidetone.Conflict, "")
		pending(until.Add(time.Second)) // now it is unknown, and stays so
		wantCode(t, s.FinishIntent(ctx, env, "i1", 1, store.IntentDone), sidetone.Conflict, "")
		_, _, err = s.ClaimIntent(ctx, env, "i1")
		wantCode(t, err, sidetone.Conflict, "dial intent is unknown")
	})
}

func TestOneOfManyClaimersWins(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		env := account(t, s)
		if err := s.StartCall(ctx, liveCall("c1", env)); err != nil {
			t.Fatal(err)
		}
		write(t, s, env, func(tx *store.Tx) error { return tx.InsertIntent(sidetone.DialIntent{ID: "i1", CallID: "c1"}) })
		results := make(chan error)
		for range 16 {
			go func() {
				_, _, err := s.ClaimIntent(ctx, env, "i1")
				results <- err
			}()
		}
		won := 0
		for range 16 {
			if err := <-results; err == nil {
				won++
			} else {
				wantCode(t, err, sidetone.Conflict, "dial intent is dialling")
			}
		}
		if won != 1 {
			t.Errorf("%d claimers won", won)
		}
	})
}

// However many calls come at once, a number takes no more than it may.
func TestNumberTakesNoMoreCallsThanItMay(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		env := account(t, s)
		const number, most = "+12125550101", 3
		write(t, s, env, func(tx *store.Tx) error {
			return tx.InsertNumber(sidetone.NewNumber("n", env, number, "simulated", day(1)))
		})
		incoming := func(id string) sidetone.Call {
			c := liveCall(id, env)
			c.AgentNumber = number
			return c
		}
		outgoing := incoming("out")
		outgoing.Outgoing = true
		if err := s.StartCall(ctx, outgoing); err != nil {
			t.Fatal(err)
		}
		results := make(chan error, 12)
		for i := range cap(results) {
			go func() { results <- s.StartCallWithin(ctx, incoming(fmt.Sprint("c", i)), most) }()
		}
		taken := 0
		for range cap(results) {
			if err := <-results; err == nil {
				taken++
			} else {
				wantCode(t, err, sidetone.Limited, "the number takes no more than 3 calls at a time")
			}
		}
		if taken != most {
			t.Errorf("%d calls were taken, want %d", taken, most)
		}
		if err := s.StartCall(ctx, incoming("unlimited")); err != nil {
			t.Errorf("without a limit: %v", err)
		}
		result := sidetone.CallResult{Status: sidetone.CallEnded, Ended: day(2)}
		for i := range cap(results) {
			if err := s.FinishCall(ctx, env, fmt.Sprint("c", i), result, nil); err != nil && sidetone.CodeOf(err) != sidetone.NotFound {
				t.Fatal(err)
			}
		}
		for i := range most - 1 {
			if err := s.StartCallWithin(ctx, incoming(fmt.Sprint("later", i)), most); err != nil {
				t.Errorf("after calls have ended: %v", err)
			}
		}
		wantCode(t, s.StartCallWithin(ctx, incoming("one too many"), most), sidetone.Limited, "")
	})
}

// A node that renews its leases learns which calls it must end.
func TestRequestEnd(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		env, other := account(t, s), account(t, s)
		now := time.Now()
		for id, lease := range map[string]time.Time{"run": now.Add(time.Minute), "asked": now.Add(time.Minute), "lost": now.Add(-time.Minute), "waits": {}} {
			c := liveCall(id, env)
			c.Node, c.Lease = "node", lease
			if err := s.StartCall(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			env, id string
			want    bool
		}{{env, "asked", true}, {env, "asked", true}, {env, "lost", false}, {env, "waits", false}, {other, "run", false}, {env, "nosuch", false}} {
			if got, err := s.RequestEnd(ctx, tt.env, tt.id); got != tt.want || err != nil {
				t.Errorf("ask for the end of %s: %t, %v", tt.id, got, err)
			}
		}
		end, err := s.RenewLeases(ctx, "node", []string{"run", "asked", "lost"}, now.Add(time.Hour))
		if err != nil || len(end) != 1 || end[0].CallID != "asked" {
			t.Errorf("to end: %v, %v", end, err)
		}
		if err := s.FinishCall(ctx, env, "asked", sidetone.CallResult{Status: sidetone.CallEnded, Ended: now}, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := s.RequestEnd(ctx, env, "asked"); got || err != nil {
			t.Errorf("a call that is over: %t, %v", got, err)
		}
		ids := make([]string, 1100) // more than a batch
		for i := range ids {
			ids[i] = fmt.Sprint("none", i)
		}
		end, err = s.RenewLeases(ctx, "node", append(ids, "asked"), now.Add(time.Hour))
		if err != nil || len(end) != 1 || end[0].CallID != "asked" {
			t.Errorf("to end among many: %v, %v", end, err)
		}
	})
}
