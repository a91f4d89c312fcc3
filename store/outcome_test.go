package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestLostCommitReply cuts the connection around a COMMIT: nobody can say then
// whether the change was stored, and the store neither says that it failed nor
// runs it again. The next write works, and memory follows what was stored.
func TestLostCommitReply(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]bool{"before the server sees it": false, "after the server carried it out": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := storetest.Postgres(t)
			env := account(t, storetest.Open(t, address, nil))
			through, arm := storetest.CutCommit(t, address, stored)
			s := storetest.Open(t, through, nil)
			clinic(t, s, env)
			route(t, s) // loads the memory
			arm()
			runs := 0
			err := s.Write(t.Context(), env, func(tx *store.Tx) error {
				runs++
				n, err := tx.Number("n")
				n.Label = "changed"
				if err == nil {
					err = tx.UpdateNumber(n)
				}
				return err
			})
			wantCode(t, err, sidetone.Unavailable, "the database did not confirm the change: it is not known whether it was stored")
			if !errors.Is(err, store.ErrOutcomeUnknown) || runs != 1 {
				t.Errorf("%d runs, %v", runs, err)
			}
			want := map[bool]string{true: "changed"}[stored]
			if got := route(t, s).Number.Label; got != want {
				t.Errorf("memory has label %q, want %q", got, want)
			}
			read(t, s, env, func(tx *store.Tx) error {
				n, err := tx.Number("n")
				if n.Label != want {
					t.Errorf("label %q, want %q", n.Label, want)
				}
				return err
			})
			write(t, s, env, insert("next"))
		})
	}
}

// TestFailedCommitIsKnown: a COMMIT that the server refuses, and a connection that
// is lost before the COMMIT, are failures like any other.
func TestFailedCommitIsKnown(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Postgres(t), nil)
	env := account(t, s)
	for name, fail := range map[string]string{
		"constraint at the commit": `CREATE TEMP TABLE deferred (id INT UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO deferred VALUES (1), (1)`,
		"lost connection":          `SELECT pg_terminate_backend(pg_backend_pid())`,
	} {
		err := s.Write(context.Background(), env, func(tx *store.Tx) error {
			inner, _ := tx.Postgres()
			_, err := inner.Exec(context.Background(), fail)
			return err
		})
		if err == nil || errors.Is(err, store.ErrOutcomeUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
