package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sidetone/sidetone"
)

// FinishCall stores the call's end and its remaining events in one transaction.
// Events without a sequence follow the stored ones, and the last event of the
// call is an ended one whether or not events holds it. A call that is over stays
// as it is and the answer is nil, so FinishCall may be repeated.
func (s *Store) FinishCall(ctx context.Context, environmentID, callID string, r sidetone.CallResult, events []sidetone.Event) error {
	if !r.Status.Terminal() {
		return sidetone.Errorf(sidetone.Internal, "finish a call with status %q", r.Status)
	}
	return s.Write(ctx, environmentID, func(t *Tx) error { return t.finishCall(callID, r, events) })
}

// finishCall is the only way in which a call that began becomes terminal. The
// secrets that it ran with, and what hanging up takes, are gone then.
func (t *Tx) finishCall(callID string, r sidetone.CallResult, events []sidetone.Event) error {
	n, err := t.exec(`UPDATE calls SET status = $1, terminal = $2, outcome = $3, end_reason = $4, error_message = $5,
		errors = $6, transcript = $7, recording_path = $8, ended = $9, used = $10, line = $11, lease = 0, secrets = '', dialogs = '', version = version + 1,
		stage = CASE WHEN $12 = '' THEN stage ELSE $12 END
		WHERE id = $13 AND environment_id = $14 AND terminal = $15`,
		string(r.Status), true, string(r.Outcome), r.EndReason, r.ErrorMessage, list{&r.Errors}, r.Transcript,
		r.RecordingPath, millis{&r.Ended}, document{&r.Used}, document{&r.Line}, string(r.Stage), callID, t.environment, false)
	if err != nil {
		return err
	}
	if n == 0 {
		_, err := t.Call(callID)
		return err
	}
	if err := t.appendEnd(callID, r, events); err != nil {
		return err
	}
	if err := t.planAnalysis(callID, r.Transcript); err != nil {
		return err
	}
	return t.tellEnd(callID)
}

// appendEnd stores a call's last events and sees to it that the very last one
// tells the end, also when the sequence of a given one was taken.
func (t *Tx) appendEnd(callID string, r sidetone.CallResult, events []sidetone.Event) error {
	last, _, err := t.lastEvent(callID)
	if err != nil {
		return err
	}
	numbered := make([]sidetone.Event, len(events))
	for i, e := range events {
		if e.Sequence == 0 {
			e.Sequence = last + 1
		}
		last, numbered[i] = max(last, e.Sequence), e
	}
	if err := t.AppendEvents(numbered); err != nil {
		return err
	}
	last, kind, err := t.lastEvent(callID)
	if err != nil || kind == sidetone.EventEnded {
		return err
	}
	data, err := json.Marshal(map[string]any{"outcome": r.Outcome, "status": r.Status})
	if err != nil {
		return fmt.Errorf("encode the last event: %w", err)
	}
	return t.AppendEvents([]sidetone.Event{{CallID: callID, EnvironmentID: t.environment, Sequence: last + 1,
		Kind: sidetone.EventEnded, At: r.Ended, Text: r.EndReason, Data: data}})
}

// lastEvent returns sequence and kind of the call's last event, 0 when it has
// none.
func (t *Tx) lastEvent(callID string) (sequence int64, kind sidetone.EventKind, err error) {
	err = t.one([]any{&sequence, (*string)(&kind)}, `SELECT sequence, kind FROM events
		WHERE environment_id = $1 AND call_id = $2 ORDER BY sequence DESC LIMIT 1`, t.environment, callID)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return sequence, kind, err
}
