// Package outline finds the parts of a JSON text without decoding them, which costs
// a fraction of that. It looks at brackets, quotes and separators only: a text that
// passes need not be JSON (RFC 8259), but every JSON text is read as it should be.
// Its functions are pure and keep nothing.
package outline

// Members calls visit with the members of a JSON object in their order until that
// returns false: the name as it is between its quotes, escapes included, and the
// value without space around it, both parts of text. It returns whether visit never
// did, the outline is that of an object, and no value is nested deeper than depth.
// What stands behind the object is not looked at.
func Members(text []byte, depth int, visit func(name, value []byte) bool) bool {
	text = Space(text)
	if len(text) == 0 || text[0] != '{' {
		return false
	}
	for text = Space(text[1:]); len(text) > 0 && text[0] == '"'; text = Space(text[1:]) {
		n, ok := Value(text, depth)
		if !ok {
			return false
		}
		name := text[1 : n-1]
		if text = Space(text[n:]); len(text) == 0 || text[0] != ':' {
			return false
		}
		text = Space(text[1:])
		if n, ok = Value(text, depth); !ok || !visit(name, text[:n]) {
			return false
		}
		if text = Space(text[n:]); len(text) == 0 || text[0] != ',' {
			break
		}
	}
	return len(text) > 0 && text[0] == '}'
}

// Space returns a JSON text without the space before it.
func Space(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}

// Value returns the length in bytes of the JSON value at the start of text; false
// when it does not end, is none, or is nested deeper than depth.
func Value(text []byte, depth int) (int, bool) {
	level, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
			continue
		case c == '"':
			quoted = !quoted
		case quoted:
			continue
		case c == '{' || c == '[':
			if level++; level > depth {
				return 0, false
			}
			continue
		case level > 0 && (c == '}' || c == ']'):
			level--
		case level == 0 && (c == ',' || c == '}' || c == ']' || c == ':' || c <= ' '):
			return i, i > 0 // behind a number, a truth or null
		default:
			continue
		}
		if level == 0 && !quoted {
			return i + 1, true
		}
	}
	return 0, false
}
