package external

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sidetone/sidetone/schemasize"
)

const (
	// userMessage is the argument that is spoken before the request.
	userMessage = "user_message"
	// schemaURL names the schema in itself; nothing is found there.
	schemaURL = "urn:sidetone:input"
	// mostFaults is how many faults of its arguments a model is told at a time.
	mostFaults = 5
)

// Schema is a compiled schema of arguments. It may be used concurrently.
type Schema struct{ compiled *jsonschema.Schema }

// NewSchema compiles a JSON Schema. The error says what is wrong with it.
func NewSchema(text json.RawMessage) (*Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, errors.New("it is not JSON")
	}
	if root, ok := document.(map[string]any); ok {
		delete(root, "$id") // the name by which others would refer to it
	}
	if err := schemasize.Check(document); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // no other document is read
	if err := c.AddResource(schemaURL, document); err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	compiled, err := c.Compile(schemaURL)
	var invalid *jsonschema.SchemaValidationError
	var elsewhere *jsonschema.LoadURLError
	switch {
	case errors.As(err, &elsewhere):
		return nil, errors.New("a $ref or $schema must lead into the schema itself")
	case errors.As(err, &invalid):
		var faults *jsonschema.ValidationError
		if errors.As(invalid.Err, &faults) {
			return nil, errors.New(strings.Join(sentencesOf(faults), "; "))
		}
		return nil, errors.New("it is no JSON Schema")
	case err != nil:
		return nil, errors.New(strings.ReplaceAll(err.Error(), schemaURL, "the schema"))
	}
	return &Schema{compiled}, nil
}

// Check holds arguments against the schema, and returns what is wrong with them, a sentence
// for each fault.
func (s *Schema) Check(args json.RawMessage) []string {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(args))
	if err != nil {
		return []string{"the arguments are not JSON"}
	}
	if _, ok := value.(map[string]any); !ok {
		return []string{"the arguments are not a JSON object"}
	}
	err = s.compiled.Validate(value)
	var faults *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &faults):
		return sentencesOf(faults)
	}
	return []string{"the arguments cannot be held against the schema: it leads to itself"}
}

// sentencesOf are the innermost faults, which say what is to be changed.
func sentencesOf(e *jsonschema.ValidationError) []string {
	var out []string
	var walk func(jsonschema.OutputUnit)
	walk = func(u jsonschema.OutputUnit) {
		for _, inner := range u.Errors {
			walk(inner)
		}
		if len(u.Errors) > 0 || u.Error == nil || len(out) == mostFaults {
			return
		}
		text := u.Error.String()
		if where := strings.TrimPrefix(u.InstanceLocation, "/"); where != "" {
			text = where + ": " + text
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	walk(*e.DetailedOutput())
	return out
}

// offered is the schema as the model is shown it: of an object, and with the argument that
// is spoken first when there is one. It reports whether the schema has that one itself.
func offered(text json.RawMessage, saysFirst bool) (shown json.RawMessage, own bool, err error) {
	schema := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &schema); err != nil || schema == nil {
		return nil, false, errors.New("it is not an object")
	}
	if schema["type"] == nil {
		schema["type"] = json.RawMessage(`"object"`)
	}
	properties := map[string]json.RawMessage{}
	if raw, ok := schema["properties"]; ok {
		if err := json.Unmarshal(raw, &properties); err != nil {
			return nil, false, errors.New("its properties are not an object")
		}
	}
	_, own = properties[userMessage]
	if saysFirst {
		if !own {
			properties[userMessage] = json.RawMessage(`{"type":"string","description":"What you say to the caller before this is done, such as: One moment, I will look that up."}`)
		}
		var required []string
		_ = json.Unmarshal(schema["required"], &required) // without one nothing is required
		if !slices.Contains(required, userMessage) {
			required = append(required, userMessage)
		}
		if schema["required"], err = json.Marshal(required); err != nil {
			return nil, own, err
		}
	}
	if schema["properties"], err = json.Marshal(properties); err != nil {
		return nil, own, err
	}
	shown, err = json.Marshal(schema)
	return shown, own, err
}
