package contract

import (
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Property is one property that the body of a request may have.
type Property struct {
	// Operation is "METHOD /path".
	Operation string
	// Path names the property as messages do, with [] for the items of a list:
	// inbound_agent.actions[].type.
	Path string
	// Values are those that the document allows it, or its items, to have; empty when
	// it names none.
	Values []string
	// Open says that it is an object that may also have other members than those that
	// are listed.
	Open bool
	// Secret says that it is a secret, or an object of secrets.
	Secret bool
	// Types are the types of JSON that it may have, null aside, and Parts those of the
	// items of a list and of the members of an object that may have any names; empty when
	// the document does not say.
	Types, Parts []string
}

// Misspelt looks at a path in the body of one operation, whose properties are given:
// the part of it that no object has, and what that object may have; "" when the path
// is known or leads into an object whose members are open.
func Misspelt(properties []Property, path string) (wrong string, possible []string) {
	parts := strings.Split(path, ".")
	for i, part := range parts {
		prefix := strings.Join(append(slices.Clone(parts[:i]), ""), ".")
		possible = nil
		for _, p := range properties {
			switch rest, inside := strings.CutPrefix(p.Path, prefix); {
			case p.Path+"." == prefix && p.Open:
				return "", nil
			case inside && !strings.ContainsAny(rest, ".["):
				possible = append(possible, rest)
			}
		}
		if len(possible) > 0 && !slices.Contains(possible, strings.TrimSuffix(part, "[]")) {
			return strings.Join(parts[:i+1], "."), possible
		}
	}
	return "", nil
}

// maxPropertyDepth bounds how many objects a path leads through: an agent in a
// number has prompts and actions, whose configurations have members.
const maxPropertyDepth = 8

// Properties lists every property of every request body in the order of operations
// and paths. A property that is an id or an object is listed with the members of
// the object.
func (d *Document) Properties() []Property {
	var out []Property
	for _, path := range slices.Sorted(maps.Keys(d.doc.Paths.Map())) {
		operations := d.doc.Paths.Value(path).Operations()
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			body := operations[method].RequestBody
			if body == nil {
				continue
			}
			found := map[string]Property{}
			collect(found, body.Value.Content.Get("application/json").Schema.Value, "", 0)
			for _, name := range slices.Sorted(maps.Keys(found)) {
				property := found[name]
				property.Operation = method + " " + path
				out = append(out, property)
			}
		}
	}
	return out
}

// collect adds the properties of an object's schema, and of its parts, to found.
func collect(found map[string]Property, s *openapi3.Schema, prefix string, depth int) {
	if depth > maxPropertyDepth {
		return
	}
	for _, part := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
		collect(found, part.Value, prefix, depth)
	}
	if s.Items != nil {
		collect(found, s.Items.Value, prefix+"[]", depth)
	}
	for name, ref := range s.Properties {
		path := name
		if prefix != "" {
			path = prefix + "." + name
		}
		p := Property{Path: path, Values: allowedValues(ref.Value), Open: isOpen(ref.Value), Secret: isSecret(ref.Value) || found[path].Secret}
		p.Types, p.Parts = jsonTypes(ref.Value), partTypes(ref.Value)
		found[path] = p
		collect(found, ref.Value, path, depth+1)
	}
}

// jsonTypes are the types that a schema allows; empty when it does not say.
func jsonTypes(s *openapi3.Schema) []string {
	var out []string
	if s.Type != nil {
		out = slices.Clone(s.Type.Slice())
	}
	for _, part := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
		types := jsonTypes(part.Value)
		if len(types) == 0 && s.Type == nil && len(s.AllOf) == 0 {
			return nil // one of the choices may be anything
		}
		out = append(out, types...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// partTypes are those of the items of a list, and of the members of an open object.
func partTypes(s *openapi3.Schema) []string {
	switch {
	case s.Items != nil:
		return jsonTypes(s.Items.Value)
	case s.AdditionalProperties.Schema != nil:
		return jsonTypes(s.AdditionalProperties.Schema.Value)
	}
	return nil
}

// isOpen reports whether the schema, or a part of it, declares further members.
func isOpen(s *openapi3.Schema) bool {
	if more := s.AdditionalProperties; more.Schema != nil || more.Has != nil && *more.Has {
		return true
	}
	return slices.ContainsFunc(slices.Concat(s.AllOf, s.AnyOf, s.OneOf), func(part *openapi3.SchemaRef) bool { return isOpen(part.Value) })
}

// allowedValues are those of the schema, of its parts and of the items of a list.
func allowedValues(s *openapi3.Schema) []string {
	values := enumNames(s)
	if s.Items != nil {
		values = append(values, allowedValues(s.Items.Value)...)
	}
	for _, part := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
		values = append(values, allowedValues(part.Value)...)
	}
	return values
}
