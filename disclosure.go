package sidetone

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Disclosure says whether and how an agent says that it is a machine.
type Disclosure struct {
	// Mode is of DisclosureModes(); "" is auto.
	Mode string `json:"mode"`
	// Text is the sentence; "" means that of the agent's language.
	Text string `json:"text"`
	// Texts are sentences by country, ISO 3166 codes, in the place of Text.
	Texts map[string]string `json:"texts"`
}

// The modes of disclosures.
const (
	// DisclosureAuto: calls with a number of a country of DisclosureCountries.
	DisclosureAuto = "auto"
	// DisclosureAlways and DisclosureNever: all calls, or none.
	DisclosureAlways = "always"
	DisclosureNever  = "never"
)

// DisclosureModes lists the modes.
func DisclosureModes() []string {
	return []string{DisclosureAuto, DisclosureAlways, DisclosureNever}
}

// DisclosureCountry is a country in whose calls agents say by default that they are
// machines.
type DisclosureCountry struct {
	// Country is an ISO 3166 code.
	Country string
	// Code is the calling code that its numbers begin with, behind the plus.
	Code string
}

// DisclosureSource is where the countries come from, and DisclosureSourceRead the day on
// which it was read: the member states of the European Union, where Article 50(1) of the
// regulation applies since 2 August 2026.
const (
	DisclosureSource     = "https://eur-lex.europa.eu/eli/reg/2024/1689/oj"
	DisclosureSourceRead = "2026-11-30"
)

// DisclosureCountries lists the countries.
func DisclosureCountries() []DisclosureCountry {
	return []DisclosureCountry{
		{"AT", "43"}, {"BE", "32"}, {"BG", "359"}, {"HR", "385"}, {"CY", "357"}, {"CZ", "420"}, {"DK", "45"}, {"EE", "372"}, {"FI", "358"},
		{"FR", "33"}, {"DE", "49"}, {"GR", "30"}, {"HU", "36"}, {"IE", "353"}, {"IT", "39"}, {"LV", "371"}, {"LT", "370"}, {"LU", "352"},
		{"MT", "356"}, {"NL", "31"}, {"PL", "48"}, {"PT", "351"}, {"RO", "40"}, {"SK", "421"}, {"SI", "386"}, {"ES", "34"}, {"SE", "46"},
	}
}

// Disclosure reads what the agent has of it.
func (a Agent) Disclosure() (d Disclosure) {
	var extra struct {
		Disclosure json.RawMessage `json:"ai_disclosure"`
	}
	_ = json.Unmarshal(a.Extra, &extra)      // Extra is always an object
	_ = json.Unmarshal(extra.Disclosure, &d) // what cannot be read counts as none
	if d.Mode == "" {
		d.Mode = DisclosureAuto
	}
	return d
}

// Disclosing is whether an agent says in a call that it is a machine.
type Disclosing struct {
	// Country is that of the first of the call's numbers which is of a listed country; ""
	// for none.
	Country string
	// Text is what is said; "" for nothing.
	Text string
	// Waived says that nothing is said although the country is listed: the agent's mode is
	// never.
	Waived bool
}

// DiscloseTo decides for a call between numbers in E.164, the other person's first. usual is
// the sentence of the agent's language.
func (d Disclosure) DiscloseTo(usual string, numbers ...string) (out Disclosing) {
	for _, number := range numbers {
		i := slices.IndexFunc(DisclosureCountries(), func(c DisclosureCountry) bool { return strings.HasPrefix(number, "+"+c.Code) })
		if i >= 0 && out.Country == "" {
			out.Country = DisclosureCountries()[i].Country
		}
	}
	switch {
	case d.Mode == DisclosureNever:
		out.Waived = out.Country != ""
		return out
	case d.Mode == DisclosureAuto && out.Country == "":
		return out
	}
	out.Text = orText(d.Texts[out.Country], orText(d.Text, usual))
	return out
}

// validateDisclosure checks the agent's own settings; the message starts with the path.
func (a Agent) validateDisclosure() error {
	var extra map[string]json.RawMessage
	_ = json.Unmarshal(a.Extra, &extra) // Extra is always an object
	raw, ok := extra["ai_disclosure"]
	if !ok {
		return nil
	}
	var d Disclosure
	if err := json.Unmarshal(raw, &d); err != nil {
		return Errorf(Invalid, "ai_disclosure must be an object of mode, text and texts")
	}
	if d.Mode != "" && !slices.Contains(DisclosureModes(), d.Mode) {
		return Errorf(Invalid, "ai_disclosure.mode must be one of %s", strings.Join(DisclosureModes(), ", "))
	}
	if err := maxLength("ai_disclosure.text", d.Text, 1024); err != nil {
		return err
	}
	for _, country := range slices.Sorted(maps.Keys(d.Texts)) {
		if len(country) != 2 || strings.ToUpper(country) != country || strings.TrimSpace(d.Texts[country]) == "" {
			return Errorf(Invalid, "ai_disclosure.texts must have a sentence for each country, an ISO 3166 code in capitals")
		}
		if err := maxLength("ai_disclosure.texts", d.Texts[country], 1024); err != nil {
			return err
		}
	}
	return nil
}
