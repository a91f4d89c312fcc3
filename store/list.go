package store

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
)

// exactTotal is up to where a list's total is counted row by row.
const exactTotal = 10_000

// countedGuess is up to where a longer list is counted for its estimate.
const countedGuess = 100_000

type valueKind uint8

const (
	textValue valueKind = iota
	boolValue
	timeValue
)

// listed describes a documented column of a list. Its SQL column is NOT NULL.
type listed struct {
	column string
	kind   valueKind
	// contains is the column that a search for a part compares, folded; "" when
	// there is none.
	contains string
	// sortable columns have an index on environment, column and id.
	sortable bool
}

func text(column string) listed    { return listed{column, textValue, "", true} }
func digits(column string) listed  { return listed{column, textValue, column, true} }
func instant(column string) listed { return listed{column, timeValue, "", true} }
func boolean(column string) listed { return listed{column, boolValue, "", true} }

// search sorts and compares by the folded form, so that case does not matter.
func search(column, foldedColumn string) listed { return listed{column, textValue, foldedColumn, true} }

func filterOnly(l listed) listed {
	l.sortable = false
	return l
}

// order is the SQL column the list sorts by.
func (l listed) order() string {
	if l.contains != "" {
		return l.contains
	}
	return l.column
}

// condition is a filter of the store's own.
type condition struct {
	column string
	value  any
}

// query is SQL under construction with its arguments.
type query struct {
	text string
	args []any
}

// add appends format with its %s replaced by the next placeholders of args.
func (q *query) add(format string, args ...any) {
	marks := make([]any, len(args))
	for i, a := range args {
		q.args = append(q.args, a)
		marks[i] = fmt.Sprintf("$%d", len(q.args))
	}
	q.text += fmt.Sprintf(format, marks...)
}

// page answers a list of the transaction's environment: one page, whether more
// follow, and the total.
func page[T any](t *Tx, tb *table[T], q sidetone.PageQuery, own ...condition) (sidetone.Page[T], error) {
	return pageOf(t, tb, q, condition{"environment_id", t.environment}, own...)
}

// pageOf answers a list of what belongs to owner.
func pageOf[T any](t *Tx, tb *table[T], q sidetone.PageQuery, owner condition, own ...condition) (sidetone.Page[T], error) {
	p := sidetone.Page[T]{Items: []T{}, Page: q.Page, Size: q.Size}
	if err := q.Validate(); err != nil {
		return p, err
	}
	filters, err := comparisons(tb.listed, q.Filters)
	if err != nil {
		return p, err
	}
	sorted, err := ordering(tb.listed, q)
	if err != nil {
		return p, err
	}
	list := cursorList{owner.value, tb.name, own, q}
	after, err := t.position(list, sorted)
	if err != nil {
		return p, err
	}
	p.Page = after.Page
	where := narrowed(owner, own, filters)
	switch {
	case t.memory != nil:
		p.Items, p.Total, err = tb.remembered(t, after, q.Size, filters, sorted)
	case owner.column != "environment_id": // an account's environments are few
		p.Items, err = pageRows(t, tb, after, q.Size, where, sorted)
	default:
		p.Items, err = deepRows(t, tb, after, q.Size, where, sorted)
	}
	if err != nil {
		return p, fmt.Errorf("list %ss: %w", tb.noun, err)
	}
	if p.HasMore = len(p.Items) > q.Size; p.HasMore {
		p.Items = p.Items[:q.Size]
		if p.NextCursor, err = t.cursor(list, p.Page+1, tb.columns(&p.Items[q.Size-1]), sorted); err != nil {
			return p, fmt.Errorf("list %ss: %w", tb.noun, err)
		}
	}
	if t.memory != nil {
		return p, nil
	}
	if n, ok := ending(p, after); ok {
		p.Total = n
		return p, nil
	}
	if p.Total, p.TotalIsEstimated, err = total(t, tb.name, where); err != nil {
		return p, fmt.Errorf("count %ss: %w", tb.noun, err)
	}
	return p, nil
}

