package store

import (
	"context"

	"github.com/sidetone/sidetone"
)

func keyTable() *table[sidetone.APIKey] {
	return newTable("api_keys", "API key", func(k *sidetone.APIKey) []column {
		return []column{
			{name: "id", ref: &k.ID, fixed: true}, {name: "environment_id", ref: &k.EnvironmentID, fixed: true},
			{name: "label", ref: &k.Label}, {name: "hint", ref: &k.Hint, fixed: true}, {name: "hash", ref: digest{&k.Hash}, fixed: true, secret: true},
			{name: "profile", ref: &k.Profile}, {name: "scopes", ref: scopes{&k.Scopes}},
			{name: "account_wide", ref: &k.AccountWide, fixed: true}, {name: "imported", ref: &k.Imported, fixed: true},
			{name: "member_id", ref: &k.MemberID, fixed: true}, {name: "version", ref: &k.Version},
			{name: "created", ref: millis{&k.Created}, fixed: true}, {name: "updated", ref: millis{&k.Updated}},
			{name: "revoked", ref: millis{&k.Revoked}},
		}
	}, map[string]listed{
		"id": text("id"), "label": text("label"), "created": instant("created"),
		"created_at": instant("created"), "updated_at": instant("updated"), "active": filterOnly(boolean("(revoked = 0)")),
		"revoked": filterOnly(instant("revoked")), "revoked_at": filterOnly(instant("revoked")), "member": filterOnly(text("member_id")),
	})
}

// InsertAPIKey stores a new key. A key with the same hash, be it of another
// environment, is a Conflict.
func (t *Tx) InsertAPIKey(k sidetone.APIKey) error {
	t.change.access = true
	if k.Updated.IsZero() {
		k.Updated = k.Created
	}
	return t.store.tables.keys.insert(t, &k)
}

// APIKey returns the key with id, revoked or not.
func (t *Tx) APIKey(id string) (sidetone.APIKey, error) { return t.store.tables.keys.get(t, id) }

// APIKeys lists the keys, revoked ones included.
func (t *Tx) APIKeys(q sidetone.PageQuery) (sidetone.Page[sidetone.APIKey], error) {
	return page(t, t.store.tables.keys, q)
}

// UpdateAPIKey stores the key's label, profile, scopes and revocation if
// k.Version is the stored one, else it is a Conflict.
func (t *Tx) UpdateAPIKey(k sidetone.APIKey) error {
	t.change.access = true
	return t.store.tables.keys.update(t, &k)
}

// RevokeAPIKey makes a key invalid and returns it; revoking it again is no
// error and changes nothing.
func (t *Tx) RevokeAPIKey(id string) (sidetone.APIKey, error) {
	k, err := t.APIKey(id)
	if err != nil || !k.Revoked.IsZero() {
		return k, err
	}
	k.Revoked, k.Updated = t.now, t.now
	t.change.access = true
	err = t.store.tables.keys.update(t, &k)
	return k, err
}

// InsertAPIKey stores a new key, as Tx.InsertAPIKey.
func (s *Store) InsertAPIKey(ctx context.Context, k sidetone.APIKey) error {
	return s.Write(ctx, k.EnvironmentID, func(t *Tx) error { return t.InsertAPIKey(k) })
}

// APIKeys returns all keys of the environment, newest first, revoked ones
// included.
func (s *Store) APIKeys(ctx context.Context, environmentID string) ([]sidetone.APIKey, error) {
	var out []sidetone.APIKey
	err := s.Read(ctx, environmentID, func(t *Tx) error {
		var err error
		out, err = s.tables.keys.all(t, "WHERE environment_id = $1 ORDER BY created DESC, id DESC", t.environment)
		return err
	})
	return out, err
}

// RevokeAPIKey makes a key of the environment invalid, as Tx.RevokeAPIKey.
func (s *Store) RevokeAPIKey(ctx context.Context, environmentID, keyID string) error {
	return s.Write(ctx, environmentID, func(t *Tx) error {
		_, err := t.RevokeAPIKey(keyID)
		return err
	})
}
