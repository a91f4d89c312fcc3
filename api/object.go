package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sidetone/sidetone/outline"
)

// object is a JSON object under construction, each name once and in any order.
// It is a list because that is made, looked through and written in half the time
// of a map, which is most of what an answer takes.
type object []member

// member is a name and its value in an object.
type member struct {
	name  string
	value any
}

// set makes value the one of name.
func (o *object) set(name string, value any) {
	if at := o.index(name); at >= 0 {
		(*o)[at].value = value
		return
	}
	*o = append(*o, member{name, value})
}

// index is where name is, -1 for nowhere.
func (o *object) index(name string) int {
	for i := range *o {
		if (*o)[i].name == name {
			return i
		}
	}
	return -1
}

func (o *object) has(name string) bool { return o.index(name) >= 0 }

// get returns the value of name, nil when there is none.
func (o *object) get(name string) any {
	if at := o.index(name); at >= 0 {
		return (*o)[at].value
	}
	return nil
}

// drop leaves name out.
func (o *object) drop(name string) {
	*o = slices.DeleteFunc(*o, func(m member) bool { return m.name == name })
}

// keep leaves everything out but names.
func (o *object) keep(names ...string) {
	*o = slices.DeleteFunc(*o, func(m member) bool { return !slices.Contains(names, m.name) })
}

// text sets name unless value is empty: absent is absent, never null. What a
// profile wants to see as null is the business of view.finish.
func (o *object) text(name, value string) {
	if value != "" {
		o.set(name, value)
	}
}

// members adds the members of a JSON object; their values stay parts of raw.
func (o *object) members(raw []byte) {
	if string(raw) == "{}" || !json.Valid(raw) {
		return // a broken row shows what can be shown
	}
	outline.Members(raw, len(raw), func(name, value []byte) bool {
		if bytes.IndexByte(name, '\\') >= 0 || !utf8.Valid(name) {
			name = []byte(textOf(slices.Concat([]byte{'"'}, name, []byte{'"'})))
		}
		o.set(string(name), json.RawMessage(slices.Clip(value)))
		return true
	})
}

// MarshalJSON writes the object as encodeJSON does.
func (o object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o) }

// sort brings the members into the order of their names.
func (o object) sort() {
	slices.SortFunc(o, func(a, b member) int { return strings.Compare(a.name, b.name) })
}
