package store

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
)

// Exec runs a statement, for tests that need many rows fast.
func (t *Tx) Exec(text string, args ...any) error {
	_, err := t.exec(text, args...)
	return err
}

// ListQuery is the statement behind one documented sort or filter column.
type ListQuery struct {
	Name string
	// Narrows is what SQLite's plan must say of the index; "" when sorting.
	Narrows string
	query   query
}

// ListQueries returns one query per row of every noun's table of columns.
func ListQueries(s *Store) []ListQuery { return ListQueriesOf(s, "e") }

// EndingLike is how MustNotCall looks for entries.
func EndingLike(e164 string) ListQuery {
	q := endingLike("e", e164)
	q.text = "SELECT * FROM dnc_numbers WHERE " + q.text
	return ListQuery{Name: "do-not-call numbers that end alike", Narrows: "<expr>=?", query: q}
}

// ListQueriesOf is ListQueries of an environment; filters ask for the first
// page, newest first.
func ListQueriesOf(s *Store, env string) []ListQuery {
	listQueries := func(table string, columns map[string]listed, own ...condition) []ListQuery {
		return listQueries(s, env, table, columns, own...)
	}
	var out []ListQuery
	out = append(out, listQueriesOf(s, "account_id", env, "environments", s.tables.environments.listed)...)
	out = append(out, listQueries("numbers", s.tables.numbers.listed, condition{"active", true})...)
	out = append(out, listQueries("agents", s.tables.agents.listed)...)
	out = append(out, listQueries("prompts", s.tables.prompts.listed)...)
	out = append(out, listQueries("voices", s.tables.voices.listed)...)
	out = append(out, listQueries("api_keys", s.tables.keys.listed)...)
	out = append(out, listQueries("members", s.tables.members.listed)...)
	out = append(out, listQueries("audit_log", s.tables.audit.listed)...)
	out = append(out, listQueries("refused_calls", s.tables.refused.listed)...)
	out = append(out, listQueries("webhook_deliveries", s.tables.deliveries.listed)...)
	out = append(out, listQueries("actions", s.tables.actions.listed)...)
	out = append(out, listQueries("webhooks", s.tables.webhooks.listed)...)
	out = append(out, listQueries("vector_databases", s.tables.vectors.listed)...)
	out = append(out, listQueries("connections", s.tables.connections.listed)...)
	out = append(out, listQueries("trunks", s.tables.trunks.listed)...)
	out = append(out, listQueries("dnc_numbers", s.tables.dnc.listed)...)
	return append(out, listQueries("calls", s.tables.calls.listed)...)
}

func listQueries(s *Store, env, table string, columns map[string]listed, own ...condition) []ListQuery {
	return listQueriesOf(s, "environment_id", env, table, columns, own...)
}

func listQueriesOf(s *Store, owner, env, table string, columns map[string]listed, own ...condition) []ListQuery {
	base := func() query {
		q := query{text: owner + " = $1", args: []any{env}}
		for _, c := range own {
			q.add(" AND "+c.column+" = %s", c.value)
		}
		return q
	}
	page := sidetone.PageQuery{Page: 3, Size: 10}
	out := []ListQuery{{Name: table + " newest first", query: pageIDs(table, position{Page: 3}, 10, base(), order{"created", true})}}
	for name, c := range columns {
		if c.sortable {
			page.SortColumn = name
			o, err := ordering(columns, page)
			if err != nil {
				panic(err)
			}
			after := position{Page: 2, ID: "x", Key: map[valueKind]any{textValue: "x", boolValue: true, timeValue: int64(7)}[c.kind]}
			out = append(out, ListQuery{Name: table + " sorted by " + name, query: pageIDs(table, position{Page: 3}, 10, base(), o)},
				ListQuery{Name: table + " behind a cursor by " + name, Narrows: seek(o), query: pageIDs(table, after, 10, base(), o)})
		}
		if c.kind == tagsValue {
			continue // no index can exclude rows
		}
		value := map[valueKind]any{textValue: "x", boolValue: true, timeValue: "2026-01-02T03:04:05Z"}[c.kind]
		q := base()
		if err := narrow(&q, s.items, columns, sidetone.Filter{Column: name, Op: "eq", Values: []any{value}}); err != nil {
			panic(err)
		}
		if env == "e" {
			q.text = "SELECT 1 FROM " + table + " WHERE " + q.text
		} else {
			q = pageIDs(table, position{Page: 1}, 10, q, order{"created", true})
		}
		narrows := c.column + "=?"
		if strings.HasPrefix(c.column, "(") {
			narrows = "<expr>=?"
		}
		out = append(out, ListQuery{Name: table + " filtered by " + name, Narrows: narrows, query: q})
	}
	return out
}

