package store

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"sync"
)

// maxShelf is up to how many rows of a noun memory lists them: no more than a
// total counts exactly, and few enough to look at each for a filter.
const maxShelf = exactTotal

// shelf is the rows of one noun of one environment in memory. Rows are never
// modified: a change replaces them. Changing needs the lock of lines, reading
// its read lock.
type shelf[T any] struct {
	table *table[T]
	rows  map[string]T

	// mu lets one reader at a time add an order.
	mu sync.Mutex
	// leaves are what lists look at, nil until the first list.
	leaves map[string]*leaf
	// sorted holds the leaves by a column and then the id, for each column that
	// a list was sorted by.
	sorted map[string][]*leaf
}

// leaf is what a list sorts and filters a row by: the values of the columns in
// the table's places.
type leaf struct {
	id     string
	values []scalar
}

// scalar is the stored value of a listed column: a text, or a number, a time or
// a truth as a number.
type scalar struct {
	text string
	n    int64
}

// scalarOf takes what a column or an operand of it is stored as.
func scalarOf(v any) scalar {
	switch v := v.(type) {
	case string:
		return scalar{text: v}
	case int64:
		return scalar{n: v}
	case bool:
		if v {
			return scalar{n: 1}
		}
	}
	return scalar{}
}

func (s scalar) compare(other scalar) int {
	if c := strings.Compare(s.text, other.text); c != 0 {
		return c
	}
	return cmp.Compare(s.n, other.n)
}

func newShelf[T any](tb *table[T]) *shelf[T] { return &shelf[T]{table: tb, rows: map[string]T{}} }

// put places a row, which becomes what a reading of the stored one would be.
func (s *shelf[T]) put(row T) {
	columns := s.table.columns(&row)
	for _, c := range columns {
		if c, ok := c.ref.(settler); ok {
			c.settle()
		}
	}
	id := *named(columns, "id").(*string) //nolint:forcetypeassert // every table has it
	s.remove(id)
	s.rows[id] = row
	if s.leaves == nil {
		return
	}
	if len(s.rows) > maxShelf {
		s.leaves, s.sorted = nil, nil
		return
	}
	l := s.leaf(id, row)
	s.leaves[id] = l
	for column, in := range s.sorted {
		at, _ := slices.BinarySearchFunc(in, l, s.by(column))
		s.sorted[column] = slices.Insert(in, at, l)
	}
}

func (s *shelf[T]) remove(id string) {
	delete(s.rows, id)
	l := s.leaves[id]
	if l == nil {
		return
	}
	delete(s.leaves, id)
	for column, in := range s.sorted {
		if at, found := slices.BinarySearchFunc(in, l, s.by(column)); found {
			s.sorted[column] = slices.Delete(in, at, at+1)
		}
	}
}

// leaf reads what lists need of a row.
func (s *shelf[T]) leaf(id string, row T) *leaf {
	l := &leaf{id: id, values: make([]scalar, len(s.table.places))}
	for _, c := range s.table.columns(&row) {
		if at, ok := s.table.places[c.name]; ok {
			v, _ := stored(c.ref) // texts, times and truths are never refused
			l.values[at] = scalarOf(v)
		}
	}
	return l
}

// by compares by a column and then the id.
func (s *shelf[T]) by(column string) func(a, b *leaf) int {
	at := s.table.places[column]
	return func(a, b *leaf) int {
		if c := a.values[at].compare(b.values[at]); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	}
}

// order returns all leaves by a column; false when there are too many.
func (s *shelf[T]) order(column string) ([]*leaf, bool) {
	if len(s.rows) > maxShelf {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaves == nil {
		s.leaves, s.sorted = make(map[string]*leaf, len(s.rows)), map[string][]*leaf{}
		for id, row := range s.rows {
			s.leaves[id] = s.leaf(id, row)
		}
	}
	in, ok := s.sorted[column]
	if !ok {
		in = make([]*leaf, 0, len(s.leaves))
		for _, l := range s.leaves {
			in = append(in, l)
		}
		slices.SortFunc(in, s.by(column))
		s.sorted[column] = in
	}
	return in, true
}

// page answers what pageRows and total answer, from memory; false when there
// are too many rows.
func (s *shelf[T]) page(after position, size int, filters []comparison, o order) (items []T, total int64, ok bool) {
	in, ok := s.order(o.column)
	if !ok {
		return nil, 0, false
	}
	if len(filters) > 0 {
		var passed []*leaf
		for _, l := range in {
			if s.passes(l, filters) {
				passed = append(passed, l)
			}
		}
		in = passed
	}
	n := len(in)
	at := func(i int) *leaf {
		if o.desc {
			i = n - 1 - i
		}
		return in[i]
	}
	begin := n
	if after.ID != "" {
		begin = sort.Search(n, s.beyond(at, &leaf{after.ID, s.key(o.column, after.Key)}, o))
	} else if after.Page-1 <= n/size {
		begin = (after.Page - 1) * size
	}
	items = []T{}
	for i := begin; i < min(n, begin+size+1); i++ {
		items = append(items, s.rows[at(i).id])
	}
	return items, int64(n), true
}

// beyond tells which leaves come after one in the order.
func (s *shelf[T]) beyond(at func(int) *leaf, one *leaf, o order) func(int) bool {
	compare := s.by(o.column)
	return func(i int) bool {
		c := compare(at(i), one)
		return c > 0 && !o.desc || c < 0 && o.desc
	}
}

// key puts a cursor's value where a leaf has it.
func (s *shelf[T]) key(column string, value any) []scalar {
	values := make([]scalar, len(s.table.places))
	values[s.table.places[column]] = scalarOf(value)
	return values
}

func (s *shelf[T]) passes(l *leaf, filters []comparison) bool {
	for _, f := range filters {
		if !f.holds(l.values[s.table.places[f.compared()]]) {
			return false
		}
	}
	return true
}

// holds does what the operators of SQL do with a column that is never null.
func (c comparison) holds(v scalar) bool {
	switch c.op {
	case "in":
		return slices.ContainsFunc(c.values, func(value any) bool { return v == scalarOf(value) })
	case "contains":
		part, _ := c.values[0].(string)
		return strings.Contains(fold(v.text), fold(part))
	}
	order := v.compare(scalarOf(c.values[0]))
	switch c.op {
	case "eq":
		return order == 0
	case "ne":
		return order != 0
	case "gt":
		return order > 0
	case "gte":
		return order >= 0
	case "lt":
		return order < 0
	}
	return order <= 0
}

// remembered is a page and its total where memory has the noun's rows.
func (tb *table[T]) remembered(t *Tx, after position, size int, filters []comparison, o order) ([]T, int64, error) {
	if tb.shelf != nil {
		if items, total, ok := tb.shelf(t.memory).page(after, size, filters, o); ok {
			return items, total, nil
		}
	}
	return nil, 0, t.fail(errBeyondMemory)
}
