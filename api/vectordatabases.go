package api

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func vectorDatabases() plain[sidetone.VectorDatabase] {
	return plain[sidetone.VectorDatabase]{
		noun: "vector database", fresh: sidetone.NewVectorDatabase, decode: decodeVectorDatabase, render: renderVectorDatabase,
		id: func(db sidetone.VectorDatabase) string { return db.ID },
		secrets: func(db sidetone.VectorDatabase) map[string]sidetone.Secret {
			return map[string]sidetone.Secret{"api_key": db.APIKey}
		},
		find: (*store.Tx).VectorDatabase, list: (*store.Tx).VectorDatabases, insert: (*store.Tx).InsertVectorDatabase,
		update: (*store.Tx).UpdateVectorDatabase, remove: (*store.Tx).DeleteVectorDatabase,
	}
}

func decodeVectorDatabase(d *decoder) edit[sidetone.VectorDatabase] {
	change := sidetone.VectorDatabaseChange{
		Type: d.text("type"), Index: d.text("index"), APIKey: d.secret("api_key"), APIEnvironment: d.text("api_environment"),
	}
	return func(w work, db *sidetone.VectorDatabase) error {
		change := change
		var err error
		if change.APIKey, err = kept("api_key", change.APIKey, db.APIKey); err != nil {
			return err
		}
		change.Apply(db, w.tx.Now())
		return db.Validate()
	}
}

func renderVectorDatabase(v view, db sidetone.VectorDatabase) object {
	o := object{{"id", db.ID}, {"user_id", v.account}, {"type", db.Type}, {"index", db.Index}, {"api_environment", db.APIEnvironment}}
	o.secret(v.of(db.ID), "api_key", db.APIKey)
	return v.finish("vector_database", o)
}
