package script

import (
	"math/bits"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// form writes the members of a value, or reads them. The same calls do both, so
// that reading and writing cannot differ. After the first error it does nothing.
type form struct {
	reading bool
	// out is what was written.
	out []byte
	// text is read from position at on; optional are the members that could have
	// stood there, for the error message.
	text     string
	at       int
	optional []string
	err      *Error
}

// fail notes what was expected where the reader is.
func (f *form) fail(expected string) {
	if f.err != nil {
		return
	}
	for i := len(f.optional) - 1; i >= 0; i-- {
		expected = f.optional[i] + " or " + expected
	}
	before := f.text[:f.at]
	start := strings.LastIndexByte(before, '\n') + 1
	f.err = &Error{Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(before[start:]) + 1,
		Expected: expected, Found: found(f.text[f.at:])}
}

// advance moves the reader on.
func (f *form) advance(n int) {
	f.at += n
	f.optional = f.optional[:0]
}

// rest is what is still to be read.
func (f *form) rest() string { return f.text[f.at:] }

// end reports an error when something is left.
func (f *form) end() {
	if f.at == len(f.text) {
		return
	}
	f.skipBlank()
	f.fail("the end")
}

// skipBlank moves an error behind the blank that separates what is wrong from
// what was read.
func (f *form) skipBlank() {
	if f.err == nil && f.text[f.at] == ' ' {
		f.at++
	}
}

// literal writes s, or reads it. When it is optional, literal reports whether it
// is there; otherwise its absence is an error.
func (f *form) literal(s string, optional bool) bool {
	switch {
	case f.err != nil:
		return false
	case !f.reading:
		f.out = append(f.out, s...)
		return true
	case strings.HasPrefix(f.rest(), s):
		f.advance(len(s))
		return true
	case optional:
		f.optional = append(f.optional, display(s))
	default:
		if s[0] == ' ' && f.rest() != "" {
			f.skipBlank()
		}
		f.fail(display(s))
	}
	return false
}

// display shows a literal in an error.
func display(s string) string {
	switch s {
	case " ":
		return "a blank"
	case messageIndent:
		return "a message on the next line"
	default:
		return strconv.Quote(strings.TrimSpace(s))
	}
}

// present writes s when on is set, or reads it and reports whether it is there.
func (f *form) present(s string, on bool) bool {
	return (f.reading || on) && f.literal(s, true)
}

// flag is a word of its own that is there when the member is true.
func (f *form) flag(name string, p *bool) {
	on := f.present(" "+name, *p)
	if f.reading {
		*p = on && f.boundary()
	}
}

// boundary reports an error unless a word ends here.
func (f *form) boundary() bool {
	if r := f.rest(); r != "" && r[0] != ' ' && r[0] != '\n' {
		f.fail("a blank")
	}
	return f.err == nil
}

// blank separates members.
func (f *form) blank() { f.literal(" ", false) }

// quoted is a text in quotes.
func (f *form) quoted(p *string) {
	switch {
	case f.err != nil:
	case !f.reading:
		f.out = appendQuoted(f.out, *p)
	default:
		*p = f.readQuoted()
	}
}

// appendQuoted is strconv.AppendQuote, which is slow, and needed for few texts.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return strconv.AppendQuote(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// someText is a text that is left out when it is empty.
func (f *form) someText(p *string) {
	switch {
	case !f.reading && *p == "", f.err != nil:
	case !f.reading, strings.HasPrefix(f.rest(), ` "`):
		f.blank()
		f.quoted(p)
	default:
		f.optional = append(f.optional, "a text in quotes")
	}
}

// someQuoted is a text in quotes behind its name, left out when it is empty.
func (f *form) someQuoted(before string, p *string) {
	if f.present(before, *p != "") {
		f.quoted(p)
	}
}

func (f *form) readQuoted() string {
	const expected = "a text in double quotes"
	if !strings.HasPrefix(f.rest(), `"`) {
		f.fail(expected)
		return ""
	}
	raw, err := strconv.QuotedPrefix(f.rest())
	if err != nil {
		f.fail(expected + " with the escapes of Go")
		return ""
	}
	s, err := strconv.Unquote(raw)
	if err != nil {
		f.fail(expected + " with the escapes of Go")
		return ""
	}
	f.advance(len(raw))
	f.boundary()
	return s
}

// word is a word, quoted only where it must be. what names it in errors.
func (f *form) word(p *string, what string) {
	switch {
	case f.err != nil:
	case !f.reading && bare(*p) == len(*p) && *p != "":
		f.out = append(f.out, *p...)
	case !f.reading:
		f.out = strconv.AppendQuote(f.out, *p)
	case strings.HasPrefix(f.rest(), `"`):
		*p = f.readQuoted()
	default:
		n := bare(f.rest())
		if n == 0 {
			f.fail(what)
			return
		}
		*p = f.rest()[:n]
		f.advance(n)
		f.boundary()
	}
}

// someWord is a word that is left out when it is empty.
func (f *form) someWord(before string, p *string, what string) {
	if f.present(before, *p != "") {
		f.word(p, what)
	}
}

// bare returns how many leading bytes of s can stand in a word without quotes.
func bare(s string) int {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

// number is a decimal number. what names it in errors.
func (f *form) number(p *uint64, what string) {
	switch {
	case f.err != nil:
	case !f.reading:
		f.out = strconv.AppendUint(f.out, *p, 10)
	default:
		v, n, ok := digits(f.rest())
		if !ok {
			f.fail(what)
			return
		}
		*p = v
		f.advance(n)
	}
}

// someNumber is a named number that is left out when it is zero.
func (f *form) someNumber(before string, p *uint64) {
	if f.present(before, *p != 0) {
		f.number(p, "a number")
		f.boundary()
	}
}

// integer is a decimal number that may be negative.
func (f *form) integer(p *int) {
	if !f.reading {
		f.out = strconv.AppendInt(f.out, int64(*p), 10)
		return
	}
	n := 0
	for r := f.rest(); n < len(r) && (r[n] >= '0' && r[n] <= '9' || n == 0 && r[n] == '-'); {
		n++
	}
	v, err := strconv.Atoi(f.rest()[:n])
	if err != nil {
		f.fail("a number")
		return
	}
	*p = v
	f.advance(n)
}

// digits reads leading decimal digits; it refuses none and too many.
func digits(s string) (v uint64, n int, ok bool) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		high, low := bits.Mul64(v, 10)
		sum, carry := bits.Add64(low, uint64(s[n]-'0'), 0)
		if high+carry != 0 {
			return 0, 0, false
		}
		v = sum
		n++
	}
	return v, n, n > 0
}

