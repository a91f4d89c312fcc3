package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"

	"github.com/sidetone/sidetone"
)

// customerError turns what a driver reports into an error that a customer may
// see. What is one already, and a caller's own cancellation, stay as they are.
func (s *Store) customerError(err error) error {
	var known *sidetone.Error
	var panicked *panicError
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		return &sidetone.Error{Code: sidetone.Unavailable, Message: "the database did not confirm the change: it is not known whether it was stored", Cause: err}
	case errors.As(err, &panicked):
		s.log.Error("panic in a transaction", slog.Any("panic", panicked.value), slog.String("stack", panicked.stack))
		return err
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, ErrClosed), errors.Is(err, errDiskFailed), errors.Is(err, sql.ErrConnDone), sqliteUnavailable(err), postgresUnavailable(err):
		return &sidetone.Error{Code: sidetone.Unavailable, Message: "the database is not available", Cause: err}
	}
	return err
}

func isUnique(err error) bool { return sqliteUnique(err) || postgresUnique(err) }

func notFound(noun string) error { return sidetone.Errorf(sidetone.NotFound, "%s not found", noun) }

func stale(noun string) error {
	return &sidetone.Error{Code: sidetone.Conflict, Message: noun + " was changed meanwhile", Cause: ErrStale}
}
