package api

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/sidetone/sidetone"
)

// decoder reads tri-state values out of an object and collects what is wrong
// with them. What it is not asked for is dropped: an allow-list by
// construction.
type decoder struct {
	fields  fields
	faults  []string
	profile profile
}

// err is one 400 with all faults, or nil.
func (d *decoder) err() error { return problems(d.faults) }

// read decodes one member: absent, null or a value.
func read[T any](d *decoder, name, kind string) sidetone.Optional[T] {
	raw, ok := d.fields[name]
	switch {
	case !ok:
		return sidetone.Optional[T]{}
	case string(raw) == "null":
		return sidetone.None[T]()
	}
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		d.faults = append(d.faults, name+" must be "+kind)
		return sidetone.Optional[T]{}
	}
	return sidetone.Some(v)
}

func (d *decoder) text(name string) sidetone.Optional[string] {
	return read[string](d, name, "a string")
}

func (d *decoder) truth(name string) sidetone.Optional[bool] {
	return read[bool](d, name, "true or false")
}

func (d *decoder) number(name string) sidetone.Optional[float64] {
	return read[float64](d, name, "a number")
}

// whole reads a number without fraction; 3.0 is one.
func (d *decoder) whole(name string) sidetone.Optional[int] {
	n := d.number(name)
	if n.Set && !n.Null && (n.Value != float64(int32(n.Value))) {
		d.faults = append(d.faults, name+" must be a whole number")
		return sidetone.Optional[int]{}
	}
	return sidetone.Optional[int]{Value: int(n.Value), Set: n.Set, Null: n.Null}
}

// span reads a number of units, rounded to the millisecond it is stored in. A
// number beyond every range becomes one just beyond: the noun's Validate then
// refuses it and says what is possible.
func (d *decoder) span(name string, unit time.Duration) sidetone.Optional[time.Duration] {
	n := d.number(name)
	units := min(max(n.Value, -1), float64(48*time.Hour/unit))
	span := time.Duration(units * float64(unit)).Round(time.Millisecond)
	return sidetone.Optional[time.Duration]{Value: span, Set: n.Set, Null: n.Null}
}

func (d *decoder) texts(name string) sidetone.Optional[[]string] {
	return read[[]string](d, name, "a list of strings")
}

// raw reads a member as compact JSON.
func (d *decoder) raw(name string) sidetone.Optional[[]byte] {
	v := read[json.RawMessage](d, name, "JSON")
	if !v.Set || v.Null {
		return sidetone.Optional[[]byte]{Set: v.Set, Null: v.Null}
	}
	var b bytes.Buffer
	if err := json.Compact(&b, v.Value); err != nil {
		d.faults = append(d.faults, name+" must be JSON")
		return sidetone.Optional[[]byte]{}
	}
	return sidetone.Some(b.Bytes())
}

// reference is a relation in a request: absent, null, an id, or an object with
// or without an id.
type reference struct {
	set, null bool
	// id names the resource; "" only for an object without one.
	id string
	// byID says that an id was given.
	byID bool
	// fields are the object's members; nil when it was a string.
	fields fields
}

// reference reads a relation.
func (d *decoder) reference(name string) reference {
	raw, ok := d.fields[name]
	switch {
	case !ok:
		return reference{}
	case string(raw) == "null":
		return reference{set: true, null: true}
	}
	r, ok := referenceOf(raw)
	if !ok {
		d.faults = append(d.faults, name+" must be an id or an object")
	}
	return r
}

func referenceOf(raw json.RawMessage) (reference, bool) {
	r := reference{set: true}
	if json.Unmarshal(raw, &r.id) == nil {
		r.byID = true
		return r, true
	}
	if json.Unmarshal(raw, &r.fields) != nil || r.fields == nil {
		return reference{}, false
	}
	if id := r.fields["id"]; id != nil && string(id) != "null" {
		if json.Unmarshal(id, &r.id) != nil {
			return reference{}, false
		}
		r.byID = true
	}
	return r, true
}

// path is where a 404 of the reference points.
func (r reference) path(name string) string {
	if r.fields != nil && r.byID {
		return name + ".id"
	}
	return name
}
