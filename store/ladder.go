package store

import (
	"cmp"
	"database/sql"
	"slices"
	"sync"
	"time"
)

const (
	// rungs are so many times longSkip rows apart.
	rungsApart = 25
	// fewNewer bounds how many rows may have come since a ladder was made.
	fewNewer = 5000
	// ladderTrust is how long a ladder is used at most.
	ladderTrust = 10 * time.Minute
	// maxLadders bounds the ladders remembered in memory.
	maxLadders = 256
)

// ladder remembers which rows come at which depth of a list by creation, in a
// table whose rows are only added. Rows that were added since can be told by the
// transaction that added them, so that depths are exact at any time. It holds
// nothing but what a transaction of the environment saw.
type ladder struct {
	// horizon is the oldest transaction whose rows the ladder does not count.
	horizon int64
	until   time.Time
	rungs   []rung
}

// rung is a row behind depth others.
type rung struct {
	depth   int64
	created int64
	id      string
}

// ladderOf says whose ladder it is.
type ladderOf struct {
	environment, table string
	desc               bool
}

type ladders struct {
	mu      sync.Mutex
	entries map[ladderOf]ladder
}

func newLadders() *ladders { return &ladders{entries: map[ladderOf]ladder{}} }

func (m *ladders) get(of ladderOf, now time.Time) ladder {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.entries[of]; now.Before(l.until) {
		return l
	}
	return ladder{}
}

func (m *ladders) put(of ladderOf, l ladder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(l.rungs) == 0 || m.entries[of].horizon > l.horizon {
		return
	}
	if len(m.entries) >= maxLadders {
		clear(m.entries)
	}
	m.entries[of] = l
}

// climbs says that the list has ladders: on Postgres each skipped row costs the
// look of a policy. What a writing transaction sees is not to be remembered.
func (t *Tx) climbs(table string, o order) bool {
	return t.postgres != nil && t.reading && table == t.store.tables.calls.name && o.column == "created"
}

// climb is rowAt by the nearest rung of the list's ladder, which grows by what
// is skipped.
func (t *Tx) climb(table string, o order, n int64) (position, error) {
	of := ladderOf{t.environment, table, o.desc}
	oldest, overtaken, err := t.horizon(table)
	if err != nil {
		return position{}, err
	}
	l, err := t.nowadays(of, oldest)
	if err != nil {
		return position{}, err
	}
	if !overtaken {
		defer func() { t.store.ladders.put(of, l) }()
	}
	at := rung{depth: -1}
	for _, r := range l.rungs {
		if r.depth <= n && r.depth > at.depth {
			at = r
		}
	}
	apart := rungsApart * t.store.longSkip
	for at.depth < n {
		far := n-at.depth >= apart
		if at, err = t.further(table, o, at, min(apart, n-at.depth)); err != nil {
			return position{}, err
		}
		if far {
			l.rungs = append(l.rungs, at)
		}
	}
	return position{Key: at.created, ID: at.id}, nil
}

// horizon is the oldest transaction that is still running, and whether a row of
// that one or a later one is seen: then some that are counted now could be taken
// for newer ones later. So it is when a transaction overtook one that still runs,
// and in a database that was filled from the backup of another.
func (t *Tx) horizon(table string) (oldest int64, overtaken bool, err error) {
	var newest int64
	q := newestRow(table, t.environment)
	err = t.one([]any{&oldest, &newest}, q.text, q.args...)
	return oldest, newest >= oldest, err
}

// newestRow is the oldest transaction that is still running and the newest that
// added a row.
func newestRow(table, environment string) query {
	q := query{text: "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT), coalesce((SELECT transaction_id FROM " + table}
	q.add(" WHERE environment_id = %s AND transaction_id >= 0 ORDER BY transaction_id DESC LIMIT 1), 0)", environment)
	return q
}

// nowadays is the ladder with the depths that its rows have for the
// transaction, whose horizon is given; empty when there is none, when the
// transaction does not see all rows that it counts, and when too many are newer.
func (t *Tx) nowadays(of ladderOf, oldest int64) (ladder, error) {
	fresh := ladder{horizon: oldest, until: t.now.Add(ladderTrust)}
	l := t.store.ladders.get(of, t.now)
	if len(l.rungs) == 0 || l.horizon > oldest {
		return fresh, nil
	}
	var newer []rung
	q := newerRows(of.table, of.environment, l.horizon)
	err := t.each(func(r *sql.Rows) error {
		var n rung
		err := r.Scan(&n.created, &n.id)
		newer = append(newer, n)
		return err
	}, q.text, q.args...)
	if err != nil || len(newer) > fewNewer {
		return fresh, err
	}
	before := func(a, b rung) int {
		if of.desc {
			a, b = b, a
		}
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.id, b.id))
	}
	slices.SortFunc(newer, before)
	fresh.until, fresh.rungs = l.until, slices.Clone(l.rungs)
	for i, r := range fresh.rungs {
		ahead, _ := slices.BinarySearchFunc(newer, r, before)
		fresh.rungs[i].depth += int64(ahead)
	}
	return fresh, nil
}

// newerRows finds the rows that the transaction and later ones added. It is
// ordered as the index is so that no plan prefers to read all rows.
func newerRows(table, environment string, transaction int64) query {
	q := query{text: "SELECT created, id FROM " + table}
	q.add(" WHERE environment_id = %s AND transaction_id >= %s ORDER BY transaction_id LIMIT %s", environment, transaction, fewNewer+1)
	return q
}

// further is the row that comes so many rows behind another.
func (t *Tx) further(table string, o order, from rung, rows int64) (rung, error) {
	to := rung{depth: from.depth + rows}
	q := rowAt(table, t.environment, o, rows-1)
	if from.depth >= 0 {
		q = rowBehind(table, t.environment, o, from, rows-1)
	}
	return to, t.one([]any{&to.created, &to.id}, q.text, q.args...)
}

// rowBehind is rowAt behind a row.
func rowBehind(table, environment string, o order, from rung, n int64) query {
	q := query{text: "SELECT " + o.column + " AS sort_key, id FROM " + table}
	q.add(" WHERE environment_id = %s AND ("+o.column+", id) "+o.beyond()+" (%s, %s)", environment, from.created, from.id)
	q.add(" ORDER BY "+o.by()+" LIMIT 1 OFFSET %s", n)
	return q
}
