package apply

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidetone/sidetone"
)

// Export turns what the server has into resources that Parse reads back and
// NewPlan finds unchanged. A resource without key gets one made from its label
// or name, and its id, so that applying the export adopts it.
func Export(live Live) []Resource {
	keys := map[Kind]map[string]string{Voice: keysOf(Voice, live[Voice])} // id to key
	var out []Resource
	for _, kind := range Kinds() {
		keys[kind] = keysOf(kind, live[kind])
		for _, l := range live[kind] {
			out = append(out, exported(kind, l, keys))
		}
	}
	return out
}

func exported(kind Kind, l map[string]any, keys map[Kind]map[string]string) Resource {
	id := text(l["id"])
	r := Resource{Kind: kind, Key: liveKey(kind, l), Fields: map[string]any{}}
	if r.Key == "" {
		r.ID = id
		r.Key = unused(keyFrom(text(l["label"]), text(l["name"]), string(kind)), keys[kind])
	}
	keys[kind][id] = r.Key
	for name, v := range l {
		if isProperty(kind, name) && !masked(v) && !empty(v) && v != nil {
			r.Fields[name] = withoutSecrets(plain(v))
		}
	}
	for _, name := range []string{"webhook", "vector_database", "openai_account_connection"} {
		if o, ok := r.Fields[name].(map[string]any); ok {
			r.Fields[name] = o["id"] // kinds that files do not describe go by their ids
		}
	}
	if template, ok := r.Fields["prompt_template"].(map[string]any); ok { // it is the prompt's, whichever id it has
		delete(template, "id")
		delete(template, "user_id")
	}
	for _, rel := range relations(kind) {
		if v, ok := r.Fields[rel.property]; ok {
			r.Fields[rel.property] = keyed(v, keys[rel.target])
		}
	}
	return r
}

// maskOf is what reads show of a secret: stars, and the last four characters of twelve
// or more.
func maskOf(secret string) string {
	const stars = "********"
	r := []rune(secret)
	if len(r) < 12 {
		return stars
	}
	return stars + string(r[len(r)-4:])
}

// masked values are secrets that the server does not show.
func masked(v any) bool { return strings.HasPrefix(text(v), "****") }

// withoutSecrets leaves masked values out of objects; what a file does not
// name, apply leaves as it is.
func withoutSecrets(v any) any {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, member any) bool { return masked(member) })
		for name, member := range v {
			v[name] = withoutSecrets(member)
		}
	case []any:
		for i, item := range v {
			v[i] = withoutSecrets(item)
		}
	}
	return v
}

// keyed replaces objects and ids by the keys of what they name.
func keyed(v any, keys map[string]string) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = keyed(item, keys)
		}
		return out
	case map[string]any:
		return keyed(text(v["id"]), keys)
	case string:
		if key, ok := keys[v]; ok {
			return key
		}
	}
	return v
}

// keyFrom makes a key of the first text that has letters or digits.
func keyFrom(texts ...string) string {
	for _, t := range texts {
		key := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(t), "-"), "-")
		if key != "" {
			return key[:min(len(key), sidetone.MaxKey/2)]
		}
	}
	return "resource"
}

func unused(key string, taken map[string]string) string {
	used := map[string]bool{}
	for _, k := range taken {
		used[k] = true
	}
	for n, candidate := 2, key; ; n++ {
		if !used[candidate] {
			return candidate
		}
		candidate = fmt.Sprintf("%s-%d", key, n)
	}
}

// Write writes resources as YAML documents with their members in a fixed order;
// nothing for none.
func Write(w io.Writer, resources []Resource) error {
	if len(resources) == 0 {
		return nil // the encoder cannot end before it began
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	for _, r := range resources {
		if err := encoder.Encode(document(r)); err != nil {
			return fmt.Errorf("write %s: %w", r.name(), err)
		}
	}
	return encoder.Close()
}

// document puts the identity first and the rest in alphabetical order.
func document(r Resource) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	add := func(name string, v any) {
		value := &yaml.Node{}
		if value.Encode(v) == nil { // what came from JSON can be encoded
			quoteMerges(value)
			node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
		}
	}
	add("kind", string(r.Kind))
	switch r.Kind {
	case Number:
		add("number", r.Key)
	default:
		add(identity(r.Kind), r.Key)
	}
	if r.ID != "" {
		add("id", r.ID)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		add(name, r.Fields[name])
	}
	return node
}

// quoteMerges quotes members called <<, which YAML takes for an instruction.
func quoteMerges(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && node.Value == "<<" {
		node.Tag, node.Style = "!!str", yaml.DoubleQuotedStyle
	}
	for _, child := range node.Content {
		quoteMerges(child)
	}
}
