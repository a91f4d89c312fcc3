package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sync/semaphore"
)

const (
	// writeAttempts is how often a colliding write is run at most. Against another
	// process that writes without pause each repetition succeeds with a probability
	// of about a third, because its snapshot is older than its lock.
	writeAttempts = 20
	// longestPause bounds the wait between two attempts.
	longestPause = 256 * time.Millisecond
	// commitTimeout bounds the wait for a server that has gone silent.
	commitTimeout = 15 * time.Second
	// migrateLock is the advisory lock that migrations hold.
	migrateLock = 0x51DE70
)

// postgresEngine runs every transaction on a connection of one pool.
type postgresEngine struct {
	store      *Store
	pool       *pgxpool.Pool
	db         *sql.DB
	migrateURL string
	turns      sync.Map // of environment id to *semaphore.Weighted
}

func openPostgres(ctx context.Context, s *Store, c Config) (engine, error) {
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	e := &postgresEngine{store: s, pool: pool, db: stdlib.OpenDBFromPool(pool), migrateURL: c.MigrateURL}
	if e.migrateURL == "" {
		e.migrateURL = c.URL
	}
	if err := pool.Ping(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// write runs fn until it did not collide with another transaction. Writes of
// one environment run side by side; one that collided runs alone among those of
// this process, because nearly all of them update the environment's version.
func (e *postgresEngine) write(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	turns := e.turnsOf(environmentID)
	share := int64(1)
	for attempt := 1; ; attempt++ {
		if err := turns.Acquire(ctx, share); err != nil {
			return err
		}
		run := fn
		if share == allTurns && environmentID != "" {
			run = func(t *Tx) error {
				if err := t.reserve(); err != nil {
					return err
				}
				return fn(t)
			}
		}
		ch, err := e.transaction(ctx, environmentID, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, run)
		if err == nil {
			e.store.committed(ch)
		}
		turns.Release(share)
		if err == nil || attempt == writeAttempts || !collided(err) {
			return err
		}
		if share == allTurns { // it was another process
			if err := pause(ctx, attempt); err != nil {
				return err
			}
		}
		share = allTurns
	}
}

// reserve makes other processes' writes to the environment wait for this one,
// which would otherwise lose to shorter ones again and again. On SQLite they wait
// anyway.
func (t *Tx) reserve() error {
	if t.postgres == nil {
		return nil
	}
	_, err := t.exec("SELECT 1 FROM environments WHERE id = $1 FOR NO KEY UPDATE", t.environment)
	return err
}

// allTurns is a share that leaves no other write of the environment a place.
const allTurns = 1 << 30

func (e *postgresEngine) turnsOf(environmentID string) *semaphore.Weighted {
	if turns, ok := e.turns.Load(environmentID); ok {
		return turns.(*semaphore.Weighted) //nolint:forcetypeassert // the map holds nothing else
	}
	turns, _ := e.turns.LoadOrStore(environmentID, semaphore.NewWeighted(allTurns))
	return turns.(*semaphore.Weighted) //nolint:forcetypeassert // the map holds nothing else
}

// pause waits for a random time that grows with the number of attempts.
func pause(ctx context.Context, attempt int) error {
	most := min(time.Duration(8<<attempt)*time.Millisecond, longestPause)
	timer := time.NewTimer(rand.N(most))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *postgresEngine) read(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	_, err := e.transaction(ctx, environmentID, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
	return err
}

// transaction begins the pgx transaction on the connection that database/sql
// uses, so that our SQL and the job queue's insert are one. It is ended inside
// of Raw too: a connection that database/sql has given up is being closed by
// its pool at the same time.
func (e *postgresEngine) transaction(ctx context.Context, environmentID string, o pgx.TxOptions, fn func(*Tx) error) (change, error) {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return change{}, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var tx pgx.Tx
	err = conn.Raw(func(driver any) error {
		var err error
		tx, err = driver.(*stdlib.Conn).Conn().BeginTx(ctx, o)
		return err
	})
	if err != nil {
		return change{}, fmt.Errorf("begin: %w", err)
	}
	t := &Tx{ctx: ctx, environment: environmentID, store: e.store, db: conn, now: e.store.now(), postgres: tx,
		reading: o.AccessMode == pgx.ReadOnly}
	if e.store.watch != nil {
		t.db = e.store.watch(t)
	}
	err = t.confine()
	if err == nil {
		err = t.run(fn)
	}
	if err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = conn.Raw(func(any) error { return tx.Rollback(end) }) // the error of fn says more
		return change{}, err
	}
	// A commit that was sent must not be abandoned half way by the caller.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	err = conn.Raw(func(any) error {
		if t.reading {
			return tx.Commit(end)
		}
		return commitPostgres(end, tx)
	})
	if errors.Is(err, ErrOutcomeUnknown) {
		e.store.uncertain(t.change)
	}
	if err != nil {
		return change{}, fmt.Errorf("commit: %w", err)
	}
	return t.change, nil
}

