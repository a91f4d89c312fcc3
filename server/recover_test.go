package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/recording/disk"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/telephony/simulated"
)

// TestWhatADeadNodeLeavesIsSettledInTime kills a node, in time that is a
// parameter, right after it renewed everything; another one looks at moments
// that suit it worst.
func TestWhatADeadNodeLeavesIsSettledInTime(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		ctx, died := t.Context(), time.Now()
		st := storetest.Open(t, url, func() time.Time { return died })
		e, err := st.CreateAccount(ctx, "a", "e")
		if err != nil {
			t.Fatal(err)
		}
		s := &server{config: testConfig(t), store: st, log: slog.New(slog.DiscardHandler), stop: make(chan struct{}), shop: simulated.New()}
		now := died
		s.clock = systemClock()
		if s.disk, err = disk.New(filepath.Join(s.config.Data, "recordings"), s.log); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.disk.Close() }()
		s.startCalls()
		defer s.stopCalls()
		s.clock.Now = func() time.Time { return now }
		for offset := time.Duration(0); offset < reapEvery; offset += reapEvery / 4 {
			left := leave(t, s, e.ID, offset.String(), died)
			settled := map[string]time.Duration{}
			suspects := map[string]time.Time{}
			for after := offset; after < 2*time.Minute; after += reapEvery {
				now = died.Add(after)
				suspects = s.reapOnce(ctx, suspects)
				s.settlePurchases()
				for id, over := range left {
					if _, known := settled[id]; !known && over() {
						settled[id] = after
					}
				}
			}
			for id, limit := range map[string]time.Duration{"live": 30 * time.Second, "ringing": 30 * time.Second, "purchase": time.Minute} {
				got, ok := settled[id]
				least := store.ClaimLease
				if id == "live" {
					least = 20 * time.Second // until then another process in its place goes on with it
				}
				if !ok || got > limit || got < least {
					t.Errorf("looking %s after the death: %s settled after %s (%t), limit %s", offset, id, got, ok, limit)
				}
			}
		}
	})
}

// leave stores what a node has under way and returns how to tell that each part
// is settled.
func leave(t *testing.T, s *server, env, name string, at time.Time) map[string]func() bool {
	t.Helper()
	live, ringing, number := "live "+name, "ringing "+name, "number "+name
	err := s.store.Write(t.Context(), env, func(tx *store.Tx) error {
		for _, id := range []string{live, ringing} {
			c := sidetone.Call{ID: id, EnvironmentID: env, Status: sidetone.CallInProgress, Stage: sidetone.StagePickedUp, Created: at,
				Node: "dead", Lease: at.Add(call.LeaseLength), Context: []byte("{}"), Params: []byte("{}")}
			if id == ringing {
				c.Status, c.Stage, c.Lease, c.Outgoing, c.ToNumber = sidetone.CallNotStarted, sidetone.StageCreated, time.Time{}, true, "+12125550101"
			}
			if err := tx.InsertCall(c); err != nil {
				return err
			}
		}
		return tx.InsertIntent(sidetone.DialIntent{ID: "intent " + name, CallID: ringing, Created: at})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.store.ClaimIntent(t.Context(), env, "intent "+name); err != nil {
		t.Fatal(err)
	}
	reserved(t, s.store, env, number, "+1415555"+name, at)
	over := func(id string) func() bool {
		return func() bool {
			c := readCall(t, s.store, env, id)
			return c.Status.Terminal() && c.EndReason == "server_restart"
		}
	}
	return map[string]func() bool{"live": over(live), "ringing": over(ringing), "purchase": func() bool {
		err := s.store.Read(t.Context(), env, func(tx *store.Tx) error {
			_, err := tx.Number(number) // active ones only
			return err
		})
		if err != nil && sidetone.CodeOf(err) != sidetone.NotFound {
			t.Fatal(err)
		}
		return err != nil
	}}
}

func readCall(t *testing.T, s *store.Store, env, id string) (c sidetone.Call) {
	t.Helper()
	err := s.Read(t.Context(), env, func(tx *store.Tx) (err error) { c, err = tx.Call(id); return err })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRunsOfALostCall: the record of a call that does not go on shows each run of its actions:
// what came of it when that was stored, and that nobody knows when it was not.
func TestRunsOfALostCall(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		ctx, now := t.Context(), time.Now()
		st := storetest.Open(t, url, time.Now)
		e, err := st.CreateAccount(ctx, "a", "e")
		if err != nil {
			t.Fatal(err)
		}
		s := &server{config: testConfig(t), store: st, log: slog.New(slog.DiscardHandler), clock: systemClock(), stop: make(chan struct{}), shop: simulated.New()}
		if s.disk, err = disk.New(filepath.Join(s.config.Data, "recordings"), s.log); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.disk.Close() }()
		s.startCalls()
		defer s.stopCalls()
		lost := sidetone.Call{ID: "lost", EnvironmentID: e.ID, Status: sidetone.CallInProgress, Stage: sidetone.StagePickedUp, Created: now, Started: now,
			Node: "dead", Lease: now.Add(10 * time.Second), Context: []byte("{}"), Params: []byte("{}")}
		if err := st.StartCall(ctx, lost); err != nil {
			t.Fatal(err)
		}
		for i, run := range []sidetone.ActionRun{
			{Name: "shown", State: sidetone.RunSucceeded, Result: "a"}, {Name: "done", State: sidetone.RunSucceeded, Result: "b"},
			{Name: "failed", State: sidetone.RunFailed, Result: "full"}, {Name: "begun", State: sidetone.RunBegun},
		} {
			run.ID, run.EnvironmentID, run.CallID, run.Digest, run.Begun = fmt.Sprintf("lost:%d", i+1), e.ID, lost.ID, run.Name, now.Add(time.Duration(i)*time.Second)
			settled := run
			run.State, run.Result = sidetone.RunBegun, ""
			if err := st.BeginRun(ctx, run); err != nil {
				t.Fatal(err)
			}
			if settled.State == sidetone.RunBegun {
				continue
			}
			if err := st.SettleRun(ctx, settled); err != nil {
				t.Fatal(err)
			}
		}
		told := sidetone.Event{CallID: lost.ID, EnvironmentID: e.ID, Sequence: 1, Kind: sidetone.EventAction, At: now, Text: "shown", Data: []byte(`{"key":"lost:1"}`)}
		if err := (ledger{st}).AppendEvents(ctx, e.ID, []sidetone.Event{told}); err != nil {
			t.Fatal(err)
		}
		if err := s.closeLost(ctx, orphan{Call: lost}, nil); err != nil {
			t.Fatal(err)
		}
		events, err := s.events(ctx, lost)
		if err != nil {
			t.Fatal(err)
		}
		var shown []string
		for _, event := range events {
			var data struct{ Outcome, Said, Key string }
			if event.Kind == sidetone.EventAction && json.Unmarshal(event.Data, &data) == nil {
				shown = append(shown, strings.Join([]string{event.Text, data.Key, data.Outcome, data.Said}, " "))
			}
		}
		want := []string{"shown lost:1  ", "done lost:2 succeeded b", "failed lost:3 failed failed: full", "begun lost:4 unknown failed: " + conversation.UnknownResult}
		if d := cmp.Diff(want, shown); d != "" {
			t.Error(d)
		}
		errs := []string{"the server stopped during the call", "action failed: full", "action begun: " + conversation.UnknownResult}
		if d := cmp.Diff(errs, readCall(t, st, e.ID, lost.ID).Errors); d != "" {
			t.Error(d)
		}
	})
}
