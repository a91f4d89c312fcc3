package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

// querier is what *sql.Tx and *sql.Conn have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Tx is a transaction of one environment: each statement carries its id. It is
// valid only inside the function it was handed to and for one goroutine.
//
// After a failed statement every further one fails with the same error and the
// transaction is rolled back, on both engines.
type Tx struct {
	ctx         context.Context
	environment string
	store       *Store
	db          querier
	now         time.Time
	sqlite      *sql.Tx
	postgres    pgx.Tx
	// reading says that nothing can be written.
	reading bool
	// failed is the first statement's error; it decides the transaction.
	failed error
	// change is what the commit does to the configuration in memory.
	change change
	// memory, in a transaction without a database, is all that can be read; its
	// read lock is held.
	memory *configuration.Environment
	// undecrypted counts the secrets that could not be decrypted while the rows of
	// all environments were read.
	undecrypted int
	// seals are the data keys met so far.
	seals seals
}

// EnvironmentID returns the environment whose rows the transaction sees.
func (t *Tx) EnvironmentID() string { return t.environment }

// Now returns the transaction's time, the same throughout.
func (t *Tx) Now() time.Time { return t.now }

func (t *Tx) exec(text string, args ...any) (int64, error) {
	if t.failed != nil {
		return 0, t.failed
	}
	if t.memory != nil {
		return 0, t.fail(errNotInMemory)
	}
	res, err := t.db.ExecContext(t.ctx, text, args...)
	if err != nil {
		return 0, t.fail(err)
	}
	return res.RowsAffected()
}

// fail makes err the fate of the transaction.
func (t *Tx) fail(err error) error {
	if t.failed == nil {
		t.failed = err
	}
	return err
}

// refuse makes err, which says more than the statement's own, the fate of the
// transaction.
func (t *Tx) refuse(err error) error {
	t.failed = err
	return err
}

// each calls scan for every row of the query.
func (t *Tx) each(scan func(*sql.Rows) error, text string, args ...any) error {
	if t.failed != nil {
		return t.failed
	}
	if t.memory != nil {
		return t.fail(errNotInMemory)
	}
	rows, err := t.db.QueryContext(t.ctx, text, args...)
	if err != nil {
		return t.fail(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return t.fail(err)
	}
	return nil
}

// one scans the query's single row into dest; no row is sql.ErrNoRows.
func (t *Tx) one(dest []any, text string, args ...any) error {
	found := false
	err := t.each(func(r *sql.Rows) error {
		found = true
		return r.Scan(dest...)
	}, text, args...)
	if err == nil && !found {
		return sql.ErrNoRows
	}
	return err
}

// strings returns the values of the query's only column.
func (t *Tx) strings(q query) ([]string, error) {
	var out []string
	err := t.each(func(r *sql.Rows) error {
		var text string
		err := r.Scan(&text)
		out = append(out, text)
		return err
	}, q.text, q.args...)
	return out, err
}

// absent replaces a missing row's error by the noun's own.
func absent(err error, noun string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return notFound(noun)
	}
	return err
}

// run calls fn, turns a panic into an error and lets a failed statement decide.
func (t *Tx) run(fn func(*Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, string(debug.Stack())}
		}
	}()
	err = fn(t)
	if err == nil && t.failed != nil {
		err = t.failed
	}
	if err == nil {
		err = t.bumpConfiguration()
	}
	return err
}

// panicError is a panic of a transaction's function.
type panicError struct {
	value any
	stack string
}

// Error returns the panic's value as text.
func (p *panicError) Error() string { return fmt.Sprintf("panic in a transaction: %v", p.value) }

// own puts the transaction's environment into a row and refuses one of another.
func (t *Tx) own(environmentID *string) error {
	if *environmentID == "" {
		*environmentID = t.environment
	}
	if *environmentID != t.environment {
		return sidetone.Errorf(sidetone.Internal, "row of another environment")
	}
	return nil
}
