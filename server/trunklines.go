package server

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/phonenumber"
)

// maxTried bounds how many numbers a refusal says were looked for.
const maxTried = 20

// named is the trunk with that key, nil when there is none.
func (t trunks) named(key string) *Trunk {
	i := slices.IndexFunc(t.list, func(one Trunk) bool { return one.key() == key })
	if i < 0 || key == "" {
		return nil
	}
	return &t.list[i]
}

// called is the number, E.164, that a caller on a trunk dialled: the one of the
// trunk's numbers that the text means. The error says what was looked for when it
// is none or more than one. On the local line the text's digits are the number,
// behind 00 or 011, too.
func (t trunks) called(trunk, text string) (e164 string, err error) {
	one := t.named(trunk)
	if one == nil {
		return localNumber(text)
	}
	sent := one.Called.In.spelling().Apply(text)
	meant := phonenumber.Meant(sent, one.Country, one.Numbers)
	switch len(meant) {
	case 1:
		return meant[0], nil
	case 0:
		return "", &call.UnknownNumber{Tried: one.tried(sent), Why: t.why(one, text, sent)}
	}
	return "", &call.UnknownNumber{Tried: meant, Why: fmt.Sprintf("%q means several numbers of the trunk %q: set the trunk's country, or let it send country codes", text, one.Name)}
}

// localNumber is what a caller of this machine's network dialled.
func localNumber(text string) (string, error) {
	ours, ok := phonenumber.Digits(text)
	if !ok {
		return "", &call.UnknownNumber{Why: strconv.Quote(text) + " is no telephone number"}
	}
	for _, prefix := range []string{"+00", "+011"} {
		if abroad, found := strings.CutPrefix(ours, prefix); found {
			return "+" + abroad, nil
		}
	}
	return ours, nil
}

// tried are the numbers that a text can mean on the trunk.
func (t *Trunk) tried(text string) []string {
	countries := []string{t.Country}
	for _, n := range t.Numbers {
		if country := phonenumber.CountryOf(n); t.Country == "" && !slices.Contains(countries, country) {
			countries = append(countries, country)
		}
	}
	var out []string
	for _, country := range countries {
		for _, e164 := range phonenumber.Meanings(text, country) {
			if len(out) < maxTried && !slices.Contains(out, e164) {
				out = append(out, e164)
			}
		}
	}
	return out
}

// why says why a text means no number of a trunk.
func (t trunks) why(one *Trunk, text, sent string) string {
	said := fmt.Sprintf("the trunk %q lists no number that %q is", one.Name, text)
	if sent != text {
		said = fmt.Sprintf("the trunk %q lists no number that %q is, read as %q", one.Name, text, sent)
	}
	if !strings.ContainsAny(sent, "0123456789") {
		return fmt.Sprintf("the trunk %q sent %q, which is no telephone number", one.Name, text)
	}
	for _, other := range t.in(one.EnvironmentID).seen() { // others' are nobody's business
		if meant := phonenumber.Meant(sent, other.Country, other.Numbers); other.key() != one.key() && len(meant) > 0 {
			return said + fmt.Sprintf("; the trunk %q lists %s", other.Name, strings.Join(meant, ", "))
		}
	}
	return said
}

// caller is the number that a caller on a trunk shows, in E.164 where it is one,
// read in the trunk's country, else in the environment's, else in that of the
// number that was called.
func (t trunks) caller(trunk, text, environments, called string) string {
	one := t.named(trunk)
	if one == nil {
		return phonenumber.Caller(text, environments)
	}
	sent := one.Calling.In.spelling().Apply(text)
	if one.Country != "" {
		return phonenumber.LineCaller(sent, one.Country)
	}
	return phonenumber.Caller(sent, environments, phonenumber.CountryOf(called))
}

// line is the number whose trunk places a call: the one that it shows, or, when no
// trunk lists that, ours on the call.
func (t trunks) line(from, ours string) string {
	if _, listed := t.owner(from); listed {
		return from
	}
	return cmp.Or(ours, from)
}

// carrying is the trunk that will carry a call from a trunk's number.
func (t trunks) carrying(j sidetone.DialJob) string {
	trunk, err := t.way("", t.line(j.FromNumber, j.AgentNumber), j.FromNumber)
	if err != nil {
		return "" // it will be placed by none
	}
	return trunk
}

// way is the trunk by which a call from a number of ours goes out that shows from:
// the named one, or, of those that list ours, the first that may show from.
func (t trunks) way(trunk, ours, from string) (string, error) {
	var listing *Trunk
	seen := t.seen()
	for i := range seen {
		one := &seen[i]
		if trunk != "" && one.key() != trunk || trunk == "" && !slices.Contains(one.Numbers, ours) {
			continue
		}
		if one.AnyCallerID || slices.Contains(one.Numbers, from) {
			return one.key(), nil
		}
		listing = one
	}
	switch {
	case listing != nil:
		return "", sidetone.Errorf(sidetone.Invalid, "must be a number of the trunk %q, which shows no other one: any_caller_id in its settings would allow it", listing.Name)
	case trunk != "":
		return "", sidetone.Errorf(sidetone.Invalid, "must be a number of a trunk, and no trunk is called %q", trunk)
	}
	return "", sidetone.Errorf(sidetone.Invalid, "must be a number of a trunk: no trunk, in sip.trunks or of the environment, lists %s", ours)
}

// CallerID implements api.CallerIDs. A number that trunks list is somebody's: only who
// has it shows it.
func (t trunks) CallerID(ours sidetone.Number, from string) error {
	if from != ours.Number {
		if _, listed := t.owner(from); ours.Provider != "sip" || listed {
			return sidetone.Errorf(sidetone.Invalid, "must be a number of this environment")
		}
	} else if ours.Provider != "sip" {
		return nil
	}
	_, err := t.way(ours.ConnectionID, ours.Number, from)
	return err
}
