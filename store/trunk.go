package store

import (
	"context"
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

func trunkTable() *configurationTable[sidetone.Trunk] {
	tb := newTable("trunks", "trunk", func(t *sidetone.Trunk) []column {
		return []column{
			{name: "id", ref: &t.ID, fixed: true}, {name: "environment_id", ref: &t.EnvironmentID, fixed: true},
			{name: "name", ref: &t.Name}, {name: "settings", ref: raw{&t.Settings, "{}"}}, {name: "secrets", ref: sealed{&t.Secrets}},
			{name: "version", ref: &t.Version},
			{name: "created", ref: millis{&t.Created}, fixed: true}, {name: "updated", ref: millis{&t.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "name": text("name"), "created": instant("created"), "updated": instant("updated"),
	})
	return &configurationTable[sidetone.Trunk]{
		table:  tb.heldIn(func(e *configuration.Environment) map[string]sidetone.Trunk { return e.Trunks }),
		detach: func(t *sidetone.Trunk) { t.Settings = slices.Clone(t.Settings) },
	}
}

// Trunk returns the environment's trunk with id.
func (t *Tx) Trunk(id string) (sidetone.Trunk, error) { return t.store.tables.trunks.get(t, id) }

// TrunkByName returns the environment's trunk of that name.
func (t *Tx) TrunkByName(name string) (sidetone.Trunk, error) {
	if t.memory == nil {
		return t.store.tables.trunks.where(t, "name = $2", name)
	}
	for _, trunk := range t.memory.Trunks {
		if trunk.Name == name {
			return trunk, nil
		}
	}
	return sidetone.Trunk{}, notFound("trunk")
}

// Trunks lists the environment's trunks.
func (t *Tx) Trunks(q sidetone.PageQuery) (sidetone.Page[sidetone.Trunk], error) {
	return page(t, t.store.tables.trunks.table, q)
}

// InsertTrunk stores a new trunk.
func (t *Tx) InsertTrunk(trunk sidetone.Trunk) error { return t.store.tables.trunks.insert(t, trunk) }

// UpdateTrunk stores trunk if trunk.Version is the stored one, else it is a Conflict;
// the stored version grows by one.
func (t *Tx) UpdateTrunk(trunk sidetone.Trunk) error { return t.store.tables.trunks.update(t, trunk) }

// DeleteTrunk removes the trunk with id.
func (t *Tx) DeleteTrunk(id string) error { return t.store.tables.trunks.remove(t, id) }

// EveryTrunk returns the trunks of all environments, in the order in which they were
// made, from memory. On Postgres other nodes' changes show within a second. Slices in
// them must not be modified.
func (s *Store) EveryTrunk(ctx context.Context) ([]sidetone.Trunk, error) {
	return s.memory.EveryTrunk(ctx)
}

// Owner returns the environment that has the active number, as far as memory knows
// without asking the database; "" for none.
func (s *Store) Owner(e164 string) (environmentID string) { return s.memory.Owner(e164) }
