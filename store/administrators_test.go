package store_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestAdministrators counts keys and members of two environments of an account.
func TestAdministrators(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		home := account(t, s)
		e, err := s.EnvironmentByID(t.Context(), home)
		if err != nil {
			t.Fatal(err)
		}
		there, err := s.CreateEnvironment(t.Context(), sidetone.Environment{AccountID: e.AccountID, Name: "staging"})
		if err != nil {
			t.Fatal(err)
		}
		admin, reader := sidetone.OperatorScopes(), sidetone.DefaultScopes()
		for _, k := range []sidetone.APIKey{
			{ID: "visitor", EnvironmentID: home, Scopes: admin, AccountWide: true}, {ID: "narrow", EnvironmentID: home, Scopes: admin},
			{ID: "wide", EnvironmentID: there.ID, Scopes: admin, AccountWide: true}, {ID: "own", EnvironmentID: there.ID, Scopes: admin},
			{ID: "reader", EnvironmentID: there.ID, Scopes: reader, AccountWide: true},
			{ID: "gone", EnvironmentID: there.ID, Scopes: admin, Revoked: day(1)},
			{ID: "ada", EnvironmentID: there.ID, Scopes: admin, MemberID: "ada"}, {ID: "bob", EnvironmentID: there.ID, Scopes: admin, MemberID: "bob"},
		} {
			k.Hash, k.Created = sidetone.Secret(k.ID).Hash(), day(1)
			if err := s.InsertAPIKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		write(t, s, there.ID, func(tx *store.Tx) error {
			if err := tx.InsertMember(sidetone.Member{ID: "ada", Subject: "ada", Role: sidetone.RoleAdmin, Created: day(1)}); err != nil {
				return err
			}
			return tx.InsertMember(sidetone.Member{ID: "bob", Subject: "bob", Role: sidetone.RoleMember, Created: day(1)})
		})
		want := store.Administrators{Keys: 3, WideKeys: 1, Members: 1}
		for _, tt := range []struct {
			home, key string
			visitor   bool
		}{{"", "own", false}, {home, "visitor", true}, {home, "narrow", false}, {home, "nobody", false}, {"nowhere", "visitor", false}} {
			err := s.Write(context.Background(), there.ID, func(tx *store.Tx) error {
				got, err := tx.Administrators(sidetone.Principal{AccountID: e.AccountID, HomeID: tt.home, KeyID: tt.key})
				want.Visitor = tt.visitor
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s of %q: (-want +got)\n%s", tt.key, tt.home, d)
				}
				// The transaction sees its own environment as before.
				if _, err := tx.Member("ada"); err != nil {
					t.Error(err)
				}
				if _, err := tx.APIKey("visitor"); sidetone.CodeOf(err) != sidetone.NotFound {
					t.Errorf("sees a key of another environment: %v", err)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}
