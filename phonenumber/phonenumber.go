// Package phonenumber says which telephone number a spelling means. There is
// one function for each kind of place where a number enters: Digits where one
// of our own numbers is named, Shown where clients send digits back that they
// were shown, Read everywhere else. None of them guesses: what has no certain
// meaning is an error. It is pure; its functions may be called concurrently.
//
// Numbers are returned in the international form of [E.164] with a plus. What
// is a possible and what a valid number, and how numbers are dialled in a
// country, comes from the data of Google's libphonenumber.
//
// [E.164]: https://www.itu.int/rec/T-REC-E.164
package phonenumber

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// Error says why a spelling is no number that can be called, as the end of a
// sentence that begins with the name of the property.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

// Why a spelling is refused.
const (
	// ErrNone: there is no digit in the text.
	ErrNone Error = "must be a phone number with country code"
	// ErrSpelling: the text holds something else than digits, a leading plus and
	// what people put between digits, or is too long.
	ErrSpelling Error = "must be a phone number such as +12025550142: no letters, no extension, at most 64 characters"
	// ErrCountry: the number has no plus, and without the country that it is
	// dialled in nobody knows where it leads.
	ErrCountry Error = "must be a phone number with country code: write it as +, country code and number, or set the environment's default_country"
	// ErrNational: the number has no plus and is none in the default country.
	ErrNational Error = "must be a phone number of the environment's default_country: write it as +, country code and number, or set another default_country"
	// ErrImpossible: no number of the country code has so many digits.
	ErrImpossible Error = "must be a possible phone number: +, a country code that exists, and as many digits as numbers have there"
	// ErrShort: too few digits for a number of the public network.
	ErrShort Error = "must be a whole phone number: emergency numbers and short codes are never called, and extensions come with trunks"
	// ErrEmergency: a whole number that leads to a short code or an emergency
	// service.
	ErrEmergency Error = "must not be an emergency number or a short code: those are never called"
)

const (
	// longestText is the most characters of a spelling.
	longestText = 64
	// longestE164 is the most characters of an E.164 text: a plus and 15 digits.
	longestE164 = 16
	// shortNumber is up to how many digits a number without plus is an emergency
	// number, a short code or an extension.
	shortNumber = 6
	// wholeNumber is from how many digits on a number without plus can begin with
	// a country code.
	wholeNumber = 11
)

// Digits reads the name of one of our own numbers: only its digits count. ok is
// false when fewer than 3 or more than 15 digits remain or another character
// occurs.
func Digits(text string) (e164 string, ok bool) {
	digits, _, ok := bare(text)
	return "+" + digits, ok && len(digits) >= 3 && len(digits) <= 15
}

// Shown reads a number of a client that is shown numbers without plus: digits
// alone are the international form. Everything else is left to Read.
func Shown(text, country string) (e164 string, err error) {
	if digits, plus, ok := bare(text); ok && !plus && digits == text && len(digits) > shortNumber && digits[0] != '0' {
		return international(digits)
	}
	return Read(text, country)
}

// Read reads a number to be called. With a plus, every possible number is one.
// Without, it is read as it is dialled in the country, an ISO 3166 code, and
// must be valid, with its trunk prefix where numbers are written with one; 00 and
// 011 lead abroad from everywhere. When country is "", it
// must have 11 digits or more, not begin with 0, and be valid behind a plus. The
// error is an Error.
func Read(text, country string) (e164 string, err error) {
	digits, plus, ok := bare(text)
	switch {
	case !strings.ContainsAny(text, "0123456789"):
		return "", ErrNone
	case !ok:
		return "", ErrSpelling
	case plus:
		return international(digits)
	case len(digits) <= shortNumber:
		return "", ErrShort
	case country != "":
		if e164, complete, ok := dialled(digits, country); ok && complete {
			return e164, nil
		}
		return "", ErrNational
	case len(digits) < wholeNumber || digits[0] == '0' || !valid("+"+digits):
		return "", ErrCountry
	}
	return "+" + digits, nil
}

