package support

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Warning says that a part of a request, or of an agent, does not act.
type Warning struct {
	// Property is the path of the part. Positions in lists are left out.
	Property string `json:"property"`
	Reason   Reason `json:"reason"`
	// Sentence is for people.
	Sentence string `json:"sentence"`
}

// Check lists what of a body does not act, sorted by property. The body is decoded
// JSON; resource says what it holds. Values that are empty or the documented
// default ask for nothing and are left out.
func (t *Table) Check(resource string, body map[string]any) []Warning {
	w := walker{table: t}
	w.object(resource, "", "", body)
	return Sorted(w.found)
}

// Sorted are the warnings in the order of their properties, each once.
func Sorted(warnings []Warning) []Warning {
	slices.SortFunc(warnings, func(a, b Warning) int {
		return cmp.Or(strings.Compare(a.Property, b.Property), strings.Compare(string(a.Reason), string(b.Reason)), strings.Compare(a.Sentence, b.Sentence))
	})
	return slices.Compact(warnings)
}

// walker collects warnings.
type walker struct {
	table *Table
	found []Warning
}

// object looks at the members of an object, which is at path in the body and whose
// properties begin with prefix in the table.
func (w *walker) object(resource, prefix, path string, members map[string]any) {
	if text, ok := members["type"].(string); ok {
		if e, known := w.table.Find(resource, join(prefix, "type"), text); known && e.Status == Kept {
			w.add(join(path, "type"), e)
			w.unknownOnly(func(inner *walker) { inner.members(resource, prefix, path, members) }) // none of them can act either
			return
		}
	}
	w.members(resource, prefix, path, members)
	if resource+"."+prefix == "voice." || resource+"."+prefix == "agent.transcriber" {
		kind, _ := members["type"].(string)
		for _, u := range Untaken(kind, members) {
			w.found = append(w.found, Warning{join(path, u.Property), u.Reason, u.Sentence})
		}
	}
}

// unknownOnly walks a part that does not act, as was said already: only what
// nobody knows is still to be told.
func (w *walker) unknownOnly(walk func(*walker)) {
	inner := walker{table: w.table}
	walk(&inner)
	for _, warning := range inner.found {
		if warning.Reason == Unknown {
			w.found = append(w.found, warning)
		}
	}
}

// members looks at each member of an object.
func (w *walker) members(resource, prefix, path string, members map[string]any) {
	unknown := 0
	for _, name := range slices.Sorted(maps.Keys(members)) {
		e, known := w.table.Find(resource, join(prefix, name), "")
		switch {
		case known:
			w.property(e, join(path, name), members[name])
		case name == "hipaa_compliant":
			w.found = append(w.found, hipaaElsewhere(join(path, name)))
		case !slices.Contains(answered(resource), name):
			unknown++
		}
	}
	if unknown > 0 {
		w.found = append(w.found, unknownIn(path, prefix, unknown))
	}
}

// hipaaElsewhere warns about a property that calls alone have: whoever sends it counts
// on it.
func hipaaElsewhere(path string) Warning {
	return Warning{path, Unknown, "It was dropped: only a call has it, send it with POST /v1/calls/create."}
}

// unknownIn warns about properties of the object at path that do not exist.
func unknownIn(path, prefix string, count int) Warning {
	if path == "" {
		path = "body"
	}
	if prefix == "llm_fallback" || prefix == "transcriber" { // stored as it comes
		return Warning{path, Unknown, fmt.Sprintf("It has properties that do not exist and that nothing reads: %d.", count)}
	}
	return Warning{path, Unknown, fmt.Sprintf("It has properties that do not exist and were dropped: %d.", count)}
}

