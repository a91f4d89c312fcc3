package support

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/api/contract"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`{}`: nil,
		`{"prompt":"id","language":"en","llm_temperature":0,"webhook":null,"provider":""}`: nil,
		`{"language":"es"}`:                                               nil,
		`{"provider":"openai","model":"gpt-4o"}`:                          nil,
		`{"transcriber":{"type":"transcriber_google"}}`:                   {"transcriber.type no_driver"},
		`{"voice":{"type":"voice_azure","voice_name":"Jenny","pitch":3}}`: nil,
		`{"voice":{"type":"voice_vocode","voice_id":"Jenny"}}`:            {"voice.type no_driver"},
		`{"voice":{"type":"voice_flite","voice":"slt"}}`:                  nil,
		`{"voice":{"voice_guidance":3}}`:                                  {"voice.voice_guidance no_driver"},
		`{"actions":["a",{"type":"action_set_hold"},{"type":"action_set_hold"},{"type":"action_end_conversation"}]}`: {"actions[].type not_built"},
		`{"actions":[{"type":"action_end_conversation","action_trigger":{"type":"action_trigger_phrase_based"}}]}`:   nil,
		`{"webhook":{"url":"https://example.com"}}`:                                                                  nil,
		`{"llm_fallback":{"provider":"openai"}}`:                                                                     nil,
		`{"llm_fallback":{"provider":"openai","banana":1}}`:                                                          {"llm_fallback unknown"},
		`{"webhook":{"url":"https://example.com","banana":1}}`:                                                       {"webhook unknown"},
		`{"voice":{"type":"voice_azure","voice_name":"x","banana":1}}`:                                               {"voice unknown"},
		`{"actions":[{"type":"action_set_hold","banana":1,"config":{"x":1}}]}`:                                       {"actions[] unknown", "actions[].type not_built"},
		`{"openai_account_connection":{"type":"account_connection_openai","credentials":{"x":1}}}`:                   nil,
		`{"user_id":"u","colour":"red","prompt":{"content":"x","a":1}}`:                                              {"body unknown", "prompt unknown"},
		`{"prompt":{"content":"x","id":"i","active":false,"number":"1"}}`:                                            {"prompt unknown"},
		`{"prompt":{"prompt_template":{"required_context_keys":["x"]}}}`:                                             nil,
		`{"prompt":{"prompt_template":{"keys":["x"]},"collect_fields":[]}}`:                                          {"prompt.prompt_template unknown"},
	} {
		var members map[string]any
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range NewTable().Check("agent", members) {
			got = append(got, w.Property+" "+string(w.Reason))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

// TestEveryKeptValueWarns: whatever the table says is kept is warned about when a
// request sends it.
func TestEveryKeptValueWarns(t *testing.T) {
	t.Parallel()
	table := NewTable()
	for _, e := range entries() {
		if e.Status != Kept || e.Value == "" || e.Property == "llm_fallback.provider" {
			continue
		}
		if value := any(e.Value); value == byDefault(e) {
			continue
		}
		got := table.Check(e.Resource, map[string]any{e.Property: any(e.Value)})
		if e.Property == "action_trigger" {
			got = table.Check(e.Resource, map[string]any{e.Property: map[string]any{"type": e.Value}})
		}
		if len(got) != 1 || got[0] != (Warning{e.Property, e.Reason, e.Sentence}) {
			t.Errorf("%v: got %v", e, got)
		}
	}
}

// TestDocumentedDefaultsAskForNothing goes through the defaults that the document has:
// of what is kept, the default is silent, and false is told where true is the default.
func TestDocumentedDefaultsAskForNothing(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(contract.Text()))
	if err != nil {
		t.Fatal(err)
	}
	table, told := NewTable(), 0
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.RequestBody == nil {
				continue
			}
			resource := Root(method + " " + path)
			defaults, _ := operation.RequestBody.Value.Content.Get("application/json").Schema.Value.Extensions["x-defaults"].(map[string]any)
			for name, value := range defaults {
				if got := table.Check(resource, map[string]any{name: value}); got != nil {
					t.Errorf("%s %s %v: got %v", resource, name, value, got)
				}
				e, _ := table.Find(resource, name, "")
				if value != true || e.Status != Kept {
					continue
				}
				told++
				if got := table.Check(resource, map[string]any{name: false}); len(got) != 1 || got[0] != (Warning{name, e.Reason, e.Sentence}) {
					t.Errorf("%s %s false: got %v", resource, name, got)
				}
			}
		}
	}
	if told == 0 {
		t.Error("the document has no property that is kept and true by default")
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for _, c := range [][4]string{
		{"POST /v1/numbers/buy", "inbound_agent.actions[].type", "action", "type"},
		{"POST /v1/numbers/buy", "inbound_agent", "number", "inbound_agent"},
		{"POST /v1/agents/create", "llm_fallback.provider", "agent", "llm_fallback.provider"},
		{"POST /v1/dnc_numbers/bulk", "phoneNumbers[].reason", "dnc_number", "phoneNumbers[].reason"},
		{"POST /v1/calls/create", "agent.prompt.prompt_template.id", "prompt", "prompt_template.id"},
	} {
		if resource, property := place(c[0], c[1]); resource != c[2] || property != c[3] {
			t.Errorf("%s %s: got %s %s", c[0], c[1], resource, property)
		}
	}
}

func TestChoices(t *testing.T) {
	t.Parallel()
	body := map[string]any{"provider": "opnai", "voice": map[string]any{"type": "voice_banana"}, "llm_fallback": map[string]any{"provider": "opnai"},
		"language": "en", "actions": []any{"id", map[string]any{"type": "action_banana"}}, "name": "anything"}
	var got []string
	for _, wrong := range NewTable().Choices("agent", body) {
		path, _, _ := strings.Cut(wrong, " must be one of ")
		got = append(got, path)
	}
	if diff := cmp.Diff([]string{"actions[1].type", "llm_fallback.provider", "provider", "voice.type"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPossible(t *testing.T) {
	t.Parallel()
	table := NewTable()
	for value, want := range map[string]bool{"": true, "voice_flite": true, "voice_azure": true, "voice_banana": false} {
		if got, values := table.Possible("voice", "type", value); got != want || len(values) != 11 {
			t.Errorf("%q: got %t, %q", value, got, values)
		}
	}
	if ok, _ := table.Possible("voice", "label", "anything"); !ok {
		t.Error("a label may be anything")
	}
}
