package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/store"
)

// stateTimeout bounds storing whether a vendor accepts an account.
const stateTimeout = 5 * time.Second

// keyRefused logs that a vendor does not accept a credential, and keeps it with the
// account connection that it is from. It does not wait for the store.
func (s *server) keyRefused(r call.Refused) {
	s.log.Warn("a vendor does not accept a credential", slog.String("vendor", r.Source.Vendor), slog.String("account", r.Source.Account),
		slog.String("environment", r.EnvironmentID), slog.String("agent", r.AgentID), slog.String("call", r.CallID), slog.String("reason", r.Reason))
	s.judged(r.EnvironmentID, r.Source.Account, sidetone.AccountState{State: sidetone.AccountFailed, Cause: r.Reason})
}

// keyAccepted keeps with an account connection that had failed that its vendor accepts
// it again. It does not wait for the store.
func (s *server) keyAccepted(a call.Accepted) {
	s.judged(a.EnvironmentID, a.Source.Account, sidetone.AccountState{State: sidetone.AccountVerified})
}

// tryConnection asks the vendor of a connection for a little, and ends the time for which
// calls of this node pass over what turns out to serve. It implements api.Config's
// TryConnection.
func (s *server) tryConnection(ctx context.Context, c sidetone.Connection) ([]api.Trial, error) {
	trials, err := s.providers.try(ctx, c)
	for _, t := range trials {
		if t.Err == nil {
			s.exchange.Mended(t.Part, c.ID)
		}
	}
	return trials, err
}

// judged stores the state of a credential that is from a connection.
func (s *server) judged(environmentID, account string, state sidetone.AccountState) {
	if account == "agent" || account == "server" {
		return
	}
	s.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
		defer cancel()
		if err := keepState(ctx, s.store, environmentID, account, state); err != nil && sidetone.CodeOf(err) != sidetone.NotFound {
			s.log.Warn("store whether an account is accepted", slog.Any("error", err))
		}
	})
}

// keepState sets the state of a connection, unless it says that already. One that nobody
// has asked about stays without a state when it works.
func keepState(ctx context.Context, s *store.Store, environmentID, id string, state sidetone.AccountState) error {
	news := func(tx *store.Tx) (c sidetone.Connection, err error) {
		c, err = tx.Connection(id)
		if err == nil && (c.State.State == state.State && c.State.Cause == state.Cause || state.State == sidetone.AccountVerified && c.State.State != sidetone.AccountFailed) {
			err = errNoNews
		}
		return c, err
	}
	err := s.ReadConfiguration(ctx, environmentID, func(tx *store.Tx) error { // from memory: most calls bring no news
		_, err := news(tx)
		return err
	})
	if err == nil {
		err = s.Write(ctx, environmentID, func(tx *store.Tx) error {
			c, err := news(tx)
			if err != nil {
				return err
			}
			c.State, c.State.Since = state, tx.Now()
			return tx.UpdateConnection(c)
		})
	}
	if errors.Is(err, errNoNews) {
		return nil
	}
	return err //nolint:wrapcheck // logged as it is
}

// errNoNews says that a state is stored already.
const errNoNews trialError = "the state is stored already"
