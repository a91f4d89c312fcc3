package store

import (
	"database/sql"
	"fmt"
	"slices"
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
	told, err := t.ownCalls(events)
	if err != nil {
		return err
	}
	var stored []sidetone.Event
	for len(events) > 0 {
		n := min(len(events), eventBatch)
		some, err := t.insertEvents(events[:n])
		if err != nil {
			return err
		}
		stored, events = append(stored, some...), events[n:]
	}
	for _, c := range told {
		news := slices.DeleteFunc(slices.Clone(stored), func(e sidetone.Event) bool { return e.CallID != c.call.ID })
		if err := t.tell(c.call, c.webhookID, news); err != nil {
			return err
		}
	}
	return nil
}

// toldCall is a call whose webhook is told of its events.
type toldCall struct {
	call      sidetone.Call
	webhookID string
}

// ownCalls refuses events of calls that the environment does not have, and returns those
// with a webhook.
func (t *Tx) ownCalls(events []sidetone.Event) ([]toldCall, error) {
	var out []toldCall
	known := ""
	for _, e := range events {
		if e.CallID == known {
			continue
		}
		c := toldCall{call: sidetone.Call{ID: e.CallID}}
		err := t.one([]any{&c.webhookID, &c.call.FromNumber, &c.call.ToNumber},
			`SELECT webhook_id, from_number, to_number FROM calls WHERE id = $1 AND environment_id = $2`, e.CallID, t.environment)
		if err != nil {
			return nil, absent(err, "call")
		}
		if known = e.CallID; c.webhookID != "" && !slices.ContainsFunc(out, func(o toldCall) bool { return o.call.ID == known }) {
			out = append(out, c)
		}
	}
	return out, nil
}

// insertEvents stores events and returns those that were not stored yet.
func (t *Tx) insertEvents(events []sidetone.Event) ([]sidetone.Event, error) {
	tb := t.store.tables.events
	var b strings.Builder
	b.WriteString("INSERT INTO events (" + tb.names + ") VALUES ")
	var args []any
	for i, e := range events {
		if err := t.own(&e.EnvironmentID); err != nil {
			return nil, err
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
	b.WriteString(" ON CONFLICT (call_id, sequence) DO NOTHING RETURNING call_id, sequence")
	type place struct {
		call     string
		sequence int64
	}
	stored := map[place]bool{}
	err := t.each(func(r *sql.Rows) error {
		var p place
		err := r.Scan(&p.call, &p.sequence)
		stored[p] = true
		return err
	}, b.String(), args...)
	if err != nil {
		return nil, fmt.Errorf("insert events: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(events), func(e sidetone.Event) bool { return !stored[place{e.CallID, e.Sequence}] }), nil
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
