package store

import (
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

func connectionTable() *configurationTable[sidetone.Connection] {
	tb := newTable("connections", "account connection", func(c *sidetone.Connection) []column {
		return []column{
			{name: "id", ref: &c.ID, fixed: true}, {name: "environment_id", ref: &c.EnvironmentID, fixed: true},
			{name: "type", ref: &c.Type}, {name: "label", ref: &c.Label}, {name: "label_folded", ref: folded(c.Label)},
			{name: "description", ref: &c.Description}, {name: "credentials", ref: sealed{&c.Credentials}},
			{name: "config", ref: raw{&c.Config, "{}"}}, {name: "steering_pool", ref: list{&c.SteeringPool}},
			{name: "any_caller_id", ref: &c.AnyCallerID}, {name: "is_default", ref: &c.Default},
			{name: "state", ref: &c.State.State}, {name: "state_cause", ref: &c.State.Cause}, {name: "state_since", ref: millis{&c.State.Since}}, {name: "version", ref: &c.Version},
			{name: "created", ref: millis{&c.Created}, fixed: true}, {name: "updated", ref: millis{&c.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "label": search("label", "label_folded"), "type": text("type"),
		"created": instant("created"), "updated": instant("updated"),
	})
	return &configurationTable[sidetone.Connection]{
		table: tb.heldIn(func(e *configuration.Environment) map[string]sidetone.Connection { return e.Connections }),
		detach: func(c *sidetone.Connection) {
			c.Config, c.SteeringPool = slices.Clone(c.Config), slices.Clone(c.SteeringPool)
		},
		uses: []use{
			{table: "numbers", noun: "number", column: "connection_id", shown: "number", and: "active"},
			{table: "agents", noun: "agent", column: "model_account", shown: "id"},
			{table: "webhooks", noun: "webhook", column: "connection_id", shown: "id"},
		},
	}
}

// Connection returns the account connection with id.
func (t *Tx) Connection(id string) (sidetone.Connection, error) {
	return t.store.tables.connections.get(t, id)
}

// DefaultConnection returns the account connection of a type that agents use which name
// none; a NotFound when the environment has none.
func (t *Tx) DefaultConnection(kind string) (sidetone.Connection, error) {
	if t.memory != nil {
		if c, ok := t.memory.DefaultConnection(kind); ok {
			return c, nil
		}
		return sidetone.Connection{}, notFound("account connection")
	}
	return t.store.tables.connections.where(t, "type = $2 AND is_default = $3", kind, true)
}

// Connections lists the account connections.
func (t *Tx) Connections(q sidetone.PageQuery) (sidetone.Page[sidetone.Connection], error) {
	return page(t, t.store.tables.connections.table, q)
}

// InsertConnection stores a new account connection.
func (t *Tx) InsertConnection(c sidetone.Connection) error {
	return t.store.tables.connections.insert(t, c)
}

// UpdateConnection stores c if c.Version is the stored one, else it is a Conflict;
// the stored version grows by one.
func (t *Tx) UpdateConnection(c sidetone.Connection) error {
	return t.store.tables.connections.update(t, c)
}

// ConnectionUsers names up to ten of each kind that use the account connection: number
// +12025550142, agent or webhook and the id.
func (t *Tx) ConnectionUsers(id string) ([]string, error) {
	return t.store.tables.connections.users(t, id)
}

// DeleteConnection removes the account connection with id. One that is in use is a Conflict that
// names its users.
func (t *Tx) DeleteConnection(id string) error { return t.store.tables.connections.remove(t, id) }
