package apply

import (
	"context"
	"fmt"
)

// API is how plans reach a server. Package client is one. Fields and answers
// are JSON objects.
type API interface {
	// List returns every resource of the kind, references expanded.
	List(ctx context.Context, k Kind) ([]map[string]any, error)
	// Create makes a resource and returns it; for Number it buys the number
	// that fields name.
	Create(ctx context.Context, k Kind, fields map[string]any) (map[string]any, error)
	// Update changes a resource by the properties given.
	Update(ctx context.Context, k Kind, id string, fields map[string]any) error
	// Delete removes a resource; one that is in use is an error.
	Delete(ctx context.Context, k Kind, id string) error
}

// Fetch reads what the server has of every kind, voices included.
func Fetch(ctx context.Context, api API) (Live, error) {
	live := Live{}
	for _, k := range append(Kinds(), Voice) {
		resources, err := api.List(ctx, k)
		if err != nil {
			return nil, fmt.Errorf("list %ss: %w", k, err)
		}
		live[k] = resources
	}
	return live, nil
}

// Run carries the plan out, step by step, and reports each when it is done. It
// stops at the first error: what was done stays done, and a new plan goes on
// from there.
func (p *Plan) Run(ctx context.Context, api API, done func(Step)) error {
	for _, s := range p.Steps {
		if err := p.step(ctx, api, s); err != nil {
			if s.Resource.Source != "" {
				return fmt.Errorf("%s: %s %s: %w", s.Resource.Source, s.Verb, s.Resource.name(), err)
			}
			return fmt.Errorf("%s %s: %w", s.Verb, s.Resource.name(), err)
		}
		done(s)
	}
	return nil
}

func (p *Plan) step(ctx context.Context, api API, s Step) error {
	r := s.Resource
	switch s.Verb {
	case Delete:
		return api.Delete(ctx, r.Kind, s.ID)
	case Update:
		return api.Update(ctx, r.Kind, s.ID, p.body(s))
	}
	if r.Kind == Number {
		purchase := map[string]any{"phone_number": r.Key}
		if r.Provider != "" {
			purchase["telephony_provider"] = r.Provider
		}
		made, err := api.Create(ctx, Number, purchase)
		if err != nil || len(r.Fields) == 0 {
			return err
		}
		return api.Update(ctx, Number, text(made["id"]), p.body(s))
	}
	made, err := api.Create(ctx, r.Kind, p.body(s))
	if err == nil {
		p.known[r.name()] = text(made["id"])
	}
	return err
}

// changed returns the whole values of the properties that differ.
func (p *Plan) changed(s Step) map[string]any {
	fields := resolve(s.Resource, p.known)
	if name := identity(s.Resource.Kind); name != "" {
		fields[name] = s.Resource.Key
	}
	out := map[string]any{}
	for _, c := range s.Changes {
		name := first(c.Property)
		out[name] = fields[name]
	}
	if s.Resource.Kind != Number {
		return out
	}
	if _, ok := out["example_context"]; !ok { // numbers/update requires it
		out["example_context"] = s.live["example_context"]
	}
	return out
}

// first is the part of a dotted path before the dot.
func first(path string) string {
	for i := range path {
		if path[i] == '.' {
			return path[:i]
		}
	}
	return path
}
