package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
	"github.com/sidetone/sidetone/vault"
)

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

const (
	// ErrClosed says that the store was closed before the transaction ran.
	ErrClosed Error = "the store is closed"
	// errDiskFailed says that a write did not run because the disk failed before.
	errDiskFailed Error = "the disk failed"
	// ErrOutcomeUnknown is in the chain of the error of a write whose COMMIT was
	// sent and not confirmed: it may be stored or not.
	ErrOutcomeUnknown Error = "the outcome of the commit is not known"
	// ErrStale is in the chain of every conflict that a newer version of the
	// row caused.
	ErrStale Error = "the row was changed meanwhile"
)

// Config says where the rows live.
type Config struct {
	// URL is "sqlite:PATH" or a "postgres://" address.
	URL string
	// MigrateURL is the address migrations use, for an owner role that the
	// server itself does not have; "" means URL. SQLite ignores it.
	MigrateURL string
	// Masters returns the master keys, the one that wraps first. It is asked
	// when a data key is made, or met for the first time, and may return other
	// keys later. Nil means that no secret can be stored or read.
	Masters func() (vault.Masters, error)
	// Address is where the interface is reached, such as https://phones.example, for
	// links in what webhooks are told; "" when that is not known: links begin with their
	// path.
	Address string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log receives the causes of errors that customers see in general terms only;
	// nil discards.
	Log *slog.Logger
}

// Enqueuer puts a wake-up for a row into the transaction that writes the row.
// Package jobs implements it.
type Enqueuer interface {
	// Enqueue stores job in tx; it becomes visible with tx's commit and vanishes
	// with its rollback. It must not use any other connection.
	Enqueue(ctx context.Context, tx *Tx, job sidetone.Job) error
	// Committed is told the jobs of a transaction after its commit, before the
	// writer is answered. It must not wait: other writes may wait for it.
	Committed(jobs []sidetone.Job)
}

// engine is what SQLite and Postgres do differently.
type engine interface {
	// write runs fn in a write transaction and returns after the commit.
	write(ctx context.Context, environmentID string, fn func(*Tx) error) error
	// read runs fn in a read-only transaction on one consistent state.
	read(ctx context.Context, environmentID string, fn func(*Tx) error) error
	migrate(ctx context.Context) error
	ready(ctx context.Context) error
	// estimate guesses how many rows the count query counts.
	estimate(t *Tx, count query) (int64, error)
	close() error
}

// Store is the open database. Its methods may be called concurrently.
type Store struct {
	now      func() time.Time
	log      *slog.Logger
	ids      *sidetone.IDs
	tables   tables
	engine   engine
	memory   *configuration.Memory
	keys     *keys
	totals   *expirable.LRU[string, estimatedTotal] // of long lists
	signing  atomic.Pointer[[]byte]                 // the cursors' key, once read
	dataKeys *dataKeys
	enqueuer atomic.Pointer[Enqueuer]
	// deliverer is told which webhooks a commit queued something for.
	deliverer atomic.Pointer[func([]sidetone.Endpoint)]
	// address is where the interface is reached.
	address string
	closed  func() error
	// watch, in tests, stands between a transaction and the database.
	watch func(*Tx) querier
}

// Open opens the database at c.URL without migrating it. The caller closes it.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{now: c.Now, log: c.Log, address: strings.TrimSuffix(c.Address, "/"), tables: newTables(), keys: newKeys(), totals: expirable.NewLRU[string, estimatedTotal](maxTotals, nil, 0), dataKeys: newDataKeys(c.Masters)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.ids = sidetone.NewIDs(s.now)
	var err error
	scheme, path, _ := strings.Cut(c.URL, ":")
	switch scheme {
	case "sqlite":
		s.engine, err = openSQLite(ctx, s, path)
	case "postgres", "postgresql":
		s.engine, err = openPostgres(ctx, s, c)
	default:
		err = fmt.Errorf("database address %q has neither sqlite: nor postgres: in front", scheme+":")
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s.memory = configuration.NewMemory(configuration.Config{Source: configurations{s}, Shared: s.shared(), Now: s.now, Log: s.log})
	s.closed = sync.OnceValue(s.engine.close)
	return s, nil
}

// Migrate brings the schema, including the job queue's tables, to this
// program's version. It is idempotent, and concurrent runs wait for each other.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.engine.migrate(ctx); err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	return nil
}

// Close waits for running writes and closes the database. Later writes return
// ErrClosed. A second Close does nothing and returns the first one's error.
func (s *Store) Close() error { return s.closed() }

// SetEnqueuer names the receiver of wake-ups. It is called once, before the
// first InsertIntent; without one intents are stored without a wake-up.
func (s *Store) SetEnqueuer(e Enqueuer) { s.enqueuer.Store(&e) }

// enqueue stores a wake-up in the transaction; its receiver is told after the
// commit.
func (t *Tx) enqueue(job sidetone.Job) error {
	e := t.store.enqueuer.Load()
	if e == nil {
		return nil
	}
	if err := (*e).Enqueue(t.ctx, t, job); err != nil {
		return t.fail(fmt.Errorf("enqueue %s: %w", job.Kind(), err))
	}
	t.change.jobs = append(t.change.jobs, job)
	return nil
}

// wake tells the receiver of wake-ups that a transaction's are committed.
func (s *Store) wake(jobs []sidetone.Job) {
	if e := s.enqueuer.Load(); e != nil && len(jobs) > 0 {
		(*e).Committed(jobs)
	}
}

// Ready reports whether the database responds and accepts commits.
func (s *Store) Ready(ctx context.Context) error { return s.engine.ready(ctx) }

// Write runs fn in a write transaction of one environment and returns nil only
// after its commit is durable. An error of fn rolls its changes back.
//
// fn holds up every other writer on SQLite: it is SQL and in-memory results
// only, well under 50 ms, and must not call the store or any other part. It may
// run more than once: after a collision on Postgres, and when it needs a data key
// that has to be loaded first. It must not end the goroutine. Once its turn has
// come it is not cancelled with ctx; before, a cancelled ctx returns its error
// and fn does not run.
func (s *Store) Write(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	if environmentID == "" {
		return sidetone.Errorf(sidetone.Internal, "write without environment")
	}
	for {
		err := s.engine.write(ctx, environmentID, fn)
		var missing *missingKey
		if !errors.As(err, &missing) {
			return s.customerError(err)
		}
		if err := s.loadKey(ctx, missing.name); err != nil {
			return err
		}
	}
}

// Read runs fn in a read-only transaction of one environment that sees one
// state of the database.
func (s *Store) Read(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	if environmentID == "" {
		return sidetone.Errorf(sidetone.Internal, "read without environment")
	}
	return s.customerError(s.engine.read(ctx, environmentID, fn))
}

// writeAcross and readAcross are for the named statements that concern several
// environments. Their callers, all methods of Store, are listed in
// TestStatementsAcrossEnvironmentsAreFew.
func (s *Store) writeAcross(ctx context.Context, fn func(*Tx) error) error {
	return s.customerError(s.engine.write(ctx, "", fn))
}

func (s *Store) readAcross(ctx context.Context, fn func(*Tx) error) error {
	return s.customerError(s.engine.read(ctx, "", fn))
}
