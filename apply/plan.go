package apply

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
)

// Live is what the server has: for each kind its resources as the API renders
// them, references expanded.
type Live map[Kind][]map[string]any

// Verb is what a step does.
type Verb string

// The verbs.
const (
	Create Verb = "create"
	Buy    Verb = "buy"
	Update Verb = "update"
	Delete Verb = "delete"
)

// Change is one property that differs.
type Change struct {
	// Property is a dotted path.
	Property string
	// From is what the server has, To what the file says; nil is absent.
	From, To any
}

// Step is one thing to do.
type Step struct {
	// Verb says what.
	Verb Verb
	// Resource is the file's; for Delete only Kind and Key are set.
	Resource Resource
	// ID is the resource's on the server; "" before it exists.
	ID string
	// Changes are what differs, in the order of their names.
	Changes []Change

	live map[string]any
}

// Plan is what it takes to bring the server into the state of the files.
type Plan struct {
	// Steps are in the order in which they must be done.
	Steps []Step
	// Unchanged counts resources that are as described.
	Unchanged int
	known     ids
}

// Drifted reports whether server and files differ.
func (p *Plan) Drifted() bool { return len(p.Steps) > 0 }

// Hide replaces the values of all changes by what shown makes of them, such as stars for
// secrets. What Run sends stays as it is.
func (p *Plan) Hide(shown func(k Kind, property string, value any) any) {
	for _, s := range p.Steps {
		for i, c := range s.Changes {
			from, to := shown(s.Resource.Kind, c.Property, c.From), shown(s.Resource.Kind, c.Property, c.To)
			if masked(c.From) && to != nil { // the server knows more secrets than we do
				to = "********"
			}
			s.Changes[i].From, s.Changes[i].To = from, to
		}
	}
}

// NewPlan compares. It is pure. With prune, resources that have a key, are of a
// kind that the files describe and are not in the files are deleted, save
// numbers: giving up a number is never a side effect.
func NewPlan(wanted []Resource, live Live, prune bool) (*Plan, error) {
	p := &Plan{known: ids{}}
	if err := Check(wanted); err != nil {
		return p, err
	}
	for kind, resources := range live {
		for id, key := range keysOf(kind, resources) {
			p.known[string(kind)+" "+key] = id
		}
	}
	found, err := p.match(wanted, live)
	if err != nil {
		return p, err
	}
	if err := p.dangling(wanted, live); err != nil {
		return p, err
	}
	for _, kind := range Kinds() {
		for i, r := range wanted {
			if r.Kind == kind {
				p.compare(r, found[i])
			}
		}
	}
	if prune {
		p.prune(wanted, live)
	}
	return p, nil
}

// match finds the live resource of each wanted one, nil for none, and gives
// those to be made a stand-in id.
func (p *Plan) match(wanted []Resource, live Live) ([]map[string]any, error) {
	found := make([]map[string]any, len(wanted))
	for i, r := range wanted {
		for _, l := range live[r.Kind] {
			key := liveKey(r.Kind, l)
			if key == r.Key || key == "" && r.ID != "" && text(l["id"]) == r.ID && found[i] == nil {
				found[i] = l
			}
		}
		switch {
		case found[i] != nil:
			p.known[r.name()] = text(found[i]["id"])
		case r.Kind == Number && !r.Buy:
			return nil, fmt.Errorf("%s: the environment has no number %s; buy it, link it, or write \"buy: true\"", r.Source, r.Key)
		default:
			p.known[r.name()] = pending(r)
		}
	}
	return found, nil
}

func (p *Plan) compare(r Resource, live map[string]any) {
	fields := resolve(r, p.known)
	if name := identity(r.Kind); name != "" {
		fields[name] = r.Key
	}
	if live == nil {
		verb := Create
		if r.Kind == Number {
			verb = Buy
		}
		p.Steps = append(p.Steps, Step{Verb: verb, Resource: r, Changes: differences("", fields, nil)})
		return
	}
	changes := differences("", fields, live)
	if len(changes) == 0 {
		p.Unchanged++
		return
	}
	p.Steps = append(p.Steps, Step{Verb: Update, Resource: r, ID: text(live["id"]), Changes: changes, live: live})
}

