package api

import (
	"bytes"
	"encoding/json"
	"slices"
)

// withoutEcho removes from a request what the client was shown and sends back
// as it is. Some profiles show less than there is - a type that the client
// knows instead of the true one, texts instead of values, whole seconds: sent
// back unchanged, that must change nothing. shown is the resource as the client
// sees it now.
func withoutEcho(p profile, shown func() object, f fields) fields {
	if !p.knownTypes && !p.textMaps {
		return f // what such a client sees is what there is
	}
	return f.unlike(membersOf(shown()))
}

// unlike is f without the members that was has, too. The id stays: it says
// what an object is about.
func (f fields) unlike(was fields) fields {
	out := make(fields, len(f))
	for name, raw := range f {
		before, known := was[name]
		switch {
		case name == "id" || !known:
			out[name] = raw
		case name == "actions":
			out[name] = idsOf(raw, before)
		case alike(raw, before):
		case isRelation(name):
			out[name] = relationUnlike(raw, before)
		default:
			out[name] = raw
		}
	}
	return out
}

// isRelation names the members that are resources of their own.
func isRelation(name string) bool {
	return slices.Contains([]string{"prompt", "voice", "webhook", "vector_database", "openai_account_connection"}, name)
}

func relationUnlike(raw, before json.RawMessage) json.RawMessage {
	var now, was fields
	if json.Unmarshal(raw, &now) != nil || json.Unmarshal(before, &was) != nil || now == nil {
		return raw
	}
	if id, named := now["id"]; named && !alike(id, was["id"]) {
		return raw // another resource
	}
	out, err := json.Marshal(now.unlike(was))
	if err != nil {
		return raw
	}
	return out
}

// idsOf replaces the actions that are as they were by their ids.
func idsOf(raw, before json.RawMessage) json.RawMessage {
	var now, was []json.RawMessage
	if json.Unmarshal(raw, &now) != nil || json.Unmarshal(before, &was) != nil {
		return raw
	}
	for i, item := range now {
		if slices.ContainsFunc(was, func(old json.RawMessage) bool { return alike(item, old) }) {
			if id, named := membersOf(item)["id"]; named {
				now[i] = id
			}
		}
	}
	out, err := json.Marshal(now)
	if err != nil {
		return raw
	}
	return out
}

// alike compares two values whatever their spaces, order of members and form
// of numbers. Members that are {} do not count: the normaliser removed them from
// the request.
func alike(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	if json.Unmarshal(withoutEmptyBelow(a, true), &x) != nil || json.Unmarshal(withoutEmptyBelow(b, true), &y) != nil {
		return false
	}
	left, err := json.Marshal(x)
	if err != nil {
		return false
	}
	right, err := json.Marshal(y)
	return err == nil && bytes.Equal(left, right)
}