// Unused lists what of the members of a body is dropped because the operation does
// not use it, sorted by property: those that the resource has are named, the others
// are counted. The resource as the answer shows it is shown: who sends back what it
// says anyway asks for nothing.
func (t *Table) Unused(resource string, members, shown map[string]any) []Warning {
	var found []Warning
	unknown := 0
	for name, value := range members {
		if reflect.DeepEqual(value, shown[name]) || empty(value) && empty(shown[name]) || slices.Contains(changing(), name) {
			continue
		}
		if _, known := t.Find(resource, name, ""); known || slices.Contains(answered(resource), name) {
			found = append(found, Warning{name, Ignored, "This operation does not set it."})
		} else if name == "hipaa_compliant" {
			found = append(found, hipaaElsewhere(name))
		} else {
			unknown++
		}
	}
	if unknown > 0 {
		found = append(found, unknownIn("", "", unknown))
	}
	return Sorted(found)
}

// changing are properties of answers that change with every request, so that what
// was read differs from the answer.
func changing() []string {
	return []string{"updated", "updated_at", "updatedAt", "version"}
}

// property looks at a property that the table knows.
func (w *walker) property(e Entry, path string, value any) {
	if empty(value) && !(value == false && byDefault(e) == true) {
		return
	}
	if Inner(e.Resource, e.Property) != "" && e.Status == Acts {
		w.below(e, path, value)
		return
	}
	if e.Status != Acts {
		if value != byDefault(e) {
			w.add(path, e)
			w.unknownOnly(func(inner *walker) { inner.below(e, path, value) })
		}
		return
	}
	for _, name := range selected(value) {
		if chosen, known := w.table.Find(e.Resource, e.Property, name); known && chosen.Status != Acts {
			w.add(path, chosen)
		}
	}
	w.below(e, path, value)
}

// below looks at what an object that the property holds has.
func (w *walker) below(e Entry, path string, value any) {
	if next := Inner(e.Resource, e.Property); next != "" {
		w.related(next, path, value)
		return
	}
	if members, ok := value.(map[string]any); ok && w.table.describes(e) && !open(e) {
		w.object(e.Resource, e.Property, path, members)
	}
}

// open reports whether the members of a property depend on a type, or may be any.
func open(e Entry) bool {
	return slices.Contains([]string{"action config", "account_connection credentials", "account_connection config", "call telephony_metadata"},
		e.Resource+" "+e.Property)
}

// related looks at the resources that a property holds; one that is named by its id
// says nothing.
func (w *walker) related(resource, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		w.object(resource, "", path, v)
	case []any:
		for _, item := range v {
			if members, ok := item.(map[string]any); ok {
				w.object(resource, "", path+"[]", members)
			}
		}
	}
}

func (w *walker) add(path string, e Entry) {
	w.found = append(w.found, Warning{path, e.Reason, e.Sentence})
}

// describes reports whether the table has entries of the members of a property.
func (t *Table) describes(of Entry) bool {
	return slices.ContainsFunc(t.entries, func(e Entry) bool {
		return e.Resource == of.Resource && strings.HasPrefix(e.Property, of.Property+".")
	})
}

// selected are the names that a value chooses: its text, the type of an object,
// the texts of a list.
func selected(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case map[string]any:
		name, _ := v["type"].(string)
		return []string{name}
	case []any:
		var names []string
		for _, item := range v {
			if name, ok := item.(string); ok {
				names = append(names, name)
			}
		}
		return names
	}
	return nil
}

// empty reports whether a value asks for nothing.
func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// byDefault is the documented default of a kept property that has one.
func byDefault(e Entry) any {
	return map[string]any{"call on_no_human_answer": "continue", "call is_outgoing": true}[e.Resource+" "+e.Property]
}

// answered are properties that answers about a resource have and requests do not,
// which clients send back with what they read.
func answered(resource string) []string {
	out := []string{"id", "user_id", "type", "created", "updated", "version"}
	if resource == "number" {
		out = append(out, "active", "telephony_provider", "telephony_account_connection", "number", "inbound_agent_name", "is_routing_number",
			"sms_enabled", "carrier_state", "carrier_state_since", "carrier_state_cause")
	}
	if resource == "webhook" {
		out = append(out, "inactive_reason", "previous_secret_until", "test")
	}
	return out
}

func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }
