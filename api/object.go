package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
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
	rest := unspaced(raw)
	if len(rest) == 0 || rest[0] != '{' || string(rest) == "{}" || !json.Valid(raw) {
		return // a broken row shows what can be shown
	}
	for rest = unspaced(rest[1:]); rest[0] == '"'; rest = unspaced(rest[1:]) {
		n := extent(rest)
		name := rest[1 : n-1]
		if bytes.IndexByte(name, '\\') >= 0 || !utf8.Valid(name) {
			name = []byte(textOf(rest[:n]))
		}
		rest = unspaced(unspaced(rest[n:])[len(":"):])
		n = extent(rest)
		o.set(string(name), json.RawMessage(rest[:n:n]))
		if rest = unspaced(rest[n:]); rest[0] == '}' {
			return
		}
	}
}

// extent is the length of the first value in a valid JSON text that goes on
// behind it.
func extent(text []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case depth == 0 && strings.IndexByte(" \t\r\n,:]}", c) >= 0:
			return i
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	return len(text)
}

// unspaced is a JSON text without the space before it.
func unspaced(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n") }

// MarshalJSON writes the object as encodeJSON does.
func (o object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o) }

// sort brings the members into the order of their names.
func (o object) sort() {
	slices.SortFunc(o, func(a, b member) int { return strings.Compare(a.name, b.name) })
}
