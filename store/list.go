package store

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// exactTotal is up to where a list's total is counted row by row.
const exactTotal = 10_000

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

// page answers a list: one page, whether more follow, and the total.
func page[T any](t *Tx, tb *table[T], q sidetone.PageQuery, own ...condition) (sidetone.Page[T], error) {
	p := sidetone.Page[T]{Items: []T{}, Page: q.Page, Size: q.Size}
	if err := q.Validate(); err != nil {
		return p, err
	}
	where := query{text: "environment_id = $1", args: []any{t.environment}}
	for _, c := range own {
		where.add(" AND "+c.column+" = %s", c.value)
	}
	for _, f := range q.Filters {
		if err := filter(&where, tb.listed, f); err != nil {
			return p, err
		}
	}
	order, err := ordering(tb.listed, q)
	if err != nil {
		return p, err
	}
	if p.Items, err = pageRows(t, tb, q, where, order); err != nil {
		return p, fmt.Errorf("list %ss: %w", tb.noun, err)
	}
	if p.HasMore = len(p.Items) > q.Size; p.HasMore {
		p.Items = p.Items[:q.Size]
	}
	if p.Total, p.TotalIsEstimated, err = total(t, tb.name, where); err != nil {
		return p, fmt.Errorf("count %ss: %w", tb.noun, err)
	}
	return p, nil
}

// pageRows finds the page's ids in the index first, so that skipped rows are
// never read, and asks for one row too many to learn whether more follow.
func pageRows[T any](t *Tx, tb *table[T], q sidetone.PageQuery, where query, order string) ([]T, error) {
	wanted := pageIDs(tb.name, q, where, order)
	return tb.all(t, "JOIN ("+wanted.text+") AS wanted ON wanted.page_id = "+tb.name+".id ORDER BY "+order, wanted.args...)
}

func pageIDs(name string, q sidetone.PageQuery, where query, order string) query {
	where.text = "SELECT id AS page_id FROM " + name + " WHERE " + where.text
	where.add(" ORDER BY "+order+" LIMIT %s OFFSET %s", q.Size+1, int64(q.Page-1)*int64(q.Size))
	return where
}

func ordering(columns map[string]listed, q sidetone.PageQuery) (string, error) {
	if q.SortColumn == "" {
		return "created DESC, id DESC", nil
	}
	c, ok := columns[q.SortColumn]
	if !ok || !c.sortable {
		return "", sidetone.Errorf(sidetone.Invalid, "sort_column must be one of %s", documented(columns, true))
	}
	direction := ""
	if q.SortDesc {
		direction = " DESC"
	}
	if c.column == "id" {
		return "id" + direction, nil
	}
	return c.order() + direction + ", id" + direction, nil
}

// total counts up to exactTotal rows and asks the engine for a guess beyond.
func total(t *Tx, name string, where query) (int64, bool, error) {
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
	return max(n, guess), true, err
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

// filter adds one comparison to where.
func filter(where *query, columns map[string]listed, f sidetone.Filter) error {
	c, ok := columns[f.Column]
	if !ok {
		return sidetone.Errorf(sidetone.Invalid, "filters.%s is not a column; use one of %s", f.Column, documented(columns, false))
	}
	if len(f.Values) == 0 || len(f.Values) > 1 && f.Op != "in" || len(f.Values) > 100 {
		return sidetone.Errorf(sidetone.Invalid, "filters.%s has %d values", f.Column, len(f.Values))
	}
	values := make([]any, len(f.Values))
	for i, v := range f.Values {
		var err error
		if values[i], err = c.bind(f.Column, v); err != nil {
			return err
		}
	}
	return c.compare(where, f, values)
}

func (l listed) compare(where *query, f sidetone.Filter, values []any) error {
	operators := map[string]string{"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
	op := operators[f.Op]
	switch {
	case f.Op == "in":
		where.add(" AND "+l.column+" IN (%s"+strings.Repeat(", %s", len(values)-1)+")", values...)
	case f.Op == "contains" && l.contains != "":
		part, _ := values[0].(string)
		where.add(" AND "+l.contains+` LIKE %s ESCAPE '\'`, "%"+likeText(fold(part))+"%")
	case op == "" || l.kind == boolValue && f.Op != "eq" && f.Op != "ne":
		return sidetone.Errorf(sidetone.Invalid, "filters.%s cannot be compared with %q", f.Column, f.Op)
	default:
		where.add(" AND "+l.column+" "+op+" %s", values[0])
	}
	return nil
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
