package apply

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidetone/sidetone"
)

// Kind is a kind of resource that files can describe.
type Kind string

// The kinds, in the order in which they are created: each refers to earlier
// ones only.
const (
	Prompt Kind = "prompt"
	Action Kind = "action"
	Agent  Kind = "agent"
	Trunk  Kind = "trunk"
	Number Kind = "number"
)

// Voice is a kind that files do not describe and agents refer to: by id, or by
// a label that one voice alone has, which holds in every environment.
const Voice Kind = "voice"

// Kinds lists the kinds in the order in which they are created.
func Kinds() []Kind { return []Kind{Prompt, Action, Agent, Trunk, Number} }

// Resource is one document of a file.
type Resource struct {
	// Kind and Key identify it.
	Kind Kind
	// Key is unique among the environment's resources of the kind; that of a
	// number is E.164, that of a trunk its name.
	Key string
	// ID adopts a resource that has no key yet; "" does not.
	ID string
	// Buy lets a number be bought that the environment does not have, and Provider says
	// from whom; "" is the server's default.
	Buy      bool
	Provider string
	// Fields are the API's properties. A relation holds a key or an id.
	Fields map[string]any
	// Source is "file:line", for messages.
	Source string

	// places are "file:line" of the properties.
	places map[string]string
}

// name is how messages call it.
func (r Resource) name() string { return string(r.Kind) + " " + r.Key }

// Parse reads the YAML documents of a file; name is for messages. The error
// names the place of everything that is wrong.
func Parse(name string, r io.Reader) ([]Resource, error) {
	decoder := yaml.NewDecoder(r)
	var out []Resource
	var problems []error
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return out, errors.Join(problems...)
		}
		if err != nil {
			return nil, errors.Join(append(problems, placed(name, err))...)
		}
		if len(node.Content) == 0 || node.Content[0].Tag == "!!null" {
			continue // an empty document between two separators
		}
		source := fmt.Sprintf("%s:%d", name, node.Content[0].Line)
		resource, err := resourceOf(&node)
		if mistyped := (&yaml.TypeError{}); errors.As(err, &mistyped) {
			problems = append(problems, placed(name, mistyped))
			continue
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", source, err))
			continue
		}
		resource.Source, resource.places = source, places(name, node.Content[0])
		problems = append(problems, unknown(resource))
		out = append(out, resource)
	}
}

// placed puts the lines that the parser of YAML found wrong behind the file's
// name, as "file:line: what".
func placed(file string, err error) error {
	problems := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var mistyped *yaml.TypeError
	if errors.As(err, &mistyped) {
		problems = mistyped.Errors
	}
	out := make([]error, len(problems))
	for i, problem := range problems {
		var line int
		if _, err := fmt.Sscanf(problem, "line %d:", &line); err != nil {
			out[i] = fmt.Errorf("%s: %s", file, problem)
			continue
		}
		_, what, _ := strings.Cut(problem, ": ")
		out[i] = fmt.Errorf("%s:%d: %s", file, line, what)
	}
	return errors.Join(out...)
}

func resourceOf(node *yaml.Node) (Resource, error) {
	var r Resource
	if node.Content[0].Kind != yaml.MappingNode {
		return r, errors.New("a document must be a mapping with text keys")
	}
	if err := node.Decode(&r.Fields); err != nil {
		return r, fmt.Errorf("a document must be a mapping with text keys: %w", err)
	}
	kind, err := take[string](r.Fields, "kind")
	if err != nil {
		return r, err
	}
	if r.Kind = Kind(kind); !slices.Contains(Kinds(), r.Kind) {
		return r, fmt.Errorf("kind must be one of prompt, action, agent, trunk, number, not %q", kind)
	}
	if r.Kind == Number {
		return r, numberOf(&r)
	}
	if r.Kind == Trunk {
		return r, trunkOf(&r)
	}
	if r.Key, err = take[string](r.Fields, "key"); err != nil {
		return r, err
	}
	if !sidetone.ValidKey(r.Key) {
		return r, fmt.Errorf("key %q must be 1 to %d letters, digits, dots, hyphens and underscores", r.Key, sidetone.MaxKey)
	}
	r.ID, err = take[string](r.Fields, "id")
	return r, err
}

func numberOf(r *Resource) (err error) {
	if r.Key, err = take[string](r.Fields, "number"); err != nil {
		return err
	}
	if !strings.HasPrefix(r.Key, "+") {
		return fmt.Errorf("number %q must be written as text with a plus and the country's code, as in \"+12025550100\"", r.Key)
	}
	if r.Fields["buy"] == "sip" { // from a trunk
		delete(r.Fields, "buy")
		r.Buy, r.Provider = true, "sip"
		return nil
	}
	r.Buy, err = take[bool](r.Fields, "buy")
	return err
}

func trunkOf(r *Resource) (err error) {
	if r.Key, err = take[string](r.Fields, "name"); err != nil {
		return err
	}
	if r.Key == "" {
		return errors.New("name is required")
	}
	return nil
}

// take removes a member from fields and returns it; absent is the zero value.
func take[T any](fields map[string]any, name string) (T, error) {
	var zero T
	v, ok := fields[name]
	if !ok {
		return zero, nil
	}
	delete(fields, name)
	t, ok := v.(T)
	if !ok {
		return zero, fmt.Errorf("%s must be %s, not %v", name, typeName(zero), v)
	}
	return t, nil
}

func typeName(v any) string {
	if _, ok := v.(bool); ok {
		return "true or false"
	}
	return "a text"
}

// Check refuses two resources of one identity.
func Check(resources []Resource) error {
	seen := map[string]string{}
	var problems []error
	for _, r := range resources {
		if other, ok := seen[r.name()]; ok {
			problems = append(problems, fmt.Errorf("%s: %s is described at %s already", r.Source, r.name(), other))
		}
		seen[r.name()] = r.Source
	}
	return errors.Join(problems...)
}
