package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/vault"
)

// things makes the table of a noun with a sealed column.
func things(t testing.TB, s *store.Store, environmentID, name string) store.Things {
	t.Helper()
	x := store.NewThings(name)
	write(t, owner(t, s), environmentID, x.Create)
	pool, ok := s.Postgres()
	if !ok {
		return x
	}
	url := pool.Config().ConnString()
	migrated, err := store.Open(t.Context(), store.Config{URL: url, MigrateURL: storetest.Owner(url)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(migrated.Migrate(t.Context()), migrated.Close()); err != nil {
		t.Fatal(err)
	}
	return x
}

// owner is s for somebody whom no policy binds.
func owner(t testing.TB, s *store.Store) *store.Store {
	t.Helper()
	pool, ok := s.Postgres()
	if !ok {
		return s
	}
	return storetest.Open(t, storetest.Owner(pool.Config().ConnString()), nil)
}

func TestSealedColumns(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		x := things(t, s, env, "things")
		want := []store.Thing{
			{ID: "a", EnvironmentID: env, Label: "first", Secret: "canary-first-secret", Version: 1},
			{ID: "b", EnvironmentID: env, Label: "none", Version: 1},
			{ID: "c", EnvironmentID: env, Label: "third", Secret: "canary-third-secret", Version: 1},
		}
		write(t, s, env, func(tx *store.Tx) error {
			for _, row := range want {
				if err := x.Insert(tx, row); err != nil {
					return err
				}
			}
			got, err := x.All(tx, "ORDER BY id") // in the transaction that made the data key
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			return err
		})
		read(t, s, env, func(tx *store.Tx) error {
			got, err := x.All(tx, "ORDER BY id")
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			one, err2 := x.Get(tx, "c")
			if d := cmp.Diff(want[2], one); d != "" {
				t.Error(d)
			}
			stored, err3 := tx.Text("SELECT secret FROM things WHERE id = $1", "a")
			if !strings.HasPrefix(stored, vault.Prefix(1)) || strings.Contains(stored, "canary") {
				t.Errorf("stored as %q", stored)
			}
			empty, err4 := tx.Text("SELECT secret FROM things WHERE id = $1", "b")
			if empty != "" {
				t.Errorf("no secret is stored as %q", empty)
			}
			return errors.Join(err, err2, err3, err4)
		})
		changed := want[2]
		changed.Secret = "canary-changed"
		write(t, s, env, func(tx *store.Tx) error { return x.Update(tx, changed) })
		read(t, s, env, func(tx *store.Tx) error {
			one, err := x.Get(tx, "c")
			if one.Secret != "canary-changed" || one.Version != 2 {
				t.Errorf("got %q, version %d", one.Secret.Reveal(), one.Version)
			}
			// The audit log tells that the secret was changed, and not to what.
			log, err2 := tx.AuditLog(sidetone.PageQuery{Page: 1, Size: 1, Filters: []sidetone.Filter{{Column: "resource_id", Op: "eq", Values: []any{"c"}}}})
			if err2 != nil || len(log.Items) != 1 || string(log.Items[0].Before) != `{"secret":"********"}` ||
				string(log.Items[0].After) != `{"secret":"********"}` {
				t.Errorf("audited as %+v, %v", log.Items, err2)
			}
			return err
		})
	})
}

