package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

const (
	// renewEvery is how often claims are renewed: three times in their lease.
	renewEvery = store.ClaimLease / 3
	// sweepEvery is how often rows without a living job are looked for.
	sweepEvery = 30 * time.Second
	// abandonAfter is how long after its claim ran out an intent is declared
	// unknown: after an outage of the database its node needs time to renew it.
	abandonAfter = time.Minute
	// stopGrace is how long cancelled work may take to end.
	stopGrace = 10 * time.Second
)

// Dialer places the call of an intent. Package call implements it.
type Dialer interface {
	// Dial places call once and returns nil when it was answered. ErrNoRoom says
	// that nothing was attempted or stored; it is asked again. Otherwise, by the
	// time it returns, the call's row says what became of the attempt. An attempt that
	// may have reached the carrier without an answer to it is a
	// *telephony.DialError whose Sent is true and whose Status is 0. It must
	// return soon after ctx ends.
	Dial(ctx context.Context, intent sidetone.DialIntent, call sidetone.Call) error
}

// noRoom is the type of ErrNoRoom.
type noRoom string

// Error returns the text.
func (e noRoom) Error() string { return string(e) }

// ErrNoRoom is what a Dialer returns that has no place for a call just now.
const ErrNoRoom noRoom = "no room for another call"

// Config holds what the workers need.
type Config struct {
	// Store is the migrated database; its connection carries the queue too.
	Store *store.Store
	// Dialer places calls.
	Dialer Dialer
	// Dials bounds the calls that ring at the same time.
	Dials Limits
	// Trunk names what the limit of a trunk counts; nil: the provider and its
	// connection. It must not wait.
	Trunk func(sidetone.DialJob) string
	// Analyst analyses calls that are over; nil: they wait.
	Analyst Analyst
	// Log receives failures; nil discards.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Client carries out the jobs of one process and puts wake-ups into the
// transactions of the store. Its methods may be called concurrently.
type Client struct {
	config   Config
	queue    queue
	dials    *dials
	analyses *analyses
	// stop ends the beginning of calls, cancel gives up those that ring, and rest
	// ends the renewal of their claims, which goes on until then.
	stop, cancel, rest context.CancelFunc
	beginning, tending sync.WaitGroup
}

// New returns a client that does not work yet. The caller hands it to
// Store.SetEnqueuer; jobs put into transactions before Start wait.
func New(c Config) (*Client, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Trunk == nil {
		c.Trunk = func(j sidetone.DialJob) string { return j.Provider + " " + j.ConnectionID }
	}
	client := &Client{config: c, dials: newDials(c), analyses: newAnalyses(c)}
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &dialWorker{dials: client.dials}); err != nil {
		return nil, fmt.Errorf("register dial worker: %w", err)
	}
	if err := river.AddWorkerSafely(workers, &analysisWorker{analyses: client.analyses}); err != nil {
		return nil, fmt.Errorf("register analysis worker: %w", err)
	}
	var err error
	client.queue, err = newQueue(c.Store, &river.Config{Workers: workers, Logger: quiet(c.Log)})
	return client, err
}

// Start declares attempts that died with an earlier process unknown, wakes every
// intent and every analysis that still waits, and begins to work. Work goes on until Stop; ctx
// bounds the start only.
func (c *Client) Start(ctx context.Context) error {
	abandoned := c.config.Now().Add(-abandonAfter)
	if _, alone := c.config.Store.SQLite(); alone {
		// One process owns the file, and it has not dialled yet: the process that claimed
		// the intents and analyses has ended.
		abandoned = c.config.Now().Add(store.ClaimLease + time.Second)
		if err := c.config.Store.ReleaseAnalyses(ctx); err != nil {
			return fmt.Errorf("release analyses: %w", err)
		}
	}
	if err := c.sweep(ctx, abandoned); err != nil {
		return fmt.Errorf("wake what waits: %w", err)
	}
	working := context.WithoutCancel(ctx)
	running, stop := context.WithCancel(working)
	attempts, cancel := context.WithCancel(working)
	tending, rest := context.WithCancel(working)
	c.stop, c.cancel, c.rest = stop, cancel, rest
	c.beginning.Go(func() { c.dials.run(running, attempts) })
	c.analyses.run(running, &c.beginning)
	poll := &poll{queue: c.queue, waiting: c.config.Store.JobsWaiting, log: c.config.Log}
	c.beginning.Go(func() { poll.run(running, c.config.Now) })
	c.tending.Go(func() { c.tend(tending) })
	return nil
}

// Stop begins no further job and waits for calls that ring; when ctx ends first,
// they are cancelled and have ten seconds to return. Analyses are cut off: the next
// process repeats them. The store must be open still.
func (c *Client) Stop(ctx context.Context) error {
	if c.stop == nil {
		return nil
	}
	c.stop()
	c.beginning.Wait()
	err := c.end(ctx)
	c.cancel()
	c.rest()
	c.tending.Wait()
	return err
}

// end waits for the calls that ring, and gives them up when ctx ends.
func (c *Client) end(ctx context.Context) error {
	ended := make(chan struct{})
	go func() { c.dials.ringing.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	c.cancel()
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-ended:
		return nil
	case <-grace.C:
		return fmt.Errorf("calls still ring %s after they were given up", stopGrace)
	}
}

// Enqueue implements store.Enqueuer. A job of a kind without a worker is an
// error.
func (c *Client) Enqueue(ctx context.Context, tx *store.Tx, job sidetone.Job) error {
	return c.queue.add(ctx, tx, job)
}

// Committed implements store.Enqueuer: work begins at once on the node that asked
// for it. River's job wakes the other nodes, and is what is left when this one
// ends. A job of a kind that is not known here waits for River.
func (c *Client) Committed(jobs []sidetone.Job) {
	for _, job := range jobs {
		switch j := job.(type) {
		case sidetone.DialJob:
			c.dials.add(j)
		case sidetone.AnalysisJob:
			c.analyses.add(j)
		}
	}
}

// Retry says that a place became free that calls may be waiting for: of each
// environment and trunk one tries again at once.
func (c *Client) Retry() { c.dials.retry() }

// tend renews claims and looks for rows without a job.
func (c *Client) tend(ctx context.Context) {
	renew, sweep := time.NewTicker(renewEvery), time.NewTicker(sweepEvery)
	defer renew.Stop()
	defer sweep.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-renew.C:
			limited, done := context.WithTimeout(ctx, renewEvery)
			err = c.dials.renew(limited)
			done()
		case <-sweep.C:
			err = c.sweep(ctx, c.config.Now().Add(-abandonAfter))
		}
		if err != nil && ctx.Err() == nil {
			c.config.Log.Warn("look after what waits", "error", err)
		}
	}
}

// sweep declares intents whose claim ran out before abandoned unknown and wakes
// every intent, and what is due of the analyses, that wait although their jobs may be
// gone.
func (c *Client) sweep(ctx context.Context, abandoned time.Time) error {
	if err := c.config.Store.AbandonIntents(ctx, abandoned); err != nil {
		return err
	}
	waiting, err := c.config.Store.PlannedDials(ctx)
	if err != nil {
		return err
	}
	c.dials.add(waiting...)
	return c.analyses.sweep(ctx)
}
