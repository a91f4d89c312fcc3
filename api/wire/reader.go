package wire

import (
	"encoding/json"
	"time"

	"github.com/sidetone/sidetone"
)

// Reader takes typed members out of an object and collects what is wrong with
// them. What it is not asked for is dropped. Each method returns whether the
// member was absent, null or a value.
type Reader struct {
	// Members is the object that is read.
	Members Object
	// Faults are sentences, each of which starts with a member's name.
	Faults []string
}

// Err is one error with code Invalid and all faults, nil when there are none.
func (r *Reader) Err() error { return Problems(r.Faults) }

// Problems joins several sentences into one error with code Invalid; nil when
// there are none.
func Problems(sentences []string) error {
	if len(sentences) == 0 {
		return nil
	}
	return sidetone.Joined(sidetone.Invalid, sentences)
}

// Below adds the faults of the reader of an inner object, at path.
func (r *Reader) Below(path string, inner Reader) {
	for _, fault := range inner.Faults {
		r.Faults = append(r.Faults, path+"."+fault)
	}
}

// read converts one member.
func read[T any](r *Reader, name, kind string, convert func(any) (T, bool)) sidetone.Optional[T] {
	value, ok := r.Members.Get(name)
	switch {
	case !ok:
		return sidetone.Optional[T]{}
	case value == nil:
		return sidetone.None[T]()
	}
	converted, ok := convert(value)
	if !ok {
		r.Faults = append(r.Faults, name+" must be "+kind)
		return sidetone.Optional[T]{}
	}
	return sidetone.Some(converted)
}

// as is the value if it has the type.
func as[T any](value any) (T, bool) {
	v, ok := value.(T)
	return v, ok
}

// Text reads a string.
func (r *Reader) Text(name string) sidetone.Optional[string] {
	return read(r, name, "a string", as[string])
}

// Bool reads true or false.
func (r *Reader) Bool(name string) sidetone.Optional[bool] {
	return read(r, name, "true or false", as[bool])
}

// List reads a list.
func (r *Reader) List(name string) sidetone.Optional[[]any] {
	return read(r, name, "a list", as[[]any])
}

// Number reads a number.
func (r *Reader) Number(name string) sidetone.Optional[float64] {
	return read(r, name, "a number", func(value any) (float64, bool) {
		text, ok := value.(json.Number)
		n, err := text.Float64()
		return n, ok && err == nil
	})
}

// Int reads a number without fraction; 3.0 is one.
func (r *Reader) Int(name string) sidetone.Optional[int] {
	n := r.Number(name)
	if n.Set && !n.Null && n.Value != float64(int32(n.Value)) {
		r.Faults = append(r.Faults, name+" must be a whole number")
		return sidetone.Optional[int]{}
	}
	return sidetone.Optional[int]{Value: int(n.Value), Set: n.Set, Null: n.Null}
}

// Duration reads a number of units, rounded to the millisecond it is stored in. A
// number beyond every range becomes one just beyond: the noun's Validate then
// refuses it and says what is possible.
func (r *Reader) Duration(name string, unit time.Duration) sidetone.Optional[time.Duration] {
	n := r.Number(name)
	units := min(max(n.Value, -1), float64(48*time.Hour/unit))
	d := time.Duration(units * float64(unit)).Round(time.Millisecond)
	return sidetone.Optional[time.Duration]{Value: d, Set: n.Set, Null: n.Null}
}

// Strings reads a list of strings.
func (r *Reader) Strings(name string) sidetone.Optional[[]string] {
	return read(r, name, "a list of strings", func(value any) ([]string, bool) {
		list, ok := value.([]any)
		out := make([]string, len(list))
		for i, item := range list {
			s, isText := item.(string)
			out[i], ok = s, ok && (isText || item == nil)
		}
		return out, ok
	})
}

// JSON reads a value of any type as compact JSON.
func (r *Reader) JSON(name string) sidetone.Optional[[]byte] {
	return read(r, name, "JSON", func(value any) ([]byte, bool) {
		b, err := Encode(value)
		return b, err == nil
	})
}

// Reference is a relation in a request: absent, null, an id, or an object with
// or without an id.
type Reference struct {
	// Set says that the member is present, Null that it is null.
	Set, Null bool
	// ID names the resource; "" only for an object without one.
	ID string
	// ByID says that an id was given.
	ByID bool
	// Fields are the object's members; nil when it was a string.
	Fields Object
}

// Reference reads a relation.
func (r *Reader) Reference(name string) Reference {
	value, ok := r.Members.Get(name)
	switch {
	case !ok:
		return Reference{}
	case value == nil:
		return Reference{Set: true, Null: true}
	}
	ref, ok := ReferenceOf(value)
	if !ok {
		r.Faults = append(r.Faults, name+" must be an id or an object")
	}
	return ref
}

// ReferenceOf reads an id or an object; false for everything else.
func ReferenceOf(value any) (Reference, bool) {
	switch v := value.(type) {
	case string:
		return Reference{Set: true, ByID: true, ID: v}, true
	case Object:
		id, _ := v.Get("id")
		if id == nil {
			return Reference{Set: true, Fields: v}, true
		}
		text, ok := id.(string)
		if !ok {
			return Reference{}, false
		}
		return Reference{Set: true, ByID: true, ID: text, Fields: v}, true
	default:
		return Reference{}, false
	}
}

// Path is where a message about the id points, for a relation called name.
func (r Reference) Path(name string) string {
	if r.Fields != nil && r.ByID {
		return name + ".id"
	}
	return name
}
