package api

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// renderKey renders a key. Its secret is not part of it.
func renderKey(k sidetone.APIKey) object {
	o := object{
		"id": k.ID, "environment_id": k.EnvironmentID, "label": k.Label, "scopes": k.Scopes.Names(),
		"account_wide": k.AccountWide, "imported": k.Imported, "active": k.Revoked.IsZero(),
	}
	setText(o, "ends_in", k.Hint)
	setText(o, "profile", k.Profile)
	setText(o, "member", k.MemberID)
	setTime(o, "created_at", k.Created)
	setTime(o, "updated_at", k.Updated)
	setTime(o, "revoked_at", k.Revoked)
	return o
}

// scopes reads a list of scopes.
func (d *decoder) scopes(name string) sidetone.Optional[sidetone.Scopes] {
	names := d.Strings(name)
	out := sidetone.Optional[sidetone.Scopes]{Set: names.Set, Null: names.Null}
	for _, one := range names.Value {
		out.Value |= sidetone.NewScopes(sidetone.Scope(one))
	}
	return out
}

func (s *server) getKey(r *request) (any, error) {
	var k sidetone.APIKey
	err := s.read(r, func(w work) (err error) {
		k, err = w.tx.APIKey(r.query.Get("id"))
		return named(err, "id", "API key")
	})
	return renderKey(k), err
}

func (s *server) listKeys(r *request) (any, error) {
	return list(s, r, (*store.Tx).APIKeys, func(_ work, page sidetone.Page[sidetone.APIKey]) (object, error) {
		return renderPage(page, renderKey), nil
	})
}

// createKey makes a key; its response is the only place where the secret is ever
// shown.
func (s *server) createKey(r *request) (any, error) {
	secret := sidetone.NewKey()
	k, err := s.addKey(r, secret, false)
	if err != nil {
		return nil, err
	}
	o := renderKey(k)
	o["key"] = secret.Reveal()
	return o, nil
}

// importKey makes a bearer that clients have already a key.
func (s *server) importKey(r *request) (any, error) {
	d := newDecoder(r.view.profile, r.body)
	secret := sidetone.Secret(d.Text("key").Value)
	if err := d.Err(); err != nil {
		return nil, err
	}
	if err := sidetone.ValidateImportedKey(secret); err != nil {
		return nil, err
	}
	k, err := s.addKey(r, secret, true)
	return renderKey(k), err
}

// addKey stores the key that the body describes.
func (s *server) addKey(r *request, secret sidetone.Secret, imported bool) (sidetone.APIKey, error) {
	d := newDecoder(r.view.profile, r.body)
	label, scopes, profile, member, accountWide := d.Text("label"), d.scopes("scopes"), d.Text("profile"), d.Text("member"), d.Bool("account_wide")
	if err := d.Err(); err != nil {
		return sidetone.APIKey{}, err
	}
	k := sidetone.APIKey{EnvironmentID: r.who.EnvironmentID, Hint: secret.Hint(), Hash: secret.Hash(), Imported: imported}
	label.Apply(&k.Label, "")
	scopes.Apply(&k.Scopes, sidetone.DefaultScopes())
	profile.Apply(&k.Profile, "")
	member.Apply(&k.MemberID, "")
	accountWide.Apply(&k.AccountWide, false)
	if !scopes.Set {
		k.Scopes = sidetone.DefaultScopes()
	}
	if err := k.Validate(); err != nil {
		return k, err
	}
	if k.AccountWide {
		if err := wide(r); err != nil {
			return k, err
		}
	}
	k.ID = s.IDs.New()
	_, err := s.effect(r, func(w work) (any, error) {
		k.Created, k.Updated = w.tx.Now(), w.tx.Now()
		if k.MemberID != "" {
			if _, err := w.tx.Member(k.MemberID); err != nil {
				return nil, named(err, "member", "member")
			}
		}
		return renderKey(k), w.tx.InsertAPIKey(k)
	})
	return k, err
}

// changeKey carries change out on a key that is not revoked.
func (s *server) changeKey(r *request, change func(*store.Tx, *sidetone.APIKey) error) (any, error) {
	var k sidetone.APIKey
	err := s.write(r, func(w work) (err error) {
		if k, err = w.tx.APIKey(r.query.Get("id")); err != nil {
			return named(err, "id", "API key")
		}
		if k.AccountWide {
			if err := wide(r); err != nil {
				return err
			}
		}
		before := k
		if err := change(w.tx, &k); err != nil || !administers(before) || administers(k) {
			return err
		}
		return s.requireAdministrator(r, w.tx, k.AccountWide)
	})
	return renderKey(k), err
}

// administers reports whether the key is valid and has the scope admin.
func administers(k sidetone.APIKey) bool {
	return k.Revoked.IsZero() && k.Scopes.Has(sidetone.ScopeAdmin)
}

func (s *server) updateKey(r *request) (any, error) {
	d := newDecoder(r.view.profile, r.body)
	label, scopes, profile := d.Text("label"), d.scopes("scopes"), d.Text("profile")
	if err := d.Err(); err != nil {
		return nil, err
	}
	return s.changeKey(r, func(tx *store.Tx, k *sidetone.APIKey) error {
		if !k.Revoked.IsZero() {
			return sidetone.Errorf(sidetone.Conflict, "the API key is revoked")
		}
		label.Apply(&k.Label, "")
		scopes.Apply(&k.Scopes, sidetone.DefaultScopes())
		profile.Apply(&k.Profile, "")
		k.Updated = tx.Now()
		if err := k.Validate(); err != nil {
			return err
		}
		return tx.UpdateAPIKey(*k)
	})
}

func (s *server) revokeKey(r *request) (any, error) {
	return s.changeKey(r, func(tx *store.Tx, k *sidetone.APIKey) (err error) {
		*k, err = tx.RevokeAPIKey(k.ID)
		return err
	})
}
