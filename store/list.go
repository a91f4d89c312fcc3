package store

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// exactTotal is up to where a list's total is counted row by row.
const exactTotal = 10_000

// totalAge is how long an estimate is used again, and maxTotals how many are.
const (
	totalAge  = 30 * time.Second
	maxTotals = 1024
)

// estimateTotal is up to where a longer list is counted for its estimate.
const estimateTotal = 100_000

type valueKind uint8

const (
	textValue valueKind = iota
	boolValue
	timeValue
	tagsValue
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

// tags is a list of texts, of which a filter asks for one; it has no index.
func tags(column string) listed { return listed{column, tagsValue, "", false} }

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

// oneOf is the value of a condition that several values fulfil.
type oneOf []string

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

// page returns one page of a list of the transaction's environment, whether more
// follow, and the total.
func page[T any](t *Tx, tb *table[T], q sidetone.PageQuery, own ...condition) (sidetone.Page[T], error) {
	return pageOf(t, tb, q, condition{"environment_id", t.environment}, own...)
}

// pageOf returns one page of a list of the rows that belong to owner.
func pageOf[T any](t *Tx, tb *table[T], q sidetone.PageQuery, owner condition, own ...condition) (sidetone.Page[T], error) {
	p := sidetone.Page[T]{Items: []T{}, Page: q.Page, Size: q.Size}
	if err := q.Validate(); err != nil {
		return p, err
	}
	where, err := listCondition(t.store.items, tb.listed, q.Filters, owner, own...)
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
	if p.Items, err = pageRows(t, tb, after, q.Size, where, sorted); err != nil {
		return p, fmt.Errorf("list %ss: %w", tb.noun, err)
	}
	if p.HasMore = len(p.Items) > q.Size; p.HasMore {
		p.Items = p.Items[:q.Size]
		if p.NextCursor, err = t.cursor(list, p.Page+1, tb.columns(&p.Items[q.Size-1]), sorted); err != nil {
			return p, fmt.Errorf("list %ss: %w", tb.noun, err)
		}
	}
	if q.Uncounted {
		return p, nil
	}
	if n, ok := totalOfLastPage(p, after); ok {
		p.Total = n
		return p, nil
	}
	if p.Total, p.TotalIsEstimated, err = total(t, tb.name, where); err != nil {
		return p, fmt.Errorf("count %ss: %w", tb.noun, err)
	}
	return p, nil
}

// skip is how many rows come before the page. It is bounded, so that it does not
// overflow, by a number that no table reaches.
func (p position) skip(size int) int64 {
	if p.Page < 1 {
		return 0
	}
	return int64(min(p.Page-1, math.MaxInt32)) * int64(size)
}

// totalOfLastPage is the total that follows from the last page without counting.
// Behind a cursor it does not, because the pages before may have changed.
func totalOfLastPage[T any](p sidetone.Page[T], after position) (n int64, ok bool) {
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

// estimatedTotal is how many rows a list was estimated to have, and when.
type estimatedTotal struct {
	rows int64
	at   time.Time
}

// total counts up to exactTotal rows and asks the engine for an estimate beyond.
// That takes longer than finding a page, so that an estimate is used again when
// the list cannot shrink to what is counted exactly soon.
func total(t *Tx, name string, where query) (int64, bool, error) {
	key := fmt.Sprintf("%s %s %q", name, where.text, where.args)
	if known, ok := t.store.totals.Get(key); ok && t.now.Sub(known.at) < totalAge {
		return known.rows, true, nil
	}
	var n int64
	rows := query{text: "SELECT 1 FROM " + name + " WHERE " + where.text, args: where.args}
	counted := query{text: "SELECT count(*) FROM (" + rows.text, args: rows.args}
	counted.add(" LIMIT %s) AS counted", exactTotal+1)
	if err := t.one([]any{&n}, counted.text, counted.args...); err != nil {
		return 0, false, err
	}
	if n <= exactTotal {
		return n, false, nil
	}
	estimate, err := t.store.engine.estimate(t, rows)
	if err == nil && estimate >= 2*exactTotal {
		t.store.totals.Add(key, estimatedTotal{estimate, t.now})
	}
	return max(n, estimate), true, err
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

// operators are those of SQL for comparisons with one value.
func operators() map[string]string {
	return map[string]string{"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
}

// narrow checks a filter and adds it to where.
func narrow(where *query, items func(column string) string, columns map[string]listed, f sidetone.Filter) error {
	l, ok := columns[f.Column]
	if !ok {
		return sidetone.Errorf(sidetone.Invalid, "filters.%s is not a column; use one of %s", f.Column, documented(columns, false))
	}
	if len(f.Values) == 0 || len(f.Values) > 1 && f.Op != "in" || len(f.Values) > 100 {
		return sidetone.Errorf(sidetone.Invalid, "filters.%s has %d values", f.Column, len(f.Values))
	}
	values := make([]any, len(f.Values))
	for i, v := range f.Values {
		var err error
		if values[i], err = l.bind(f.Column, v); err != nil {
			return err
		}
	}
	operator, ordered := operators()[f.Op]
	equality := f.Op == "eq" || f.Op == "ne"
	switch {
	case l.kind == tagsValue && (equality || f.Op == "in" || f.Op == "contains"):
		narrowTags(where, items(l.column), f.Op == "ne", values)
	case f.Op == "in":
		where.add(" AND "+l.column+" IN (%s"+strings.Repeat(", %s", len(values)-1)+")", values...)
	case f.Op == "contains" && l.contains != "":
		part, _ := values[0].(string)
		where.add(" AND "+l.contains+` LIKE %s ESCAPE '\'`, "%"+likeText(fold(part))+"%")
	case ordered && l.kind != tagsValue && (equality || l.kind != boolValue):
		where.add(" AND "+l.column+" "+operator+" %s", values[0])
	default:
		return sidetone.Errorf(sidetone.Invalid, "filters.%s cannot be compared with %q", f.Column, f.Op)
	}
	return nil
}

// items selects the texts of a column that holds them as a JSON array; the engines
// have no common text for that.
func (s *Store) items(column string) string {
	if _, sqlite := s.engine.(*sqliteEngine); sqlite {
		return "SELECT value FROM json_each(" + column + ")"
	}
	return "SELECT jsonb_array_elements_text(CAST(" + column + " AS jsonb))"
}

// narrowTags adds that a list, whose items is a subquery, has one of the values; or
// with none that it has not.
func narrowTags(where *query, items string, none bool, values []any) {
	not := ""
	if none {
		not = "NOT "
	}
	has := make([]string, len(values))
	for i := range has {
		has[i] = "%s IN (" + items + ")"
	}
	where.add(" AND "+not+"("+strings.Join(has, " OR ")+")", values...)
}

// listCondition selects the rows of a list.
func listCondition(items func(column string) string, columns map[string]listed, filters []sidetone.Filter, owner condition, own ...condition) (query, error) {
	where := query{text: owner.column + " = $1", args: []any{owner.value}}
	if all, several := owner.value.(oneOf); several {
		where = query{text: owner.column}
		where.add(" IN (%s"+strings.Repeat(", %s", len(all)-1)+")", anys(all)...)
	}
	for _, c := range own {
		where.add(" AND "+c.column+" = %s", c.value)
	}
	for _, f := range filters {
		if err := narrow(&where, items, columns, f); err != nil {
			return where, err
		}
	}
	return where, nil
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
	if s, ok := v.(string); ok || v == nil && l.kind != tagsValue {
		return s, nil
	}
	return nil, sidetone.Errorf(sidetone.Invalid, "filters.%s must be a text", name)
}
