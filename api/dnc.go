package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/store"
)

// listing is a decoded number that must not be called.
type listing struct {
	path, number string
	written      string
	certain      bool
	reason       sidetone.Optional[string]
}

// decodeListing reads a number as one of country, "" for none.
func decodeListing(d *decoder, path, country string) listing {
	l := listing{path: path, written: d.Text("phoneNumber").Value, reason: d.Text("reason")}
	var err error
	if l.number, err = readPhone(d.profile, country, "phoneNumber", l.written); err != nil {
		d.Faults = append(d.Faults, sidetone.MessageOf(err))
	}
	l.certain = phonenumber.Certain(l.written, country, l.number)
	return l
}

// addDNC puts a number on the list. One that is there already gets the new reason,
// if there is one.
func (w work) addDNC(l listing) (sidetone.DNCNumber, error) {
	n, err := w.tx.DNCNumberByPhone(l.number)
	known := err == nil
	switch {
	case sidetone.CodeOf(err) == sidetone.NotFound:
		n = sidetone.DNCNumber{ID: w.ids.New(), EnvironmentID: w.tx.EnvironmentID(), Number: l.number,
			Written: l.written, Certain: l.certain, Created: w.tx.Now()}
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
// countries are where its digits may have been dialled.
func renderDNC(v view, n sidetone.DNCNumber, countries []string) object {
	o := object{"id": n.ID, "userId": v.account, "phoneNumber": n.Number, "certain": n.Certain,
		"createdAt": dialect.ISOTime.Render(n.Created), "updatedAt": dialect.ISOTime.Render(n.Updated)}
	setText(o, "reason", n.Reason)
	setText(o, "writtenAs", n.Written)
	if also := store.AlsoBlocked(n, countries); len(also) > 0 {
		o["alsoBlocks"] = also
	}
	return o
}

func (s *server) createDNC(r *request) (any, error) {
	country, err := s.defaultCountry(r)
	if err != nil {
		return nil, err
	}
	d := newDecoder(r.view.profile, r.body)
	entry := decodeListing(d, "", country)
	if err := d.Err(); err != nil {
		return nil, err
	}
	return s.addAllDNC(r, []listing{entry}, func(all []object) any { return all[0] })
}

// bulkDNC returns a list without an envelope, as its clients expect.
func (s *server) bulkDNC(r *request) (any, error) {
	country, err := s.defaultCountry(r)
	if err != nil {
		return nil, err
	}
	d := newDecoder(r.view.profile, r.body)
	var entries []listing
	for i, item := range d.List("phoneNumbers").Value {
		path := fmt.Sprintf("phoneNumbers[%d]", i)
		members, _ := item.(wire.Object)
		inner := d.inner(members)
		entries = append(entries, decodeListing(inner, path, country))
		d.Below(path, inner.Reader)
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return s.addAllDNC(r, entries, func(all []object) any { return all })
}

func (s *server) addAllDNC(r *request, entries []listing, body func([]object) any) (any, error) {
	return s.effect(r, func(w work) (any, error) {
		countries, err := w.tx.DialledIn()
		if err != nil {
			return nil, err
		}
		all := make([]object, len(entries))
		for i, entry := range entries {
			n, err := w.addDNC(entry)
			if err != nil {
				return nil, err
			}
			all[i] = renderDNC(r.view, n, countries)
		}
		return body(all), nil
	})
}

func (s *server) listDNC(r *request) (any, error) {
	return list(s, r, (*store.Tx).DNCNumbers, func(w work, page sidetone.Page[sidetone.DNCNumber]) (object, error) {
		countries, err := w.tx.DialledIn()
		if err != nil {
			return nil, err
		}
		return renderPage(page, func(n sidetone.DNCNumber) object { return renderDNC(r.view.item(), n, countries) }), nil
	})
}

// decideDNC says which of the numbers that an entry blocks was meant.
func (s *server) decideDNC(r *request) (any, error) {
	d := newDecoder(r.view.profile, r.body)
	phone := d.Text("phoneNumber").Value
	if err := d.Err(); err != nil {
		return nil, err
	}
	var out object
	err := s.write(r, func(w work) error {
		n, err := w.tx.DNCNumber(r.query.Get("id"))
		if err != nil {
			return named(err, "id", "do-not-call number")
		}
		countries, err := w.tx.DialledIn()
		if err != nil {
			return err
		}
		n, err = w.decide(n, phone, store.AlsoBlocked(n, countries))
		out = renderDNC(r.view, n, countries)
		return err
	})
	return out, err
}

// decide makes an entry certain: as it stands, or as one for the number of
// others that phone names.
func (w work) decide(n sidetone.DNCNumber, phone string, others []string) (sidetone.DNCNumber, error) {
	meant, _ := phonenumber.Digits(phone)
	switch {
	case meant == n.Number && n.Certain:
		return n, nil
	case meant == n.Number:
		n.Certain, n.Updated = true, w.tx.Now()
		return n, w.tx.UpdateDNCNumber(n)
	case !slices.Contains(others, meant):
		return n, invalid("phoneNumber must be %s", strings.Join(append([]string{n.Number}, others...), " or "))
	}
	if err := w.tx.DeleteDNCNumber(n.ID); err != nil {
		return n, err
	}
	listed, err := w.tx.DNCNumberByPhone(meant)
	if sidetone.CodeOf(err) != sidetone.NotFound {
		return listed, err
	}
	if n.Written == "" {
		n.Written = n.Number
	}
	n.ID, n.Number, n.Certain, n.Updated = w.ids.New(), meant, true, w.tx.Now()
	return n, w.tx.InsertDNCNumber(n)
}

func (s *server) deleteDNC(r *request) (any, error) {
	id := r.query.Get("id")
	err := s.write(r, func(w work) error { return named(w.tx.DeleteDNCNumber(id), "id", "do-not-call number") })
	return object{"id": id, "deleted": true}, err
}
