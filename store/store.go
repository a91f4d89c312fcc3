package store

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/vault"
)

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

const (
	// ErrClosed says that the store was closed before the transaction ran.
	ErrClosed Error = "the store is closed"
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
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log receives what went wrong behind an error answer; nil discards.
	Log *slog.Logger
}

// Enqueuer puts a wake-up for a row into the transaction that writes the row.
// Package jobs implements it.
type Enqueuer interface {
	// EnqueueDial stores job in tx; it becomes visible with tx's commit and
	// vanishes with its rollback. It must not use any other connection.
	EnqueueDial(ctx context.Context, tx *Tx, job sidetone.DialJob) error
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
	lines    *lines
	keys     *keys
	totals   *totals
	ladders  *ladders
	signing  atomic.Pointer[[]byte] // the cursors' key, once read
	dataKeys *dataKeys
	enqueuer atomic.Pointer[Enqueuer]
	closed   func() error
	// longSkip is the constant but in tests.
	longSkip int64
	// watch, in tests, stands between a transaction and the database.
	watch func(*Tx) querier
}

// Open opens the database at c.URL without migrating it. The caller closes it.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{now: c.Now, log: c.Log, tables: newTables(), keys: newKeys(), totals: newTotals(), ladders: newLadders(), dataKeys: newDataKeys(c.Masters), longSkip: longSkip}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.ids = sidetone.NewIDs(s.now)
	s.lines = newLines(s)
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

// Close waits for running writes and closes the database. Later writes answer
// ErrClosed. A second Close does nothing and repeats the first one's answer.
func (s *Store) Close() error { return s.closed() }

// SetEnqueuer names the receiver of wake-ups. It is called once, before the
// first InsertIntent; without one intents are stored without a wake-up.
func (s *Store) SetEnqueuer(e Enqueuer) { s.enqueuer.Store(&e) }

// Ready reports whether the database answers and still accepts commits.
func (s *Store) Ready(ctx context.Context) error { return s.engine.ready(ctx) }

// Write runs fn in a write transaction of one environment and returns nil only
// after its commit is durable. An error of fn rolls its changes back.
//
// fn holds up every other writer on SQLite: it is SQL and in-memory results
// only, well under 50 ms, and must not call the store or any other part. It may
// run more than once on Postgres and must not end the goroutine. Once its turn
// has come it is not cancelled with ctx; before, a cancelled ctx returns its
// error and fn does not run.
func (s *Store) Write(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	if environmentID == "" {
		return sidetone.Errorf(sidetone.Internal, "write without environment")
	}
	return s.answer(s.engine.write(ctx, environmentID, fn))
}

// Read runs fn in a read-only transaction of one environment that sees one
// state of the database.
func (s *Store) Read(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	if environmentID == "" {
		return sidetone.Errorf(sidetone.Internal, "read without environment")
	}
	return s.answer(s.engine.read(ctx, environmentID, fn))
}

// writeAcross and readAcross are for the named statements that concern several
// environments; their callers are the methods of Store in across.go.
func (s *Store) writeAcross(ctx context.Context, fn func(*Tx) error) error {
	return s.answer(s.engine.write(ctx, "", fn))
}

func (s *Store) readAcross(ctx context.Context, fn func(*Tx) error) error {
	return s.answer(s.engine.read(ctx, "", fn))
}
