package phonenumber

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Spelling is how a line writes numbers. The zero value changes nothing.
type Spelling struct {
	// Strip is what a number begins with and loses. With a plus in front it is
	// found only on numbers that begin with one, and the plus goes, too; without,
	// it is found behind a plus as well.
	Strip string
	// Prepend comes in front, where Strip was found or is empty. One that does not
	// begin with a plus takes the place of the number's.
	Prepend string
	// Plus is whether the number then begins with a plus: true puts one in front,
	// false takes it away, nil leaves it.
	Plus *bool
}

// Apply returns the number as the line writes it, or reads what it wrote.
func (s Spelling) Apply(number string) string {
	digits, plus := strings.CutPrefix(number, "+")
	found := s.Strip == ""
	if bare, withPlus := strings.CutPrefix(s.Strip, "+"); !found && (plus || !withPlus) {
		if digits, found = strings.CutPrefix(digits, bare); found && withPlus {
			plus = false
		}
	}
	if found && s.Prepend != "" {
		var prefix string
		prefix, plus = strings.CutPrefix(s.Prepend, "+")
		digits = prefix + digits
	}
	if s.Plus != nil {
		plus = *s.Plus
	}
	if plus {
		return "+" + digits
	}
	return digits
}

// Meanings returns the numbers, as E.164 texts, that a text can mean which a line
// sent: international with or without plus, behind 00 or 011 or the country's own
// international prefix, or as it is dialled in the country, an ISO 3166 code, with
// or without trunk prefix. The first one is what the digits are alone. It is meant
// to be compared with numbers that are known: most of what it returns is assigned
// to nobody. Country "" adds no national form. A text that is no number has none.
func Meanings(text, country string) []string {
	digits, _, ok := bare(text)
	if !ok {
		return nil
	}
	var all []string
	add := func(digits string) {
		if e164 := "+" + digits; len(digits) >= 3 && len(e164) <= longestE164 && !slices.Contains(all, e164) {
			all = append(all, e164)
		}
	}
	add(digits)
	own, left := abroad(country), false // digits that lead abroad are no national number
	for _, prefix := range []string{"00", "011", own} {
		if rest, found := strings.CutPrefix(digits, prefix); found && prefix != "" {
			add(rest)
			left = left || prefix != "011" || prefix == own // elsewhere towns begin with 011
		}
	}
	code := phonenumbers.GetCountryCodeForRegion(country)
	if left || code == 0 || len(digits) < 3 {
		return all
	}
	add(strconv.Itoa(code) + digits)
	if trunk := phonenumbers.GetNddPrefixForRegion(country, true); trunk != "" {
		if rest, found := strings.CutPrefix(digits, trunk); found {
			add(strconv.Itoa(code) + rest)
		}
	}
	if e164, _, ok := dialled(digits, country); ok { // also behind codes of carriers, or with another trunk prefix
		add(strings.TrimPrefix(e164, "+"))
	}
	return all
}

// Meant returns those of numbers, which are E.164, that a text means which a line
// of the country sent; with country "" each number is compared in the forms of its
// own country. A text with a plus that is one of them means that one. One number
// is certain, several are not.
func Meant(text, country string, numbers []string) []string {
	digits, plus, ok := bare(text)
	if !ok {
		return nil
	}
	if plus && slices.Contains(numbers, "+"+digits) {
		return []string{"+" + digits}
	}
	meanings := map[string][]string{}
	var meant []string
	for _, n := range numbers {
		if !endsAlike(n, digits) || slices.Contains(meant, n) {
			continue
		}
		at := country
		if at == "" {
			at = CountryOf(n)
		}
		if meanings[at] == nil {
			meanings[at] = Meanings(text, at)
		}
		if slices.Contains(meanings[at], n) {
			meant = append(meant, n)
		}
	}
	return meant
}

// endsAlike reports whether the last digits are equal. When they differ, the texts
// cannot be the same number.
func endsAlike(e164, digits string) bool {
	const last = 4
	return len(digits) >= last && strings.HasSuffix(e164, digits[len(digits)-last:])
}

// Caller reads the number of a caller, or returns the text as it is when it is
// none with a certain meaning; the countries, of which "" is none, are tried in
// turn before the text is taken for a number with country code.
func Caller(text string, countries ...string) string {
	for _, country := range append(slices.Clone(countries), "") {
		if e164, err := Read(text, country); err == nil {
			return e164
		}
	}
	return text
}

// LineCaller reads the number of a caller on a line that sends numbers in the national form
// of a country, as Caller does, and without its trunk prefix too: lines that leave it out
// are common. Digits that are a number with country code are that one.
func LineCaller(text, country string) string {
	read := Caller(text, country)
	digits, plus, ok := bare(text)
	if read != text || !ok || plus || len(digits) <= shortNumber || valid("+"+digits) {
		return read
	}
	if e164, _, ok := dialled(digits, country); ok {
		return e164
	}
	return read
}

// abroad is what is dialled in a country before a number of another one, "" when
// that is not known.
func abroad(country string) string {
	if country == "" {
		return ""
	}
	other := "GB"
	if phonenumbers.GetCountryCodeForRegion(country) == phonenumbers.GetCountryCodeForRegion(other) {
		other = "US"
	}
	n := phonenumbers.GetExampleNumber(other)
	if n == nil {
		return ""
	}
	written, _, _ := bare(phonenumbers.FormatOutOfCountryCallingNumber(n, country))
	prefix, found := strings.CutSuffix(written, strings.TrimPrefix(e164Of(n), "+"))
	if !found {
		return ""
	}
	return prefix
}
