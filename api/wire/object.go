package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Object is a JSON object of a request: its members in the order in which the
// client sent them, each name once. A value is nil, a bool, a string, a
// json.Number, an Object or a []any of such values. Objects are not modified once
// they are made.
type Object []Member

// Member is a name and its value.
type Member struct {
	Name  string
	Value any
}

// Get returns the value of name; false when there is none.
func (o Object) Get(name string) (any, bool) {
	for _, m := range o {
		if m.Name == name {
			return m.Value, true
		}
	}
	return nil, false
}

// Has reports whether name is present, be it null.
func (o Object) Has(name string) bool {
	_, ok := o.Get(name)
	return ok
}

// With returns a copy in which name has the value.
func (o Object) With(name string, value any) Object {
	out := slices.Clone(o)
	for i := range out {
		if out[i].Name == name {
			out[i].Value = value
			return out
		}
	}
	return append(out, Member{name, value})
}

// Only returns the members with the given names.
func (o Object) Only(names ...string) Object {
	var out Object
	for _, m := range o {
		if slices.Contains(names, m.Name) {
			out = append(out, m)
		}
	}
	return out
}

// MarshalJSON writes the members in their order.
func (o Object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		name, err := Encode(m.Name)
		if err != nil {
			return nil, err
		}
		value, err := Encode(m.Value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// Encode writes value as compact JSON, without the escapes that JSON inside of
// HTML needs.
func Encode(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
