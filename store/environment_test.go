package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// account makes an account and returns its environment's id.
func account(t testing.TB, s *store.Store) string {
	t.Helper()
	store.Shadow(s, func(text string) { t.Error(text) })
	e, err := s.CreateAccount(context.Background(), "Clinic", "live")
	if err != nil {
		t.Fatal(err)
	}
	return e.ID
}

func write(t testing.TB, s *store.Store, environmentID string, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.Write(context.Background(), environmentID, fn); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, s *store.Store, environmentID string, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.Read(context.Background(), environmentID, fn); err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, want sidetone.Code, message string) {
	t.Helper()
	if sidetone.CodeOf(err) != want || message != "" && sidetone.MessageOf(err) != message {
		t.Errorf("error %v, want %s %q", err, want, message)
	}
}

func day(n int) time.Time { return time.Date(2026, 11, n, 9, 30, 0, 5e6, time.UTC) }

func TestCreateAccount(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		e, err := s.CreateAccount(ctx, "Clinic", "live")
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.Environments(ctx)
		if err != nil || len(all) != 1 {
			t.Fatalf("environments %v, %v", all, err)
		}
		if d := cmp.Diff(e, all[0]); d != "" {
			t.Error(d)
		}
		read(t, s, e.ID, func(tx *store.Tx) error {
			got, err := tx.Environment()
			if d := cmp.Diff(e, got); d != "" {
				t.Error(d)
			}
			voices, err2 := tx.Voices(sidetone.PageQuery{Page: 1, Size: 10, SortColumn: "type"})
			if err2 != nil || len(voices.Items) != 2 || voices.Items[0].Type != "voice_flite" || voices.Items[1].Type != "voice_tty" {
				t.Errorf("voices %+v, %v", voices, err2)
			}
			return err
		})
		err = s.Read(ctx, "nobody", func(tx *store.Tx) error { _, err := tx.Environment(); return err })
		wantCode(t, err, sidetone.NotFound, "environment not found")
	})
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		env, other := account(t, s), account(t, s)
		secret := sidetone.NewKey()
		key := sidetone.APIKey{ID: "k1", EnvironmentID: env, Label: "laptop", Hint: secret.Hint(), Hash: secret.Hash(),
			Profile: "vocode", Scopes: sidetone.DefaultScopes(), Created: day(1), Updated: day(1)}
		if err := s.InsertAPIKey(ctx, key); err != nil {
			t.Fatal(err)
		}
		twin := key
		twin.ID = "k2"
		wantCode(t, s.InsertAPIKey(ctx, twin), sidetone.Conflict, "API key already exists")
		for range 2 { // the second answer comes from memory
			p, err := s.Authenticate(ctx, secret.Hash())
			if err != nil || p.EnvironmentID != env || p.KeyID != "k1" || p.Profile != "vocode" || p.AccountID == "" ||
				!p.Has(sidetone.ScopeWrite) || p.Has(sidetone.ScopeAdmin) {
				t.Fatalf("principal %+v, %v", p, err)
			}
		}
		keys, err := s.APIKeys(ctx, env)
		key.Version = 1
		if d := cmp.Diff([]sidetone.APIKey{key}, keys); d != "" || err != nil {
			t.Error(d, err)
		}
		wantCode(t, s.RevokeAPIKey(ctx, other, "k1"), sidetone.NotFound, "API key not found")
		for range 2 {
			if err := s.RevokeAPIKey(ctx, env, "k1"); err != nil {
				t.Fatal(err)
			}
		}
		_, err = s.Authenticate(ctx, secret.Hash())
		wantCode(t, err, sidetone.Unauthenticated, "")
		_, err = s.Authenticate(ctx, sidetone.Secret("nobody").Hash())
		wantCode(t, err, sidetone.Unauthenticated, "")
		if keys, _ := s.APIKeys(ctx, other); len(keys) != 0 {
			t.Errorf("another environment sees %v", keys)
		}
	})
}

// TestSoleEnvironment: a second environment is known at once, and SQLite is not asked.
func TestSoleEnvironment(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		if sole, err := s.SoleEnvironment(t.Context()); sole || err != nil {
			t.Errorf("with no environment: %v, %v", sole, err)
		}
		first, err := s.CreateAccount(t.Context(), "Acme", "production")
		if err != nil {
			t.Fatal(err)
		}
		if sole, err := s.SoleEnvironment(t.Context()); !sole || err != nil {
			t.Errorf("with one environment: %v, %v", sole, err)
		}
		if _, sqlite := s.SQLite(); sqlite {
			late, cancel := context.WithCancel(t.Context())
			cancel() // no statement runs with it
			if sole, err := s.SoleEnvironment(late); !sole || err != nil {
				t.Errorf("from memory: %v, %v", sole, err)
			}
		}
		if _, err := s.CreateEnvironment(t.Context(), sidetone.Environment{AccountID: first.AccountID, Name: "test"}); err != nil {
			t.Fatal(err)
		}
		if sole, err := s.SoleEnvironment(t.Context()); sole || err != nil {
			t.Errorf("with two environments: %v, %v", sole, err)
		}
	})
}
