package sidetone

// Optional is a field of a change: absent (the zero value) keeps, null clears,
// a value sets.
type Optional[T any] struct {
	// Value is meaningful when Set and not Null.
	Value T
	// Set says that the change mentions the field.
	Set bool
	// Null says that the field is cleared to its default.
	Null bool
}

// Some returns an Optional that sets v.
func Some[T any](v T) Optional[T] { return Optional[T]{Value: v, Set: true} }

// None returns an Optional that clears the field.
func None[T any]() Optional[T] { return Optional[T]{Set: true, Null: true} }

// Apply writes the change into field: def when cleared.
func (o Optional[T]) Apply(field *T, def T) {
	switch {
	case !o.Set:
	case o.Null:
		*field = def
	default:
		*field = o.Value
	}
}