// A ciphertext that somebody with access to the database moved does not open,
// neither for its own environment's requests nor for another's.
func TestMovedSecretsDoNotOpen(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		x, intruder := things(t, s, env, "things"), owner(t, s)
		write(t, s, other, func(tx *store.Tx) error {
			return x.Insert(tx, store.Thing{ID: "z", EnvironmentID: other, Secret: "theirs"})
		})
		write(t, s, env, func(tx *store.Tx) error {
			return errors.Join(x.Insert(tx, store.Thing{ID: "a", Secret: "first"}), x.Insert(tx, store.Thing{ID: "b", Secret: "second"}))
		})
		for name, c := range map[string]struct{ move, back string }{
			"to another row": {"UPDATE things SET secret = (SELECT secret FROM things WHERE id = 'a') WHERE id = 'b'", ""},
			"to another environment": {
				"UPDATE things SET secret = (SELECT secret FROM things WHERE id = 'z') WHERE id = 'b'", ""},
			"with its row": {"UPDATE things SET environment_id = '" + env + "' WHERE id = 'z'",
				"UPDATE things SET environment_id = '" + other + "' WHERE id = 'z'"},
		} {
			id := map[bool]string{true: "z", false: "b"}[c.back != ""]
			write(t, intruder, env, func(tx *store.Tx) error { return tx.Exec(c.move) })
			err := s.Read(context.Background(), env, func(tx *store.Tx) error { _, err := x.Get(tx, id); return err })
			if !errors.Is(err, vault.ErrRefused) || sidetone.MessageOf(err) != "internal error" {
				t.Errorf("%s: %v", name, err)
			}
			// Among the rows of all environments it only lacks its secret.
			all, err := x.Across(s, context.Background())
			if err != nil || len(all) != 3 || all[0].Secret != "first" {
				t.Errorf("%s: %+v, %v", name, all, err)
			}
			for _, row := range all {
				if row.ID == id && row.Secret != "" {
					t.Errorf("%s: opens as %q", name, row.Secret.Reveal())
				}
			}
			if c.back != "" {
				write(t, intruder, env, func(tx *store.Tx) error { return tx.Exec(c.back) })
			}
		}
	})
}

// Writers that store the first secret of an environment at the same time agree
// on one data key.
func TestFirstSecretsAtTheSameTime(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		x := things(t, s, env, "things")
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				err := s.Write(context.Background(), env, func(tx *store.Tx) error {
					return x.Insert(tx, store.Thing{ID: fmt.Sprint("t", i), Secret: sidetone.Secret(fmt.Sprint("secret ", i))})
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		read(t, s, env, func(tx *store.Tx) error {
			rows, err := x.All(tx, "")
			for _, row := range rows {
				if want := "secret " + strings.TrimPrefix(row.ID, "t"); row.Secret.Reveal() != want {
					t.Errorf("%s opens as %q", row.ID, row.Secret.Reveal())
				}
			}
			n, err2 := tx.Text("SELECT CAST(count(*) AS TEXT) FROM data_keys WHERE environment_id = $1", env)
			if len(rows) != 16 || n != "1" {
				t.Errorf("%d rows, %s data keys", len(rows), n)
			}
			return errors.Join(err, err2)
		})
	})
}

// A data key whose transaction came to nothing must not seal later values.
func TestDataKeyOfAFailedTransaction(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, nil)
		env := account(t, s)
		x := things(t, s, env, "things")
		failed := errors.New("changed my mind")
		err := s.Write(context.Background(), env, func(tx *store.Tx) error {
			if err := x.Insert(tx, store.Thing{ID: "a", Secret: "first"}); err != nil {
				return err
			}
			if _, err := x.Get(tx, "a"); err != nil {
				return err
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		write(t, s, env, func(tx *store.Tx) error { return x.Insert(tx, store.Thing{ID: "a", Secret: "second"}) })
		again := storetest.Open(t, url, nil) // remembers nothing
		read(t, again, env, func(tx *store.Tx) error {
			row, err := x.Get(tx, "a")
			if row.Secret != "second" {
				t.Errorf("got %q", row.Secret.Reveal())
			}
			return err
		})
	})
}

func TestWithoutTheMasterKey(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, nil)
		env := account(t, s)
		x := things(t, s, env, "things")
		write(t, s, env, func(tx *store.Tx) error { return x.Insert(tx, store.Thing{ID: "a", Secret: "first"}) })
		another := func() (vault.Masters, error) { return vault.Masters{vault.NewKey()}, nil }
		for name, c := range map[string]struct {
			masters func() (vault.Masters, error)
			code    sidetone.Code
		}{"another": {another, sidetone.Internal}, "none": {nil, sidetone.Unavailable}} {
			blind, err := store.Open(context.Background(), store.Config{URL: url, Masters: c.masters})
			if err != nil {
				t.Fatal(err)
			}
			err = blind.Read(context.Background(), env, func(tx *store.Tx) error { _, err := x.Get(tx, "a"); return err })
			wantCode(t, err, c.code, "")
			err = blind.Write(context.Background(), env, func(tx *store.Tx) error { return x.Insert(tx, store.Thing{ID: "b", Secret: "x"}) })
			wantCode(t, err, c.code, "")
			// What has no secrets goes on.
			write(t, blind, env, func(tx *store.Tx) error { return x.Insert(tx, store.Thing{ID: "open " + name}) })
			if err := blind.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
