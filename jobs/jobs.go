package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

const (
	// fetchCooldown and fetchPollInterval are how soon a job is noticed.
	fetchCooldown     = 5 * time.Millisecond
	fetchPollInterval = 50 * time.Millisecond
	// dialTimeout bounds one attempt; it is shorter than the intent's lease.
	dialTimeout = store.ClaimLease - 30*time.Second
	// sweepEvery is how often rows without a living job are looked for.
	sweepEvery = 30 * time.Second
	// defaultWorkers is how many calls ring at the same time.
	defaultWorkers = 100
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
	// Log receives failures; nil discards.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Workers is how many calls may be dialled at once; 0 means 100.
	Workers int
}

// Client runs the workers of one process and puts wake-ups into the
// transactions of the store. Its methods may be called concurrently.
type Client struct {
	config Config
	queue  queue
	// stop ends the sweeper; swept waits for it.
	stop  context.CancelFunc
	swept sync.WaitGroup
}

// queue is a River client whose transaction type is hidden.
type queue interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	// add puts a job into tx; a nil tx is a transaction of its own and skips a
	// job that waits already.
	add(ctx context.Context, tx *store.Tx, args river.JobArgs) error
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
	if c.Workers == 0 {
		c.Workers = defaultWorkers
	}
	client := &Client{config: c}
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &dialWorker{store: c.Store, dialer: c.Dialer, log: c.Log, now: c.Now}); err != nil {
		return nil, fmt.Errorf("register dial worker: %w", err)
	}
	var err error
	client.queue, err = newQueue(c.Store, &river.Config{
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: c.Workers}},
		Workers:       workers,
		Logger:        c.Log,
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPollInterval,
		JobTimeout: dialTimeout,
	})
	return client, err
}

// Start declares attempts that died with an earlier process unknown, wakes every
// intent that still waits, and begins to work. Work goes on until Stop; ctx
// bounds the start only.
func (c *Client) Start(ctx context.Context) error {
	now := c.config.Now()
	if _, alone := c.config.Store.SQLite(); alone {
		// One process owns the file and it has not dialled yet: whoever claimed is dead.
		now = now.Add(store.ClaimLease + time.Second)
	}
	if err := c.sweep(ctx, now); err != nil {
		return fmt.Errorf("wake waiting dial intents: %w", err)
	}
	if err := c.queue.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start job queue: %w", err)
	}
	sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	c.swept.Go(func() { c.sweeper(sweeping) })
	return nil
}

// Stop takes no further job and waits for running ones; when ctx ends first,
// they are cancelled and have ten seconds to return. The store must be open
// still.
func (c *Client) Stop(ctx context.Context) error {
	if c.stop == nil {
		return nil
	}
	c.stop()
	c.swept.Wait()
	err := c.queue.Stop(ctx)
	if err == nil || ctx.Err() == nil {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	return c.queue.StopAndCancel(last)
}

// EnqueueDial implements store.Enqueuer.
func (c *Client) EnqueueDial(ctx context.Context, tx *store.Tx, job sidetone.DialJob) error {
	return c.queue.add(ctx, tx, job)
}

func (c *Client) sweeper(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := c.sweep(ctx, c.config.Now()); err != nil && ctx.Err() == nil {
				c.config.Log.Warn("wake waiting dial intents", "error", err)
			}
		}
	}
}

// sweep wakes every intent that waits although its job may be gone.
func (c *Client) sweep(ctx context.Context, now time.Time) error {
	waiting, err := c.config.Store.PendingIntents(ctx, now)
	if err != nil {
		return err
	}
	for _, job := range waiting {
		if err := c.queue.add(ctx, nil, job); err != nil {
			return err
		}
	}
	return nil
}

// newQueue makes the River client that shares the store's connections.
func newQueue(s *store.Store, c *river.Config) (queue, error) {
	if db, ok := s.SQLite(); ok {
		// Listening would write a notification row with every job; polling the
		// one connection costs less.
		c.PollOnly = true
		client, err := river.NewClient(riversqlite.New(db), c)
		return &typedQueue[*sql.Tx]{Client: client, transaction: (*store.Tx).SQLite}, wrapNew(err)
	}
	pool, ok := s.Postgres()
	if !ok {
		return nil, errors.New("make job queue: unknown database")
	}
	c.ReindexerIndexNames = []string{} // only an owner may reindex, and our role is none
	client, err := river.NewClient(riverpgxv5.New(pool), c)
	return &typedQueue[pgx.Tx]{Client: client, transaction: (*store.Tx).Postgres}, wrapNew(err)
}

func wrapNew(err error) error {
	if err != nil {
		return fmt.Errorf("make job queue: %w", err)
	}
	return nil
}

type typedQueue[TTx any] struct {
	*river.Client[TTx]
	transaction func(*store.Tx) (TTx, bool)
}

func (q *typedQueue[TTx]) add(ctx context.Context, tx *store.Tx, args river.JobArgs) error {
	if tx == nil {
		_, err := q.Insert(ctx, args, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
			rivertype.JobStateRunning, rivertype.JobStateScheduled}}})
		return err
	}
	inner, ok := q.transaction(tx)
	if !ok {
		return errors.New("transaction of another database")
	}
	_, err := q.InsertTx(ctx, inner, args, nil)
	return err
}
