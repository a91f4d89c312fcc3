package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/phonenumber"
)

// The states of a dial intent. A planned one may be claimed; the others never
// lead to another attempt.
const (
	// IntentPlanned waits to be claimed.
	IntentPlanned = "planned"
	// IntentDialling was claimed; the attempt may have reached the network.
	IntentDialling = "dialling"
	// IntentDone was answered.
	IntentDone = "done"
	// IntentFailed was refused or given up before it reached the network.
	IntentFailed = "failed"
	// IntentUnknown was claimed by a worker that never reported back.
	IntentUnknown = "unknown"
)

// ClaimLease is how long a claimed intent is believed to be worked on after its
// claim, and after each time the claim was renewed.
const ClaimLease = 15 * time.Second

func intentTable() *table[sidetone.DialIntent] {
	return newTable("dial_intents", "dial intent", func(i *sidetone.DialIntent) []column {
		return []column{
			{name: "id", ref: &i.ID, fixed: true}, {name: "environment_id", ref: &i.EnvironmentID, fixed: true},
			{name: "call_id", ref: &i.CallID, fixed: true}, {name: "state", ref: &i.State}, {name: "fence", ref: &i.Fence},
			{name: "not_after", ref: millis{&i.NotAfter}, fixed: true}, {name: "created", ref: millis{&i.Created}, fixed: true},
		}
	}, nil).quiet()
}

// InsertIntent stores a planned intent for a call of the environment and its
// wake-up in the same transaction. A call has at most one intent.
func (t *Tx) InsertIntent(i sidetone.DialIntent) error {
	if err := t.own(&i.EnvironmentID); err != nil {
		return err
	}
	call, err := t.Call(i.CallID)
	if err != nil {
		return err
	}
	i.State, i.Fence = IntentPlanned, 0
	tb := t.store.tables.intents
	_, err = t.exec(tb.insertText, refs(tb.columns(&i))...)
	if isUnique(err) {
		return t.refuse(&sidetone.Error{Code: sidetone.Conflict, Message: "call already has a dial intent", Cause: err})
	}
	if err != nil {
		return fmt.Errorf("insert dial intent: %w", err)
	}
	return t.enqueue(sidetone.DialJob{EnvironmentID: i.EnvironmentID, IntentID: i.ID, Provider: call.Provider,
		ConnectionID: call.ConnectionID, FromNumber: call.FromNumber, AgentNumber: call.AgentNumber, NotAfter: i.NotAfter})
}

// Intent returns the dial intent with id.
func (t *Tx) Intent(id string) (sidetone.DialIntent, error) { return t.store.tables.intents.get(t, id) }

// ClaimIntent takes a planned intent for dialling and returns it, with its new
// fence, and its call, whose snapshot holds its secrets, once the claim is
// durable. The state of what it returns is
// dialling, or failed when the call must not be placed: it is over, it was not
// placed in time, or its number is on the do-not-call list; then the same
// transaction has ended the call. An intent that was claimed before is a
// Conflict: it must not be dialled.
func (s *Store) ClaimIntent(ctx context.Context, environmentID, intentID string) (sidetone.DialIntent, sidetone.Call, error) {
	var intent sidetone.DialIntent
	var call sidetone.Call
	err := s.Write(ctx, environmentID, func(t *Tx) error {
		n, err := t.exec(`UPDATE dial_intents SET state = $1, fence = fence + 1, lease = $2
			WHERE id = $3 AND environment_id = $4 AND state = $5`,
			IntentDialling, toMillis(t.now.Add(ClaimLease)), intentID, t.environment, IntentPlanned)
		if err != nil {
			return err
		}
		if intent, err = t.Intent(intentID); err != nil {
			return err
		}
		if n == 0 {
			return sidetone.Errorf(sidetone.Conflict, "dial intent is %s", intent.State)
		}
		if call, err = t.Call(intent.CallID); err != nil {
			return err
		}
		forbidden, err := t.forbid(intent, call)
		if err != nil {
			return err
		}
		if !forbidden {
			return t.openSnapshot(&call)
		}
		intent.State = IntentFailed
		return t.settleIntent(intent.ID, intent.Fence, intent.State)
	})
	return intent, call, err
}

// forbid reports whether the call must not be placed although it was accepted,
// and ends it.
func (t *Tx) forbid(i sidetone.DialIntent, c sidetone.Call) (bool, error) {
	if c.Status.Terminal() {
		return true, nil
	}
	r := sidetone.CallResult{Status: sidetone.CallError, Outcome: sidetone.OutcomeDidNotConnect, Ended: t.now}
	if !i.NotAfter.IsZero() && t.now.After(i.NotAfter) {
		r.EndReason, r.ErrorMessage = "expired", "the call was not placed in time"
	} else {
		_, err := t.MayCall(c.ToNumber)
		no := (*phonenumber.Forbidden)(nil)
		switch {
		case err == nil:
			return false, nil
		case !errors.As(err, &no):
			return false, err
		case no.Rule == phonenumber.RuleNumber: // it was one when the call was accepted
			return false, nil
		}
		r.EndReason, r.ErrorMessage = string(no.Rule), "to_number "+no.Error()
	}
	r.Errors = []string{r.ErrorMessage}
	return true, t.finishCall(c.ID, r, nil)
}

// RenewClaims says that claimed intents, of whichever environments, are worked
// on until the given time. Those that are not claimed any more stay as they are.
func (s *Store) RenewClaims(ctx context.Context, intentIDs []string, until time.Time) error {
	for batch := range slices.Chunk(intentIDs, renewBatch) {
		q := query{}
		q.add("UPDATE dial_intents SET lease = %s WHERE state = %s", toMillis(until), IntentDialling)
		q.add(" AND id IN (%s"+strings.Repeat(", %s", len(batch)-1)+")", anys(batch)...)
		err := s.writeAcross(ctx, func(t *Tx) error {
			_, err := t.exec(q.text, q.args...)
			return err
		})
		if err != nil {
			return fmt.Errorf("renew claims: %w", err)
		}
	}
	return nil
}

// FinishIntent ends a claimed intent with state done, failed or unknown. A fence
// that is not the claim's is a Conflict.
func (s *Store) FinishIntent(ctx context.Context, environmentID, intentID string, fence int64, state string) error {
	switch state {
	case IntentDone, IntentFailed, IntentUnknown:
	default:
		return sidetone.Errorf(sidetone.Internal, "finish a dial intent with state %q", state)
	}
	return s.settleIntent(ctx, environmentID, intentID, fence, state)
}

// ReleaseIntent gives a claim back: nothing was attempted, and the intent waits
// to be claimed again. A fence that is not the claim's is a Conflict.
func (s *Store) ReleaseIntent(ctx context.Context, environmentID, intentID string, fence int64) error {
	return s.settleIntent(ctx, environmentID, intentID, fence, IntentPlanned)
}

func (s *Store) settleIntent(ctx context.Context, environmentID, intentID string, fence int64, state string) error {
	return s.Write(ctx, environmentID, func(t *Tx) error { return t.settleIntent(intentID, fence, state) })
}

func (t *Tx) settleIntent(intentID string, fence int64, state string) error {
	n, err := t.exec(`UPDATE dial_intents SET state = $1, lease = 0
		WHERE id = $2 AND environment_id = $3 AND fence = $4 AND state = $5`,
		state, intentID, t.environment, fence, IntentDialling)
	if err != nil || n == 1 {
		return err
	}
	if _, err := t.Intent(intentID); err != nil {
		return err
	}
	return stale("dial intent")
}
