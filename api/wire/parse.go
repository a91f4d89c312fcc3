// Package wire reads and writes the JSON of requests and responses. A request's
// body is decoded exactly once, by Parse, into an Object; everything behind it
// works on that value: the normaliser, the validator, and the Reader, by which
// handlers take typed members out.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sidetone/sidetone"
)

// Limits of a request body.
const (
	// MaxBody is the size of a body, in bytes.
	MaxBody = 1 << 20
	// maxDepth is how deep objects and lists may be nested.
	maxDepth = 64
)

// Parse decodes one JSON object (RFC 8259). Member names are case-sensitive.
// Text that is not UTF-8, a name that occurs twice in an object, a second value,
// nesting beyond 64 and the character U+0000, which no database text can hold,
// are errors with code Invalid.
func Parse(text []byte) (Object, error) {
	if !utf8.Valid(text) {
		return nil, invalid("body must be UTF-8")
	}
	p := parser{json.NewDecoder(bytes.NewReader(text))}
	p.decoder.UseNumber()
	value, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("body must hold one JSON value")
	}
	o, ok := value.(Object)
	if !ok {
		return nil, invalid("body must be a JSON object")
	}
	return o, nil
}

// parser builds values from the tokens of a JSON text.
type parser struct{ decoder *json.Decoder }

// token returns the next token.
func (p parser) token() (json.Token, error) {
	token, err := p.decoder.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil, invalid("body must be complete JSON")
	case err != nil:
		return nil, invalid("body must be JSON")
	}
	if s, ok := token.(string); ok && strings.ContainsRune(s, 0) {
		return nil, invalid("body must not contain the character U+0000")
	}
	return token, nil
}

// value reads a value inside depth objects and lists.
func (p parser) value(depth int) (any, error) {
	token, err := p.token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	switch {
	case !ok:
		return token, nil
	case depth == maxDepth:
		return nil, invalid("body must not be nested deeper than %d", maxDepth)
	case delim == '{':
		return p.object(depth + 1)
	default:
		return p.list(depth + 1)
	}
}

func (p parser) object(depth int) (Object, error) {
	o, seen := Object{}, map[string]bool{}
	for p.decoder.More() {
		token, err := p.token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, invalid("body must be JSON")
		}
		if seen[name] {
			return nil, invalid("%s must be given once", Clip(name))
		}
		seen[name] = true
		value, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		o = append(o, Member{name, value})
	}
	_, err := p.token() // the closing bracket
	return o, err
}

func (p parser) list(depth int) ([]any, error) {
	list := []any{}
	for p.decoder.More() {
		value, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err := p.token() // the closing bracket
	return list, err
}

// Clip shortens what a client sent, so that a message can repeat it.
func Clip(s string) string {
	r := []rune(s)
	if len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return s
}

func invalid(format string, args ...any) error {
	return sidetone.Errorf(sidetone.Invalid, format, args...)
}
