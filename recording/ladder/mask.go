package ladder

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
)

// hidden stands in place of what is not stored.
const hidden = "***"

// mask returns a message without what nobody may read in a record: what proves
// passwords, keys of encrypted sound (https://www.rfc-editor.org/rfc/rfc4568), and the
// digits of keys that were pressed (https://www.rfc-editor.org/rfc/rfc6086). The body
// keeps its length.
func mask(text []byte) string {
	head, body, found := bytes.Cut(text, []byte("\r\n\r\n"))
	if !found {
		if head, body, found = bytes.Cut(text, []byte("\n\n")); found {
			head = bytes.TrimRight(head, "\r")
		}
	}
	out := maskHead(string(head))
	if !found {
		return out
	}
	masked := bytes.Clone(body)
	each(masked, maskKeys)
	if strings.HasPrefix(out, "INFO ") {
		each(masked, maskDigits)
	}
	return out + "\r\n\r\n" + string(masked)
}

// maskHead treats the start line and the headers.
func maskHead(head string) string {
	var out []string
	for line := range strings.SplitSeq(head, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if last := len(out) - 1; last >= 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) {
			out[last] += " " + strings.TrimSpace(line) // what is folded must not escape
			continue
		}
		out = append(out, line)
	}
	for i, line := range out {
		name, value, header := strings.Cut(line, ":")
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case i > 0 && header && proves(name):
			out[i] = line[:len(line)-len(value)] + " " + maskCredentials(strings.TrimSpace(value))
		default:
			out[i] = maskPasswords(line)
		}
	}
	return strings.Join(out, "\r\n")
}

// proves reports whether a header proves who somebody is, or asks for it.
func proves(header string) bool {
	return slices.Contains([]string{"authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate",
		"authentication-info", "proxy-authentication-info"}, header)
}

// provesLine is proves for a line of a body, in small letters.
func provesLine(line []byte) bool {
	name, _, ok := bytes.Cut(line, []byte(":"))
	return ok && proves(string(bytes.TrimSpace(name)))
}

// maskCredentials keeps what helps to find a fault in a digest
// (https://www.rfc-editor.org/rfc/rfc7616#section-3.4), and nothing by which a password
// can be guessed.
func maskCredentials(value string) string {
	scheme, rest := "", value
	if first, after, ok := strings.Cut(value, " "); ok && !strings.ContainsAny(first, "=,\"") {
		scheme, rest = first+" ", after
	}
	if scheme != "" && !strings.EqualFold(scheme, "Digest ") {
		return scheme + hidden
	}
	var out []string
	for _, param := range splitParams(rest) {
		name, _, ok := strings.Cut(param, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "realm", "nonce", "uri", "username", "algorithm", "qop", "opaque", "nc", "stale", "domain":
			out = append(out, strings.TrimSpace(param))
		default:
			if ok {
				out = append(out, strings.TrimSpace(name)+"="+hidden)
			} else {
				out = append(out, hidden)
			}
		}
	}
	return scheme + strings.Join(out, ", ")
}

// splitParams cuts at the commas outside of quotes.
func splitParams(s string) []string {
	var out []string
	begin, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			out = append(out, s[begin:i])
			begin = i + 1
		}
	}
	return append(out, s[min(begin, len(s)):])
}

// maskPasswords hides the passwords in the SIP addresses of a line
// (https://www.rfc-editor.org/rfc/rfc3261#section-19.1.1).
func maskPasswords(line string) string {
	var out strings.Builder
	for {
		begin := indexURI(line)
		if begin < 0 {
			return out.String() + line
		}
		end := begin + len(line[begin:])
		if i := strings.IndexAny(line[begin:], " \t<>\""); i >= 0 {
			end = begin + i
		}
		uri := line[begin:end]
		out.WriteString(line[:begin])
		at := strings.LastIndexByte(uri, '@')
		if colon := strings.IndexByte(uri, ':'); at > 0 && colon >= 0 && colon < at {
			out.WriteString(uri[:colon+1] + hidden + uri[at:])
		} else {
			out.WriteString(uri)
		}
		line = line[end:]
	}
}

// indexURI is where the first SIP address of a line begins, behind its scheme; -1 when
// there is none.
func indexURI(line string) int {
	lower := strings.ToLower(line)
	if len(lower) != len(line) {
		lower = line // letters outside of ASCII, whose length changes
	}
	first := -1
	for _, scheme := range []string{"sip:", "sips:"} {
		if i := strings.Index(lower, scheme); i >= 0 && (first < 0 || i+len(scheme) < first) {
			first = i + len(scheme)
		}
	}
	return first
}

// each hands the lines of a body to f, which may change them.
func each(body []byte, f func(line []byte)) {
	for len(body) > 0 {
		end := bytes.IndexAny(body, "\r\n")
		if end < 0 {
			f(body)
			return
		}
		f(body[:end])
		body = body[end+1:]
	}
}

// maskKeys hides the keys in a line of a session description, wherever its sender and
// those who read it generously put blanks.
func maskKeys(line []byte) {
	bare := bytes.ToLower(bytes.Map(func(c rune) rune {
		if unicode.IsSpace(c) || c == 0 {
			return -1
		}
		return c
	}, line))
	switch {
	case bytes.HasPrefix(bare, []byte("a=crypto:")):
		_, value, _ := bytes.Cut(line, []byte(":"))
		maskCrypto(value)
	case provesLine(bytes.ToLower(line)): // a message within a message
		_, value, _ := bytes.Cut(line, []byte(":"))
		stars(value)
	case bytes.HasPrefix(bare, []byte("k=")), bytes.HasPrefix(bare, []byte("a=key-mgmt:")):
		_, value, _ := bytes.Cut(line, []byte("="))
		stars(value)
	default:
		for word := range bytes.FieldsSeq(line) {
			maskInline(word)
		}
	}
}

// maskCrypto hides all of a crypto attribute but its tag, its suite and the method of
// its keys (https://www.rfc-editor.org/rfc/rfc4568#section-9.1).
func maskCrypto(value []byte) {
	i := 0
	for word := range bytes.FieldsSeq(value) {
		if i++; !maskInline(word) && i > 2 {
			stars(word)
		}
	}
}

// maskInline hides the key in a word that has one.
func maskInline(word []byte) bool {
	method, key, ok := bytes.Cut(word, []byte(":"))
	if ok = ok && bytes.EqualFold(method, []byte("inline")); ok {
		stars(key)
	}
	return ok
}

// maskDigits hides the keys that a line of an INFO names.
func maskDigits(line []byte) {
	name, value, ok := bytes.Cut(line, []byte("="))
	switch {
	case ok && bytes.EqualFold(bytes.TrimSpace(name), []byte("duration")):
	case ok:
		stars(value)
	default:
		stars(line)
	}
}

// stars overwrites a text.
func stars(text []byte) {
	for i := range text {
		if text[i] != ' ' && text[i] != '\t' {
			text[i] = '*'
		}
	}
}
