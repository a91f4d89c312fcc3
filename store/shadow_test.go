package store

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Shadow makes the store run every statement of an environment's transactions
// on Postgres a second time, without its environment_id predicate, and undo
// that; report is told when the outcome is not the same. All tests of this
// package that use account work under it.
func Shadow(s *Store, report func(string)) {
	if s.watch != nil {
		return
	}
	s.watch = func(t *Tx) querier {
		if t.environment == "" {
			return t.db
		}
		return &shadow{t.db, report}
	}
}

type shadow struct {
	querier
	report func(string)
}

// bare is text without its environment_id predicates; ok is false when there is
// none. The parameters stay in use.
func bare(text string) (string, bool) {
	predicate := regexp.MustCompile(`(\w+\.)?environment_id [<>]?= (\$\d+)`)
	if regexp.MustCompile(`(FROM|UPDATE) environments\b`).MatchString(text) {
		predicate = regexp.MustCompile(`(\b(?:account_)?id = )(\$\d+)`)
	}
	out := predicate.ReplaceAllString(text, "CAST($2 AS text) IS NOT NULL")
	return out, out != text
}

// ExecContext compares how many rows the statement changes.
func (s *shadow) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	without, ok := bare(text)
	if !ok {
		s.unguarded(text)
		return s.querier.ExecContext(ctx, text, args...)
	}
	var changed int64
	err := s.undone(ctx, func() error {
		res, err := s.querier.ExecContext(ctx, without, args...)
		if err == nil {
			changed, err = res.RowsAffected()
		}
		return err
	})
	res, realErr := s.querier.ExecContext(ctx, text, args...)
	if postgresCode(err) != postgresCode(realErr) && !collided(err) && !collided(realErr) {
		s.report(fmt.Sprintf("%s\nanswers %v, without the predicate %v", text, realErr, err))
	}
	if realErr != nil || err != nil {
		return res, realErr
	}
	if n, err := res.RowsAffected(); err == nil && n != changed {
		s.report(fmt.Sprintf("%s\nchanges %d rows, without the predicate %d", text, n, changed))
	}
	return res, nil
}

// QueryContext compares the rows that the query finds or changes.
func (s *shadow) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	without, ok := bare(text)
	if !ok || strings.HasPrefix(text, "EXPLAIN") {
		s.unguarded(text)
		return s.querier.QueryContext(ctx, text, args...)
	}
	found := func(text string) (rows []string, err error) {
		err = s.undone(ctx, func() error {
			rows, err = s.rows(ctx, text, args)
			return err
		})
		return rows, err
	}
	some, err1 := found(text)
	all, err2 := found(without)
	if err1 == nil && err2 == nil && !slices.Equal(some, all) {
		s.report(fmt.Sprintf("%s\nfinds %d rows, without the predicate %d", text, len(some), len(all)))
	}
	return s.querier.QueryContext(ctx, text, args...)
}

// unguarded reports statements that touch rows of environments without naming
// one.
func (s *shadow) unguarded(text string) {
	switch {
	case strings.HasPrefix(text, "INSERT INTO "), strings.HasPrefix(text, "EXPLAIN"), strings.HasPrefix(text, "SELECT set_config"),
		strings.HasPrefix(text, "SET LOCAL"), strings.HasPrefix(text, "WITH RECURSIVE"),
		regexp.MustCompile(`(FROM|UPDATE) (installation|accounts|things)\b`).MatchString(text):
	default:
		s.report("names no environment: " + text)
	}
}

func (s *shadow) undone(ctx context.Context, fn func() error) error {
	if _, err := s.querier.ExecContext(ctx, "SAVEPOINT shadow"); err != nil {
		return err
	}
	err := fn()
	if _, err := s.querier.ExecContext(ctx, "ROLLBACK TO SAVEPOINT shadow"); err != nil {
		return err
	}
	return err
}

func (s *shadow) rows(ctx context.Context, text string, args []any) ([]string, error) {
	rows, err := s.querier.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out []string
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		var line strings.Builder
		for _, v := range values {
			fmt.Fprintf(&line, "%v|", *v.(*any))
		}
		out = append(out, line.String())
	}
	slices.Sort(out)
	return out, rows.Err()
}
