package api

import (
	"context"
	"sync"
	"time"
)

// deadline is a context that ends at a time, like that of context.WithDeadline,
// but takes a timer only once somebody waits for it: most requests are answered
// from memory before anybody does. Its methods may be called concurrently.
type deadline struct {
	context.Context // the parent's
	at              time.Time

	mu      sync.Mutex
	stopped bool
	// timed has the timer, nil while nobody waits.
	timed  context.Context
	cancel context.CancelFunc
}

// withDeadline returns a context that ends at a time, or before with its parent
// or when stop is called, which releases its timer.
func withDeadline(parent context.Context, at time.Time) (ctx context.Context, stop func()) {
	d := &deadline{Context: parent, at: at}
	return d, d.stop
}

// wait returns the context with the timer.
func (d *deadline) wait() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = context.WithDeadline(d.Context, d.at)
		if d.stopped {
			d.cancel()
		}
	}
	return d.timed
}

func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	if d.cancel != nil {
		d.cancel()
	}
}

// Deadline returns the time, or the parent's when that is earlier.
func (d *deadline) Deadline() (time.Time, bool) {
	if at, ok := d.Context.Deadline(); ok && at.Before(d.at) {
		return at, true
	}
	return d.at, true
}

// Done returns what closes at the end.
func (d *deadline) Done() <-chan struct{} { return d.wait().Done() }

// Err says whether and why the context ended.
func (d *deadline) Err() error {
	d.mu.Lock()
	timed, stopped := d.timed, d.stopped
	d.mu.Unlock()
	if timed == nil && !stopped && time.Now().Before(d.at) {
		return d.Context.Err()
	}
	return d.wait().Err()
}

// Value returns the parent's value.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	timed := d.timed
	d.mu.Unlock()
	if timed != nil {
		return timed.Value(key) // contexts made of this one find the timer so and need no goroutine
	}
	return d.Context.Value(key)
}
