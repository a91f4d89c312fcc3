package apply

import (
	"errors"
	"fmt"
	"slices"
)

// relation is a property that names other resources.
type relation struct {
	property string
	target   Kind
	list     bool
}

// relations are the properties of a kind whose texts may be keys.
func relations(k Kind) []relation {
	switch k {
	case Agent:
		return []relation{{"prompt", Prompt, false}, {"actions", Action, true}, {"voice", Voice, false}}
	case Number:
		return []relation{{"inbound_agent", Agent, false}}
	default:
		return nil
	}
}

// ids maps "kind key" to the id on the server.
type ids map[string]string

func (i ids) of(k Kind, key string) (string, bool) {
	id, ok := i[string(k)+" "+key]
	return id, ok
}

// resolve returns fields with keys replaced by ids. A text that is no key stays:
// it may be an id. pending is the id of resources that are yet to be made.
func resolve(r Resource, known ids) map[string]any {
	out := make(map[string]any, len(r.Fields))
	for name, v := range r.Fields {
		out[name] = v
	}
	for _, rel := range relations(r.Kind) {
		switch v := out[rel.property].(type) {
		case string:
			out[rel.property] = known.resolve(rel.target, v)
		case []any:
			if !rel.list {
				continue
			}
			resolved := make([]any, len(v))
			for n, item := range v {
				resolved[n] = item
				if text, ok := item.(string); ok {
					resolved[n] = known.resolve(rel.target, text)
				}
			}
			out[rel.property] = resolved
		}
	}
	return out
}

func (i ids) resolve(k Kind, text string) string {
	if id, ok := i.of(k, text); ok {
		return id
	}
	return text
}

// pending stands for the id of a resource that a plan creates.
func pending(r Resource) string { return fmt.Sprintf("(new %s)", r.name()) }

// dangling finds relations to what neither the files nor the server have. Each
// error begins with file and line.
func (p *Plan) dangling(wanted []Resource, live Live) error {
	var problems []error
	for _, r := range wanted {
		for _, rel := range relations(r.Kind) {
			for _, name := range named(r.Fields[rel.property]) {
				if p.names(rel.target, name, live) {
					continue
				}
				problems = append(problems, fmt.Errorf("%s: %s: %s %q names no %s, here or in the files",
					r.placeOf(rel.property), r.name(), rel.property, name, rel.target))
			}
		}
	}
	return errors.Join(problems...)
}

// named are the texts of a relation's value.
func named(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			if text, ok := item.(string); ok {
				out = append(out, text)
			}
		}
		return out
	}
	return nil
}

// names reports whether a text names a resource of the kind: by key or label, by id, or
// as one of the two agents that every environment has.
func (p *Plan) names(k Kind, name string, live Live) bool {
	if _, ok := p.known.of(k, name); ok || k == Agent && (name == "default" || name == "unassigned") {
		return true
	}
	return slices.ContainsFunc(live[k], func(l map[string]any) bool { return text(l["id"]) == name })
}
