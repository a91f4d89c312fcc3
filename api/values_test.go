package api

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/support"
)

// selection is a place in a body where a value selects something.
type selection struct {
	path               []string // "[]" is the first item of a list
	resource, property string   // in the support table
}

// name is the place as warnings name it.
func (s selection) name() string { return strings.ReplaceAll(strings.Join(s.path, "."), ".[]", "[]") }

// selections are all such places in a body that holds the resource, those in objects
// within it too.
func selections(table *support.Table, resource string, path []string) []selection {
	var out []selection
	seen := map[string]bool{}
	for _, e := range table.Entries() {
		if e.Resource != resource || seen[e.Property] {
			continue
		}
		seen[e.Property] = true
		at := append(slices.Clone(path), strings.Split(strings.ReplaceAll(e.Property, "[]", ".[]"), ".")...)
		if _, values := table.Possible(resource, e.Property, "x"); len(values) > 0 {
			out = append(out, selection{at, resource, e.Property})
		}
		if next := support.Inner(resource, e.Property); next != "" {
			if next == "action" {
				at = append(at, "[]")
			}
			out = append(out, selections(table, next, at)...)
		}
	}
	return out
}

// minimal is an object of a resource with no more than it must have.
func minimal(resource string) map[string]any {
	switch resource {
	case "agent":
		return map[string]any{"prompt": map[string]any{"content": "p"}}
	case "prompt":
		return map[string]any{"content": "p"}
	case "voice":
		return map[string]any{"type": "voice_flite"}
	case "action":
		return map[string]any{"type": "action_end_conversation"}
	case "webhook":
		return map[string]any{"url": "https://hook.example/in", "subscriptions": []any{}}
	case "vector_database":
		return map[string]any{"type": "vector_database_pinecone", "index": "i", "api_key": "vector-key-0123456789", "api_environment": "e"}
	case "account_connection":
		return map[string]any{"type": "account_connection_openai", "credentials": map[string]any{"openai_api_key": "sk-0123456789abc"}}
	}
	return map[string]any{}
}

// companions are members that an object with a value must have beside it.
func companions(s selection, value string) map[string]any {
	switch s.resource + " " + s.property + " " + value {
	case "voice type voice_azure":
		return map[string]any{"voice_name": "n"}
	case "voice type voice_rime":
		return map[string]any{"speaker": "s"}
	case "voice type voice_eleven_labs", "voice type voice_play_ht", "voice type voice_vocode":
		return map[string]any{"voice_id": "v"}
	case "voice voice banana":
		return map[string]any{"type": "voice_flite"}
	case "account_connection type account_connection_openai":
		return map[string]any{"credentials": map[string]any{"openai_api_key": "sk-0123456789abc"}}
	case "account_connection type account_connection_twilio":
		return map[string]any{"credentials": map[string]any{"twilio_account_sid": "AC0123456789", "twilio_auth_token": "token-0123456789"}}
	}
	if s.resource == "action" && s.property == "type" {
		return map[string]any{"config": map[string]any{"phone_number": "+12025550123", "name": "n", "description": "d", "url": "https://a.example",
			"input_schema": map[string]any{"type": "object"}, "speak_on_send": true, "speak_on_receive": true}}
	}
	return nil
}

// set puts a value, and what must be beside it, into a body that holds the resource.
func (s selection) set(resource string, body map[string]any, value string) {
	at, property := body, ""
	for i, name := range s.path {
		switch {
		case name == "[]":
			continue
		case i == len(s.path)-1:
			at[name] = asProperty(s, value)
			maps.Copy(at, companions(s, value))
			return
		}
		if property = strings.TrimPrefix(property+"."+name, "."); support.Inner(resource, property) != "" {
			resource, property = support.Inner(resource, property), ""
		}
		next, ok := at[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			if property == "" {
				next = minimal(resource)
			}
		}
		if at[name] = next; s.path[i+1] == "[]" {
			at[name] = []any{next}
		}
		at = next
	}
}

// asProperty is a value in the form that its property takes.
func asProperty(s selection, value string) any {
	switch s.resource + " " + s.property {
	case "action action_trigger":
		return map[string]any{"type": value, "config": map[string]any{"phrase_triggers": []any{map[string]any{"phrase": "bye", "conditions": []any{}}}}}
	case "webhook subscriptions", "api_key scopes":
		return []any{value}
	}
	return value
}

// TestValuesThatAreNotServed sends, wherever a value selects something, each value of
// the contract that nothing serves, and one that nobody knows: the first is warned about,
// the second refused, and both by the name of the property.
func TestValuesThatAreNotServed(t *testing.T) {
	t.Parallel()
	for _, pattern := range posts() {
		resource := support.Root(pattern)
		body := strictDocument(t).Paths.Value(strings.TrimPrefix(pattern, "POST ")).Post.RequestBody
		if resource == "" || body == nil {
			continue
		}
		declared := map[string]bool{}
		for _, l := range leaves(body.Value.Content.Get("application/json").Schema.Value, nil, 0) {
			declared[l.path[0]] = true
		}
		t.Run(strings.ReplaceAll(strings.TrimPrefix(pattern, "POST /v1/"), "/", "_"), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, storetest.Open(t, storetest.SQLite(t), nil))
			sample, table := b.samples()[pattern], support.NewTable()
			for _, s := range selections(table, resource, nil) {
				if !declared[s.path[0]] {
					continue // TestNothingIsAcceptedAndIgnored
				}
				_, values := table.Possible(s.resource, s.property, "x")
				for _, value := range append(slices.Clone(values), "banana") {
					b.selects(pattern, sample, s, value, table)
				}
			}
		})
	}
}

// selects sends a body with one value.
func (b *bench) selects(pattern string, sample sample, s selection, value string, table *support.Table) {
	b.t.Helper()
	body := map[string]any{}
	if sample.body != "" {
		body = cloned(b.t, sample.body)
	}
	s.set(support.Root(pattern), body, value)
	got := b.do(pattern+sample.query, string(encode(b.t, body)))
	warned := slices.ContainsFunc(got.header.Values("Sidetone-Warning"), func(text string) bool {
		property, _, _ := strings.Cut(text, ";")
		return property == s.name() || strings.HasPrefix(s.name(), property+".") || strings.HasPrefix(s.name(), property+"[]")
	})
	message := got.text("message")
	refused := got.status/100 == 4 && strings.Contains(message, s.path[len(s.path)-1]) && !strings.Contains(message, "is required")
	switch pattern {
	case "POST /v1/numbers/link":
		b.do("POST /v1/numbers/detach?phone_number="+strings.TrimPrefix(body["phone_number"].(string), "+"), "")
	case "POST /v1/numbers/buy":
		if got.status/100 == 2 {
			b.do("POST /v1/numbers/cancel?phone_number="+strings.TrimPrefix(got.text("number"), "+"), "").want(201)
		}
	}
	e, known := table.Find(s.resource, s.property, value)
	switch {
	case value == "POST" || value == "continue": // defaults ask for nothing
	case known && e.Status == support.Kept:
		if !refused && (got.status/100 != 2 || !warned) {
			b.t.Errorf("%s: %s: %s is not served: got %d %s, warnings %q", pattern, s.name(), value, got.status, got.raw, warningsOf(got))
		}
	case !known:
		if !refused && !warned {
			b.t.Errorf("%s: %s: %s is not known: got %d %s, warnings %q", pattern, s.name(), value, got.status, got.raw, warningsOf(got))
		}
	}
}