// ending is the total that the last page tells without counting. Behind a cursor
// the pages before may have changed.
func ending[T any](p sidetone.Page[T], after position) (n int64, ok bool) {
	before := position{Page: p.Page}.skip(p.Size)
	n = before + int64(len(p.Items))
	return n, after.ID == "" && !p.HasMore && n <= exactTotal && (before == 0 || len(p.Items) > 0)
}

// pageRows finds the page's ids in the index first, so that skipped rows are
// never read, and asks for one row too many to learn whether more follow.
func pageRows[T any](t *Tx, tb *table[T], after position, size int, where query, o order) ([]T, error) {
	wanted := pageIDs(tb.name, after, size, where, o)
	return tb.all(t, "JOIN ("+wanted.text+") AS wanted ON wanted.page_id = "+tb.name+".id ORDER BY "+o.by(), wanted.args...)
}

// pageIDs continues behind a row, at the same cost however deep, or skips whole
// pages.
func pageIDs(name string, after position, size int, where query, o order) query {
	where.text = "SELECT id AS page_id FROM " + name + " WHERE " + where.text
	skip := int64(0)
	switch {
	case after.ID == "":
		skip = after.skip(size)
	case o.column == "id":
		where.add(" AND id "+o.beyond()+" %s", after.ID)
	default:
		where.add(" AND ("+o.column+", id) "+o.beyond()+" (%s, %s)", after.Key, after.ID)
	}
	where.add(" ORDER BY "+o.by()+" LIMIT %s OFFSET %s", size+1, skip)
	return where
}

// order is what a list is sorted by: a column, then the id.
type order struct {
	column string
	desc   bool
}

func (o order) by() string {
	direction := ""
	if o.desc {
		direction = " DESC"
	}
	if o.column == "id" {
		return "id" + direction
	}
	return o.column + direction + ", id" + direction
}

// beyond compares a later row with an earlier one.
func (o order) beyond() string {
	if o.desc {
		return "<"
	}
	return ">"
}

func ordering(columns map[string]listed, q sidetone.PageQuery) (order, error) {
	if q.SortColumn == "" {
		return order{"created", true}, nil
	}
	c, ok := columns[q.SortColumn]
	if !ok || !c.sortable {
		return order{}, sidetone.Errorf(sidetone.Invalid, "sort_column must be one of %s", documented(columns, true))
	}
	return order{c.order(), q.SortDesc}, nil
}

// total counts up to exactTotal rows and asks the engine for a guess beyond.
func total(t *Tx, name string, where query) (int64, bool, error) {
	key := fmt.Sprintf("%s %s %q", name, where.text, where.args)
	if guess, ok := t.store.totals.get(key, t.now); ok {
		return guess, true, nil
	}
	var n int64
	counted := query{text: "SELECT count(*) FROM (SELECT 1 FROM " + name + " WHERE " + where.text, args: where.args}
	counted.add(" LIMIT %s) AS counted", exactTotal+1)
	if err := t.one([]any{&n}, counted.text, counted.args...); err != nil {
		return 0, false, err
	}
	if n <= exactTotal {
		return n, false, nil
	}
	guess, err := t.store.engine.estimate(t, query{text: "SELECT 1 FROM " + name + " WHERE " + where.text, args: where.args})
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	guess = max(n, guess)
	if err == nil && guess >= 2*exactTotal {
		t.store.totals.put(key, guess, t.now)
	}
	return guess, true, err
}

// totalTrust is how long an estimate is repeated instead of made again.
const totalTrust = 30 * time.Second

// maxTotals bounds the estimates remembered in memory.
const maxTotals = 1024

// totals remembers the estimates of lists so long that they cannot shrink to
// what is counted exactly soon.
type totals struct {
	mu      sync.Mutex
	entries map[string]estimated
}

type estimated struct {
	rows  int64
	until time.Time
}

func newTotals() *totals { return &totals{entries: map[string]estimated{}} }

