package server

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/sidetone/sidetone/metrics"
	"github.com/sidetone/sidetone/webhook/delivery"
)

const (
	// webhookFlush is how long a server that ends goes on telling webhooks what they wait
	// for; the next process tells the rest.
	webhookFlush = 2 * time.Second
	// figuresTimeout bounds a look at the queue for /metrics.
	figuresTimeout = 2 * time.Second
)

// startWebhooks begins to send what webhooks are told. The function that it returns ends
// that, when no call lives any more.
func (s *server) startWebhooks(ctx context.Context) (stop func(), err error) {
	for _, node := range s.before { // they are gone: this process holds their data directory
		if err := s.store.ReleaseEndpointsOf(ctx, node); err != nil {
			return nil, err
		}
	}
	w := delivery.New(delivery.Config{Node: s.node, Ledger: s.store, Client: func(environmentID string) *http.Client { return s.guard.Client(environmentID) },
		Sent: countDeliveries(&s.figures), Log: s.log})
	s.store.SetDeliverer(w.Wake)
	s.tryWebhook = w.Try
	s.showQueue()
	running, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(running)
	}()
	return func() {
		flush, end := context.WithTimeout(context.Background(), webhookFlush)
		defer end()
		w.Flush(flush)
		cancel()
		<-done
	}, nil
}

// countDeliveries returns what counts the requests to webhooks.
func countDeliveries(r *metrics.Registry) func(failure string, first bool, after time.Duration) {
	sent := r.Counter("sidetone_webhook_requests_total", "Requests to webhooks: delivered, or why they failed.", "outcome")
	delay := r.Histogram("sidetone_webhook_first_attempt_seconds", "Time from an event to the first request that tells a webhook of it.", "",
		.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60)
	return func(failure string, first bool, after time.Duration) {
		sent.Add(1, cmp.Or(failure, "delivered"))
		if first {
			delay.Observe(after.Seconds(), "")
		}
	}
}

// showQueue shows what waits for webhooks, of all nodes on the database.
func (s *server) showQueue() {
	look := func() (count, age float64) {
		ctx, cancel := context.WithTimeout(context.Background(), figuresTimeout)
		defer cancel()
		waiting, oldest, err := s.store.DeliveriesWaiting(ctx)
		if err != nil {
			s.log.Warn("count what waits for webhooks", slog.Any("error", err))
			return 0, 0
		}
		if !oldest.IsZero() {
			age = max(0, s.clock.Now().Sub(oldest).Seconds())
		}
		return float64(waiting), age
	}
	s.figures.Gauge("sidetone_webhook_deliveries_waiting", "Deliveries that wait to be sent, or sent again, on all nodes.", func() float64 { n, _ := look(); return n })
	s.figures.Gauge("sidetone_webhook_oldest_waiting_seconds", "How long the delivery has waited that waits longest.", func() float64 { _, age := look(); return age })
}
