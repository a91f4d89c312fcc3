// Package schemasize bounds how long values take to be held against the JSON Schemas of
// customers.
package schemasize

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mostParts is how many parts a schema may have, those counted again that it refers to
// more than once.
const mostParts = 5000

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

// ErrTooLarge says that a schema has too many parts, or refers to itself.
const ErrTooLarge Error = "it refers to itself, or has too many parts"

// Check says what keeps a schema, which was read from JSON into maps and lists, from being
// used: too many parts, or references to other than its own parts by their paths. It returns
// soon, whatever the schema is.
func Check(schema any) error {
	left := mostParts
	return measure(schema, schema, &left)
}

// measure takes the parts of a schema from left, following its references.
func measure(doc, part any, left *int) error {
	if *left--; *left < 0 {
		return ErrTooLarge
	}
	var inner []any
	switch p := part.(type) {
	case []any:
		inner = p
	case map[string]any:
		for name, member := range p {
			text, isText := member.(string)
			switch {
			case isText && slices.Contains([]string{"$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef"}, name):
				return fmt.Errorf("it must not have %s", name)
			case isText && name == "$ref":
				target, ok := follow(doc, text)
				if !ok {
					return fmt.Errorf("$ref must be # and the path of a part of the same schema, not %q", text[:min(len(text), 100)])
				}
				inner = append(inner, target)
			default:
				inner = append(inner, member)
			}
		}
	}
	for _, one := range inner {
		if err := measure(doc, one, left); err != nil {
			return err
		}
	}
	return nil
}

// follow finds what a reference names, see RFC 6901.
func follow(doc any, ref string) (any, bool) {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok || path != "" && path[0] != '/' {
		return nil, false
	}
	if path == "" {
		return doc, true
	}
	for step := range strings.SplitSeq(path[1:], "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch at := doc.(type) {
		case map[string]any:
			if doc, ok = at[step]; !ok {
				return nil, false
			}
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(at) {
				return nil, false
			}
			doc = at[n]
		default:
			return nil, false
		}
	}
	return doc, true
}
