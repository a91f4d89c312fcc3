package delivery

import (
	"context"
	"log/slog"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/webhook"
)

// shift is one turn of a webhook: requests are sent beside it, and what came of them is
// stored by its own goroutine.
type shift struct {
	w        *Worker
	endpoint sidetone.Endpoint
	lease    store.EndpointLease
	log      *slog.Logger
	open     map[string]bool // by the delivery's id
	done     chan store.Sent
}

// shift sends to a webhook until nothing is due, its time is over, or it is to be left
// alone; it says whether there may be more to do at once.
func (w *Worker) shift(ctx context.Context, e sidetone.Endpoint) (again bool) {
	s := &shift{w: w, endpoint: e, log: w.c.Log.With(slog.String("environment", e.EnvironmentID), slog.String("webhook", e.WebhookID)),
		open: map[string]bool{}, done: make(chan store.Sent, perEndpoint)}
	heads, err := w.c.Ledger.DueDeliveries(ctx, e, perEndpoint)
	if err != nil || len(heads) == 0 {
		s.warn(ctx, "find what a webhook is to be told", err)
		return false
	}
	if s.lease, err = w.c.Ledger.LeaseEndpoint(ctx, e, w.c.Node, leaseFor); err != nil {
		if code := sidetone.CodeOf(err); code != sidetone.Conflict && code != sidetone.NotFound {
			s.warn(ctx, "lease a webhook", err)
		}
		return false
	}
	again = s.work(ctx)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseFor)
	defer cancel()
	s.warn(ctx, "release a webhook", w.c.Ledger.ReleaseEndpoint(end, e, s.lease.Fence))
	return again
}

func (s *shift) warn(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		s.log.Warn(what, slog.Any("error", err))
	}
}

// work sends and settles. The outcomes that are there together are stored together.
func (s *shift) work(ctx context.Context) (again bool) {
	over := time.Now().Add(shiftLength)
	held := true
	for {
		if held && ctx.Err() == nil && time.Now().Before(over) {
			s.fill(ctx)
		}
		if len(s.open) == 0 {
			return held && ctx.Err() == nil && !time.Now().Before(over)
		}
		sent := []store.Sent{<-s.done}
		for more := true; more; {
			select {
			case one := <-s.done:
				sent = append(sent, one)
			default:
				more = false
			}
		}
		held = s.settle(sent) && held
	}
}

// fill sends what is due, as far as there is room.
func (s *shift) fill(ctx context.Context) {
	room := perEndpoint
	if webhook.Broken(s.lease.Health) {
		room = 1
	}
	now := time.Now()
	if room -= len(s.open); room <= 0 || now.Before(s.lease.Health.PausedUntil) || s.lease.Webhook.Inactive {
		return
	}
	heads, err := s.w.c.Ledger.DueDeliveries(ctx, s.endpoint, perEndpoint)
	s.warn(ctx, "find what a webhook is to be told", err)
	for _, d := range heads {
		if s.open[d.ID] || room == 0 {
			continue
		}
		room--
		s.open[d.ID] = true
		lease := s.lease // the shift goes on changing its own
		s.w.shifts.Go(func() { s.done <- s.w.send(ctx, lease, d) })
	}
}

// settle stores what came of requests; it says whether the webhook is still this node's.
// A store that fails is asked again until the lease has run out: then the messages are
// sent again, by whoever has it.
func (s *shift) settle(sent []store.Sent) bool {
	for i := range sent {
		one := &sent[i]
		delete(s.open, one.Delivery.ID)
		o := webhook.Outcome{Failure: one.Attempt.Failure, At: one.Attempt.At.Add(one.Attempt.Took), Jitter: s.w.c.Jitter(),
			RetryAfter: webhook.RetryAfter(one.Attempt.ResponseHeaders[retryAfter], one.Attempt.At)}
		one.Delivery = webhook.After(one.Delivery, o)
		s.lease.Health = webhook.Health(s.lease.Health, o)
		if one.Delivery.Failure == webhook.FailedGone {
			s.lease.Webhook.Inactive = true
		}
	}
	ctx, cancel := context.WithDeadline(context.Background(), s.lease.Until)
	defer cancel()
	for {
		s.lease.Until = time.Now().Add(leaseFor)
		held, err := s.w.c.Ledger.SettleDeliveries(ctx, s.endpoint, s.lease, sent)
		if err == nil {
			return held
		}
		s.log.Warn("store what a webhook was told", slog.Any("error", err))
		select {
		case <-time.After(storeRetry):
		case <-ctx.Done():
			return false
		}
	}
}