// commitPostgres commits a writing transaction. Unless the server itself says that the commit
// failed, and goes on with the session, an error leaves the outcome unknown.
// What pgconn.SafeToRetry says does not count: a connection that is lost while
// the reply is awaited is reported as one that was closed before.
func commitPostgres(ctx context.Context, tx pgx.Tx) error {
	if tx.Conn().IsClosed() {
		return fmt.Errorf("not sent: %w", pgconn.ErrConnClosed)
	}
	err := tx.Commit(ctx)
	var refused *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, pgx.ErrTxCommitRollback), errors.Is(err, pgx.ErrTxClosed),
		errors.As(err, &refused) && refused.SeverityUnlocalized == "ERROR":
		return err
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

// collided says that the transaction lost against another and may be repeated.
func collided(err error) bool {
	code := postgresCode(err)
	return code == "40001" || code == "40P01" || errors.Is(err, ErrStale)
}

func (e *postgresEngine) ready(ctx context.Context) error { return e.pool.Ping(ctx) }

func (e *postgresEngine) close() error {
	err := e.db.Close()
	e.pool.Close()
	return err
}

// estimate is the planner's, or a count up to estimateTotal if that is more: with
// many environments the row-level-security policies make the planner estimate too
// few rows.
func (e *postgresEngine) estimate(t *Tx, count query) (int64, error) {
	var text string
	if err := t.one([]any{&text}, "EXPLAIN (FORMAT JSON) "+count.text, count.args...); err != nil {
		return 0, err
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) == 0 {
		return 0, fmt.Errorf("read plan: %w", err)
	}
	var counted int64
	count.text = "SELECT count(*) FROM (" + count.text
	count.add(" LIMIT %s) AS counted", estimateTotal)
	err := t.one([]any{&counted}, count.text, count.args...)
	return max(counted, int64(plans[0].Plan.Rows)), err
}

func (e *postgresEngine) migrate(ctx context.Context) error {
	pool, err := pgxpool.New(ctx, e.migrateURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	lock, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if _, err := lock.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrateLock)); err != nil {
		return fmt.Errorf("take migration lock: %w", err)
	}
	defer lock.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrateLock)) //nolint:errcheck // the session's end unlocks too
	db := stdlib.OpenDBFromPool(pool)
	defer func() { _ = db.Close() }()
	if err := migrateOurs(ctx, goose.DialectPostgres, db, "postgres"); err != nil {
		return err
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	var role string
	if err := e.pool.QueryRow(ctx, "SELECT current_user").Scan(&role); err != nil {
		return fmt.Errorf("ask for the application's role: %w", err)
	}
	return isolate(ctx, db, role)
}

// Postgres returns the transaction underneath, for the job queue; ok is false
// on another engine.
func (t *Tx) Postgres() (tx pgx.Tx, ok bool) { return t.postgres, t.postgres != nil }

// Postgres returns the connection pool, for the job queue; ok is false on
// another engine.
func (s *Store) Postgres() (pool *pgxpool.Pool, ok bool) {
	e, ok := s.engine.(*postgresEngine)
	if !ok {
		return nil, false
	}
	return e.pool, true
}

func postgresCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func postgresUnique(err error) bool { return postgresCode(err) == "23505" }

// postgresUnavailable covers lost connections, a server that stops or has no
// room, and writes that collided too often.
func postgresUnavailable(err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || errors.Is(err, pgconn.ErrConnClosed) || pgconn.SafeToRetry(err) {
		return true
	}
	code := postgresCode(err)
	return len(code) == 5 && slices.Contains([]string{"08", "40", "53", "57", "58"}, code[:2])
}
