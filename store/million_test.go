//go:build million

package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"

	_ "github.com/jackc/pgx/v5/stdlib" // opens Postgres past the store
)

// Rows of the two stores that are compared.
const (
	manyCalls, manyNumbers = 1_000_000, 100_000
	fewRows                = 1000
)

// TestMillionCalls compares a store of a million calls and 100,000 numbers with
// one of a thousand of each: what an index finds must not take longer. Plans of
// every documented column are looked at, too. Both stores are filled at the same
// time and measured one after the other. `make test` runs it by its tag, without the race detector,
// which would measure itself.
func TestMillionCalls(t *testing.T) {
	var stores []*sizes
	var wg sync.WaitGroup
	begun := time.Now()
	for _, engine := range []struct {
		name string
		url  func(testing.TB) string
		fill func(t *testing.T, url string, calls, numbers int)
	}{{"sqlite", storetest.SQLite, fillSQLite}, {"postgres", storetest.Postgres, fillPostgres}} {
		m := &sizes{name: engine.name}
		stores = append(stores, m)
		urls := [2]string{engine.url(t), engine.url(t)}
		m.bigEnv, m.smallEnv = seed(t, urls[0]), seed(t, urls[1])
		wg.Go(func() {
			engine.fill(t, urls[0], manyCalls, manyNumbers)
			engine.fill(t, urls[1], fewRows, fewRows)
		})
		m.open = func() { m.big, m.small = started(t, urls[0]), started(t, urls[1]) }
	}
	wg.Wait()
	t.Logf("filled in %v", time.Since(begun))
	for _, m := range stores {
		t.Run(m.name, func(t *testing.T) {
			m.t = t
			m.open()
			if err := m.big.Migrate(t.Context()); err != nil { // as every start does; it looks at the indexes
				t.Fatal(err)
			}
			m.plans()
			m.ratios()
			m.deepPage()
		})
	}
}

