package api

import (
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/store"
)

// edit is a decoded change of a row: it resolves what the change refers to,
// applies it and checks the outcome. It writes nothing and may run again.
type edit[T any] func(w work, row *T) error

// resource has the operations that prompts, actions, voices, webhooks, connections
// and vector databases share: T is read, listed, created, changed and deleted by
// its id.
type resource[T any] struct {
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
	types  dialect.Types
	id     func(T) string
	render func(view, T) object

	find           func(*store.Tx, string) (T, error)
	list           func(*store.Tx, sidetone.PageQuery) (sidetone.Page[T], error)
	insert, update func(*store.Tx, T) error
	remove         func(*store.Tx, string) error
}

// get reads the row that the query names.
func (p resource[T]) get(s *server) operation {
	return func(r *request) (any, error) {
		var row T
		err := s.readConfiguration(r, func(w work) (err error) {
			row, err = p.find(w.tx, r.query.Get("id"))
			return named(err, "id", p.noun)
		})
		return p.render(r.view, row), err
	}
}

// page lists rows.
func (p resource[T]) page(s *server) operation {
	return func(r *request) (any, error) {
		return list(s, r, p.list, func(_ work, page sidetone.Page[T]) (object, error) {
			return renderPage(page, func(row T) object { return p.render(r.view.item(), row) }), nil
		})
	}
}

// create stores a new row.
func (p resource[T]) create(s *server) operation {
	return func(r *request) (any, error) {
		d := newDecoder(r.view.profile, r.body)
		change := p.decode(d)
		if err := d.Err(); err != nil {
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
func (p resource[T]) change(s *server) operation {
	return func(r *request) (any, error) {
		d := newDecoder(r.view.profile, r.body)
		p.decode(d)
		if err := d.Err(); err != nil {
			return nil, err
		}
		return p.alter(s, r, func(w work, row *T) error {
			return p.since(d.profile, r.body, *row)(w, row)
		})
	}
}

// since is what a request says of row, without what is as clients of the profile were
// shown it.
func (p resource[T]) since(profile dialect.Profile, sent wire.Object, row T) edit[T] {
	shown := func() object { return p.render(view{profile: profile}, row) }
	return p.decode(newDecoder(profile, profile.Changed(sent, shown)))
}

// alter carries change out on the row that the query names, and renders it.
func (p resource[T]) alter(s *server, r *request, change edit[T]) (any, error) {
	var row T
	err := s.write(r, func(w work) (err error) {
		if row, err = p.find(w.tx, r.query.Get("id")); err != nil {
			return named(err, "id", p.noun)
		}
		if p.isLocked(row) {
			return sidetone.Errorf(sidetone.Conflict, "the %s is built in and does not change", p.noun)
		}
		if err = p.apply(w, change, &row); err != nil {
			return err
		}
		return p.update(w.tx, row)
	})
	return p.render(r.view, row), err
}

// apply carries change out on row. The response shows the secrets that it set.
func (p resource[T]) apply(w work, change edit[T], row *T) error {
	before := *row
	if err := change(w, row); err != nil || p.secrets == nil {
		return err
	}
	was := p.secrets(before)
	for name, secret := range p.secrets(*row) {
		if secret != was[name] {
			w.newSecrets.add(p.id(*row), name)
		}
	}
	return nil
}

// delete removes the row that the query names.
func (p resource[T]) delete(s *server) operation {
	return func(r *request) (any, error) {
		id := r.query.Get("id")
		err := s.write(r, func(w work) error { return named(p.remove(w.tx, id), "id", p.noun) })
		return object{"id": id, "deleted": true}, err
	}
}

// relation is what a request says about a row that another one names: nothing,
// null, an id, an object with the id of a row to be changed, or an object alone.
type relation[T any] struct {
	path   string
	ref    wire.Reference
	change edit[T]
	// profile is the client's.
	profile dialect.Profile
}

// relation decodes the member name of d.
func (p resource[T]) relation(d *decoder, name string) relation[T] {
	return p.related(d, name, d.Reference(name))
}

func (p resource[T]) related(d *decoder, path string, ref wire.Reference) relation[T] {
	r := relation[T]{path: path, ref: ref, profile: d.profile}
	if ref.Fields == nil {
		return r
	}
	inner := d.inner(ref.Fields)
	r.change = p.decode(inner)
	d.Below(path, inner.Reader)
	return r
}

// relate resolves r for a row that names current now, nil for none: the row that
// it names afterwards. What has to be written for that is left to the draft.
func (p resource[T]) relate(w work, d *draft, r relation[T], current *T) (*T, error) {
	switch {
	case !r.ref.Set:
		return current, nil
	case r.ref.Null:
		return nil, nil
	case r.ref.ByID:
		row, err := p.find(w.tx, r.ref.ID)
		if err != nil {
			return nil, named(err, r.ref.Path(r.path), p.noun)
		}
		current = &row
	case current != nil && p.isShown(r.profile, r.ref.Fields, *current):
		return current, nil
	}
	switch {
	case r.ref.ByID && p.isLocked(*current):
		return current, p.unchanged(w, r, *current)
	case r.ref.ByID && (len(r.ref.Fields) <= 1 || p.untouchable(r, *current) || p.isShown(r.profile, r.ref.Fields, *current)):
		return current, nil
	}
	write, change := p.insert, r.change
	row := p.fresh(w.ids.New(), w.tx.EnvironmentID(), w.tx.Now())
	if current != nil && !p.untouchable(r, *current) {
		write, change, row = p.update, p.since(r.profile, r.ref.Fields, *current), *current
	}
	if err := p.apply(w, change, &row); err != nil {
		return nil, below(r.path, err)
	}
	d.writes = append(d.writes, func() error { return write(w.tx, row) })
	return &row, nil
}

func (p resource[T]) isLocked(row T) bool { return p.locked != nil && p.locked(row) }

// unchanged compares the object around the id of a built-in row with what the client
// was shown of that. What differs is refused; of older clients, which are shown
// substitutes, it is ignored.
func (p resource[T]) unchanged(w work, r relation[T], row T) error {
	shown, err := asSent(p.render(view{profile: r.profile}, row))
	if err != nil {
		return err
	}
	for _, m := range r.ref.Fields {
		before, _ := shown.Get(m.Name)
		path := w.agentPath + r.path + "." + m.Name
		_, known := w.table.Find(p.noun, m.Name, "")
		switch {
		case !known || dialect.Same(m.Value, before):
		case r.profile.KnownTypes:
			w.ignore(path, "The "+p.noun+" is built in and was not changed.")
		default:
			return sidetone.Errorf(sidetone.Conflict, "%s must stay as it is: the %s is built in and does not change", path, p.noun)
		}
	}
	return nil
}

// untouchable says that an object around an id is a mere reference: the row is
// built in, or the client saw it as one of another type.
func (p resource[T]) untouchable(r relation[T], row T) bool {
	if p.isLocked(row) {
		return true
	}
	return r.profile.KnownTypes && p.kind != nil && p.types.Shown(p.kind(row)) != p.kind(row)
}

// idOf is the id of row, "" for none.
func (p resource[T]) idOf(row *T) string {
	if row == nil {
		return ""
	}
	return p.id(*row)
}