// Certain says that e164 is what text means whatever clients are shown, because
// it has a plus or because the country is known.
func Certain(text, country, e164 string) bool {
	_, plus, _ := bare(text)
	read, err := Read(text, country)
	return err == nil && read == e164 && (plus || country != "")
}

// Otherwise returns the number that the digits of an E.164 text are when they
// are dialled in country, "" when they are none there or the same. A trunk
// prefix may be missing.
func Otherwise(e164, country string) string {
	other, _, ok := dialled(strings.TrimPrefix(e164, "+"), country)
	if !ok || other == e164 {
		return ""
	}
	return other
}

// Country returns the ISO 3166 code of a country that numbers can be read for,
// in capitals; ok is false when there is none of that name.
func Country(text string) (code string, ok bool) {
	code = strings.ToUpper(text)
	return code, phonenumbers.GetSupportedRegions()[code]
}

// CountryOf returns the country whose calling code an E.164 text begins with,
// the greatest one when several share it; "" when there is none.
func CountryOf(e164 string) string {
	digits := strings.TrimPrefix(e164, "+")
	code := 0
	for i := 0; i < len(digits) && i < 3; i++ {
		code = code*10 + int(digits[i]-'0')
		if country, ok := Country(phonenumbers.GetRegionCodeForCountryCode(code)); ok {
			return country
		}
	}
	return ""
}

// international reads digits that begin with a country code.
func international(digits string) (string, error) {
	n, err := phonenumbers.Parse("+"+digits, "")
	if err != nil || !possible(n) {
		return "", ErrImpossible
	}
	if !phonenumbers.IsValidNumber(n) && special(n) {
		return "", ErrEmergency
	}
	return e164Of(n), nil
}

// special says that a number leads to a short code or an emergency service
// although it has as many digits as others.
func special(n *phonenumbers.PhoneNumber) bool {
	country := phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
	return phonenumbers.IsValidShortNumber(n) ||
		phonenumbers.ConnectsToEmergencyNumber(phonenumbers.GetNationalSignificantNumber(n), country)
}

// dialled reads digits as they are dialled in country. complete is false when
// numbers are written there with a trunk prefix that the digits lack: such
// digits alone are a local number, of one town or another.
func dialled(digits, country string) (e164 string, complete, ok bool) {
	n, err := phonenumbers.ParseAndKeepRawInput(digits, country)
	if err == nil && phonenumbers.IsValidNumber(n) && possible(n) {
		return e164Of(n), phonenumbers.IsNationalPrefixPresentIfRequired(n), true
	}
	for _, prefix := range []string{"00", "011"} {
		if abroad, found := strings.CutPrefix(digits, prefix); found && valid("+"+abroad) {
			return "+" + abroad, true, true
		}
	}
	return "", false, false
}

// valid says that e164 is the E.164 text of a valid number.
func valid(e164 string) bool {
	n, err := phonenumbers.Parse(e164, "")
	return err == nil && phonenumbers.IsValidNumber(n) && possible(n) && e164Of(n) == e164
}

// possible says that a number can be dialled from abroad. The library takes some
// that are too long for E.164, some that are called within a country only, and
// some that begin with a trunk prefix after one was taken away.
func possible(n *phonenumbers.PhoneNumber) bool {
	if phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE || len(e164Of(n)) > longestE164 {
		return false
	}
	again, err := phonenumbers.Parse(e164Of(n), "")
	return err == nil && e164Of(again) == e164Of(n)
}

func e164Of(n *phonenumbers.PhoneNumber) string { return phonenumbers.Format(n, phonenumbers.E164) }

// bare takes out of a spelling what people put between digits, and says whether
// a plus came first.
func bare(text string) (digits string, plus, ok bool) {
	if utf8.RuneCountInString(text) > longestText {
		return "", false, false
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '+' && !plus && b.Len() == 0:
			plus = true
		case strings.ContainsRune("().\u2044/", r), unicode.In(r, unicode.Zs, unicode.Pd, unicode.Cf):
		default:
			return "", false, false
		}
	}
	return b.String(), plus, b.Len() > 0
}