// Of is q for another owner.
func (q ListQuery) Of(owner string) ListQuery {
	q.query.args = append([]any{owner}, q.query.args[1:]...)
	return q
}

// seek is how SQLite says that it begins behind a row.
func seek(o order) string {
	if o.column == "id" {
		return "id" + o.beyond() + "?"
	}
	return "(" + o.column + ",id)" + o.beyond() + "(?,?)"
}

// CursorBehind is the cursor of a list of calls, newest first, behind a row.
func (t *Tx) CursorBehind(q sidetone.PageQuery, page int, created int64, id string) (string, error) {
	c := sidetone.Call{ID: id, Created: fromMillis(created)}
	return t.cursor(cursorList{t.environment, "calls", nil, q}, page, callColumns(&c), order{"created", true})
}

// Explain returns the engine's plan for q. Postgres is told to avoid what an
// empty table invites it to do.
func (t *Tx) Explain(q ListQuery) (string, error) {
	if t.postgres != nil {
		for _, off := range []string{"enable_seqscan", "enable_sort", "enable_bitmapscan"} {
			if _, err := t.exec("SET LOCAL " + off + " = off"); err != nil {
				return "", err
			}
		}
	}
	return t.Plan(q)
}

// RunFirst runs q for a first page that is long enough for every row.
func (t *Tx) RunFirst(q ListQuery) error {
	text := regexp.MustCompile(`LIMIT (\$\d+) OFFSET (\$\d+)`).
		ReplaceAllString(q.query.text, "LIMIT 1000 + CAST($1 AS BIGINT) OFFSET 0 * CAST($2 AS BIGINT)")
	return t.each(func(*sql.Rows) error { return nil }, text, q.query.args...)
}

// Plan returns the engine's plan for q.
func (t *Tx) Plan(q ListQuery) (string, error) {
	explain := "EXPLAIN QUERY PLAN "
	if t.postgres != nil {
		explain = "EXPLAIN (COSTS OFF) "
	}
	var plan []string
	err := t.each(func(r *sql.Rows) error {
		columns, err := r.Columns()
		if err != nil {
			return err
		}
		dest := make([]any, len(columns))
		for i := range dest {
			dest[i] = new(any)
		}
		err = r.Scan(dest...)
		plan = append(plan, fmt.Sprint(*dest[len(dest)-1].(*any)))
		return err
	}, explain+q.query.text, q.query.args...)
	return strings.Join(plan, "\n"), err
}

// Thing is a noun with a sealed column, for tests of the column.
type Thing struct {
	ID, EnvironmentID, Label string
	Secret                   sidetone.Secret
	Version                  int64
}

// Things is the table of Thing; it is made by Create.
type Things struct{ table *table[Thing] }

// NewThings returns the table named name.
func NewThings(name string) Things {
	return Things{newTable(name, "thing", func(x *Thing) []column {
		return []column{
			{name: "secret", ref: sealed{&x.Secret}}, {name: "id", ref: &x.ID, fixed: true},
			{name: "environment_id", ref: &x.EnvironmentID, fixed: true}, {name: "label", ref: &x.Label}, {name: "version", ref: &x.Version},
		}
	}, nil)}
}

// Create makes the table.
func (x Things) Create(t *Tx) error {
	return t.Exec("CREATE TABLE " + x.table.name +
		" (id TEXT NOT NULL, environment_id TEXT NOT NULL, label TEXT NOT NULL, secret TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (id))")
}

// Insert, Update, Get and All are those of every noun.
func (x Things) Insert(t *Tx, row Thing) error           { return x.table.insert(t, &row) }
func (x Things) Update(t *Tx, row Thing) error           { return x.table.update(t, &row) }
func (x Things) Get(t *Tx, id string) (Thing, error)     { return x.table.get(t, id) }
func (x Things) All(t *Tx, rest string) ([]Thing, error) { return x.table.all(t, rest) }

