package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// lostBatch is the most calls LostCalls returns at once.
const lostBatch = 1000

// RenewLeases says that node still runs the calls until the given time, and
// returns those that it must end: somebody asked for that through another node,
// or the record says that they are over. Calls that are over or run elsewhere
// stay as they are.
func (s *Store) RenewLeases(ctx context.Context, node string, callIDs []string, until time.Time) ([]sidetone.Ending, error) {
	var end []sidetone.Ending
	for batch := range slices.Chunk(callIDs, renewBatch) {
		ids := anys(batch)
		among := "%s" + strings.Repeat(", %s", len(batch)-1) + ")"
		renew, ended := query{}, query{}
		renew.add("UPDATE calls SET lease = %s WHERE node = %s AND terminal = %s AND id IN (", toMillis(until), node, false)
		renew.add(among, ids...)
		ended.add("SELECT id, headers_out FROM calls WHERE (terminal = %s OR ending = %s) AND id IN (", true, true)
		ended.add(among, ids...)
		var told []sidetone.Ending
		err := s.writeAcross(ctx, func(t *Tx) error {
			told = nil
			if _, err := t.exec(renew.text, renew.args...); err != nil {
				return err
			}
			return t.each(func(r *sql.Rows) error {
				var e sidetone.Ending
				err := r.Scan(&e.CallID, document{&e.HeadersOut})
				told = append(told, e)
				return err
			}, ended.text, ended.args...)
		})
		if err != nil {
			return end, fmt.Errorf("renew leases: %w", err)
		}
		end = append(end, told...)
	}
	return end, nil
}

// renewBatch is how many leases one statement renews.
const renewBatch = 500

func anys(texts []string) []any {
	out := make([]any, len(texts))
	for i, text := range texts {
		out[i] = text
	}
	return out
}

// LostCalls returns calls that are not over though nobody has held them since
// before now, oldest first, at most 1000. Calls that wait to be dialled, or that
// are being dialled under a claim that lasts until now, are not lost.
func (s *Store) LostCalls(ctx context.Context, now time.Time) ([]sidetone.Call, error) {
	var out []sidetone.Call
	err := s.readAcross(ctx, func(t *Tx) error {
		var err error
		out, err = s.tables.calls.all(t, `WHERE terminal = $1 AND lease < $2 AND NOT EXISTS (
			SELECT 1 FROM dial_intents i WHERE i.call_id = calls.id AND (i.state = $3 OR i.state = $4 AND i.lease >= $2))
			ORDER BY lease, id LIMIT $5`, false, toMillis(now), IntentPlanned, IntentDialling, lostBatch)
		return err
	})
	return out, err
}

// CallsOf returns calls that a node runs, by the record, oldest first, at most 1000.
func (s *Store) CallsOf(ctx context.Context, node string) ([]sidetone.Call, error) {
	var out []sidetone.Call
	err := s.readAcross(ctx, func(t *Tx) error {
		var err error
		out, err = s.tables.calls.all(t, `WHERE terminal = $1 AND node = $2 ORDER BY lease, id LIMIT $3`, false, node, lostBatch)
		return err
	})
	return out, err
}

// TakeOver makes node the one that runs a call whose node is gone, until lease, and
// returns the call with its secrets and legs. It is a Conflict when the call is not as c
// was read any more: over, renewed, or taken over by another node.
func (s *Store) TakeOver(ctx context.Context, c sidetone.Call, node string, lease time.Time) (sidetone.Call, error) {
	var taken sidetone.Call
	err := s.Write(ctx, c.EnvironmentID, func(t *Tx) error {
		n, err := t.exec(`UPDATE calls SET node = $1, lease = $2, deaths = deaths + 1, version = version + 1
			WHERE id = $3 AND environment_id = $4 AND terminal = $5 AND node = $6 AND lease = $7`,
			node, millis{&lease}, c.ID, t.environment, false, c.Node, millis{&c.Lease})
		if err != nil {
			return err
		}
		if n == 0 {
			return t.refuse(sidetone.Errorf(sidetone.Conflict, "call is over or runs elsewhere"))
		}
		if taken, err = t.Call(c.ID); err != nil {
			return err
		}
		return errors.Join(t.openSnapshot(&taken), t.openDialogs(&taken))
	})
	return taken, err
}

// CutOffPurchases returns the active numbers whose purchase began before the
// given time and is not over, oldest first: the process that began them is gone, and
// whether the carrier sold them is not known.
func (s *Store) CutOffPurchases(ctx context.Context, before time.Time) ([]sidetone.Number, error) {
	var out []sidetone.Number
	err := s.readAcross(ctx, func(t *Tx) error {
		var err error
		out, err = s.tables.numbers.all(t, "WHERE reserved > 0 AND reserved < $1 AND active = $2 ORDER BY reserved, id", toMillis(before), true)
		return err
	})
	return out, err
}

// AbandonIntents declares claimed intents whose claim was last renewed for a
// time before now unknown: they are never dialled again.
func (s *Store) AbandonIntents(ctx context.Context, now time.Time) error {
	return s.writeAcross(ctx, func(t *Tx) error {
		_, err := t.exec(`UPDATE dial_intents SET state = $1, lease = 0 WHERE state = $2 AND lease < $3`,
			IntentUnknown, IntentDialling, toMillis(now))
		return err
	})
}

// JobsWaiting reports whether the job queue has jobs that nobody has begun.
func (s *Store) JobsWaiting(ctx context.Context) (bool, error) {
	waiting := 0
	err := s.readAcross(ctx, func(t *Tx) error {
		return t.one([]any{&waiting}, `SELECT count(*) FROM (SELECT 1 FROM river_job
			WHERE state IN ('available', 'pending', 'retryable', 'scheduled') LIMIT 1) AS waiting`)
	})
	return waiting > 0, err
}

// PlannedDials returns the wake-ups of the intents that wait to be claimed,
// oldest first.
func (s *Store) PlannedDials(ctx context.Context) ([]sidetone.DialJob, error) {
	var out []sidetone.DialJob
	err := s.readAcross(ctx, func(t *Tx) error {
		out = nil
		return t.each(func(r *sql.Rows) error {
			var j sidetone.DialJob
			err := r.Scan(&j.EnvironmentID, &j.IntentID, &j.Provider, &j.ConnectionID, &j.FromNumber, &j.AgentNumber, millis{&j.NotAfter})
			out = append(out, j)
			return err
		}, `SELECT i.environment_id, i.id, c.provider, c.connection_id, c.from_number, c.agent_number, i.not_after
			FROM dial_intents i JOIN calls c ON c.id = i.call_id WHERE i.state = $1 ORDER BY i.created, i.id`, IntentPlanned)
	})
	return out, err
}