// prune deletes users before what they use.
func (p *Plan) prune(wanted []Resource, live Live) {
	kept, described := map[string]bool{}, map[Kind]bool{}
	for _, r := range wanted {
		kept[r.name()], described[r.Kind] = true, true
	}
	order := Kinds()
	slices.Reverse(order)
	for _, kind := range order {
		if kind == Number || !described[kind] {
			continue
		}
		for _, l := range live[kind] {
			r := Resource{Kind: kind, Key: liveKey(kind, l)}
			if r.Key != "" && !kept[r.name()] {
				p.Steps = append(p.Steps, Step{Verb: Delete, Resource: r, ID: text(l["id"])})
			}
		}
	}
}

// identity is the property that holds the key of a kind; "" for numbers, whose key says
// what is bought.
func identity(k Kind) string {
	switch k {
	case Number:
		return ""
	case Trunk:
		return "name"
	default:
		return "key"
	}
}

func liveKey(k Kind, l map[string]any) string {
	switch k {
	case Number:
		return text(l["number"])
	case Voice:
		return text(l["label"])
	case Trunk:
		return text(l["name"])
	default:
		return text(l["key"])
	}
}

// keysOf maps the ids of resources to their keys. Labels of voices need not be
// unique; one that several have is no key.
func keysOf(k Kind, resources []map[string]any) map[string]string {
	out, times := map[string]string{}, map[string]int{}
	for _, l := range resources {
		if key := liveKey(k, l); key != "" {
			out[text(l["id"])] = key
			times[key]++
		}
	}
	maps.DeleteFunc(out, func(_, key string) bool { return k == Voice && times[key] > 1 })
	return out
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// differences compares what the file says with what the server has. Properties
// that the file does not name are not compared.
func differences(path string, want, have map[string]any) []Change {
	var out []Change
	for _, name := range slices.Sorted(maps.Keys(want)) {
		full := strings.TrimPrefix(path+"."+name, ".")
		out = append(out, difference(full, plain(want[name]), plain(have[name]))...)
	}
	return out
}

func difference(path string, want, have any) []Change {
	switch w := want.(type) {
	case nil:
		if have == nil || empty(have) {
			return nil
		}
	case string:
		if h, ok := have.(map[string]any); ok && text(h["id"]) == w {
			return nil // a reference, rendered as an object
		}
		if masked(have) && text(have) == maskOf(w) {
			return nil // a secret, as far as reads show it
		}
	case map[string]any:
		if h, ok := have.(map[string]any); ok && len(w) > 0 && !wholly(path) {
			return differences(path, w, h)
		}
	case []any:
		if h, ok := have.([]any); ok && len(h) == len(w) {
			return items(path, w, h)
		}
	}
	if reflect.DeepEqual(want, have) {
		return nil
	}
	return []Change{{Property: path, From: have, To: want}}
}

// wholly names the properties that are data, not structure: a member that only
// the server has is a difference too.
func wholly(path string) bool { return path == "example_context" }

// items compares lists of one length; when one item differs the list does.
func items(path string, want, have []any) []Change {
	for i := range want {
		if len(difference(path, want[i], have[i])) > 0 {
			return []Change{{Property: path, From: have, To: want}}
		}
	}
	return nil
}

// empty reports the values that null stands for.
func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// plain brings the types of YAML and JSON into one form: numbers are float64.
func plain(v any) any {
	switch n := v.(type) {
	case int:
		return float64(n)
	case int64:
		return float64(n)
	case uint64:
		return float64(n)
	case float64:
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return fmt.Sprint(n)
		}
		return n
	case string, bool, nil:
		return v
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return fmt.Sprint(v)
	}
	return out
}
