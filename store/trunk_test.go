package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// Memory follows the trunks of all environments; a name is one environment's.
func TestEveryTrunk(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		trunk := func(id, env, name string, made int) sidetone.Trunk {
			out := sidetone.NewTrunk(id, env, day(made))
			out.Name, out.Settings, out.Secrets = name, []byte(`{"host":"a.example"}`), `{"password":"p"}`
			return out
		}
		every := func(want ...string) {
			t.Helper()
			all, err := s.EveryTrunk(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, one := range all {
				got = append(got, one.ID+" "+one.Name+" "+one.Secrets.Reveal())
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		}
		every()
		write(t, s, env, func(tx *store.Tx) error { return tx.InsertTrunk(trunk("b", env, "acme", 2)) })
		write(t, s, other, func(tx *store.Tx) error { return tx.InsertTrunk(trunk("a", other, "acme", 1)) })
		every(`a acme {"password":"p"}`, `b acme {"password":"p"}`)
		err := s.Write(t.Context(), env, func(tx *store.Tx) error { return tx.InsertTrunk(trunk("c", env, "acme", 3)) })
		wantCode(t, err, sidetone.Conflict, "trunk already exists")
		write(t, s, env, func(tx *store.Tx) error {
			return errors.Join(tx.InsertTrunk(trunk("c", env, "beta", 3)), tx.DeleteTrunk("b"))
		})
		every(`a acme {"password":"p"}`, `c beta {"password":"p"}`)
		for _, find := range []func(*store.Tx) error{
			func(tx *store.Tx) error { _, err := tx.TrunkByName("beta"); return err },
			func(tx *store.Tx) error {
				_, err := tx.TrunkByName("acme")
				wantCode(t, err, sidetone.NotFound, "trunk not found")
				return nil
			},
			func(tx *store.Tx) error {
				err := tx.DeleteTrunk("a")
				wantCode(t, err, sidetone.NotFound, "trunk not found")
				return nil
			},
		} {
			write(t, s, env, find)
		}
		number := sidetone.NewNumber("n", env, "+12025550100", "sip", day(1))
		write(t, s, env, func(tx *store.Tx) error { return tx.InsertNumber(number) })
		if got := s.Owner("+12025550100"); got != env {
			t.Errorf("owner %q, want %q", got, env)
		}
		if got := s.Owner("+12025550101"); got != "" {
			t.Errorf("owner %q of nobody's number", got)
		}
	})
}