// named is a duration in seconds behind its name; a zero one is left out when it
// is optional.
func (f *form) named(before string, p *time.Duration, optional bool) {
	if optional && !f.present(before, *p != 0) {
		return
	}
	if !optional && !f.literal(before, false) {
		return
	}
	f.seconds(p)
	f.boundary()
}

// seconds is a duration with three to nine decimals; one with fewer is read too.
func (f *form) seconds(p *time.Duration) { f.decimal(p, 9, 3, "a duration in seconds") }

// millis is a duration in milliseconds with up to six decimals.
func (f *form) millis(p *time.Duration) { f.decimal(p, 6, 0, "a duration in milliseconds") }

// decimal is a duration in units of ten to the power of digits nanoseconds, with
// at least so many decimals.
func (f *form) decimal(p *time.Duration, places, least int, what string) {
	switch {
	case f.err != nil:
	case !f.reading:
		f.out = appendDecimal(f.out, *p, places, least)
	default:
		v, n, ok := parseDecimal(f.rest(), places)
		if !ok {
			f.fail(what)
			return
		}
		*p = v
		f.advance(n)
	}
}

func appendDecimal(b []byte, d time.Duration, places, least int) []byte {
	v := uint64(d)
	if d < 0 {
		b = append(b, '-')
		v = -v
	}
	unit := powerOfTen(places)
	b = strconv.AppendUint(b, v/unit, 10)
	rest := v % unit
	if rest == 0 && least == 0 {
		return b
	}
	b = append(b, '.')
	for n := 0; n < least || rest > 0; n++ {
		unit /= 10
		b = append(b, byte('0'+rest/unit))
		rest %= unit
	}
	return b
}

func parseDecimal(s string, places int) (d time.Duration, n int, ok bool) {
	negative := strings.HasPrefix(s, "-")
	if negative {
		n = 1
	}
	whole, size, ok := digits(s[n:])
	if !ok {
		return 0, 0, false
	}
	n += size
	high, v := bits.Mul64(whole, powerOfTen(places))
	if strings.HasPrefix(s[n:], ".") {
		part, size, ok := digits(s[n+1:])
		if !ok || size > places {
			return 0, 0, false
		}
		n += 1 + size
		sum, carry := bits.Add64(v, part*powerOfTen(places-size), 0)
		v, high = sum, high+carry
	}
	const most = 1<<63 - 1
	switch {
	case high != 0 || v > most+1 || v > most && !negative:
		return 0, 0, false
	case negative:
		return time.Duration(-v), n, true
	default:
		return time.Duration(v), n, true
	}
}

func powerOfTen(n int) uint64 {
	v := uint64(1)
	for range n {
		v *= 10
	}
	return v
}
