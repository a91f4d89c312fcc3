package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// encodeJSON writes value as json.Encoder does without escapes for HTML: members
// in the order of their names, a line break at the end. What answers are made of
// is written here, because the library's reflection takes most of the time of an
// answer; everything else is left to it.
func encodeJSON(value any) ([]byte, error) {
	b, err := appendJSON(make([]byte, 0, 256), value)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return append(b, '\n'), nil
}

func appendJSON(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendText(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return appendNumber(b, v)
	case json.RawMessage:
		return appendRaw(b, v)
	case object:
		return appendObject(b, v)
	case map[string]any:
		return appendMap(b, v)
	case map[string]string:
		return appendMap(b, v)
	case []string:
		return appendList(b, v)
	case []object:
		return appendList(b, v)
	case []any:
		return appendList(b, v)
	default:
		return appendOther(b, v)
	}
}

// appendOther leaves the value to the library.
func appendOther(b []byte, value any) ([]byte, error) {
	out := bytes.NewBuffer(b)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return b, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// appendObject writes the object, whose members it brings into order.
func appendObject(b []byte, o object) ([]byte, error) {
	if o == nil {
		return append(b, "null"...), nil
	}
	o.sort()
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendJSON(append(appendText(b, m.name), ':'), m.value); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendMap[V any](b []byte, members map[string]V) ([]byte, error) {
	if members == nil {
		return append(b, "null"...), nil
	}
	var room [64]string // most objects are smaller
	names := slices.AppendSeq(room[:0], maps.Keys(members))
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendJSON(append(appendText(b, name), ':'), members[name]); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendList[V any](b []byte, items []V) ([]byte, error) {
	if items == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendJSON(b, item); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// appendRaw writes JSON text without the space between its parts.
func appendRaw(b []byte, raw json.RawMessage) ([]byte, error) {
	switch string(raw) {
	case "{}", "[]":
		return append(b, raw...), nil
	}
	if raw == nil {
		return append(b, "null"...), nil
	}
	out := bytes.NewBuffer(b)
	if err := json.Compact(out, raw); err != nil {
		return b, err
	}
	return out.Bytes(), nil
}

// appendNumber writes whole numbers as such.
func appendNumber(b []byte, f float64) ([]byte, error) {
	size := math.Abs(f)
	switch {
	case f == math.Trunc(f) && size < 1<<53 && (f != 0 || !math.Signbit(f)):
		return strconv.AppendInt(b, int64(f), 10), nil
	case size >= 1e-6 && size < 1e21:
		return strconv.AppendFloat(b, f, 'f', -1, 64), nil
	default:
		return appendOther(b, f)
	}
}

// appendText writes a JSON text.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	begin := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if escaped := escape(r, size); escaped != "" {
			b = append(append(b, s[begin:i]...), escaped...)
			begin = i + size
		}
		i += size
	}
	return append(append(b, s[begin:]...), '"')
}

// escape is how a character is written in a JSON text, "" for as it is: the line
// breaks of Unicode are no good in JavaScript, and bytes that are no character
// become the one for that.
func escape(r rune, size int) string {
	switch r {
	case '"':
		return `\"`
	case '\\':
		return `\\`
	case '\b':
		return `\b`
	case '\f':
		return `\f`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	case '\u2028', '\u2029':
		return fmt.Sprintf(`\u%04x`, r)
	case utf8.RuneError:
		if size == 1 {
			return `\ufffd`
		}
	}
	if r < ' ' {
		return fmt.Sprintf(`\u%04x`, r)
	}
	return ""
}
