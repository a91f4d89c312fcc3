package server

import (
	"context"
	"log/slog"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// handovers knows how callers may be handed to somebody else.
type handovers struct {
	callable
	trunks func() trunks
	log    *slog.Logger
}

// Colleague implements call.Handovers.
func (h handovers) Colleague(ctx context.Context, environmentID, e164 string) error {
	_, err := h.number(ctx, environmentID, func(tx *store.Tx) (string, error) { return tx.MayHandOver(e164) })
	return err
}

// Recorded implements call.Handovers. Who is not known to be willing is not recorded.
func (h handovers) Recorded(ctx context.Context, environmentID string) (recorded bool) {
	err := h.Read(ctx, environmentID, func(tx *store.Tx) error {
		e, err := tx.Environment()
		recorded = err == nil && e.RecordTransfers
		return err
	})
	if err != nil {
		h.log.Warn("read whether a transferred call is recorded", slog.Any("error", err))
	}
	return recorded
}

// Way implements call.Handovers.
func (h handovers) Way(trunk string) string {
	if one := h.trunks().named(trunk); one != nil {
		return one.Transfer
	}
	return ""
}

// Shows implements call.Handovers: a trunk says whether it shows any number, and nobody's
// number is shown that somebody else here has.
func (h handovers) Shows(c sidetone.Call, number string) bool {
	if c.Provider != "sip" {
		return true
	}
	seen := h.trunks().in(c.EnvironmentID)
	if _, listed := seen.owner(number); listed {
		return false
	}
	_, err := seen.way(c.ConnectionID, c.AgentNumber, number)
	return err == nil
}
