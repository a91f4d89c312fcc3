package store

import (
	"fmt"
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/phonenumber"
)

func dncTable() *table[sidetone.DNCNumber] {
	return newTable("dnc_numbers", "do-not-call number", func(n *sidetone.DNCNumber) []column {
		return []column{
			{name: "id", ref: &n.ID, fixed: true}, {name: "environment_id", ref: &n.EnvironmentID, fixed: true},
			{name: "number", ref: &n.Number, fixed: true}, {name: "written", ref: &n.Written, fixed: true},
			{name: "certain", ref: &n.Certain}, {name: "reason", ref: &n.Reason}, {name: "version", ref: &n.Version},
			{name: "created", ref: millis{&n.Created}, fixed: true}, {name: "updated", ref: millis{&n.Updated}},
		}
	}, map[string]listed{
		"id": text("id"), "phoneNumber": digits("number"), "certain": filterOnly(boolean("certain")), "createdAt": instant("created"), "updatedAt": instant("updated"),
	})
}

// DNCNumber returns the entry with id.
func (t *Tx) DNCNumber(id string) (sidetone.DNCNumber, error) { return t.store.tables.dnc.get(t, id) }

// DNCNumberByPhone returns the entry of exactly the E.164 text; MustNotCall says
// whether a number may be called.
func (t *Tx) DNCNumberByPhone(e164 string) (sidetone.DNCNumber, error) {
	return t.store.tables.dnc.where(t, "number = $2", e164)
}

// DNCNumbers lists the numbers that must not be called.
func (t *Tx) DNCNumbers(q sidetone.PageQuery) (sidetone.Page[sidetone.DNCNumber], error) {
	return page(t, t.store.tables.dnc, q)
}

// InsertDNCNumber stores a new entry; a number that is listed already is a
// Conflict.
func (t *Tx) InsertDNCNumber(n sidetone.DNCNumber) error { return t.store.tables.dnc.insert(t, &n) }

// UpdateDNCNumber stores n if n.Version is the stored one, else it is a
// Conflict; the stored version grows by one.
func (t *Tx) UpdateDNCNumber(n sidetone.DNCNumber) error { return t.store.tables.dnc.update(t, &n) }

// DeleteDNCNumber removes the entry with id: its number may be called again.
func (t *Tx) DeleteDNCNumber(id string) error { return t.store.tables.dnc.remove(t, id) }

// endOf are the last digits of a number: whatever prefixes a number is dialled
// with, they stay. The index dnc_numbers_by_end has the same expression.
const endOf = "substr(number, length(number) - 5)"

func endingLike(environment, e164 string) query {
	q := query{}
	q.add("environment_id = %s AND "+endOf+" = %s", environment, e164[max(len(e164)-6, 0):])
	return q
}

// MustNotCall says whether the do-not-call list keeps the E.164 text from being
// called: as an entry, or as what an entry that is not certain blocks too.
func (t *Tx) MustNotCall(e164 string) (bool, error) {
	where := endingLike(t.environment, e164)
	like, err := t.store.tables.dnc.all(t, "WHERE "+where.text, where.args...)
	if err != nil {
		return false, fmt.Errorf("read the do-not-call list: %w", err)
	}
	var doubtful []sidetone.DNCNumber
	for _, n := range like {
		if n.Number == e164 {
			return true, nil
		}
		if !n.Certain {
			doubtful = append(doubtful, n)
		}
	}
	if len(doubtful) == 0 {
		return false, nil
	}
	countries, err := t.DialledIn()
	return slices.ContainsFunc(doubtful, func(n sidetone.DNCNumber) bool {
		return slices.Contains(AlsoBlocked(n, countries), e164)
	}), err
}

// AlsoBlocked returns the numbers, beside its own, that an entry of the
// do-not-call list blocks until somebody decides which one was meant: what its
// digits are in each of the countries.
func AlsoBlocked(n sidetone.DNCNumber, countries []string) []string {
	var out []string
	if n.Certain {
		return out
	}
	for _, country := range countries {
		if other := phonenumber.Otherwise(n.Number, country); other != "" && !slices.Contains(out, other) {
			out = append(out, other)
		}
	}
	return out
}

// DialledIn returns the countries in which the environment's people may dial:
// its default country, and those of its numbers, also of former ones: that a
// number is given back decides nothing about an entry.
func (t *Tx) DialledIn() ([]string, error) {
	e, err := t.Environment()
	if err != nil {
		return nil, err
	}
	q := query{}
	q.add("SELECT DISTINCT substr(number, 1, 4) FROM numbers WHERE environment_id = %s", t.environment)
	codes, err := t.strings(q)
	if err != nil {
		return nil, fmt.Errorf("read the countries of the numbers: %w", err)
	}
	var out []string
	if e.DefaultCountry != "" {
		out = append(out, e.DefaultCountry)
	}
	for _, code := range codes {
		if country := phonenumber.CountryOf(code); country != "" && !slices.Contains(out, country) {
			out = append(out, country)
		}
	}
	slices.Sort(out)
	return out, nil
}
