package delivery

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

const (
	// DefaultSweep is how often the store is asked what is due: what failed before, and
	// what other nodes queued. What this node queues it is told of.
	DefaultSweep = time.Second
	// leaseFor is for how long a webhook is this node's, counted from the last outcome. It
	// is much longer than a request, so that no other node sends the same meanwhile.
	leaseFor = time.Minute
	// requestTimeout bounds a request with its response.
	requestTimeout = 15 * time.Second
	// shiftLength is after how long another webhook has its turn.
	shiftLength = 10 * time.Second
	// maxShifts is how many webhooks are sent to at the same time, perEndpoint how many
	// requests each may have open.
	maxShifts   = 64
	perEndpoint = 8
	// tryTimeout bounds a test, for which somebody waits.
	tryTimeout = 5 * time.Second
	// lastTime is how much longer a request may take when the worker ends.
	lastTime = 3 * time.Second
	// flushLook is how often Flush looks.
	flushLook = 10 * time.Millisecond
	// storeRetry is how long a store that fails is left alone.
	storeRetry = time.Second
)

// Ledger is where deliveries are; *store.Store is one. See there what the methods do.
type Ledger interface {
	WaitingEndpoints(ctx context.Context) ([]sidetone.Endpoint, error)
	DueDeliveries(ctx context.Context, e sidetone.Endpoint, limit int) ([]sidetone.Delivery, error)
	LeaseEndpoint(ctx context.Context, e sidetone.Endpoint, node string, length time.Duration) (store.EndpointLease, error)
	SettleDeliveries(ctx context.Context, e sidetone.Endpoint, l store.EndpointLease, sent []store.Sent) (bool, error)
	ReleaseEndpoint(ctx context.Context, e sidetone.Endpoint, fence int64) error
}

// Config is what a Worker works with.
type Config struct {
	// Node names this process among those on the same database.
	Node   string
	Ledger Ledger
	// Client returns what sends the requests of an environment: the outbound guard's. It
	// must not follow redirects.
	Client func(environmentID string) *http.Client
	// Sweep is how often the store is asked what is due; 0 means DefaultSweep.
	Sweep time.Duration
	// Jitter returns a number from 0 to 1; nil means a random one.
	Jitter func() float64
	// Sent, if not nil, is told of each request: why it failed, "" when it did not, and
	// how long after its event a first attempt was made.
	Sent func(failure string, first bool, after time.Duration)
	Log  *slog.Logger
}

// Worker sends deliveries. Its methods may be called concurrently.
type Worker struct {
	c Config

	mu sync.Mutex
	// waiting are the webhooks that a shift is to look at, in order; queued says which.
	waiting []sidetone.Endpoint
	queued  map[sidetone.Endpoint]bool
	active  map[sidetone.Endpoint]bool
	wake    chan struct{}
	shifts  sync.WaitGroup
}

// New returns a worker; Run makes it work.
func New(c Config) *Worker {
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.Sent == nil {
		c.Sent = func(string, bool, time.Duration) {}
	}
	return &Worker{c: c, queued: map[sidetone.Endpoint]bool{}, active: map[sidetone.Endpoint]bool{}, wake: make(chan struct{}, 1)}
}

// Wake says that something was queued for webhooks. It does not wait.
func (w *Worker) Wake(all []sidetone.Endpoint) {
	w.mu.Lock()
	for _, e := range all {
		if !w.queued[e] {
			w.queued[e] = true
			w.waiting = append(w.waiting, e)
		}
	}
	w.mu.Unlock()
	w.look()
}

// look lets Run see what changed.
func (w *Worker) look() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends, then waits for the requests that are open, for a few seconds,
// and stores what came of them.
func (w *Worker) Run(ctx context.Context) {
	sweep := time.NewTicker(cmp.Or(w.c.Sweep, DefaultSweep))
	defer sweep.Stop()
	defer w.shifts.Wait()
	w.sweep(ctx)
	for {
		w.begin(ctx)
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-sweep.C:
			w.sweep(ctx)
		}
	}
}

// Flush waits until nothing is being sent or waits for its turn, or until ctx ends.
func (w *Worker) Flush(ctx context.Context) {
	look := time.NewTicker(flushLook)
	defer look.Stop()
	for w.busy() {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

func (w *Worker) busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting)+len(w.active) > 0
}

// sweep asks the store for what nobody told of.
func (w *Worker) sweep(ctx context.Context) {
	all, err := w.c.Ledger.WaitingEndpoints(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.c.Log.Warn("look for what webhooks are to be told", slog.Any("error", err))
		}
		return
	}
	w.Wake(all)
}

// begin gives shifts to the webhooks that wait, as far as there is room. One that has a
// shift waits for its end: what was queued meanwhile may have been missed.
func (w *Worker) begin(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var later []sidetone.Endpoint
	for _, e := range w.waiting {
		if w.active[e] || len(w.active) >= maxShifts || ctx.Err() != nil {
			later = append(later, e)
			continue
		}
		delete(w.queued, e)
		w.active[e] = true
		w.shifts.Go(func() {
			again := w.shift(ctx, e)
			w.mu.Lock()
			delete(w.active, e)
			w.mu.Unlock()
			if again {
				w.Wake([]sidetone.Endpoint{e})
			}
			w.look()
		})
	}
	w.waiting = later
}
