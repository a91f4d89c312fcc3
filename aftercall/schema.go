package aftercall

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sidetone/sidetone"
)

// mostParts is how many parts a schema may have, those counted again that it refers to
// more than once. It bounds how long a value takes to be checked.
const mostParts = 5000

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

// ErrTooLarge says that a schema has too many parts, or refers to itself.
const ErrTooLarge Error = "it refers to itself, or has too many parts"

// Check says what is wrong with what an agent wants to know after a call; nil: nothing. The
// message begins with the property's path.
func Check(a sidetone.Agent) error {
	for _, one := range a.Insights() {
		if len(one.Schema) == 0 {
			continue
		}
		if _, err := compile(one.Schema); err != nil {
			return sidetone.Errorf(sidetone.Invalid, "post_call_insights must have a JSON Schema for %q: %s", one.Name, clip(err.Error(), 500))
		}
	}
	return nil
}

// compile makes a checker of a JSON Schema, which may refer to its own parts only.
func compile(schema []byte) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	left := mostParts
	if err := measure(doc, doc, &left); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // no other document is read
	const name = "urn:sidetone:insight"
	if err := c.AddResource(name, doc); err != nil {
		return nil, err
	}
	return c.Compile(name)
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
					return fmt.Errorf("$ref must be # and the path of a part of the same schema, not %q", clip(text, 100))
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

// fits checks a value against a schema; the text says what is wrong, "" for nothing.
func fits(schema *jsonschema.Schema, value json.RawMessage) string {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return "it is no JSON"
	}
	err = schema.Validate(doc)
	if err == nil {
		return ""
	}
	invalid := (*jsonschema.ValidationError)(nil)
	if !errors.As(err, &invalid) {
		return clip(err.Error(), 300)
	}
	var out []string
	for _, unit := range invalid.BasicOutput().Errors {
		if unit.Error == nil {
			continue
		}
		text := unit.Error.String()
		if unit.InstanceLocation != "" {
			text = unit.InstanceLocation + ": " + text
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		out = []string{"it does not fit its schema"}
	}
	return clip(strings.Join(out, "; "), 600)
}

// clip shortens a text to n characters.
func clip(s string, n int) string {
	if r := []rune(strings.ToValidUTF8(s, "")); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return strings.ToValidUTF8(s, "")
}
