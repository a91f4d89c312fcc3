package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
)

const (
	// maxProblems bounds how many problems one message names.
	maxProblems = 10
	// thoroughUpTo is the size of a body in which every problem is looked for;
	// in a larger one the first is enough, because a megabyte of small mistakes
	// would take many seconds to describe.
	thoroughUpTo = 16 << 10
)

// checker holds values against schemas.
type checker struct {
	// thorough looks for every problem.
	thorough bool
}

// check returns the sentences about value, none when it fits.
func (c checker) check(path []string, s *openapi3.Schema, value any) []string {
	// The library's own texts quote the whole value at each level; ours do not
	// need them.
	options := []openapi3.SchemaValidationOption{
		openapi3.SetSchemaErrorMessageCustomizer(func(e *openapi3.SchemaError) string { return e.SchemaField }),
	}
	if c.thorough {
		options = append(options, openapi3.MultiErrors())
	}
	if err := s.VisitJSON(value, options...); err != nil {
		return c.sentences(path, err)
	}
	return nil
}

// Validate holds a normalised request of a profile against the document. The error,
// whose code is Invalid, names every problem in a short sentence that starts with
// the property's path.
func Validate(p dialect.Profile, op Operation, in Input) error {
	c := checker{thorough: in.size <= thoroughUpTo}
	faults := c.query(op, in.Query)
	if op.body != nil {
		inside, err := c.body(op.bodyFor(p), in.Body)
		if err != nil {
			return err
		}
		faults = append(faults, inside...)
	}
	faults = withoutRepetition(faults)
	if len(faults) > maxProblems {
		faults = faults[:maxProblems]
	}
	return wire.Problems(faults)
}

// body returns the sentences about a body.
func (c checker) body(s *openapi3.Schema, body wire.Object) ([]string, error) {
	members := make(map[string]any, len(body))
	for _, m := range body {
		value, ok := Plain(m.Value)
		if !ok {
			return nil, sidetone.Errorf(sidetone.Invalid, "%s holds a number out of range", wire.Clip(m.Name))
		}
		members[m.Name] = value
	}
	return c.check(nil, s, members), nil
}

// Plain is a value of a body with maps for objects and numbers of 64 bits; false when
// a number is out of range.
func Plain(value any) (any, bool) {
	switch v := value.(type) {
	case json.Number:
		n, err := v.Float64()
		return n, err == nil
	case wire.Object:
		out := make(map[string]any, len(v))
		for _, m := range v {
			member, ok := Plain(m.Value)
			if !ok {
				return nil, false
			}
			out[m.Name] = member
		}
		return out, true
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			converted, ok := Plain(item)
			if !ok {
				return nil, false
			}
			out[i] = converted
		}
		return out, true
	default:
		return v, true
	}
}

// withoutRepetition leaves out what was said before: parts of a conjunction may
// say the same of a property.
func withoutRepetition(faults []string) []string {
	said := map[string]bool{}
	return slices.DeleteFunc(faults, func(fault string) bool {
		before := said[fault]
		said[fault] = true
		return before
	})
}

func (c checker) query(op Operation, query url.Values) []string {
	var faults []string
	for _, p := range op.parameters {
		values := query[p.name]
		switch {
		case len(values) == 0 && p.required && !query.Has(p.alternative):
			faults = append(faults, p.name+" is required")
		case len(values) > 1:
			faults = append(faults, p.name+" must be given once")
		case len(values) == 1:
			faults = append(faults, c.parameter(p, values[0])...)
		}
	}
	return faults
}

func (c checker) parameter(p parameter, text string) []string {
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		return []string{p.name + " must be text"}
	}
	value, ok := parseParameter(p.kind, text)
	if !ok {
		return []string{p.name + " must be " + article(p.kind)}
	}
	return c.check([]string{p.name}, p.schema, value)
}

func parseParameter(kind, text string) (any, bool) {
	switch kind {
	case "integer":
		n, err := strconv.ParseInt(text, 10, 32)
		return float64(n), err == nil
	case "number":
		n, err := strconv.ParseFloat(text, 64)
		return n, err == nil && n-n == 0 // neither infinite nor NaN
	case "boolean":
		return text == "true", text == "true" || text == "false"
	case "string":
		return text, true
	default: // the document has no other kinds of parameters
		return nil, false
	}
}

