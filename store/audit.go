package store

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
)

// stars stand in the audit log for what must not be read there.
const stars = "********"

// actorKey is the place of the actor in a context.
type actorKey struct{}

// WithActor returns a context whose writes are the actor's in the audit log.
// Without one they are the system's.
func WithActor(ctx context.Context, a sidetone.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

func actorOf(ctx context.Context) sidetone.Actor {
	a, _ := ctx.Value(actorKey{}).(sidetone.Actor)
	if a.Kind == "" {
		a.Kind = sidetone.ActorSystem
	}
	return a
}

func auditTable() *table[sidetone.AuditEntry] {
	return newTable("audit_log", "audit entry", func(e *sidetone.AuditEntry) []column {
		return []column{
			{name: "id", ref: &e.ID, fixed: true}, {name: "environment_id", ref: &e.EnvironmentID, fixed: true},
			{name: "actor_kind", ref: (*string)(&e.Actor.Kind), fixed: true}, {name: "actor_id", ref: &e.Actor.ID, fixed: true},
			{name: "actor_label", ref: &e.Actor.Label, fixed: true}, {name: "request_id", ref: &e.Actor.RequestID, fixed: true},
			{name: "action", ref: (*string)(&e.Action), fixed: true}, {name: "noun", ref: &e.Noun, fixed: true},
			{name: "resource_id", ref: &e.ResourceID, fixed: true},
			{name: "row_before", ref: raw{&e.Before, "{}"}, fixed: true}, {name: "row_after", ref: raw{&e.After, "{}"}, fixed: true},
			{name: "created", ref: millis{&e.Created}, fixed: true},
		}
	}, map[string]listed{
		"id": text("id"), "created": instant("created"), "created_at": instant("created"), "actor_type": filterOnly(text("actor_kind")),
		"actor_id": filterOnly(text("actor_id")), "action": filterOnly(text("action")), "resource": filterOnly(text("noun")),
		"resource_id": filterOnly(text("resource_id")), "request_id": filterOnly(text("request_id")),
	}).quiet()
}

// AuditEntry returns the entry with id.
func (t *Tx) AuditEntry(id string) (sidetone.AuditEntry, error) {
	return t.store.tables.audit.get(t, id)
}

// AuditLog lists the entries.
func (t *Tx) AuditLog(q sidetone.PageQuery) (sidetone.Page[sidetone.AuditEntry], error) {
	return page(t, t.store.tables.audit, q)
}

// old returns the columns of the stored row for the audit log; nil for tables
// without one.
func (tb *table[T]) old(t *Tx, id string) ([]column, error) {
	if tb.unaudited {
		return nil, nil
	}
	row, err := tb.get(t, id)
	return tb.columns(&row), err
}

// record writes the change from the row before to the row after; nil stands for
// none. What the write did not alter is left out.
func (tb *table[T]) record(t *Tx, before, after []column) error {
	if tb.unaudited {
		return nil
	}
	e := sidetone.AuditEntry{Action: sidetone.AuditUpdate, Noun: resource(tb.noun)}
	rows := after
	switch {
	case before == nil:
		e.Action = sidetone.AuditCreate
	case after == nil:
		e.Action, rows = sidetone.AuditDelete, before
	}
	id, ok := named(rows, "id").(*string)
	if !ok {
		return fmt.Errorf("audit a %s without id", tb.noun)
	}
	e.ResourceID = *id
	was, is := map[string]any{}, map[string]any{}
	for i := range rows {
		if err := compare(before, after, i, was, is); err != nil {
			return fmt.Errorf("audit %s: %w", tb.noun, err)
		}
	}
	if e.Action == sidetone.AuditUpdate && len(is) == 0 {
		return nil
	}
	return t.audit(e, was, is)
}

// resource is a noun as the audit log has it: api_key for API key.
func resource(noun string) string { return strings.ReplaceAll(strings.ToLower(noun), " ", "_") }

// compare puts column i into was and is unless it is the same in both rows.
func compare(before, after []column, i int, was, is map[string]any) error {
	rows := before
	if rows == nil {
		rows = after
	}
	update := before != nil && after != nil
	if slices.Contains([]string{"id", "environment_id", "version", "updated", "reserved"}, rows[i].name) || update && rows[i].fixed {
		return nil
	}
	if _, computed := rows[i].ref.(derived); computed {
		return nil
	}
	if update {
		old, err := stored(before[i].ref)
		if err != nil {
			return err
		}
		now, err := stored(after[i].ref)
		if err != nil || old == now {
			return err
		}
	}
	if before != nil {
		was[rows[i].name] = before[i].shown()
	}
	if after != nil {
		is[rows[i].name] = after[i].shown()
	}
	return nil
}

// stored is a column's value as the database has it.
func stored(ref any) (driver.Value, error) {
	if v, ok := ref.(sealed); ok {
		return v.s.Reveal(), nil // only compared: each sealing looks different
	}
	if v, ok := ref.(driver.Valuer); ok {
		return v.Value()
	}
	return plain(ref), nil
}

func plain(ref any) any {
	switch v := ref.(type) {
	case *string:
		return *v
	case *bool:
		return *v
	case *int:
		return int64(*v)
	case *int64:
		return *v
	case *float64:
		return *v
	}
	return stars
}

// shown is a column's value as the audit log has it. A type it does not know
// may hold a secret.
func (c column) shown() any {
	if c.secret {
		return stars
	}
	switch v := c.ref.(type) {
	case sealed:
		if *v.s == "" {
			return ""
		}
		return stars
	case millis:
		if v.t.IsZero() {
			return nil
		}
		return v.t.UTC().Format("2006-01-02T15:04:05.000Z")
	case durationMillis:
		return v.d.Milliseconds()
	case list:
		return append([]string{}, *v.l...)
	case scopes:
		return v.s.Names()
	case raw:
		return masked(*v.b)
	}
	return plain(c.ref)
}

// masked is a JSON text whose members with telling names show stars.
func masked(text []byte) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if len(text) == 0 {
		return nil
	}
	if d.Decode(&v) != nil {
		return stars
	}
	return maskMembers(v, false)
}

func maskMembers(v any, secret bool) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = maskMembers(member, secret || telling(name))
		}
	case []any:
		for i := range v {
			v[i] = maskMembers(v[i], secret)
		}
	case string:
		if secret && v != "" {
			return stars
		}
	case json.Number:
		if secret {
			return stars
		}
	}
	return v
}

// telling says that a member of this name may hold a secret.
func telling(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"secret", "password", "token", "credential", "authorization", "api_key", "apikey"},
		func(part string) bool { return strings.Contains(name, part) })
}

// audit writes an entry, by the actor of the transaction's context.
func (t *Tx) audit(e sidetone.AuditEntry, before, after map[string]any) error {
	var err error
	if e.Before, err = json.Marshal(before); err != nil {
		return fmt.Errorf("encode audit entry: %w", err)
	}
	if e.After, err = json.Marshal(after); err != nil {
		return fmt.Errorf("encode audit entry: %w", err)
	}
	e.ID, e.EnvironmentID, e.Created, e.Actor = t.store.ids.New(), t.environment, t.now, actorOf(t.ctx)
	tb := t.store.tables.audit
	if _, err := t.exec(tb.insertText, refs(tb.columns(&e))...); err != nil {
		return fmt.Errorf("insert audit entry: %w", err)
	}
	return nil
}
