package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/store"
)

// refusalTimeout bounds storing that a vendor does not accept an account.
const refusalTimeout = 5 * time.Second

// keyRefused logs that a vendor does not accept a credential, and keeps it with the
// account connection that it is from. It does not wait for the store.
func (s *server) keyRefused(r call.Refused) {
	s.log.Warn("a vendor does not accept a credential", slog.String("vendor", r.Source.Vendor), slog.String("account", r.Source.Account),
		slog.String("environment", r.EnvironmentID), slog.String("agent", r.AgentID), slog.String("call", r.CallID), slog.String("reason", r.Reason))
	if r.Source.Account == "agent" || r.Source.Account == "server" {
		return
	}
	s.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), refusalTimeout)
		defer cancel()
		if err := markRefused(ctx, s.store, r); err != nil && sidetone.CodeOf(err) != sidetone.NotFound {
			s.log.Warn("store that an account is not accepted", slog.Any("error", err))
		}
	})
}

// markRefused sets the state of the connection whose credential was refused.
func markRefused(ctx context.Context, s *store.Store, r call.Refused) error {
	return s.Write(ctx, r.EnvironmentID, func(tx *store.Tx) error { //nolint:wrapcheck // logged as it is
		c, err := tx.Connection(r.Source.Account)
		if err != nil {
			return err
		}
		state := sidetone.AccountState{State: sidetone.AccountFailed, Since: tx.Now(), Cause: r.Reason}
		if c.State.State == state.State && c.State.Cause == state.Cause {
			return nil
		}
		c.State = state
		return tx.UpdateConnection(c)
	})
}
