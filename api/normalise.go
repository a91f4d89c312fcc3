package api

import (
	"encoding/json"
	"net/url"
	"strings"
)

// input is a request as the validator and the handlers see it.
type input struct {
	query url.Values
	body  fields
}

// normalise brings the ways in which known clients write the same request into
// one form. It is pure: what it returns depends on its arguments only, and it
// changes none of them.
//
// A missing, empty or null body is the empty object, whatever its content type
// said. Query booleans are lower-cased, because Python writes True. A space at
// the start of a phone number in the query is a plus that was not escaped. A
// provider written as {"name": x} is x. Where the profile says that {} means
// not set, such properties are removed at every depth; a free map is a value
// all the same, except in an update.
func normalise(p profile, op operation, query url.Values, body []byte) (input, error) {
	in := input{query: normaliseQuery(op, query), body: fields{}}
	if op.body == nil {
		return in, nil
	}
	text := strings.TrimSpace(string(body))
	if text == "" || text == "null" {
		return in, nil
	}
	parsed, err := parseObject(body)
	if err != nil {
		return input{}, err
	}
	if p.emptyObjectKeeps {
		parsed = withoutEmpty(parsed, op.partial)
	}
	for name, raw := range parsed {
		if name == "telephony_provider" {
			raw = plainProvider(raw)
		}
		in.body[name] = raw
	}
	return in, nil
}

func normaliseQuery(op operation, query url.Values) url.Values {
	out := make(url.Values, len(query))
	for name, values := range query {
		out[name] = append([]string(nil), values...)
	}
	for _, p := range op.parameters {
		values := out[p.name]
		if len(values) == 0 {
			continue
		}
		switch {
		case p.name == "phone_number" && strings.HasPrefix(values[0], " "):
			values[0] = "+" + strings.TrimSpace(values[0])
		case p.kind != "string" && values[0] == "":
			delete(out, p.name)
		case p.kind == "boolean":
			values[0] = strings.ToLower(values[0])
		}
	}
	return out
}

// freeMap names the properties for which {} is a value, and into which the
// normaliser does not look.
func freeMap(name string) bool {
	switch name {
	case "context", "example_context", "telephony_params", "config":
		return true
	}
	return false
}

// withoutEmpty removes the members whose value is {}; partial says that this
// holds for free maps too.
func withoutEmpty(f fields, partial bool) fields {
	out := make(fields, len(f))
	for name, raw := range f {
		free := freeMap(name)
		switch {
		case emptyObject(raw) && (partial || !free):
		case free:
			out[name] = raw
		default:
			out[name] = withoutEmptyBelow(raw, partial)
		}
	}
	return out
}

func withoutEmptyBelow(raw json.RawMessage, partial bool) json.RawMessage {
	var members fields
	var items []json.RawMessage
	var smaller any
	switch {
	case json.Unmarshal(raw, &members) == nil && members != nil:
		smaller = withoutEmpty(members, partial)
	case json.Unmarshal(raw, &items) == nil && items != nil:
		for i, item := range items {
			items[i] = withoutEmptyBelow(item, partial)
		}
		smaller = items
	default:
		return raw
	}
	out, err := json.Marshal(smaller)
	if err != nil {
		return raw
	}
	return out
}

func emptyObject(raw json.RawMessage) bool {
	var members fields
	return json.Unmarshal(raw, &members) == nil && members != nil && len(members) == 0
}

func plainProvider(raw json.RawMessage) json.RawMessage {
	var named fields
	if json.Unmarshal(raw, &named) != nil || named == nil || !named.has("name") {
		return raw
	}
	return named["name"]
}
