package phonenumber

import (
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Dialling is a number that somebody wants to have called, and what is known of it.
type Dialling struct {
	// Number is the number in any spelling; what has no plus is dialled in Country.
	Number, Country string
	// Blocked says that the do-not-call list has it, and Colleague that an agent's own
	// configuration names it as one of those to whom callers are handed: such a person is
	// called although the list has the number.
	Blocked, Colleague bool
	// Countries are the only ones, ISO 3166 codes, whose numbers may be called; none
	// means any.
	Countries []string
}

// Rule names why a number must not be called.
type Rule string

// The rules. What is no number at all is an Error.
const (
	// RuleNumber: the text is no whole number of the public network. Emergency numbers
	// and short codes are none.
	RuleNumber Rule = "number"
	// RuleDoNotCall: the number is on the do-not-call list.
	RuleDoNotCall Rule = "do_not_call"
	// RuleCountry: the number is of a country that the environment does not call.
	RuleCountry Rule = "dial_countries"
)

// Forbidden says that a number must not be called, and by which rule.
type Forbidden struct {
	Rule Rule
	why  string
	// err is the Error of what is no number; nil otherwise.
	err error
}

// Error says it as the end of a sentence that begins with the name of the property.
func (f *Forbidden) Error() string { return f.why }

// Unwrap returns the Error of a text that is no number.
func (f *Forbidden) Unwrap() error { return f.err }

// MayDial returns the number that is called for d, E.164, or a *Forbidden.
func MayDial(d Dialling) (e164 string, err error) {
	e164, err = Read(d.Number, d.Country)
	if err != nil {
		return "", &Forbidden{Rule: RuleNumber, why: err.Error(), err: err}
	}
	if d.Blocked && !d.Colleague {
		return "", &Forbidden{Rule: RuleDoNotCall, why: "is on the do-not-call list"}
	}
	if region := Region(e164); len(d.Countries) > 0 && !slices.Contains(d.Countries, region) {
		if region == "" {
			region = "no country"
		}
		return "", &Forbidden{Rule: RuleCountry, why: "is a number of " + region + ", and this environment calls " + strings.Join(d.Countries, ", ") +
			" only (its dial_countries; else the countries of its numbers)"}
	}
	return e164, nil
}

// Region returns the country, an ISO 3166 code, that an E.164 text is a number of. Countries
// that share a calling code are told apart where their numbers can be; else it is
// CountryOf.
func Region(e164 string) string {
	if n, err := phonenumbers.Parse(e164, ""); err == nil {
		if region, ok := Country(phonenumbers.GetRegionCodeForNumber(n)); ok {
			return region
		}
	}
	return CountryOf(e164)
}
