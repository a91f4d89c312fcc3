package server

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/telephony"
)

// carrier notes what it gets back.
type carrier struct {
	telephony.NumberShop
	fail     error
	released []string
}

func (c *carrier) Release(_ context.Context, number string) error {
	if c.fail == nil {
		c.released = append(c.released, number)
	}
	return c.fail
}

// reserved stores a number of a purchase that began then, or of none.
func reserved(t *testing.T, s *store.Store, env, id, number string, began time.Time) {
	t.Helper()
	n := sidetone.NewNumber(id, env, number, "simulated", time.Now())
	n.Reserved = began
	if err := s.Write(t.Context(), env, func(tx *store.Tx) error { return tx.InsertNumber(n) }); err != nil {
		t.Fatal(err)
	}
}

// activeNumbers are the environment's active numbers.
func activeNumbers(t *testing.T, s *store.Store, env string) (out []string) {
	t.Helper()
	err := s.Read(t.Context(), env, func(tx *store.Tx) error {
		p, err := tx.Numbers(sidetone.PageQuery{Page: 1, Size: 10, SortColumn: "number"})
		out = nil
		for _, n := range p.Items {
			out = append(out, n.Number)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPurchasesThatWereCutOffAreSettled is about rows that a process left
// reserved: old ones are given back and go, once the carrier takes them; numbers
// that are somebody's and purchases that go on are left alone.
func TestPurchasesThatWereCutOffAreSettled(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		e, err := s.CreateAccount(t.Context(), "a", "e")
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		reserved(t, s, e.ID, "owned", "+14155550101", time.Time{})
		reserved(t, s, e.ID, "cut", "+14155550102", now.Add(-time.Hour))
		reserved(t, s, e.ID, "going", "+14155550103", now)
		shop := &carrier{fail: errors.New("carrier on fire")}
		p := purchases{store: s, shops: map[string]telephony.NumberShop{"simulated": shop}, now: time.Now, log: slog.New(slog.DiscardHandler)}
		all := []string{"+14155550101", "+14155550102", "+14155550103"}
		p.settle(t.Context(), now.Add(-longestPurchase))
		if d := cmp.Diff(all, activeNumbers(t, s, e.ID)); d != "" {
			t.Errorf("while the carrier is down: %s", d)
		}
		shop.fail = nil
		for range 2 {
			p.settle(t.Context(), now.Add(-longestPurchase))
		}
		if d := cmp.Diff([]string{"+14155550101", "+14155550103"}, activeNumbers(t, s, e.ID)); d != "" {
			t.Errorf("afterwards: %s", d)
		}
		if d := cmp.Diff([]string{"+14155550102"}, shop.released); d != "" {
			t.Errorf("given back: %s", d)
		}
		cut, err := s.CutOffPurchases(t.Context(), now.Add(time.Hour))
		if err != nil || len(cut) != 1 || cut[0].ID != "going" {
			t.Fatalf("left are %+v, %v", cut, err)
		}
		// The purchase comes to an end after it was taken for one that was cut off.
		if err := s.Write(t.Context(), e.ID, func(tx *store.Tx) error {
			n, err := tx.Number("going")
			n.Reserved = time.Time{}
			return errors.Join(err, tx.UpdateNumber(n))
		}); err != nil {
			t.Fatal(err)
		}
		if err := p.giveBack(t.Context(), cut[0]); err != nil || len(shop.released) != 1 || len(activeNumbers(t, s, e.ID)) != 2 {
			t.Errorf("%v, given back %v, left %v", err, shop.released, activeNumbers(t, s, e.ID))
		}
	})
}

// TestNextStartSettlesPurchases starts a server on what one left that was killed
// between reserving a number and hearing of its purchase.
func TestNextStartSettlesPurchases(t *testing.T) {
	t.Parallel()
	c, ctx := testConfig(t), t.Context()
	var key sidetone.Secret
	err := WithStore(ctx, c, func(s *store.Store) error {
		e, err := s.CreateAccount(ctx, "a", "e")
		if err != nil {
			return err
		}
		reserved(t, s, e.ID, "owned", "+14155550101", time.Time{})
		reserved(t, s, e.ID, "cut", "+14155550102", time.Now())
		key = sidetone.NewKey()
		return insertKey(ctx, s, e.ID, "k", key, time.Now())
	})
	if err != nil {
		t.Fatal(err)
	}
	api := run(t, c).client(key.Reveal())
	page, err := api.Numbers().List(ctx, client.Query{})
	if err != nil || len(page.Items) != 1 || page.Items[0].Number != "+14155550101" {
		t.Fatalf("numbers %+v, %v", page, err)
	}
	bought, err := api.Numbers().Buy(ctx, client.Purchase{PhoneNumber: "+14155550102"})
	if err != nil || bought.Number != "+14155550102" {
		t.Errorf("bought %+v, %v", bought, err)
	}
}
