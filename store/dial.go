package store

import (
	"slices"

	"github.com/sidetone/sidetone/phonenumber"
)

// MayCall returns the number, E.164, that a text of the public network's own form means and
// that a call of the environment may be placed to. Else the error is a
// *phonenumber.Forbidden.
func (t *Tx) MayCall(text string) (e164 string, err error) {
	e, err := t.Environment()
	if err != nil {
		return "", err
	}
	d := phonenumber.Dialling{Number: text, Countries: e.DialCountries}
	if e164, err = phonenumber.MayDial(d); err != nil {
		return "", err
	}
	if d.Blocked, err = t.MustNotCall(e164); err != nil {
		return "", err
	}
	return phonenumber.MayDial(d)
}

// MayHandOver is MayCall for somebody to whom an agent of the environment hands callers, as
// its configuration says. Without a setting of its own the environment hands over within the
// countries of its numbers.
func (t *Tx) MayHandOver(text string) (e164 string, err error) {
	e, err := t.Environment()
	if err != nil {
		return "", err
	}
	d := phonenumber.Dialling{Number: text, Colleague: true, Countries: e.DialCountries}
	if len(d.Countries) > 0 {
		return phonenumber.MayDial(d)
	}
	q := query{}
	q.add("SELECT number FROM numbers WHERE environment_id = %s", t.environment)
	numbers, err := t.strings(q)
	if err != nil {
		return "", err
	}
	for _, n := range numbers {
		if region := phonenumber.Region(n); region != "" && !slices.Contains(d.Countries, region) {
			d.Countries = append(d.Countries, region)
		}
	}
	slices.Sort(d.Countries)
	return phonenumber.MayDial(d)
}
