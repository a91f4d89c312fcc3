package store

import (
	"context"
	"fmt"
	"time"

	"github.com/sidetone/sidetone"
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

// ClaimLease is how long a claimed intent is believed to be worked on. An
// attempt must end sooner.
const ClaimLease = 150 * time.Second

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
	if _, err := t.Call(i.CallID); err != nil {
		return err
	}
	i.State, i.Fence = IntentPlanned, 0
	tb := t.store.tables.intents
	_, err := t.exec(tb.insertText, refs(tb.columns(&i))...)
	if isUnique(err) {
		return t.refuse(&sidetone.Error{Code: sidetone.Conflict, Message: "call already has a dial intent", Cause: err})
	}
	if err != nil {
		return fmt.Errorf("insert dial intent: %w", err)
	}
	e := t.store.enqueuer.Load()
	if e == nil {
		return nil
	}
	if err := (*e).EnqueueDial(t.ctx, t, sidetone.DialJob{EnvironmentID: i.EnvironmentID, IntentID: i.ID}); err != nil {
		return t.fail(fmt.Errorf("enqueue dial: %w", err))
	}
	return nil
}

// Intent returns the dial intent with id.
func (t *Tx) Intent(id string) (sidetone.DialIntent, error) { return t.store.tables.intents.get(t, id) }

// ClaimIntent takes a planned intent for dialling and returns it, with its new
// fence, and its call once the claim is durable. An intent that was claimed
// before is a Conflict: it must not be dialled.
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
		call, err = t.Call(intent.CallID)
		return err
	})
	return intent, call, err
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
	return s.Write(ctx, environmentID, func(t *Tx) error {
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
	})
}
