package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/phonenumber"
)

// readPhone reads a number of a request that is not the name of one of ours; the
// error begins with its path.
func readPhone(p dialect.Profile, country, path, text string) (e164 string, err error) {
	if p.Digits {
		e164, err = phonenumber.Shown(text, country)
	} else {
		e164, err = phonenumber.Read(text, country)
	}
	if err != nil {
		return "", invalid("%s %s", path, err)
	}
	return e164, nil
}

// phone is readPhone with the environment's default country.
func (w work) phone(p dialect.Profile, path, text string) (string, error) {
	e, err := w.tx.Environment()
	if err != nil {
		return "", err
	}
	return readPhone(p, e.DefaultCountry, path, text)
}

// colleague is phone for somebody to whom callers are handed.
func (w work) colleague(p dialect.Profile, path, text string) (string, error) {
	e164, err := w.phone(p, path, text)
	if err == nil {
		e164, err = w.tx.MayHandOver(e164)
	}
	return e164, forbidden(path, err)
}

// forbidden is the 400 of a number that must not be called, with its path; its
// text names the rule.
func forbidden(path string, err error) error {
	if no := (*phonenumber.Forbidden)(nil); errors.As(err, &no) {
		return invalid("%s %s", path, no)
	}
	return err
}

// defaultCountry is where numbers of the request without plus are dialled.
func (s *server) defaultCountry(r *request) (country string, err error) {
	err = s.read(r, func(w work) error {
		e, err := w.tx.Environment()
		country = e.DefaultCountry
		return err
	})
	return country, err
}

// pool reads the numbers of a steering pool; those that are in it stay.
func (w work) pool(p dialect.Profile, path string, numbers, before []string) ([]string, error) {
	e, err := w.tx.Environment()
	if err != nil {
		return nil, err
	}
	out := make([]string, len(numbers))
	for i, text := range numbers {
		ours, _ := phonenumber.Digits(text)
		if out[i] = ours; slices.Contains(before, ours) {
			continue
		}
		if out[i], err = readPhone(p, e.DefaultCountry, path, text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// configPhone reads the phone number in an action's configuration, unless it is
// the present one. What type the action has is not known yet: unread says why a
// number is none, for types that need one.
func (w work) configPhone(p dialect.Profile, config sidetone.Optional[[]byte], present []byte) (read sidetone.Optional[[]byte], unread, err error) {
	text, given := phoneMember(config.Value)
	if !given {
		return config, nil, nil
	}
	e164, _ := phonenumber.Digits(text)
	if stored, _ := phoneMember(present); e164 != stored {
		e164, err = w.colleague(p, "config.phone_number", text)
	}
	switch {
	case sidetone.CodeOf(err) == sidetone.Invalid:
		return config, err, nil
	case err != nil:
		return config, nil, err
	}
	config.Value = sidetone.MergeJSON(config.Value, []byte(`{"phone_number":"`+e164+`"}`))
	return config, nil, nil
}

// phoneMember is the phone_number of a configuration, if it is a text.
func phoneMember(config []byte) (text string, ok bool) {
	members := map[string]any{}
	_ = json.Unmarshal(config, &members) // what is no object has no members
	text, ok = members["phone_number"].(string)
	return text, ok
}

// country reads the code of a country; "" is none, too.
func (d *decoder) country(name string) sidetone.Optional[string] {
	o := d.Text(name)
	if o.Value == "" {
		return o
	}
	code, ok := phonenumber.Country(o.Value)
	if !ok {
		d.Faults = append(d.Faults, name+" must be a country's code of two letters, such as US or DE")
	}
	o.Value = code
	return o
}

// countries reads the codes of countries; each is there once, in order.
func (d *decoder) countries(name string) sidetone.Optional[[]string] {
	o := d.Strings(name)
	codes := make([]string, len(o.Value))
	for i, text := range o.Value {
		code, ok := phonenumber.Country(text)
		if !ok {
			d.Faults = append(d.Faults, fmt.Sprintf("%s[%d] must be a country's code of two letters, such as US or DE", name, i))
		}
		codes[i] = code
	}
	slices.Sort(codes)
	o.Value = slices.Compact(codes)
	return o
}
