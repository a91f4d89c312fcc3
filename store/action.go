package store

import (
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

func actionTable() *configurationTable[sidetone.Action] {
	tb := newTable("actions", "action", func(a *sidetone.Action) []column {
		return []column{
			{name: "id", ref: &a.ID, fixed: true}, {name: "environment_id", ref: &a.EnvironmentID, fixed: true},
			{name: "resource_key", ref: &a.Key},
			{name: "type", ref: &a.Type}, {name: "label", ref: &a.Label}, {name: "label_folded", ref: folded(a.Label)},
			{name: "description", ref: &a.Description}, {name: "config", ref: raw{&a.Config, "{}"}},
			{name: "trigger_on", ref: raw{&a.Trigger, "{}"}}, {name: "signature_secret", ref: sealed{&a.SignatureSecret}},
			{name: "version", ref: &a.Version}, {name: "created", ref: millis{&a.Created}, fixed: true},
			{name: "updated", ref: millis{&a.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "key": filterOnly(text("resource_key")), "label": search("label", "label_folded"), "type": text("type"),
		"created": instant("created"), "updated": instant("updated"),
	})
	return &configurationTable[sidetone.Action]{
		table:  tb.heldIn(func(e *configuration.Environment) map[string]sidetone.Action { return e.Actions }),
		detach: func(a *sidetone.Action) { a.Config, a.Trigger = slices.Clone(a.Config), slices.Clone(a.Trigger) },
		uses:   []use{{table: "agents", noun: "agent", column: "action_ids", shown: "id", among: true}},
	}
}

// Action returns the action with id.
func (t *Tx) Action(id string) (sidetone.Action, error) { return t.store.tables.actions.get(t, id) }

// Actions lists the actions.
func (t *Tx) Actions(q sidetone.PageQuery) (sidetone.Page[sidetone.Action], error) {
	return page(t, t.store.tables.actions.table, q)
}

// InsertAction stores a new action.
func (t *Tx) InsertAction(a sidetone.Action) error { return t.store.tables.actions.insert(t, a) }

// UpdateAction stores a if a.Version is the stored one, else it is a Conflict;
// the stored version grows by one.
func (t *Tx) UpdateAction(a sidetone.Action) error { return t.store.tables.actions.update(t, a) }

// DeleteAction removes the action with id. One that is in use is a Conflict that
// names its users.
func (t *Tx) DeleteAction(id string) error { return t.store.tables.actions.remove(t, id) }
