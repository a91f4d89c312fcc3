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

// longestPurchase is when a purchase is certain to be over, one way or another: a
// request lasts 30 s, and what it stores last takes 10 s at most. Looked for
// every reapEvery, one that was cut off is settled within a minute.
const longestPurchase = 45 * time.Second

// purchases settles the purchases of processes that ended in the middle. No client
// has such a number, and it is not known whether the carrier sold it. It is given
// back, which is no error for one that was not sold, and its row is marked as out
// of use.
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

// giveBack first changes the row's time, so that a process that is still buying
// the number can no longer put it into service, and marks the row as out of use
// only when the carrier has the number back.
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
			return nil // the purchase has ended, or another node settles it
		}
		return err
	}
	if err := shop.Release(ctx, n.Number); err != nil {
		return fmt.Errorf("give the number back: %w", err)
	}
	return write(false)
}
