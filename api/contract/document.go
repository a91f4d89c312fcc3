// Package contract is the interface's document, openapi.yaml, and what follows
// from it: Normalise brings the ways in which known clients write the same request
// into one form, Validate holds the result against the document. Both are pure.
package contract

import (
	_ "embed"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidetone/sidetone/api/dialect"
)

// text is openapi.yaml. Embedding needs a variable; nothing writes it.
//
//go:embed openapi.yaml
var text string

// Text is openapi.yaml: the document that requests are held against and that is
// served at /openapi.yaml.
func Text() string { return text }

// Document is the parsed document. It may be used concurrently.
type Document struct{ doc *openapi3.T }

// Load parses the embedded document.
func Load() (*Document, error) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("parse openapi.yaml: %w", err)
	}
	return &Document{doc}, nil
}

// parameter is one query parameter of an operation.
type parameter struct {
	// name is how the query writes it.
	name string
	// kind is string, integer, number or boolean.
	kind     string
	required bool
	// alternative names a parameter that may stand for this one; "" for none.
	alternative string
	schema      *openapi3.Schema
}

// Operation is what the document says about one method of one path.
type Operation struct {
	// ID is the operationId.
	ID string
	// parameters are those of the query.
	parameters []parameter
	// body is the schema of the request body; nil when the operation has none.
	body *openapi3.Schema
	// lenient is body without what only some profiles require; body itself when
	// there is no difference.
	lenient *openapi3.Schema
	// declared are the names of the body's own properties.
	declared map[string]bool
	// optional are the required properties of the body that the lenient schema
	// does without.
	optional []string
	// partial says that the operation updates: what is absent stays as it is.
	partial bool
}

// HasBody reports whether requests have a body that is read.
func (op Operation) HasBody() bool { return op.body != nil }

// Declares reports whether the body may have the property.
func (op Operation) Declares(name string) bool { return op.declared[name] }

// Expand is what the query asks to be returned as objects, "" where the operation
// does not know that parameter.
func (op Operation) Expand(query url.Values) string {
	if !op.HasParameter("expand") {
		return ""
	}
	return query.Get("expand")
}

// HasParameter reports whether the query may have a parameter of that name, be it
// as an alternative of another one.
func (op Operation) HasParameter(name string) bool {
	return slices.ContainsFunc(op.parameters, func(p parameter) bool { return p.name == name || p.alternative == name })
}

// bodyFor is the schema that a request body of profile p must fit.
func (op Operation) bodyFor(p dialect.Profile) *openapi3.Schema {
	if p.ContextOptional {
		return op.lenient
	}
	return op.body
}

// Operation finds the operation of a method and a path; an error when the document
// has none.
func (d *Document) Operation(method, path string) (Operation, error) {
	item := d.doc.Paths.Value(path)
	if item == nil || item.GetOperation(method) == nil {
		return Operation{}, fmt.Errorf("openapi.yaml has no %s %s", method, path)
	}
	declared := item.GetOperation(method)
	op := Operation{ID: declared.OperationID, partial: strings.Contains(declared.OperationID, "_update")}
	alternative := alternatives(declared)
	for _, ref := range declared.Parameters {
		if ref.Value.In != openapi3.ParameterInQuery {
			continue
		}
		op.parameters = append(op.parameters, parameter{
			name: ref.Value.Name, kind: typeOf(ref.Value.Schema.Value), required: ref.Value.Required,
			alternative: alternative[ref.Value.Name], schema: ref.Value.Schema.Value,
		})
	}
	if declared.RequestBody != nil {
		op.body = declared.RequestBody.Value.Content.Get("application/json").Schema.Value
		op.optional = optionalInVocode(op.body)
		op.lenient = lenient(op.body, op.optional)
		own := map[string]Property{}
		collect(own, op.body, "", maxPropertyDepth)
		op.declared = make(map[string]bool, len(own))
		for name := range own {
			op.declared[name] = true
		}
	}
	return op, nil
}

// optionalInVocode reads x-optional-in-vocode, a list of required properties.
func optionalInVocode(s *openapi3.Schema) []string {
	listed, _ := s.Extensions["x-optional-in-vocode"].([]any)
	var names []string
	for _, item := range listed {
		if name, ok := item.(string); ok {
			names = append(names, name)
		}
	}
	return names
}

// lenient drops the required properties with these names.
func lenient(s *openapi3.Schema, names []string) *openapi3.Schema {
	if len(names) == 0 {
		return s
	}
	out := *s
	out.Required = slices.DeleteFunc(slices.Clone(s.Required), func(name string) bool { return slices.Contains(names, name) })
	return &out
}

// alternatives reads x-also-accepts-parameters, {other: declared}: what a
// published list of parameters has no room for.
func alternatives(op *openapi3.Operation) map[string]string {
	out := map[string]string{}
	also, _ := op.Extensions["x-also-accepts-parameters"].(map[string]any)
	for other, declared := range also {
		if name, ok := declared.(string); ok {
			out[name] = other
		}
	}
	return out
}

// typeOf is the JSON type of a schema, "" when it has none.
func typeOf(s *openapi3.Schema) string {
	if s.Type == nil {
		return ""
	}
	return strings.Join(s.Type.Slice(), "|")
}
