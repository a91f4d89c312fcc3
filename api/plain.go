package api

import (
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// edit is a decoded change of a row: it resolves what the change refers to,
// applies it and checks the outcome. It writes nothing and may run again.
type edit[T any] func(w work, row *T) error

// plain is a noun whose operations are like those of the other plain nouns: T
// is read, listed, created, changed and deleted by its id.
type plain[T any] struct {
	// noun is what messages call it.
	noun string
	// fresh returns a new row with the documented defaults.
	fresh func(id, environmentID string, now time.Time) T
	// decode reads a request's properties.
	decode func(*decoder) edit[T]
	// locked says that a row is not to be changed; nil means that none is.
	locked func(T) bool
	// secrets are the row's secrets by the names of their members; nil for none.
	secrets func(T) map[string]sidetone.Secret
	// kind is the row's type, and types which of them older clients know; nil
	// when they know all.
	kind   func(T) string
	types  kinds
	id     func(T) string
	render func(view, T) object

	find           func(*store.Tx, string) (T, error)
	list           func(*store.Tx, sidetone.PageQuery) (sidetone.Page[T], error)
	insert, update func(*store.Tx, T) error
	remove         func(*store.Tx, string) error
}

// query is a handler's inner function.
type query func(*request) (any, error)

// get answers the row that the query names.
func (p plain[T]) get(s *server) query {
	return func(r *request) (any, error) {
		var row T
		err := s.look(r, func(w work) (err error) {
			row, err = p.find(w.tx, r.query.Get("id"))
			return named(err, "id", p.noun)
		})
		return p.render(r.view, row), err
	}
}

// page answers one page of rows.
func (p plain[T]) page(s *server) query {
	return func(r *request) (any, error) {
		return list(s, r, p.list, func(_ work, page sidetone.Page[T]) (object, error) {
			return renderPage(page, func(row T) object { return p.render(r.view.item(), row) }), nil
		})
	}
}

// create stores a new row.
func (p plain[T]) create(s *server) query {
	return func(r *request) (any, error) {
		d := &decoder{fields: r.body, profile: r.view.profile}
		change := p.decode(d)
		if err := d.err(); err != nil {
			return nil, err
		}
		return s.effect(r, func(w work) (any, error) {
			row := p.fresh(w.ids.New(), w.tx.EnvironmentID(), w.tx.Now())
			if err := p.apply(w, change, &row); err != nil {
				return nil, err
			}
			err := p.insert(w.tx, row)
			return p.render(r.view, row), err
		})
	}
}

// change stores changes of the row that the query names.
func (p plain[T]) change(s *server) query {
	return func(r *request) (any, error) {
		d := &decoder{fields: r.body, profile: r.view.profile}
		p.decode(d)
		if err := d.err(); err != nil {
			return nil, err
		}
		return p.alter(s, r, func(w work, row *T) error {
			shown := func() object { return p.render(view{profile: d.profile}, *row) }
			d.fields = withoutEcho(d.profile, shown, r.body)
			return p.decode(d)(w, row)
		})
	}
}

// alter carries change out on the row that the query names, and renders it.
func (p plain[T]) alter(s *server, r *request, change edit[T]) (any, error) {
	var row T
	err := s.write(r, func(w work) (err error) {
		if row, err = p.find(w.tx, r.query.Get("id")); err != nil {
			return named(err, "id", p.noun)
		}
		if p.locked != nil && p.locked(row) {
			return sidetone.Errorf(sidetone.Conflict, "the %s is built in and does not change", p.noun)
		}
		if err = p.apply(w, change, &row); err != nil {
			return err
		}
		return p.update(w.tx, row)
	})
	return p.render(r.view, row), err
}

// apply carries change out on row. The answer shows the secrets that it set.
func (p plain[T]) apply(w work, change edit[T], row *T) error {
	before := *row
	if err := change(w, row); err != nil || p.secrets == nil {
		return err
	}
	was := p.secrets(before)
	for name, secret := range p.secrets(*row) {
		if secret != was[name] {
			w.revealed[p.id(*row)] = append(w.revealed[p.id(*row)], name)
		}
	}
	return nil
}

// delete removes the row that the query names.
func (p plain[T]) delete(s *server) query {
	return func(r *request) (any, error) {
		id := r.query.Get("id")
		err := s.write(r, func(w work) error { return named(p.remove(w.tx, id), "id", p.noun) })
		return object{{"id", id}, {"deleted", true}}, err
	}
}

// relation is what a request says about a row that another one names: nothing,
// null, an id, an object with the id of a row to be changed, or an object alone.
type relation[T any] struct {
	path   string
	ref    reference
	change edit[T]
	// knownTypes is the profile's.
	knownTypes bool
}

// relation decodes the member name of d.
func (p plain[T]) relation(d *decoder, name string) relation[T] {
	return p.related(d, name, d.reference(name))
}

func (p plain[T]) related(d *decoder, path string, ref reference) relation[T] {
	r := relation[T]{path: path, ref: ref, knownTypes: d.profile.knownTypes}
	if ref.fields == nil {
		return r
	}
	inner := &decoder{fields: ref.fields, profile: d.profile}
	r.change = p.decode(inner)
	for _, fault := range inner.faults {
		d.faults = append(d.faults, path+"."+fault)
	}
	return r
}

// relate resolves r for a row that names current now, nil for none: the row that
// it names afterwards. What has to be written for that is left to the draft.
func (p plain[T]) relate(w work, d *draft, r relation[T], current *T) (*T, error) {
	switch {
	case !r.ref.set:
		return current, nil
	case r.ref.null:
		return nil, nil
	case r.ref.byID:
		row, err := p.find(w.tx, r.ref.id)
		if err != nil {
			return nil, named(err, r.ref.path(r.path), p.noun)
		}
		current = &row
	}
	if r.ref.byID && (len(r.ref.fields) <= 1 || p.untouchable(r, *current)) {
		return current, nil
	}
	write := p.update
	row := p.fresh(w.ids.New(), w.tx.EnvironmentID(), w.tx.Now())
	if current == nil || p.untouchable(r, *current) {
		write = p.insert
	} else {
		row = *current
	}
	if err := p.apply(w, r.change, &row); err != nil {
		return nil, below(r.path, err)
	}
	d.writes = append(d.writes, func() error { return write(w.tx, row) })
	return &row, nil
}

// untouchable says that an object around an id is a mere reference: the row is
// built in, or the client saw it as one of another type.
func (p plain[T]) untouchable(r relation[T], row T) bool {
	if p.locked != nil && p.locked(row) {
		return true
	}
	return r.knownTypes && p.kind != nil && p.types.shown(p.kind(row)) != p.kind(row)
}

// idOf is the id of row, "" for none.
func (p plain[T]) idOf(row *T) string {
	if row == nil {
		return ""
	}
	return p.id(*row)
}
