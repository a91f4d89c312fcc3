package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
)

// groupSize is the most closures that share one commit.
const groupSize = 64

// writer runs every write of a SQLite database on one goroutine: closures that
// wait together share a transaction, each under a savepoint of its own, and are
// answered after the common commit.
type writer struct {
	store  *Store
	db     *sql.DB
	queue  chan *request
	stop   chan struct{}
	exited chan struct{}
	broken atomic.Pointer[error]
}

// A request is queued, then either taken by the writer or given up by its
// caller: whoever changes the state first.
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

func startWriter(s *Store, db *sql.DB) *writer {
	w := &writer{store: s, db: db, queue: make(chan *request, groupSize), stop: make(chan struct{}), exited: make(chan struct{})}
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

// outcome waits for the answer to a request that cannot be given up any more.
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

// fatal returns why no write can be acknowledged any more, nil when all is well.
func (w *writer) fatal() error {
	if err := w.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// group runs first and what waits behind it, commits and answers.
func (w *writer) group(first *request) {
	if err := w.fatal(); err != nil {
		first.result <- err
		return
	}
	tx, err := w.db.BeginTx(context.Background(), nil)
	if err != nil {
		w.refuse(first, fmt.Errorf("begin to write: %w", err))
		return
	}
	ran, err := w.closures(tx, first)
	if err == nil {
		err = w.commit(tx)
	} else {
		_ = tx.Rollback() // the transaction is gone or of no use any more
	}
	for _, r := range ran {
		if err != nil {
			r.result <- err
			continue
		}
		if r.err == nil {
			w.store.lines.apply(r.change)
		}
		r.result <- r.err
	}
}

// refuse answers first and whoever waits behind it: each would otherwise wait
// for the lock on its own.
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

func (w *writer) commit(tx *sql.Tx) error {
	err := tx.Commit()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("commit: %w", err)
	if sqliteFatal(err) {
		// What reached the disk is unknown, and syncing again would report
		// success for pages the kernel has dropped. The job queue shares the
		// connection and must not go on either.
		w.broken.Store(&err)
		w.store.log.Error("database stopped accepting writes", "error", errors.Join(err, w.db.Close()))
	}
	return err
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

// panicked turns a closure's panic into an error and logs where it came from.
func (s *Store) panicked(p any) error {
	s.log.Error("panic in a transaction", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	return fmt.Errorf("panic in a transaction: %v", p)
}
