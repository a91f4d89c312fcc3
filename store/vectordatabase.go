package store

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

func vectorTable() *configurationTable[sidetone.VectorDatabase] {
	tb := newTable("vector_databases", "vector database", func(v *sidetone.VectorDatabase) []column {
		return []column{
			{name: "id", ref: &v.ID, fixed: true}, {name: "environment_id", ref: &v.EnvironmentID, fixed: true},
			{name: "type", ref: &v.Type}, {name: "index_name", ref: &v.Index}, {name: "api_key", ref: sealed{&v.APIKey}},
			{name: "api_environment", ref: &v.APIEnvironment}, {name: "version", ref: &v.Version},
			{name: "created", ref: millis{&v.Created}, fixed: true}, {name: "updated", ref: millis{&v.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "index": text("index_name"), "created": instant("created"), "updated": instant("updated"),
		"type": filterOnly(text("type")),
	})
	return &configurationTable[sidetone.VectorDatabase]{
		table:  tb.heldIn(func(e *configuration.Environment) map[string]sidetone.VectorDatabase { return e.Vectors }),
		detach: func(*sidetone.VectorDatabase) {},
		uses:   []use{{table: "agents", noun: "agent", column: "vector_database_id", shown: "id"}},
	}
}

// VectorDatabase returns the vector database with id.
func (t *Tx) VectorDatabase(id string) (sidetone.VectorDatabase, error) {
	return t.store.tables.vectors.get(t, id)
}

// VectorDatabases lists the vector databases.
func (t *Tx) VectorDatabases(q sidetone.PageQuery) (sidetone.Page[sidetone.VectorDatabase], error) {
	return page(t, t.store.tables.vectors.table, q)
}

// InsertVectorDatabase stores a new vector database.
func (t *Tx) InsertVectorDatabase(v sidetone.VectorDatabase) error {
	return t.store.tables.vectors.insert(t, v)
}

// UpdateVectorDatabase stores v if v.Version is the stored one, else it is a Conflict;
// the stored version grows by one.
func (t *Tx) UpdateVectorDatabase(v sidetone.VectorDatabase) error {
	return t.store.tables.vectors.update(t, v)
}

// DeleteVectorDatabase removes the vector database with id. One that is in use is a Conflict that
// names its users.
func (t *Tx) DeleteVectorDatabase(id string) error { return t.store.tables.vectors.remove(t, id) }
