package server

import (
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestStateOfAccounts: a refusal is kept, and a later success clears it.
func TestStateOfAccounts(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		e, err := s.CreateAccount(t.Context(), "a", "e")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), e.ID, func(tx *store.Tx) error {
			c := sidetone.NewConnection("c", e.ID, tx.Now())
			c.Type = "account_connection_openai"
			return tx.InsertConnection(c)
		}); err != nil {
			t.Fatal(err)
		}
		failed, verified := sidetone.AccountState{State: sidetone.AccountFailed, Cause: "openai: 401"}, sidetone.AccountState{State: sidetone.AccountVerified}
		for i, step := range []struct {
			now  sidetone.AccountState
			want string
		}{{verified, ""}, {failed, "failed openai: 401"}, {failed, "failed openai: 401"}, {verified, "verified "}, {verified, "verified "}} {
			if err := keepState(t.Context(), s, e.ID, "c", step.now); err != nil {
				t.Fatal(err)
			}
			if err := s.Read(t.Context(), e.ID, func(tx *store.Tx) error {
				c, err := tx.Connection("c")
				if got := c.State.State + " " + c.State.Cause; got != step.want && c.State.State+step.want != "" || (c.State.State == "") != c.State.Since.IsZero() {
					t.Errorf("%d: %q at %v, want %q", i, got, c.State.Since, step.want)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := keepState(t.Context(), s, e.ID, "other", failed); sidetone.CodeOf(err) != sidetone.NotFound {
			t.Errorf("of none: %v", err)
		}
	})
}
