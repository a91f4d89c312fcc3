package aftercall

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/schemasize"
)

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
	if err := schemasize.Check(doc); err != nil {
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
