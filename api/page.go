package api

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/phonenumber"
)

// pageQuery reads page, size, sorting and filters of a validated query.
func pageQuery(query url.Values) (sidetone.PageQuery, error) {
	q := sidetone.PageQuery{
		Page: intOr(query.Get("page"), 1), Size: intOr(query.Get("size"), 10),
		Cursor: query.Get("cursor"), SortColumn: query.Get("sort_column"), SortDesc: query.Get("sort_desc") == "true",
	}
	if q.Cursor != "" {
		q.Page = 0
	}
	filters, err := parseFilters(query.Get("filters"))
	q.Filters = filters
	return q, err
}

// intOr is the whole number that text is, otherwise for every other text.
func intOr(text string, otherwise int) int {
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
	columns, err := wire.Parse([]byte(text))
	if err != nil {
		return nil, invalid("filters must be a JSON object")
	}
	var out []sidetone.Filter
	for _, column := range sorted(columns) {
		filters, err := parseFilter(column)
		if err != nil {
			return nil, err
		}
		out = append(out, filters...)
	}
	return out, nil
}

func parseFilter(column wire.Member) ([]sidetone.Filter, error) {
	ops, long := column.Value.(wire.Object)
	if !long {
		ops = wire.Object{{Name: "eq", Value: column.Value}}
	}
	var out []sidetone.Filter
	for _, op := range sorted(ops) {
		path := "filters." + wire.Clip(column.Name)
		if long {
			path += "." + wire.Clip(op.Name)
		}
		if !slices.Contains([]string{"eq", "ne", "in", "gt", "gte", "lt", "lte", "contains"}, op.Name) {
			return nil, invalid("%s is no comparison; use eq, ne, in, gt, gte, lt, lte or contains", path)
		}
		values, ok := operands(op)
		switch {
		case !ok && op.Name == "in":
			return nil, invalid("%s must be a list of texts, numbers, true, false or null", path)
		case !ok:
			return nil, invalid("%s must be a text, a number, true, false or null", path)
		}
		out = append(out, sidetone.Filter{Column: column.Name, Op: op.Name, Values: phones(column.Name, op.Name, values)})
	}
	return out, nil
}

// operands reads one scalar, or the list that only in takes.
func operands(op wire.Member) ([]any, bool) {
	list, isList := op.Value.([]any)
	if isList != (op.Name == "in") {
		return nil, false
	}
	if !isList {
		list = []any{op.Value}
	}
	out := make([]any, len(list))
	for i, value := range list {
		switch v := value.(type) {
		case wire.Object, []any:
			return nil, false
		case json.Number:
			n, err := v.Float64()
			if err != nil {
				return nil, false
			}
			out[i] = n
		default:
			out[i] = v
		}
	}
	return out, true
}

// phones brings the operands of a phone number column into the form in which
// numbers are stored: only their digits count.
func phones(column, op string, values []any) []any {
	if op == "contains" || !slices.Contains([]string{"number", "from_number", "to_number", "agent_phone_number", "phoneNumber"}, column) {
		return values
	}
	for i, v := range values {
		text, isText := v.(string)
		if e164, ok := phonenumber.Digits(text); isText && ok {
			values[i] = e164
		}
	}
	return values
}

// sorted are the members in the order of their names.
func sorted(o wire.Object) wire.Object {
	return slices.SortedFunc(slices.Values(o), func(a, b wire.Member) int { return strings.Compare(a.Name, b.Name) })
}

// renderPage renders the envelope that all lists share.
func renderPage[T any](p sidetone.Page[T], render func(T) object) object {
	items := make([]object, len(p.Items))
	for i, item := range p.Items {
		items[i] = render(item)
	}
	out := object{
		"items": items, "page": p.Page, "size": p.Size, "has_more": p.HasMore,
		"total": p.Total, "total_is_estimated": p.TotalIsEstimated,
	}
	if p.NextCursor != "" {
		out["next_cursor"] = p.NextCursor
	}
	return out
}
