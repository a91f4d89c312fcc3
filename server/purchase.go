package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
)

// longestPurchase is when a purchase is certain to be over, one way or another:
// requests end much earlier.
const longestPurchase = 2 * time.Minute

// purchases settles those that a process began and did not live to end. Nobody
// was told that such a number is theirs, and whether the carrier sold it is not
// known: it is given back, which is no error for one that was not sold, and its
// row is taken out of use.
type purchases struct {
	store *store.Store
	shops map[string]telephony.NumberShop
	now   func() time.Time
	log   *slog.Logger
}

// settle looks at the purchases that began before the given time. What cannot be
// settled now is left for the next time.
func (p purchases) settle(ctx context.Context, before time.Time) {
	cut, err := p.store.CutOffPurchases(ctx, before)
	if err != nil {
		p.log.Warn("find purchases that were cut off", slog.Any("error", err))
	}
	for _, n := range cut {
		if err := p.giveBack(ctx, n); err != nil {
			p.log.Warn("settle a purchase that was cut off", slog.String("number", n.Number), slog.Any("error", err))
			continue
		}
		p.log.Info("number of a purchase that was cut off given back", slog.String("number", n.Number))
	}
}

// giveBack first writes another time into the row, so that nobody who is at the
// purchase after all can put the number into service any more, and takes it out
// of use only when the carrier has the number back.
func (p purchases) giveBack(ctx context.Context, n sidetone.Number) error {
	shop := p.shops[n.Provider]
	if shop == nil {
		return fmt.Errorf("carrier %q sells no numbers", n.Provider)
	}
	write := func(active bool) error {
		n.Active, n.Updated, n.Reserved = active, p.now(), n.Reserved.Add(-time.Millisecond)
		if !active {
			n.Reserved = time.Time{}
		}
		err := p.store.Write(ctx, n.EnvironmentID, func(tx *store.Tx) error { return tx.UpdateNumber(n) })
		n.Version++
		return err
	}
	if err := write(true); err != nil {
		if errors.Is(err, store.ErrStale) {
			return nil // it came to an end, or another node is at it
		}
		return err
	}
	if err := shop.Release(ctx, n.Number); err != nil {
		return fmt.Errorf("give the number back: %w", err)
	}
	return write(false)
}
