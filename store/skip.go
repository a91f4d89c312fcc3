package store

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
)

const (
	// longSkip is from how many skipped rows on a query of its own for them pays.
	longSkip = 2000
	// overrun bounds how far a skip can leave its environment: no further than so
	// many times what the environment has, and longSkip.
	overrun = 16
)

// skip is how many rows come before the page; more than any table has when that
// does not fit a number.
func (p position) skip(size int) int64 {
	if p.Page < 1 {
		return 0
	}
	return int64(min(p.Page-1, math.MaxInt32)) * int64(size)
}

// deepRows is pageRows. Where nothing but the environment selects the rows of a
// distant page it finds the row before the page first, at less than half the
// cost of an OFFSET in the environment, and continues behind that one.
func deepRows[T any](t *Tx, tb *table[T], after position, size int, where query, o order) ([]T, error) {
	skip := after.skip(size)
	if after.ID != "" || skip < t.store.longSkip || len(where.args) > 1 {
		return pageRows(t, tb, after, size, where, o)
	}
	last, err := t.rowAt(tb.name, o, skip-1)
	if errors.Is(err, sql.ErrNoRows) {
		return []T{}, nil
	}
	if err != nil {
		return nil, err
	}
	return pageRows(t, tb, last, size, where, o)
}

// rowAt is the environment's row that comes behind n others; sql.ErrNoRows when
// there are not so many.
func (t *Tx) rowAt(name string, o order, n int64) (position, error) {
	if t.climbs(name, o) {
		return t.climb(name, o, n)
	}
	if n/overrun >= t.store.longSkip {
		if _, err := t.rowAt(name, o, n/overrun); err != nil {
			return position{}, err
		}
	}
	var p position
	q := rowAt(name, t.environment, o, n)
	if err := t.one([]any{&p.Key, &p.ID}, q.text, q.args...); err != nil {
		return p, fmt.Errorf("skip %d rows: %w", n, err)
	}
	return p, nil
}

// rowAt begins at the environment's end of the index and has no other end:
// comparing each skipped entry with the environment is most of what skipping in
// it costs. A row of another environment, behind the last of this one, is none.
func rowAt(name, environment string, o order, n int64) query {
	from, direction := ">=", ""
	if o.desc {
		from, direction = "<=", " DESC"
	}
	q := query{text: "SELECT sort_key, id FROM (SELECT environment_id, " + o.column + " AS sort_key, id FROM " + name}
	q.add(" WHERE environment_id "+from+" %s", environment)
	q.add(" ORDER BY environment_id"+direction+", "+o.by()+" LIMIT 1 OFFSET %s) AS skipped", n)
	q.add(" WHERE environment_id = %s", environment)
	return q
}
