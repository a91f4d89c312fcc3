package sip

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// paramsOf takes the value of a header apart: what it says, and its parameters
// (https://www.rfc-editor.org/rfc/rfc3261#section-7.3.1). Their names are in small
// letters, their values without quotes, and neither has blanks around it. Semicolons in
// quotes and angle brackets separate nothing.
func paramsOf(value string) (main string, params sip.HeaderParams) {
	parts := splitOutside(value, ';')
	for _, part := range parts[1:] {
		name, text, _ := strings.Cut(part, "=")
		if name = strings.TrimSpace(name); name != "" {
			params = append(params, sip.HeaderKV{K: strings.ToLower(name), V: unquoted(text)})
		}
	}
	return strings.TrimSpace(parts[0]), params
}

// param is the value of the parameter of that name, in small letters, however it is
// written.
func param(params sip.HeaderParams, name string) (value string, ok bool) {
	for _, p := range params {
		if strings.EqualFold(strings.TrimSpace(p.K), name) {
			return unquoted(p.V), true
		}
	}
	return "", false
}

// unquoted is a value without blanks and quotes around it.
func unquoted(text string) string {
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return text
	}
	var b strings.Builder
	escaped := false
	for _, c := range []byte(text[1 : len(text)-1]) {
		if escaped = c == '\\' && !escaped; !escaped {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// splitOutside cuts a text at a separator outside of quotes and angle brackets.
func splitOutside(text string, separator byte) []string {
	var out []string
	quoted, bracketed, escaped, start := false, false, false, 0
	for i := range len(text) {
		switch c := text[i]; {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<' || c == '>':
			bracketed = c == '<'
		case c == separator && !bracketed:
			out = append(out, text[start:i])
			start = i + 1
		}
	}
	return append(out, text[start:])
}
