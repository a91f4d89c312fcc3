package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of a request body.
const (
	maxBody  = 1 << 20
	maxDepth = 64
)

// fields are the members of a JSON object, decoded once. Names are
// case-sensitive, as encoding/json would not have it.
type fields map[string]json.RawMessage

// has reports whether name is present, be it null.
func (f fields) has(name string) bool { _, ok := f[name]; return ok }

// parseObject decodes one JSON object. Text that is not UTF-8, duplicate names
// at any depth, a second value, nesting beyond 64 and the character U+0000,
// which no database text can hold, are errors.
func parseObject(raw []byte) (fields, error) {
	if !utf8.Valid(raw) {
		return nil, invalid("body must be UTF-8")
	}
	if err := scanJSON(raw); err != nil {
		return nil, err
	}
	var f fields
	if err := json.Unmarshal(raw, &f); err != nil || f == nil {
		return nil, invalid("body must be a JSON object")
	}
	return f, nil
}

// scanner walks the tokens of a JSON text.
type scanner struct {
	dec   *json.Decoder
	stack []map[string]bool // seen names; nil for an array
	name  bool              // the next string is a name
}

func scanJSON(raw []byte) error {
	s := scanner{dec: json.NewDecoder(bytes.NewReader(raw))}
	s.dec.UseNumber()
	for {
		token, err := s.dec.Token()
		if errors.Is(err, io.EOF) {
			return invalid("body must be complete JSON")
		}
		if err != nil {
			return invalid("body must be JSON")
		}
		if err := s.step(token); err != nil {
			return err
		}
		if len(s.stack) == 0 {
			break
		}
	}
	if _, err := s.dec.Token(); !errors.Is(err, io.EOF) {
		return invalid("body must hold one JSON value")
	}
	return nil
}

// step takes one token in.
func (s *scanner) step(token json.Token) error {
	if delim, ok := token.(json.Delim); ok {
		return s.nest(delim)
	}
	text, isText := token.(string)
	if isText && strings.ContainsRune(text, 0) {
		return invalid("body must not contain the character U+0000")
	}
	if !s.name {
		s.name = s.inObject()
		return nil
	}
	seen := s.stack[len(s.stack)-1]
	if seen[text] {
		return invalid("%s must be given once", clip(text))
	}
	seen[text] = true
	s.name = false
	return nil
}

func (s *scanner) nest(delim json.Delim) error {
	switch delim {
	case '{':
		s.stack = append(s.stack, map[string]bool{})
	case '[':
		s.stack = append(s.stack, nil)
	default:
		s.stack = s.stack[:len(s.stack)-1]
	}
	if len(s.stack) > maxDepth {
		return invalid("body must not be nested deeper than %d", maxDepth)
	}
	s.name = s.inObject()
	return nil
}

func (s *scanner) inObject() bool { return len(s.stack) > 0 && s.stack[len(s.stack)-1] != nil }

// clip shortens what a client sent before it is repeated in a message.
func clip(s string) string {
	r := []rune(s)
	if len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return s
}
