// Package support says what of the interface acts: one entry for every property
// that a request may have and for every value that selects a driver. What is kept
// is stored and returned, and nothing else happens; answers say so. The package
// decides only.
package support

import (
	"fmt"
	"slices"
	"strings"
)

// Status says what becomes of a property or value.
type Status string

const (
	// Acts does what the document says; the entry names a test that shows it.
	Acts Status = "acts"
	// Kept is stored and returned, and has no effect.
	Kept Status = "kept"
	// Refused is an error.
	Refused Status = "refused"
)

// Reason says in a word why something is kept or refused.
type Reason string

const (
	// NotBuilt: no part of the server does it.
	NotBuilt Reason = "not_built"
	// NoDriver: the server has no driver for that vendor.
	NoDriver Reason = "no_driver"
	// OfflineModel: the built-in model has nothing to set.
	OfflineModel Reason = "offline_model"
	// SampleData: examples for people, never used in a call.
	SampleData Reason = "sample_data"
	// Hint: another property decides.
	Hint Reason = "hint"
	// Unreadable: it has a mistake, and may be meant for something else.
	Unreadable Reason = "unreadable"
	// Unknown: the document does not know it.
	Unknown Reason = "unknown"
	// Ignored: the resource has it, and this operation does not set it.
	Ignored Reason = "ignored"
	// NotTaken: the driver of that type has no use for it, or its vendor would refuse it.
	NotTaken Reason = "not_taken"
	// NoModel: the agent has nothing to think with, and its calls are refused.
	NoModel Reason = "no_model"
)

// Entry says what becomes of one property, or of one of its values.
type Entry struct {
	// Resource is what has the property: agent, voice, call and so on; query for the
	// parameters of addresses.
	Resource string `json:"resource"`
	// Property is its path in the resource, [] for the items of a list:
	// llm_fallback.provider.
	Property string `json:"property"`
	// Value is one of the property's values or, of an object, of its types; "" is
	// the property itself.
	Value  string `json:"value,omitempty"`
	Status Status `json:"status"`
	// Test is the directory and the name of the test that shows it: acts only.
	Test string `json:"test,omitempty"`
	// Reason says why it does not act: kept and refused only.
	Reason Reason `json:"reason,omitempty"`
	// Sentence says the same for people or, of what acts, what it leaves out. It
	// never holds what a request said.
	Sentence string `json:"sentence,omitempty"`
}

// Table has the entries. It is read only, and so may be used concurrently.
type Table struct {
	entries []Entry
	index   map[key]Entry
	// selecting has the values of properties that select something, in order.
	selecting map[key][]string
}

type key struct{ resource, property, value string }

// NewTable returns the table of this version.
func NewTable() *Table { return index(entries()) }

func index(entries []Entry) *Table {
	t := &Table{entries: entries, index: map[key]Entry{}, selecting: map[key][]string{}}
	for _, e := range entries {
		t.index[key{e.Resource, e.Property, e.Value}] = e
		if e.Value != "" {
			of := key{resource: e.Resource, property: e.Property}
			t.selecting[of] = append(t.selecting[of], e.Value)
		}
	}
	return t
}

// Entries are all entries, those of a resource together. They must not be changed.
func (t *Table) Entries() []Entry { return t.entries }

// Find returns the entry of a property, or of a value of it.
func (t *Table) Find(resource, property, value string) (Entry, bool) {
	e, ok := t.index[key{resource, property, value}]
	return e, ok
}

// Choice says what is wrong with the value of a property that selects something; ""
// when it may have it.
func (t *Table) Choice(resource, property, value string) string {
	if ok, values := t.Possible(resource, property, value); !ok {
		return fmt.Sprintf("%s must be one of %s: no other is known", property, strings.Join(values, ", "))
	}
	return ""
}

// Choices says the same of each text in a body, sorted; each sentence begins with the
// property's path.
func (t *Table) Choices(resource string, body map[string]any) []string {
	var out []string
	t.choices(resource, "", body, func(wrong string) { out = append(out, wrong) })
	slices.Sort(out)
	return out
}

func (t *Table) choices(resource, prefix string, members map[string]any, found func(string)) {
	for name, value := range members {
		property := join(prefix, name)
		below := func(wrong string) { found(join(name, wrong)) }
		switch v := value.(type) {
		case string:
			if wrong := t.Choice(resource, property, v); wrong != "" {
				found(strings.TrimPrefix(wrong, strings.TrimSuffix(property, name)))
			}
		case map[string]any:
			if next := Inner(resource, property); next != "" {
				t.choices(next, "", v, below)
			} else {
				t.choices(resource, property, v, below)
			}
		case []any:
			for i, item := range v {
				if object, ok := item.(map[string]any); ok && Inner(resource, property) != "" {
					t.choices(Inner(resource, property), "", object, func(wrong string) { found(fmt.Sprintf("%s[%d].%s", name, i, wrong)) })
				}
			}
		}
	}
}

// Possible returns whether a property may have a value, and those it may have. A
// property without values in the table may have every value, and so may "".
func (t *Table) Possible(resource, property, value string) (ok bool, values []string) {
	values = t.selecting[key{resource: resource, property: property}]
	e, known := t.Find(resource, property, value)
	return value == "" || len(values) == 0 || known && e.Status != Refused, values
}
