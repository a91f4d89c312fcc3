package api

import (
	"encoding/json"
	"fmt"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// listing is a decoded number that must not be called.
type listing struct {
	path, number string
	reason       sidetone.Optional[string]
}

func decodeListing(d *decoder, path string) listing {
	phone := d.text("phoneNumber").Value
	l := listing{path: path, reason: d.text("reason")}
	var ok bool
	if l.number, ok = sidetone.NormalisePhone(phone); !ok {
		d.faults = append(d.faults, "phoneNumber must be a phone number with country code")
	}
	return l
}

// keepOff puts a number on the list. One that is there stays, with the reason of
// this time if it has one.
func (w work) keepOff(l listing) (sidetone.DNCNumber, error) {
	n, err := w.tx.DNCNumberByPhone(l.number)
	known := err == nil
	switch {
	case sidetone.CodeOf(err) == sidetone.NotFound:
		n = sidetone.DNCNumber{ID: w.ids.New(), EnvironmentID: w.tx.EnvironmentID(), Number: l.number, Created: w.tx.Now()}
	case err != nil:
		return n, err
	case !l.reason.Set:
		return n, nil
	}
	l.reason.Apply(&n.Reason, "")
	n.Updated = w.tx.Now()
	if err := n.Validate(); err != nil {
		return n, below(l.path, err)
	}
	if known {
		return n, w.tx.UpdateDNCNumber(n)
	}
	return n, w.tx.InsertDNCNumber(n)
}

// renderDNC is in camel case, unlike every other noun, and the same in all
// profiles, for only one family of clients knows it.
func renderDNC(v view, n sidetone.DNCNumber) object {
	o := object{{"id", n.ID}, {"userId", v.account}, {"phoneNumber", n.Number},
		{"createdAt", isoTime.render(n.Created)}, {"updatedAt", isoTime.render(n.Updated)}}
	o.text("reason", n.Reason)
	return o
}

func (s *server) createDNC(r *request) (any, error) {
	d := &decoder{fields: r.body, profile: r.view.profile}
	entry := decodeListing(d, "")
	if err := d.err(); err != nil {
		return nil, err
	}
	return s.keepAllOff(r, []listing{entry}, func(all []object) any { return all[0] })
}

// bulkDNC answers the bare list that its clients expect.
func (s *server) bulkDNC(r *request) (any, error) {
	d := &decoder{fields: r.body, profile: r.view.profile}
	var entries []listing
	for i, raw := range read[[]json.RawMessage](d, "phoneNumbers", "a list").Value {
		path := fmt.Sprintf("phoneNumbers[%d]", i)
		ref, _ := referenceOf(raw)
		inner := &decoder{fields: ref.fields, profile: d.profile}
		entries = append(entries, decodeListing(inner, path))
		for _, fault := range inner.faults {
			d.faults = append(d.faults, path+"."+fault)
		}
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return s.keepAllOff(r, entries, func(all []object) any { return all })
}

func (s *server) keepAllOff(r *request, entries []listing, answer func([]object) any) (any, error) {
	return s.effect(r, func(w work) (any, error) {
		all := make([]object, len(entries))
		for i, entry := range entries {
			n, err := w.keepOff(entry)
			if err != nil {
				return nil, err
			}
			all[i] = renderDNC(r.view, n)
		}
		return answer(all), nil
	})
}

func (s *server) listDNC(r *request) (any, error) {
	return list(s, r, (*store.Tx).DNCNumbers, func(_ work, page sidetone.Page[sidetone.DNCNumber]) (object, error) {
		return renderPage(page, func(n sidetone.DNCNumber) object { return renderDNC(r.view.item(), n) }), nil
	})
}

func (s *server) deleteDNC(r *request) (any, error) {
	id := r.query.Get("id")
	err := s.write(r, func(w work) error { return named(w.tx.DeleteDNCNumber(id), "id", "do-not-call number") })
	return object{{"id", id}, {"deleted", true}}, err
}

// callable refuses a number that must not be called.
func (w work) callable(e164 string) error {
	_, err := w.tx.DNCNumberByPhone(e164)
	switch {
	case err == nil:
		return invalid("to_number is on the do-not-call list")
	case sidetone.CodeOf(err) == sidetone.NotFound:
		return nil
	}
	return err
}