// sentences turns the validator's errors into our own words, one for each
// deepest failing property below path.
func (c checker) sentences(path []string, err error) []string {
	var many openapi3.MultiError
	if errors.As(err, &many) {
		var out []string
		for _, e := range many {
			out = append(out, c.sentences(path, e)...)
		}
		return out
	}
	var one *openapi3.SchemaError
	if !errors.As(err, &one) {
		return []string{strings.TrimSpace(pathText(path) + " is invalid")}
	}
	path = append(append([]string(nil), path...), one.JSONPointer()...)
	switch one.SchemaField {
	case "anyOf", "oneOf", "allOf":
		return c.union(path, one)
	case "required":
		return []string{pathText(path) + " is required"}
	}
	return []string{pathText(path) + " " + rule(one)}
}

// union looks into the branches: of a union the one that the value's
// JSON type selects, of a conjunction all.
func (c checker) union(path []string, e *openapi3.SchemaError) []string {
	if e.SchemaField == "allOf" {
		var out []string
		for _, branch := range e.Schema.AllOf {
			out = append(out, c.check(path, branch.Value, e.Value)...)
		}
		return out
	}
	var kinds []string
	for _, branch := range append(append(openapi3.SchemaRefs(nil), e.Schema.AnyOf...), e.Schema.OneOf...) {
		kind := branchKind(branch.Value)
		if permits(kind, e.Value) {
			if faults := c.check(path, branch.Value, e.Value); faults != nil {
				return faults
			}
		}
		kinds = append(kinds, article(kind))
	}
	return []string{pathText(path) + " must be " + strings.Join(kinds, " or ")}
}

// branchKind is the JSON type of a union's branch; that of its first part for
// a conjunction.
func branchKind(s *openapi3.Schema) string {
	if s.Type == nil && len(s.AllOf) > 0 {
		return branchKind(s.AllOf[0].Value)
	}
	return typeOf(s)
}

func permits(kind string, value any) bool {
	switch value.(type) {
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer"
	case bool:
		return kind == "boolean"
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	default:
		return false
	}
}

// rule words what a value has to be.
func rule(e *openapi3.SchemaError) string {
	s := e.Schema
	switch e.SchemaField {
	case "type":
		return "must be " + article(typeOf(s))
	case "nullable":
		return "must not be null"
	case "enum":
		return "must be one of " + strings.Join(enumNames(s), ", ")
	case "minimum", "maximum":
		return "must be " + rangeText(s)
	case "minLength":
		return fmt.Sprintf("must have at least %d characters", s.MinLength)
	case "maxLength":
		return fmt.Sprintf("must have at most %d characters", *s.MaxLength)
	case "minItems":
		return fmt.Sprintf("must have at least %d items", s.MinItems)
	case "maxItems":
		return fmt.Sprintf("must have at most %d items", *s.MaxItems)
	default:
		return "is invalid"
	}
}

// enumNames are the values that an enum allows besides null.
func enumNames(s *openapi3.Schema) []string {
	var names []string
	for _, v := range s.Enum {
		if v != nil {
			names = append(names, fmt.Sprint(v))
		}
	}
	return names
}

func rangeText(s *openapi3.Schema) string {
	switch {
	case s.Min != nil && s.Max != nil:
		return fmt.Sprintf("between %v and %v", *s.Min, *s.Max)
	case s.Min != nil:
		return fmt.Sprintf("%v or more", *s.Min)
	default:
		return fmt.Sprintf("%v or less", *s.Max)
	}
}

func article(kind string) string {
	switch kind {
	case "integer":
		return "a whole number"
	case "boolean":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "an object"
	default:
		return "a " + kind
	}
}

// pathText writes a path as people do: inbound_agent.actions[0].
func pathText(path []string) string {
	var b strings.Builder
	for _, part := range path {
		if _, err := strconv.Atoi(part); err == nil && b.Len() > 0 {
			b.WriteString("[" + part + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(wire.Clip(part))
	}
	if b.Len() == 0 {
		return "body"
	}
	return b.String()
}
