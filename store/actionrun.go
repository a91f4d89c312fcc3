package store

import (
	"context"
	"fmt"
	"time"

	"github.com/sidetone/sidetone"
)

// actionRunAge is how long the rows of runs are kept: their events stay with the call.
const actionRunAge = 30 * 24 * time.Hour

func actionRunTable() *table[sidetone.ActionRun] {
	return newTable("action_runs", "action run", func(r *sidetone.ActionRun) []column {
		return []column{
			{name: "id", ref: &r.ID, fixed: true}, {name: "environment_id", ref: &r.EnvironmentID, fixed: true},
			{name: "call_id", ref: &r.CallID, fixed: true}, {name: "action_id", ref: &r.ActionID, fixed: true},
			{name: "name", ref: &r.Name, fixed: true}, {name: "tool_id", ref: &r.ToolID, fixed: true}, {name: "digest", ref: &r.Digest, fixed: true},
			{name: "repeatable", ref: &r.Repeatable, fixed: true}, {name: "state", ref: (*string)(&r.State)}, {name: "result", ref: &r.Result},
			{name: "begun", ref: millis{&r.Begun}, fixed: true}, {name: "settled", ref: millis{&r.Settled}}, {name: "version", ref: &r.Version},
		}
	}, nil).quiet()
}

// BeginRun stores a run that is about to begin. It is a Conflict when there is one of its
// id, or, unless it is repeatable, one of the same call that asks for the same and is being
// done, or of which nobody knows whether it was.
func (s *Store) BeginRun(ctx context.Context, r sidetone.ActionRun) error {
	return s.Write(ctx, r.EnvironmentID, func(t *Tx) error {
		if !r.Repeatable {
			var open int
			err := t.one([]any{&open}, `SELECT count(*) FROM action_runs WHERE environment_id = $1 AND call_id = $2 AND digest = $3 AND state IN ($4, $5)`,
				t.environment, r.CallID, r.Digest, string(sidetone.RunBegun), string(sidetone.RunUnknown))
			if err != nil {
				return err
			}
			if open > 0 {
				return t.refuse(sidetone.Errorf(sidetone.Conflict, "not done again: it was begun before, and it is not known whether it was done"))
			}
		}
		return s.tables.runs.insert(t, &r)
	})
}

// SettleRun stores what came of a run. It is a Conflict when somebody said something else
// of it before.
func (s *Store) SettleRun(ctx context.Context, r sidetone.ActionRun) error {
	return s.Write(ctx, r.EnvironmentID, func(t *Tx) error {
		tb := s.tables.runs
		stored, err := tb.get(t, r.ID)
		switch {
		case err != nil || stored.State == r.State: // a second try
			return err
		case stored.State != sidetone.RunBegun:
			return t.refuse(sidetone.Errorf(sidetone.Conflict, "the run is %s by the record", stored.State))
		}
		stored.State, stored.Result, stored.Settled = r.State, r.Result, r.Settled
		return tb.update(t, &stored)
	})
}

// LoseRuns makes the runs of a call unknown that are begun: whoever ran them is gone. It
// returns all runs of the call as they were before, in the order in which they were begun.
func (s *Store) LoseRuns(ctx context.Context, environmentID, callID string) ([]sidetone.ActionRun, error) {
	var out []sidetone.ActionRun
	err := s.Write(ctx, environmentID, func(t *Tx) error {
		var err error
		if out, err = s.tables.runs.all(t, `WHERE environment_id = $1 AND call_id = $2 ORDER BY begun, id`, t.environment, callID); err != nil {
			return err
		}
		_, err = t.exec(`UPDATE action_runs SET state = $1, settled = $2, version = version + 1 WHERE environment_id = $3 AND call_id = $4 AND state = $5`,
			string(sidetone.RunUnknown), toMillis(t.now), t.environment, callID, string(sidetone.RunBegun))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the runs of call %s: %w", callID, err)
	}
	return out, nil
}

// ActionRuns returns the runs of a call, in the order in which they were begun.
func (t *Tx) ActionRuns(callID string) ([]sidetone.ActionRun, error) {
	return t.store.tables.runs.all(t, `WHERE environment_id = $1 AND call_id = $2 ORDER BY begun, id`, t.environment, callID)
}

// forgetActionRuns deletes the old ones of the transaction's environment.
func (t *Tx) forgetActionRuns() error {
	if _, err := t.exec(`DELETE FROM action_runs WHERE environment_id = $1 AND begun <= $2`, t.environment, toMillis(t.now.Add(-actionRunAge))); err != nil {
		return fmt.Errorf("forget runs of actions: %w", err)
	}
	return nil
}
