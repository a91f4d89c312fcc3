package store

import (
	"fmt"
	"strings"

	"github.com/sidetone/sidetone"
)

// eventBatch is how many events one statement inserts.
const eventBatch = 40

func eventTable() *table[sidetone.Event] {
	return newTable("events", "event", func(e *sidetone.Event) []column {
		return []column{
			{name: "call_id", ref: &e.CallID}, {name: "environment_id", ref: &e.EnvironmentID}, {name: "sequence", ref: &e.Sequence},
			{name: "kind", ref: (*string)(&e.Kind)}, {name: "happened", ref: millis{&e.At}}, {name: "call_offset", ref: durationMillis{&e.Offset}},
			{name: "text", ref: &e.Text}, {name: "data", ref: raw{&e.Data, "{}"}},
		}
	}, nil).quiet()
}

// AppendEvents stores events of calls of the environment. One that is stored
// already, by call and sequence, stays as it is.
func (t *Tx) AppendEvents(events []sidetone.Event) error {
	if err := t.ownCalls(events); err != nil {
		return err
	}
	for len(events) > 0 {
		n := min(len(events), eventBatch)
		if err := t.insertEvents(events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// ownCalls refuses events of calls that the environment does not have.
func (t *Tx) ownCalls(events []sidetone.Event) error {
	known := ""
	for _, e := range events {
		if e.CallID == known {
			continue
		}
		var one int
		err := t.one([]any{&one}, `SELECT 1 FROM calls WHERE id = $1 AND environment_id = $2`, e.CallID, t.environment)
		if err != nil {
			return absent(err, "call")
		}
		known = e.CallID
	}
	return nil
}

func (t *Tx) insertEvents(events []sidetone.Event) error {
	tb := t.store.tables.events
	var b strings.Builder
	b.WriteString("INSERT INTO events (" + tb.names + ") VALUES ")
	var args []any
	for i, e := range events {
		if err := t.own(&e.EnvironmentID); err != nil {
			return err
		}
		if i > 0 {
			b.WriteString(", ")
		}
		var marks []string
		for _, c := range tb.columns(&e) {
			args = append(args, c.ref)
			marks = append(marks, fmt.Sprintf("$%d", len(args)))
		}
		b.WriteString("(" + strings.Join(marks, ", ") + ")")
	}
	b.WriteString(" ON CONFLICT (call_id, sequence) DO NOTHING")
	if _, err := t.exec(b.String(), args...); err != nil {
		return fmt.Errorf("insert events: %w", err)
	}
	return nil
}

// Events returns the call's events with a sequence above afterSequence, in
// order. A call of another environment has none.
func (t *Tx) Events(callID string, afterSequence int64) ([]sidetone.Event, error) {
	return t.store.tables.events.all(t, `WHERE environment_id = $1 AND call_id = $2 AND sequence > $3 ORDER BY sequence`,
		t.environment, callID, afterSequence)
}

// EventsOf returns the call's events of a kind, in order. A call of another
// environment has none.
func (t *Tx) EventsOf(callID string, kind sidetone.EventKind) ([]sidetone.Event, error) {
	return t.store.tables.events.all(t, `WHERE environment_id = $1 AND call_id = $2 AND kind = $3 ORDER BY sequence`,
		t.environment, callID, string(kind))
}
