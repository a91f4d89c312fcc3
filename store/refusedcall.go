package store

import (
	"context"
	"fmt"
	"time"

	"github.com/sidetone/sidetone"
)

const (
	// refusedAge is how long refused calls are kept, refusedMost how many of one
	// environment, or of nobody, whichever is less.
	refusedAge  = 30 * 24 * time.Hour
	refusedMost = 10_000
	// refusedExchanges is how many of the newest ones keep their messages.
	refusedExchanges = 100
)

func refusedCallTable() *table[sidetone.RefusedCall] {
	return newTable("refused_calls", "refused call", func(c *sidetone.RefusedCall) []column {
		return []column{
			{name: "id", ref: &c.ID, fixed: true}, {name: "environment_id", ref: &c.EnvironmentID, fixed: true},
			{name: "trunk", ref: &c.Trunk, fixed: true}, {name: "source", ref: &c.Source, fixed: true}, {name: "carrier_id", ref: &c.CarrierID, fixed: true},
			{name: "from_number", ref: &c.FromNumber, fixed: true}, {name: "to_number", ref: &c.ToNumber, fixed: true}, {name: "number", ref: &c.Number, fixed: true},
			{name: "tried", ref: list{&c.Tried}, fixed: true}, {name: "cause", ref: &c.Cause, fixed: true}, {name: "reason", ref: &c.Reason, fixed: true},
			{name: "exchange", ref: document{&c.Exchange}, fixed: true},
			{name: "count", ref: &c.Count, fixed: true}, {name: "created", ref: millis{&c.Created}, fixed: true}, {name: "last", ref: millis{&c.Last}, fixed: true},
			{name: "version", ref: &c.Version},
		}
	}, map[string]listed{
		"id": text("id"), "created": instant("created"), "created_at": instant("created"),
		"trunk": filterOnly(text("trunk")), "cause": filterOnly(text("cause")),
	}).quiet()
}

// StoreRefusedCall stores a refused call of an environment, or of nobody.
func (s *Store) StoreRefusedCall(ctx context.Context, c sidetone.RefusedCall) error {
	insert := func(t *Tx) error { return s.tables.refused.insert(t, &c) }
	if c.EnvironmentID == "" {
		return s.writeAcross(ctx, insert)
	}
	return s.Write(ctx, c.EnvironmentID, insert)
}

// RefusedCalls lists the refused calls to an environment's numbers, with nobodys
// also those to numbers that nobody has, which are the operator's to see.
func (s *Store) RefusedCalls(ctx context.Context, environmentID string, nobodys bool, q sidetone.PageQuery) (sidetone.Page[sidetone.RefusedCall], error) {
	owner := condition{"environment_id", environmentID}
	var out sidetone.Page[sidetone.RefusedCall]
	read := func(t *Tx) (err error) {
		out, err = pageOf(t, s.tables.refused, q, owner)
		return err
	}
	if !nobodys {
		err := s.Read(ctx, environmentID, read)
		return out, err
	}
	owner.value = oneOf{environmentID, ""}
	err := s.readAcross(ctx, read)
	return out, err
}

// forgetRefusedCalls deletes what need not be kept of the transaction's environment,
// or of nobody when it has none.
func (t *Tx) forgetRefusedCalls() error {
	_, err := t.exec(`DELETE FROM refused_calls WHERE environment_id = $1 AND (created <= $2 OR created <
		(SELECT created FROM refused_calls WHERE environment_id = $1 ORDER BY created DESC LIMIT 1 OFFSET $3))`,
		t.environment, toMillis(t.now.Add(-refusedAge)), refusedMost)
	if err == nil {
		_, err = t.exec(`UPDATE refused_calls SET exchange = 'null' WHERE environment_id = $1 AND exchange <> 'null' AND created <
			(SELECT created FROM refused_calls WHERE environment_id = $1 AND exchange <> 'null' ORDER BY created DESC LIMIT 1 OFFSET $2)`,
			t.environment, refusedExchanges-1)
	}
	if err != nil {
		return fmt.Errorf("forget refused calls: %w", err)
	}
	return nil
}
