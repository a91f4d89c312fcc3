package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestActionRuns: a key is used once, an input whose outcome nobody knows is not asked for
// again unless it may be repeated, what is settled stays so, and each environment has its
// own.
func TestActionRuns(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		ctx := t.Context()
		run := func(id, digest string) sidetone.ActionRun {
			return sidetone.ActionRun{ID: id, EnvironmentID: env, CallID: "c", ActionID: "a", Name: "book", ToolID: "t" + id, Digest: digest,
				State: sidetone.RunBegun, Begun: day(1)}
		}
		begin := func(r sidetone.ActionRun, want sidetone.Code) {
			t.Helper()
			if err := s.BeginRun(ctx, r); sidetone.CodeOf(err) != want && (err != nil || want != "") {
				t.Errorf("%s: got %v, want %q", r.ID, err, want)
			}
		}
		settle := func(id string, state sidetone.RunState, want sidetone.Code) {
			t.Helper()
			r := run(id, "")
			r.State, r.Result, r.Settled = state, "result "+id, day(2)
			if err := s.SettleRun(ctx, r); sidetone.CodeOf(err) != want && (err != nil || want != "") {
				t.Errorf("settle %s: got %v, want %q", id, err, want)
			}
		}
		begin(run("1", "x"), "")
		begin(run("1", "y"), sidetone.Conflict)
		begin(run("2", "x"), sidetone.Conflict) // it is being done
		settle("1", sidetone.RunSucceeded, "")
		settle("1", sidetone.RunSucceeded, "") // the answer to the first was lost
		settle("1", sidetone.RunFailed, sidetone.Conflict)
		begin(run("3", "x"), "") // that it was done is known
		settle("3", sidetone.RunUnknown, "")
		begin(run("4", "x"), sidetone.Conflict)
		repeatable := run("5", "x")
		repeatable.Repeatable = true
		begin(repeatable, "")
		elsewhere := run("6", "x")
		elsewhere.CallID = "d"
		begin(elsewhere, "")
		foreign := run("7", "z")
		foreign.EnvironmentID = other
		begin(foreign, "")

		was, err := s.LoseRuns(ctx, env, "c")
		if err != nil {
			t.Fatal(err)
		}
		states := func(runs []sidetone.ActionRun) map[string]sidetone.RunState {
			out := map[string]sidetone.RunState{}
			for _, r := range runs {
				out[r.ID] = r.State
			}
			return out
		}
		if d := cmp.Diff(map[string]sidetone.RunState{"1": "succeeded", "3": "unknown", "5": "begun"}, states(was)); d != "" {
			t.Error(d)
		}
		if was[0].Result != "result 1" || was[0].ToolID != "t1" || !was[0].Begun.Equal(day(1)) || !was[0].Settled.Equal(day(2)) {
			t.Errorf("%+v", was[0])
		}
		stored := func(environment, call string) (out []sidetone.ActionRun) {
			read(t, s, environment, func(tx *store.Tx) (err error) {
				out, err = tx.ActionRuns(call)
				return err
			})
			return out
		}
		if d := cmp.Diff(map[string]sidetone.RunState{"1": "succeeded", "3": "unknown", "5": "unknown"}, states(stored(env, "c"))); d != "" {
			t.Error(d)
		}
		if got := states(stored(other, "c")); len(got) != 1 || got["7"] != sidetone.RunBegun {
			t.Errorf("the other environment has %v", got)
		}
		if runs, err := s.LoseRuns(ctx, other, "d"); err != nil || len(runs) != 0 {
			t.Errorf("another environment's call has %v, %v", runs, err)
		}
		if got := states(stored(env, "d")); got["6"] != sidetone.RunBegun {
			t.Errorf("another environment lost a run: %v", got)
		}
		foreign.EnvironmentID, foreign.State = env, sidetone.RunFailed
		if err := s.SettleRun(ctx, foreign); sidetone.CodeOf(err) != sidetone.NotFound {
			t.Errorf("another environment's run: %v", err)
		}
	})
}

// TestOldActionRunsAreForgotten: rows are kept for 30 days.
func TestOldActionRunsAreForgotten(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		for id, begun := range map[string]time.Time{"old": time.Now().Add(-31 * 24 * time.Hour), "new": time.Now().Add(-29 * 24 * time.Hour)} {
			if err := s.BeginRun(t.Context(), sidetone.ActionRun{ID: id, EnvironmentID: env, CallID: "c", Digest: id, State: sidetone.RunBegun, Begun: begun}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		read(t, s, env, func(tx *store.Tx) error {
			runs, err := tx.ActionRuns("c")
			if len(runs) != 1 || runs[0].ID != "new" {
				t.Errorf("left: %+v", runs)
			}
			return err
		})
	})
}