// Across returns the things of all environments.
func (x Things) Across(s *Store, ctx context.Context) (out []Thing, err error) { //nolint:revive // the receiver is the table
	err = s.readAcross(ctx, func(t *Tx) error { out, err = x.table.all(t, "ORDER BY id"); return err })
	return out, err
}

// Text returns the one text that a query selects.
func (t *Tx) Text(query string, args ...any) (string, error) {
	var s string
	err := t.one([]any{&s}, query, args...)
	return s, err
}

// SealedTables counts the nouns that a rotation looks at, and those there are.
func SealedTables(s *Store) (looked, all int) {
	return len(s.tables.every()), reflect.TypeOf(s.tables).NumField()
}

// Sealed returns every stored text of the environment's sealed columns.
func (t *Tx) Sealed() ([]string, error) {
	var out []string
	for _, c := range t.store.tables.sealedColumns() {
		err := t.each(func(r *sql.Rows) error {
			var text string
			err := r.Scan(&text)
			if text != "" {
				out = append(out, text)
			}
			return err
		}, "SELECT "+c.column+" FROM "+c.table+" WHERE environment_id = $1", t.environment)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// HoldKeys makes who looks for changed keys wait until release.
func HoldKeys(s *Store) (release func()) {
	_ = s.keys.refreshing.Acquire(context.Background(), 1)
	return func() { s.keys.refreshing.Release(1) }
}

// SyncLog is what opening an SQLite store does to its log.
func SyncLog(path string) error { return syncLog(path) }

// Queued is how many writes wait for the writer of an SQLite store.
func Queued(s *Store) int { return len(s.engine.(*sqliteEngine).writer.queue) }

// Unaudited names the tables whose changes leave no trace in the audit log.
func Unaudited(s *Store) []string {
	ts := s.tables
	quiet := map[string]bool{
		ts.environments.name: ts.environments.unaudited, ts.keys.name: ts.keys.unaudited, ts.numbers.name: ts.numbers.unaudited,
		ts.agents.name: ts.agents.unaudited, ts.prompts.name: ts.prompts.unaudited, ts.voices.name: ts.voices.unaudited,
		ts.actions.name: ts.actions.unaudited, ts.webhooks.name: ts.webhooks.unaudited, ts.vectors.name: ts.vectors.unaudited,
		ts.connections.name: ts.connections.unaudited, ts.trunks.name: ts.trunks.unaudited, ts.dnc.name: ts.dnc.unaudited, ts.calls.name: ts.calls.unaudited,
		ts.intents.name: ts.intents.unaudited, ts.events.name: ts.events.unaudited, ts.members.name: ts.members.unaudited,
		ts.audit.name: ts.audit.unaudited, ts.responses.name: ts.responses.unaudited,
		ts.refused.name: ts.refused.unaudited, ts.deliveries.name: ts.deliveries.unaudited, ts.attempts.name: ts.attempts.unaudited, ts.runs.name: ts.runs.unaudited,
	}
	var out []string
	for name, silent := range quiet {
		if silent {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return append(out, fmt.Sprint(len(quiet) == len(ts.every())))
}

// ReadMemory runs fn on the configuration in memory, on any engine; false means
// that fn asked for more.
func ReadMemory(s *Store, ctx context.Context, env string, fn func(*Tx) error) (bool, error) { //nolint:revive // the store is the receiver
	return s.readMemory(ctx, env, fn)
}

// SecretsOf names where a snapshot holds secrets.
func SecretsOf(s *sidetone.Snapshot) map[string]*sidetone.Secret { return secretsOf(s) }

// Snapshot is what memory holds for calls of the agent.
func Snapshot(s *Store, ctx context.Context, env, agent string) (snapshot sidetone.Snapshot, ok bool) { //nolint:revive // the store is the receiver
	_, _ = s.readMemory(ctx, env, func(t *Tx) error {
		a, err := t.Agent(agent)
		if err == nil {
			snapshot, err = t.Snapshot(a)
		}
		ok = err == nil
		return err
	})
	return snapshot, ok
}
