package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sidetone/sidetone"
)

// answer turns what a driver reports into an error a customer may see. What is
// one already, and a caller's own cancellation, stay as they are.
func (s *Store) answer(err error) error {
	var known *sidetone.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, ErrClosed), errors.Is(err, sql.ErrConnDone), sqliteUnavailable(err), postgresUnavailable(err):
		return &sidetone.Error{Code: sidetone.Unavailable, Message: "the database is not available", Cause: err}
	}
	return err
}

func isUnique(err error) bool { return sqliteUnique(err) || postgresUnique(err) }

func notFound(noun string) error { return sidetone.Errorf(sidetone.NotFound, "%s not found", noun) }

func stale(noun string) error {
	return &sidetone.Error{Code: sidetone.Conflict, Message: noun + " was changed meanwhile", Cause: ErrStale}
}
