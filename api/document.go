package api

import (
	_ "embed"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Document is openapi.yaml: the contract that requests are held against and
// that is served at /openapi.yaml. Embedding needs a variable; nothing writes
// it.
//
//go:embed openapi.yaml
var document string

// parameter is one query parameter of an operation.
type parameter struct {
	name     string
	kind     string // string, integer, number or boolean
	required bool
	// instead names a parameter that may stand for this one; "" for none.
	instead string
	schema  *openapi3.Schema
	// bounded schemas limit a value's size or length and nothing else.
	bounded bool
}

// fits says that the value surely fits the schema, which is cheaper to find out
// here than by the validator.
func (p parameter) fits(value any) bool {
	if !p.bounded {
		return false
	}
	switch v := value.(type) {
	case float64:
		return (p.schema.Min == nil || v >= *p.schema.Min) && (p.schema.Max == nil || v <= *p.schema.Max)
	case string: // bytes are at least as many as what the schema counts
		short := p.schema.MaxLength == nil || uint64(len(v)) <= *p.schema.MaxLength
		return short && (p.schema.MinLength == 0 || p.schema.MinLength == 1 && v != "")
	default:
		return true
	}
}

// bounded reports whether fits looks at all that the schema says.
func bounded(s *openapi3.Schema) bool {
	rest := *s
	rest.Extensions, rest.Type, rest.Title, rest.Description, rest.Default, rest.Example = nil, nil, "", "", nil, nil
	rest.Min, rest.Max, rest.MinLength, rest.MaxLength = nil, nil, 0, nil
	return reflect.DeepEqual(rest, openapi3.Schema{Origin: s.Origin})
}

// operation is what the document says about one method of one path.
type operation struct {
	id         string
	parameters []parameter
	// body is the schema of the request body; nil when the operation has none.
	body *openapi3.Schema
	// lenient is body without what only some profiles require; body itself when
	// there is no difference.
	lenient *openapi3.Schema
	// partial says that the operation updates: what is absent keeps its value.
	partial bool
}

// bodyFor is the schema that a request body of profile p must fit.
func (op operation) bodyFor(p profile) *openapi3.Schema {
	if p.contextOptional {
		return op.lenient
	}
	return op.body
}

// expand is what the query asks to be returned as objects, "" where the operation
// does not know that.
func (op operation) expand(query url.Values) string {
	if !slices.ContainsFunc(op.parameters, func(p parameter) bool { return p.name == "expand" }) {
		return ""
	}
	return query.Get("expand")
}

// loadDocument parses and checks the embedded document.
func loadDocument() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(document))
	if err != nil {
		return nil, fmt.Errorf("parse openapi.yaml: %w", err)
	}
	return doc, nil
}

// operationOf finds the operation of "METHOD /path".
func operationOf(doc *openapi3.T, method, path string) (operation, error) {
	item := doc.Paths.Value(path)
	if item == nil || item.GetOperation(method) == nil {
		return operation{}, fmt.Errorf("openapi.yaml has no %s %s", method, path)
	}
	declared := item.GetOperation(method)
	op := operation{id: declared.OperationID, partial: strings.Contains(declared.OperationID, "_update")}
	instead := alternatives(declared)
	for _, ref := range declared.Parameters {
		if ref.Value.In != openapi3.ParameterInQuery {
			continue
		}
		op.parameters = append(op.parameters, parameter{
			name: ref.Value.Name, kind: kindOf(ref.Value.Schema.Value), required: ref.Value.Required,
			instead: instead[ref.Value.Name], schema: ref.Value.Schema.Value, bounded: bounded(ref.Value.Schema.Value),
		})
	}
	if declared.RequestBody != nil {
		op.body = declared.RequestBody.Value.Content.Get("application/json").Schema.Value
		op.lenient = lenient(op.body)
	}
	return op, nil
}

// lenient drops the required properties that x-optional-in-vocode lists.
func lenient(s *openapi3.Schema) *openapi3.Schema {
	names, _ := s.Extensions["x-optional-in-vocode"].([]any)
	if len(names) == 0 {
		return s
	}
	out := *s
	out.Required = slices.DeleteFunc(slices.Clone(s.Required), func(name string) bool { return slices.Contains(names, any(name)) })
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

func kindOf(s *openapi3.Schema) string {
	if s.Type == nil {
		return ""
	}
	return strings.Join(s.Type.Slice(), "|")
}
