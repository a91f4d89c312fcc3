package api

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

func vectorDatabases() resource[sidetone.VectorDatabase] {
	return resource[sidetone.VectorDatabase]{
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
		Type: d.Text("type"), Index: d.Text("index"), APIKey: d.secret("api_key"), APIEnvironment: d.Text("api_environment"),
	}
	return func(w work, db *sidetone.VectorDatabase) error {
		change, given, before := change, change.APIKey, *db
		var err error
		if change.APIKey, err = maskResolved("api_key", given, db.APIKey); err != nil {
			return err
		}
		change.Apply(db, w.tx.Now())
		if err := db.Validate(); err != nil || db.Type == before.Type && db.APIEnvironment == before.APIEnvironment {
			return err
		}
		return notCarried("api_key", given, before.APIKey, db.APIKey)
	}
}

func renderVectorDatabase(v view, db sidetone.VectorDatabase) object {
	o := object{"id": db.ID, "user_id": v.account, "type": db.Type, "index": db.Index, "api_environment": db.APIEnvironment}
	v.of(db.ID).setSecret(o, "api_key", db.APIKey)
	return o
}
