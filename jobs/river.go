package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

const (
	// fetchCooldown is the least time between two looks of River for jobs.
	fetchCooldown = 5 * time.Millisecond
	// workers is how many jobs River hands out at the same time; none of them
	// lasts.
	workers = 10
	// jobTimeout bounds one of them.
	jobTimeout = 10 * time.Second
)

// queue is a River client whose transaction type is hidden.
type queue interface {
	Start(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	add(ctx context.Context, tx *store.Tx, job sidetone.Job) error
}

// newQueue makes the River client that shares the store's connections.
func newQueue(s *store.Store, c *river.Config) (queue, error) {
	c.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}
	c.FetchCooldown, c.FetchPollInterval, c.JobTimeout = fetchCooldown, pollEvery, jobTimeout
	if db, ok := s.SQLite(); ok {
		// Listening would write a notification row with every job; the one process
		// there is learns of its jobs from the store.
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

func (q *typedQueue[TTx]) add(ctx context.Context, tx *store.Tx, job sidetone.Job) error {
	inner, ok := q.transaction(tx)
	if !ok {
		return errors.New("transaction of another database")
	}
	_, err := q.InsertTx(ctx, inner, job, nil)
	return err
}