// seed makes an environment with one row of each kind.
func seed(t *testing.T, url string) string {
	t.Helper()
	s := storetest.Open(t, url, nil)
	env := populated(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return env
}

// started opens the store as a server does when it starts: the migration makes
// SQLite sample the indexes that have grown.
func started(t *testing.T, url string) *store.Store {
	t.Helper()
	s := storetest.Open(t, url, nil)
	if err := s.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

// sizes is a large and a small store.
type sizes struct {
	t                *testing.T
	name             string
	open             func()
	big, small       *store.Store
	bigEnv, smallEnv string
}

// plans looks at the plan of every documented column as the engine would make
// it for these rows.
func (m *sizes) plans() {
	m.t.Helper()
	_, sqlite := m.big.SQLite()
	plans := 0
	for _, q := range store.ListQueriesOf(m.big, m.bigEnv) {
		if table, _, _ := strings.Cut(q.Name, " "); table != "calls" && table != "numbers" {
			continue
		}
		plans++
		read(m.t, m.big, m.bigEnv, func(tx *store.Tx) error {
			plan, err := tx.Plan(q)
			sorts := strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "Sort")
			if strings.Contains(plan, "SCAN") || strings.Contains(plan, "Seq Scan") || sorts && !strings.Contains(q.Name, "filtered") ||
				sqlite && !strings.Contains(plan, q.Narrows) {
				m.t.Errorf("%s: %s", q.Name, plan)
			}
			return err
		})
	}
	m.t.Logf("%d plans", plans)
	if plans < 40 {
		m.t.Errorf("only %d plans", plans)
	}
}

// rounds is how often each reading is timed; slack is what a ratio may be off
// because a page of 40 µs is measured on a machine that does other things.
const (
	rounds = 300
	slack  = 150 * time.Microsecond
)

// ratios times each kind of reading on both stores in turn.
func (m *sizes) ratios() {
	m.t.Helper()
	pick := rand.New(rand.NewPCG(1, 2))
	for _, reading := range []struct {
		name string
		read func(tx *store.Tx, rows int) error
	}{
		{"get a call", func(tx *store.Tx, rows int) error { _, err := tx.Call(rowID(pick.IntN(rows))); return err }},
		{"get a number", func(tx *store.Tx, rows int) error {
			_, err := tx.Number(rowID(pick.IntN(min(rows, manyNumbers))))
			return err
		}},
		{"first page of calls", func(tx *store.Tx, _ int) error { return calls(tx, sidetone.PageQuery{Page: 1, Size: 10}) }},
		{"first page of numbers", func(tx *store.Tx, _ int) error {
			p, err := tx.Numbers(sidetone.PageQuery{Page: 1, Size: 10, SortColumn: "number"})
			return tenOf(p, err)
		}},
		{"calls of an agent", func(tx *store.Tx, _ int) error {
			return calls(tx, sidetone.PageQuery{Page: 1, Size: 10, Filters: where("agent", "eq", fmt.Sprint("a", pick.IntN(50)))})
		}},
		{"calls of a status", func(tx *store.Tx, _ int) error {
			return calls(tx, sidetone.PageQuery{Page: 1, Size: 10, Filters: where("status", "eq", "error")})
		}},
		{"calls to one of our numbers", func(tx *store.Tx, _ int) error {
			return calls(tx, sidetone.PageQuery{Page: 1, Size: 10, Filters: where("agent_phone_number", "eq", fmt.Sprint("+1300000000", pick.IntN(10)))})
		}},
		{"call by the carrier's id", func(tx *store.Tx, rows int) error {
			p, err := tx.Calls(sidetone.PageQuery{Page: 1, Size: 10, Filters: where("telephony_id", "eq", fmt.Sprint("C", pick.IntN(rows)))})
			if err == nil && len(p.Items) != 1 {
				err = fmt.Errorf("found %d", len(p.Items))
			}
			return err
		}},
		{"calls behind a cursor", func(tx *store.Tx, rows int) error {
			cursor, err := tx.CursorBehind(sidetone.PageQuery{Page: 1, Size: 10}, rows/2, int64(createdOf(rows/2)), rowID(rows/2))
			if err != nil {
				return err
			}
			return calls(tx, sidetone.PageQuery{Size: 10, Cursor: cursor})
		}},
	} {
		var slow, fast []time.Duration
		for range rounds {
			slow = append(slow, m.time(m.big, m.bigEnv, func(tx *store.Tx) error { return reading.read(tx, manyCalls) }))
			fast = append(fast, m.time(m.small, m.smallEnv, func(tx *store.Tx) error { return reading.read(tx, fewRows) }))
		}
		a, b := median(slow), median(fast)
		m.t.Logf("%-28s p50 %8v of a million, %8v of a thousand: %.2f", reading.name, a, b, float64(a)/float64(b))
		if a > 2*b+slack {
			m.t.Errorf("%s takes %v with a million rows, %v with a thousand", reading.name, a, b)
		}
	}
}

// deepPage prints what skipping 800,000 rows takes; whoever reads that far uses
// a cursor, which ratios measures.
func (m *sizes) deepPage() {
	m.t.Helper()
	var took []time.Duration
	for range 5 {
		took = append(took, m.time(m.big, m.bigEnv, func(tx *store.Tx) error {
			return calls(tx, sidetone.PageQuery{Page: 80_000, Size: 10})
		}))
	}
	m.t.Logf("page 80,000: p50 %v, best %v", median(took), slices.Min(took))
}

func (m *sizes) time(s *store.Store, env string, fn func(*store.Tx) error) time.Duration {
	m.t.Helper()
	begun := time.Now()
	err := s.Read(context.Background(), env, fn)
	took := time.Since(begun)
	if err != nil {
		m.t.Fatal(err)
	}
	return took
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func calls(tx *store.Tx, q sidetone.PageQuery) error {
	p, err := tx.Calls(q)
	return tenOf(p, err)
}

func tenOf[T any](p sidetone.Page[T], err error) error {
	if err == nil && len(p.Items) != 10 {
		err = fmt.Errorf("page of %d", len(p.Items))
	}
	return err
}

// rowID and createdOf are what row i of a filled table has.
func rowID(i int) string  { return fmt.Sprint(10_000_000 + i) }
func createdOf(i int) int { return 1_700_000_000_000 + i*1000 }

// multiply copies the table's first row count times with values of their own;
// columns are the table's.
func multiply(table string, columns []string, count int) string {
	special := map[string]string{
		"id": "CAST(10000000 + i AS text)", "created": "1700000000000 + i * 1000", "updated": "1700000000000 + i * 999",
		"start_sort": "1700000000000 + i * 1000 + i % 7", "started": "1700000000000 + i * 1000 + i % 7", "ended": "1700000060000 + i * 1000",
		"from_number": "'+1' || CAST(2000000000 + i % 50000 AS text)", "to_number": "'+1' || CAST(4000000000 + (i * 7919) % 30000 AS text)",
		"agent_number": "'+1' || CAST(3000000000 + i % 10 AS text)", "agent_id": "'a' || CAST(i % 50 AS text)",
		"status": "CASE WHEN i % 5 = 0 THEN 'error' ELSE 'ended' END", "outcome": "CASE WHEN i % 3 = 0 THEN 'did_not_connect' ELSE 'human' END",
		"outgoing": "(i % 2 = 0)", "terminal": "(i >= 0)", "carrier_id": "'C' || CAST(i AS text)", "active": "(i >= 0)",
		"number": "'+1' || CAST(5000000000 + i AS text)", "label": "'Label ' || CAST(i AS text)", "label_folded": "'label ' || CAST(i AS text)",
		"inbound_agent_id": "'a' || CAST(i % 50 AS text)", "provider": "CASE WHEN i % 2 = 0 THEN 'sip' ELSE 'simulated' END",
		"outbound_only": "(i % 4 = 0)", "snapshot": "'{}'",
	}
	var values []string
	for _, c := range columns {
		if special[c] == "" {
			special[c] = "first." + c
		}
		values = append(values, special[c])
	}
	return fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO %s (%s) SELECT %s FROM n, (SELECT * FROM %s LIMIT 1) AS first`,
		count-1, table, strings.Join(columns, ", "), strings.Join(values, ", "), table)
}

// fillTables fills calls and numbers without their indexes, which are made
// again afterwards.
func fillTables(t *testing.T, db *sql.DB, indexes, columns string, calls, numbers int) {
	list := func(query string, args ...any) (out [][2]string) {
		rows, err := db.Query(query, args...)
		if err != nil {
			t.Error(err)
			return nil
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var pair [2]string
			if err := rows.Scan(&pair[0], &pair[1]); err != nil {
				t.Error(err)
			}
			out = append(out, pair)
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
		return out
	}
	run := func(text string) {
		if _, err := db.Exec(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	begun := time.Now()
	for table, count := range map[string]int{"calls": calls, "numbers": numbers} {
		made := list(indexes, table)
		for _, index := range made {
			run("DROP INDEX " + index[0])
		}
		var names []string
		for _, c := range list(columns, table) {
			names = append(names, c[0])
		}
		run(multiply(table, names, count))
		t.Logf("%d %s after %v", count, table, time.Since(begun))
		for _, index := range made {
			run(index[1])
		}
	}
}

func fillSQLite(t *testing.T, url string, calls, numbers int) {
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:")+
		"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-200000)&_pragma=temp_store(2)")
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	fillTables(t, db, `SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = $1 AND sql IS NOT NULL`,
		`SELECT name, type FROM pragma_table_info($1)`, calls, numbers)
}

func fillPostgres(t *testing.T, url string, calls, numbers int) {
	db, err := sql.Open("pgx", strings.Replace(storetest.Superuser(url), "&pool_max_conns=8", "", 1))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("SET maintenance_work_mem = '128MB'; SET session_replication_role = replica"); err != nil {
		t.Error(err)
	}
	fillTables(t, db, `SELECT indexname, indexdef FROM pg_indexes WHERE tablename = $1 AND indexname NOT LIKE '%_pkey'`,
		`SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 AND table_schema = 'public'`, calls, numbers)
	// What the server's own maintenance does sooner or later.
	if _, err := db.Exec("VACUUM ANALYZE calls, numbers"); err != nil {
		t.Error(err)
	}
}
