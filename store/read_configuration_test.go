package store_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestMemoryGetsWhatSQLGets compares rows one by one.
func TestMemoryGetsWhatSQLGets(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		write(t, s, env, furnish)
		gets := func(out *[]any) func(tx *store.Tx) error {
			return func(tx *store.Tx) error {
				*out = nil
				for _, id := range []string{"agent", "prompt", "voice", "action", "webhook", "vector", "connection", "number", "none"} {
					for _, get := range []func(*store.Tx, string) (any, error){
						getter((*store.Tx).Agent), getter((*store.Tx).Prompt), getter((*store.Tx).Voice), getter((*store.Tx).Action),
						getter((*store.Tx).Webhook), getter((*store.Tx).VectorDatabase), getter((*store.Tx).Connection),
						getter((*store.Tx).Number),
					} {
						row, err := get(tx, id)
						*out = append(*out, row, fmt.Sprint(err))
					}
				}
				voice, err := tx.DefaultVoice()
				*out = append(*out, voice, tx.EnvironmentID())
				return err
			}
		}
		for _, env := range []string{env, other} {
			var sql, memory []any
			read(t, s, env, gets(&sql))
			ok, err := store.ReadMemory(s, t.Context(), env, gets(&memory))
			if d := cmp.Diff(sql, memory); d != "" || !ok || err != nil {
				t.Errorf("memory tells %v, %v; SQL - memory +\n%s", ok, err, d)
			}
		}
	})
}

func getter[T any](get func(*store.Tx, string) (T, error)) func(*store.Tx, string) (any, error) {
	return func(tx *store.Tx, id string) (any, error) { return get(tx, id) }
}

// TestReadConfigurationAsksTheDatabaseForTheRest reads what memory has and has
// not in one transaction, and in an environment that memory does not know.
func TestReadConfigurationAsksTheDatabaseForTheRest(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		write(t, s, env, furnish)
		_, sqlite := s.SQLite()
		runs := 0
		err := s.ReadConfiguration(t.Context(), env, func(tx *store.Tx) error {
			runs++
			if _, err := tx.Agent("agent"); err != nil {
				return err
			}
			e, err := tx.Environment()
			if err == nil && e.ID != env {
				err = fmt.Errorf("environment %q", e.ID)
			}
			return err
		})
		if want := map[bool]int{true: 2, false: 1}[sqlite]; err != nil || runs != want {
			t.Errorf("%d runs, %v", runs, err)
		}
		wantCode(t, s.ReadConfiguration(t.Context(), "none", func(tx *store.Tx) error {
			_, err := tx.Agent("agent")
			return err
		}), sidetone.NotFound, "")
		if err := s.ReadConfiguration(t.Context(), env, func(tx *store.Tx) error { return tx.DeleteAgent("agent") }); err == nil {
			t.Error("a reader deleted an agent")
		}
	})
}
