package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// BodyCheck returns a sentence about each problem of the fields that a step with
// the verb would send for the kind, each beginning with the property's path. An
// error says that it cannot tell.
type BodyCheck func(v Verb, k Kind, fields map[string]any) ([]string, error)

// Check looks at all that the plan would send before anything is sent. The error
// names the place of every problem, as "file:line: what".
func (p *Plan) Check(check BodyCheck) error {
	var problems []error
	for _, s := range p.Steps {
		if s.Verb == Delete {
			continue
		}
		sentences, err := check(s.Verb, s.Resource.Kind, p.body(s))
		if err != nil {
			return fmt.Errorf("%s: %s: %w", s.Resource.Source, s.Resource.name(), err)
		}
		for _, sentence := range slices.Sorted(slices.Values(sentences)) {
			problems = append(problems, fmt.Errorf("%s: %s: %s", s.Resource.placeOf(sentence), s.Resource.name(), sentence))
		}
	}
	return errors.Join(problems...)
}

// placeOf is where the property stands with whose path a sentence begins.
func (r Resource) placeOf(sentence string) string {
	name := sentence
	if end := strings.IndexAny(sentence, ".[ "); end >= 0 {
		name = sentence[:end]
	}
	if place, ok := r.places[name]; ok {
		return place
	}
	return r.Source
}

// body is what a step sends: for a number that is bought, what follows on the
// purchase.
func (p *Plan) body(s Step) map[string]any {
	if s.Verb == Update {
		return p.changed(s)
	}
	fields := resolve(s.Resource, p.known)
	if name := identity(s.Resource.Kind); name != "" {
		fields[name] = s.Resource.Key
		return fields
	}
	if _, ok := fields["example_context"]; !ok { // numbers/update requires it
		fields["example_context"] = map[string]any{}
	}
	return fields
}
