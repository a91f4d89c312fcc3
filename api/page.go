package api

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	"github.com/sidetone/sidetone"
)

// pageQuery reads page, size, sorting and filters of a validated query.
func pageQuery(query url.Values) (sidetone.PageQuery, error) {
	q := sidetone.PageQuery{
		Page: whole(query.Get("page"), 1), Size: whole(query.Get("size"), 10),
		Cursor: query.Get("cursor"), SortColumn: query.Get("sort_column"), SortDesc: query.Get("sort_desc") == "true",
	}
	if q.Cursor != "" {
		q.Page = 0
	}
	filters, err := parseFilters(query.Get("filters"))
	q.Filters = filters
	return q, err
}

func whole(text string, otherwise int) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return otherwise
	}
	return n
}

// parseFilters reads {"column": value} or {"column": {"op": value}}; the empty
// text is no filter. Filters come back in the order of their columns and
// operators.
func parseFilters(text string) ([]sidetone.Filter, error) {
	if text == "" {
		return nil, nil
	}
	columns, err := parseObject([]byte(text))
	if err != nil {
		return nil, invalid("filters must be a JSON object")
	}
	var out []sidetone.Filter
	for _, column := range sortedNames(columns) {
		filters, err := parseFilter(column, columns[column])
		if err != nil {
			return nil, err
		}
		out = append(out, filters...)
	}
	return out, nil
}

func parseFilter(column string, raw json.RawMessage) ([]sidetone.Filter, error) {
	var ops fields
	if json.Unmarshal(raw, &ops) != nil || ops == nil {
		ops = fields{"eq": raw}
	}
	var out []sidetone.Filter
	for _, op := range sortedNames(ops) {
		if !slices.Contains([]string{"eq", "ne", "in", "gt", "gte", "lt", "lte", "contains"}, op) {
			return nil, invalid("filters.%s must use eq, ne, in, gt, gte, lt, lte or contains", clip(column))
		}
		values, ok := operands(op, ops[op])
		if !ok {
			return nil, invalid("filters.%s.%s must be a text, a number, true, false or null", clip(column), op)
		}
		out = append(out, sidetone.Filter{Column: column, Op: op, Values: phones(column, op, values)})
	}
	return out, nil
}

// operands reads one scalar, or the list that only in takes.
func operands(op string, raw json.RawMessage) ([]any, bool) {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return nil, false
	}
	list, isList := value.([]any)
	if isList != (op == "in") {
		return nil, false
	}
	if !isList {
		list = []any{value}
	}
	for _, v := range list {
		switch v.(type) {
		case map[string]any, []any:
			return nil, false
		}
	}
	return list, true
}

// phones brings the operands of a phone number column into the form in which
// numbers are stored.
func phones(column, op string, values []any) []any {
	if op == "contains" || !slices.Contains([]string{"number", "from_number", "to_number", "agent_phone_number", "phoneNumber"}, column) {
		return values
	}
	for i, v := range values {
		text, isText := v.(string)
		if e164, ok := sidetone.NormalisePhone(text); isText && ok {
			values[i] = e164
		}
	}
	return values
}

func sortedNames(f fields) []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// renderPage renders the envelope that all lists share.
func renderPage[T any](p sidetone.Page[T], render func(T) object) object {
	items := make([]object, len(p.Items))
	for i, item := range p.Items {
		items[i] = render(item)
	}
	out := object{
		{"items", items}, {"page", p.Page}, {"size", p.Size}, {"has_more", p.HasMore},
		{"total", p.Total}, {"total_is_estimated", p.TotalIsEstimated},
	}
	if p.NextCursor != "" {
		out.set("next_cursor", p.NextCursor)
	}
	return out
}
