package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
)

// groupSize is the most closures that share one commit.
const groupSize = 64

// writer runs every write of a SQLite database on one goroutine: closures that
// wait together share a transaction, each under a savepoint of its own. Their
// callers get the result after the common commit.
type writer struct {
	store  *Store
	db     *sql.DB
	path   string
	queue  chan *request
	stop   chan struct{}
	exited chan struct{}
	// broken is why nothing is written until the database was repaired.
	broken atomic.Pointer[error]
}

// A request is queued, then either taken by the writer or abandoned by its caller:
// the first of them to change the state decides.
const (
	queued int32 = iota
	taken
	abandoned
)

type request struct {
	ctx         context.Context
	environment string
	fn          func(*Tx) error
	state       atomic.Int32
	result      chan error
	change      change
	err         error
}

func startWriter(s *Store, db *sql.DB, path string) *writer {
	w := &writer{store: s, db: db, path: path, queue: make(chan *request, groupSize), stop: make(chan struct{}), exited: make(chan struct{})}
	go w.run()
	return w
}

// write queues fn and returns what became of it.
func (w *writer) write(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	r := &request{ctx: ctx, environment: environmentID, fn: fn, result: make(chan error, 1)}
	select {
	case w.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stop:
		return ErrClosed
	case <-w.exited:
		return ErrClosed
	}
	select {
	case err := <-r.result:
		return err
	case <-ctx.Done():
		if r.state.CompareAndSwap(queued, abandoned) {
			return ctx.Err()
		}
	case <-w.exited:
	}
	return w.outcome(r)
}

// outcome waits for the result of a request that cannot be abandoned any more.
func (w *writer) outcome(r *request) error {
	select {
	case err := <-r.result:
		return err
	case <-w.exited:
	}
	select {
	case err := <-r.result: // answered by the writer's last group
		return err
	default:
		return ErrClosed
	}
}

// close lets the queued closures run and stops the writer.
func (w *writer) close() {
	close(w.stop)
	<-w.exited
}

func (w *writer) run() {
	defer close(w.exited)
	for {
		select {
		case r := <-w.queue:
			w.group(r)
		case <-w.stop:
			for {
				select {
				case r := <-w.queue:
					w.group(r)
				default:
					return
				}
			}
		}
	}
}

// fatal returns why no write can be acknowledged now, nil when all is well.
func (w *writer) fatal() error {
	if err := w.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// group runs first and the requests that wait behind it, commits, and hands out
// the results.
func (w *writer) group(first *request) {
	if err := w.repair(); err != nil {
		w.refuse(first, err)
		return
	}
	conn, err := w.db.Conn(context.Background())
	if err != nil {
		w.refuse(first, fmt.Errorf("begin to write: %w", err))
		return
	}
	defer func() { _ = conn.Close() }()
	tx, err := conn.BeginTx(context.Background(), nil)
	if err != nil {
		w.refuse(first, fmt.Errorf("begin to write: %w", err))
		return
	}
	ran, err := w.closures(tx, first)
	if err != nil {
		_ = tx.Rollback() // the transaction is gone or of no use any more
	} else if err = tx.Commit(); err != nil {
		err = fmt.Errorf("commit: %w", err)
		if sqliteFatal(err) {
			err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
		}
	}
	if err != nil && sqliteFatal(err) {
		w.breakOff(conn, err)
	}
	for _, r := range ran {
		if err != nil {
			if errors.Is(err, ErrOutcomeUnknown) {
				w.store.uncertain(r.change)
			}
			r.result <- err
			continue
		}
		if r.err == nil {
			w.store.committed(r.change)
		}
		r.result <- r.err
	}
}

// refuse gives err to first and to every request that waits behind it: each would
// otherwise wait for the lock on its own.
func (w *writer) refuse(first *request, err error) {
	for r := first; ; {
		r.result <- err
		select {
		case r = <-w.queue:
		default:
			return
		}
	}
}

// breakOff gives up a connection on which the disk failed: its pages in memory
// may not be those on the disk. Nothing is written until repair succeeds.
func (w *writer) breakOff(conn *sql.Conn, err error) {
	w.broken.Store(&err)
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // closes it
	w.store.log.Error("the disk failed: nothing is written until the database's log is on the disk again", "error", err)
}

// repair, after the disk failed, goes back to the last committed state on a new
// connection and makes that durable. While it fails writes are refused.
func (w *writer) repair() error {
	broken := w.fatal()
	if broken == nil {
		return nil
	}
	if err := w.syncLog(context.Background()); err != nil {
		w.store.log.Warn("the database's log is not on the disk yet", "error", err)
		return fmt.Errorf("%w: %s", errDiskFailed, broken.Error()) // a text: its outcome is not this write's
	}
	w.broken.Store(nil)
	w.store.log.Warn("the database's log is on the disk again: writes are accepted")
	return nil
}

// syncLog makes everything that the log holds durable.
func (w *writer) syncLog(ctx context.Context) error {
	tx, err := w.db.BeginTx(ctx, nil) // takes the write lock
	if err != nil {
		return fmt.Errorf("lock the database: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was changed
	return syncLog(w.path + "-wal")
}

// closures runs requests in tx until none waits. An error means that the
// transaction as a whole is lost.
func (w *writer) closures(tx *sql.Tx, first *request) ([]*request, error) {
	ran := make([]*request, 0, groupSize)
	for r := first; ; {
		if r.state.CompareAndSwap(queued, taken) {
			ran = append(ran, r)
			if r.err = r.ctx.Err(); r.err == nil {
				if err := w.one(tx, r); err != nil {
					return ran, err
				}
			}
		}
		if len(ran) == groupSize {
			return ran, nil
		}
		select {
		case r = <-w.queue:
		default:
			return ran, nil
		}
	}
}

// one runs one closure under a savepoint and leaves its error in r. The error
// it returns is that of the transaction.
func (w *writer) one(tx *sql.Tx, r *request) error {
	ctx := context.WithoutCancel(r.ctx)
	if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
		return fmt.Errorf("begin savepoint: %w", err)
	}
	t := &Tx{ctx: ctx, environment: r.environment, store: w.store, db: tx, now: w.store.now(), sqlite: tx}
	r.err = t.run(r.fn)
	r.change = t.change
	if r.err != nil {
		// SQLite itself rolls everything back after some errors (disk full, I/O).
		// The savepoint is then gone, and this is how that shows.
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO one"); err != nil {
			return fmt.Errorf("transaction lost: %w", r.err)
		}
	}
	if _, err := tx.ExecContext(ctx, "RELEASE one"); err != nil {
		return fmt.Errorf("end savepoint: %w", err)
	}
	return nil
}
