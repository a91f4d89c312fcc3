package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Limits of the JSON in a token. They bound what parsing allocates.
const (
	maxNesting = 32
	maxTokens  = 400 // names, values and brackets
)

// strict reports whether a token with two dots has one meaning for every parser:
// canonical base64url ([RFC 4648] section 3.5), JSON in UTF-8 without a member
// that is given twice, and no critical extension ([RFC 7515] section 4.1.11), of
// which none is supported.
//
// [RFC 4648]: https://www.rfc-editor.org/rfc/rfc4648
// [RFC 7515]: https://www.rfc-editor.org/rfc/rfc7515
func strict(token string) bool {
	if strings.ContainsAny(token, "\r\n") { // which package base64 skips
		return false
	}
	encoding := base64.RawURLEncoding.Strict()
	parts := strings.Split(token, ".")
	for i, part := range parts {
		text, err := encoding.DecodeString(part)
		if err != nil {
			return false
		}
		if i == len(parts)-1 {
			break // the signature
		}
		names, ok := uniqueMembers(text)
		if !ok || i == 0 && names["crit"] {
			return false
		}
	}
	return true
}

// uniqueMembers returns the names of a JSON object's members; false when text is
// no JSON object, is not UTF-8, holds an object with two members of one name, or
// exceeds the limits.
func uniqueMembers(text []byte) (map[string]bool, bool) {
	if !utf8.Valid(text) || len(text) == 0 || text[0] != '{' {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	w := walk{top: map[string]bool{}}
	for range maxTokens {
		token, err := d.Token()
		if err != nil || !w.take(token) {
			return nil, false
		}
		if len(w.open) == 0 {
			return w.top, d.InputOffset() == int64(len(text))
		}
	}
	return nil, false
}

// walk follows the tokens of a JSON object.
type walk struct {
	top  map[string]bool   // the names of the object's own members
	open []map[string]bool // the names in each open object, nil for an array
	name bool              // the next token is a name or closes an object
}

// take takes the next token; false when it repeats a name or nests too deep.
func (w *walk) take(token json.Token) bool {
	switch token := token.(type) {
	case json.Delim:
		w.nest(token)
	case string:
		if w.name {
			names := w.open[len(w.open)-1]
			repeated := names[token]
			names[token], w.name = true, false
			return !repeated
		}
	}
	w.name = len(w.open) > 0 && w.open[len(w.open)-1] != nil
	return len(w.open) <= maxNesting
}

func (w *walk) nest(bracket json.Delim) {
	switch {
	case bracket == '}' || bracket == ']':
		w.open = w.open[:len(w.open)-1]
	case bracket == '[':
		w.open = append(w.open, nil)
	case len(w.open) == 0:
		w.open = append(w.open, w.top)
	default:
		w.open = append(w.open, map[string]bool{})
	}
}