func (m *totals) get(key string, now time.Time) (int64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	return e.rows, ok && now.Before(e.until)
}

func (m *totals) put(key string, rows int64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) >= maxTotals {
		clear(m.entries)
	}
	m.entries[key] = estimated{rows, now.Add(totalTrust)}
}

func documented(columns map[string]listed, sortable bool) string {
	var names []string
	for name, c := range columns {
		if c.sortable || !sortable {
			names = append(names, name)
		}
	}
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}

// comparison is a filter that fits its column, with its operands as they are
// stored.
type comparison struct {
	listed
	op     string
	values []any
}

// comparisons checks filters.
func comparisons(columns map[string]listed, filters []sidetone.Filter) ([]comparison, error) {
	var out []comparison
	for _, f := range filters {
		c, err := comparisonOf(columns, f)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func comparisonOf(columns map[string]listed, f sidetone.Filter) (comparison, error) {
	l, ok := columns[f.Column]
	if !ok {
		return comparison{}, sidetone.Errorf(sidetone.Invalid, "filters.%s is not a column; use one of %s", f.Column, documented(columns, false))
	}
	if len(f.Values) == 0 || len(f.Values) > 1 && f.Op != "in" || len(f.Values) > 100 {
		return comparison{}, sidetone.Errorf(sidetone.Invalid, "filters.%s has %d values", f.Column, len(f.Values))
	}
	c := comparison{l, f.Op, make([]any, len(f.Values))}
	for i, v := range f.Values {
		var err error
		if c.values[i], err = l.bind(f.Column, v); err != nil {
			return c, err
		}
	}
	known := f.Op == "in" || f.Op == "contains" && l.contains != "" || operator(f.Op) != ""
	if !known || l.kind == boolValue && f.Op != "eq" && f.Op != "ne" && f.Op != "in" {
		return c, sidetone.Errorf(sidetone.Invalid, "filters.%s cannot be compared with %q", f.Column, f.Op)
	}
	return c, nil
}

// operator is SQL's for a comparison with one value, "" for none.
func operator(op string) string {
	return map[string]string{"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[op]
}

// compared is the column that c looks at.
func (c comparison) compared() string {
	if c.op == "contains" {
		return c.contains
	}
	return c.column
}

// narrow adds c to where.
func (c comparison) narrow(where *query) {
	switch c.op {
	case "in":
		where.add(" AND "+c.column+" IN (%s"+strings.Repeat(", %s", len(c.values)-1)+")", c.values...)
	case "contains":
		part, _ := c.values[0].(string)
		where.add(" AND "+c.contains+` LIKE %s ESCAPE '\'`, "%"+likeText(fold(part))+"%")
	default:
		where.add(" AND "+c.column+" "+operator(c.op)+" %s", c.values[0])
	}
}

// narrowed is the condition of a list.
func narrowed(owner condition, own []condition, filters []comparison) query {
	where := query{text: owner.column + " = $1", args: []any{owner.value}}
	for _, c := range own {
		where.add(" AND "+c.column+" = %s", c.value)
	}
	for _, c := range filters {
		c.narrow(&where)
	}
	return where
}

// bind checks an operand's type; nil stands for the column's empty value.
func (l listed) bind(name string, v any) (any, error) {
	switch l.kind {
	case boolValue:
		if b, ok := v.(bool); ok || v == nil {
			return b, nil
		}
		return nil, sidetone.Errorf(sidetone.Invalid, "filters.%s must be true or false", name)
	case timeValue:
		switch v := v.(type) {
		case nil:
			return int64(0), nil
		case string:
			if at, err := time.Parse(time.RFC3339, v); err == nil {
				return toMillis(at), nil
			}
		}
		return nil, sidetone.Errorf(sidetone.Invalid, "filters.%s must be a time such as 2026-01-31T12:00:00Z", name)
	}
	if s, ok := v.(string); ok || v == nil {
		return s, nil
	}
	return nil, sidetone.Errorf(sidetone.Invalid, "filters.%s must be a text", name)
}
