package contract

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
)

func load(t *testing.T) *Document {
	t.Helper()
	doc, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func operation(t *testing.T, doc *Document, target string) Operation {
	t.Helper()
	method, path, _ := strings.Cut(target, " ")
	op, err := doc.Operation(method, path)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func TestOperationsThatAreNotDocumented(t *testing.T) {
	t.Parallel()
	doc := load(t)
	for _, target := range []string{"DELETE /v1/agents", "GET /v1/nothing"} {
		method, path, _ := strings.Cut(target, " ")
		if _, err := doc.Operation(method, path); err == nil {
			t.Errorf("%s has an operation", target)
		}
	}
}

// TestProperties: every request property can be listed, however deep.
func TestProperties(t *testing.T) {
	t.Parallel()
	found := map[string]Property{}
	for _, p := range load(t).Properties() {
		name := p.Operation + " " + p.Path
		if _, twice := found[name]; twice {
			t.Errorf("%s is listed twice", name)
		}
		found[name] = p
	}
	for name, values := range map[string][]string{
		"POST /v1/numbers/update example_context":                            nil,
		"POST /v1/numbers/update inbound_agent.prompt.prompt_template.label": nil,
		"POST /v1/calls/create agent.interrupt_sensitivity":                  {"low", "high"},
		"POST /v1/agents/create actions[].action_trigger":                    nil,
		"POST /v1/dnc_numbers/bulk phoneNumbers[].phoneNumber":               nil,
	} {
		p, ok := found[name]
		if !ok || !cmp.Equal(p.Values, values) {
			t.Errorf("%s: listed %v, values %q", name, ok, p.Values)
		}
	}
	for name := range found {
		if strings.HasPrefix(name, "GET ") {
			t.Errorf("%s is no request property", name)
		}
	}
}

func TestNormalise(t *testing.T) {
	t.Parallel()
	doc := load(t)
	update, list := operation(t, doc, "POST /v1/numbers/update"), operation(t, doc, "GET /v1/numbers/list")
	create := operation(t, doc, "POST /v1/calls/create")
	for _, test := range []struct {
		name    string
		profile dialect.Profile
		op      Operation
		query   string
		body    string
		// wantQuery is encoded, wantBody is JSON.
		wantQuery, wantBody string
	}{
		{"no body", dialect.Fluents(), update, "", "", "", `{}`},
		{"null body", dialect.Fluents(), update, "", " null\n", "", `{}`},
		{"body without use", dialect.Fluents(), list, "", "{broken", "", `{}`},
		{"Python's booleans", dialect.Fluents(), list, "sort_desc=True&size=", "", "sort_desc=true", `{}`},
		{"an unescaped plus", dialect.Fluents(), update, "phone_number=+12025550101", "", "phone_number=%2B12025550101", `{}`},
		{"a provider as object", dialect.Fluents(), update, "", `{"telephony_provider":{"name":"twilio"}}`, "", `{"telephony_provider":"twilio"}`},
		{"a provider as text", dialect.Fluents(), update, "", `{"telephony_provider":"sip"}`, "", `{"telephony_provider":"sip"}`},
		{"{} is a value", dialect.Fluents(), update, "", `{"label":{}}`, "", `{"label":{}}`},
		{"{} is not set", dialect.Vocode(), update, "", `{"label":{ },"example_context":{},"description":"x"}`, "", `{"description":"x"}`},
		{"{} is not set at every depth", dialect.Vocode(), update, "",
			`{"inbound_agent":{"prompt":{"content":{},"tags":[]},"actions":[{"id":"a","config":{},"label":{}}]}}`, "",
			`{"inbound_agent":{"prompt":{"tags":[]},"actions":[{"id":"a"}]}}`},
		{"free maps are values in a create", dialect.Vocode(), create, "",
			`{"context":{},"telephony_params":{"a":{}},"agent":{"actions":[{"config":{},"label":{}}]},"on_no_human_answer":{}}`, "",
			`{"context":{},"telephony_params":{"a":{}},"agent":{"actions":[{"config":{}}]}}`},
	} {
		query, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Normalise(test.profile, test.op, query, []byte(test.body))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		body, err := wire.Encode(got.Body)
		if err != nil || string(body) != test.wantBody || got.Query.Encode() != test.wantQuery {
			t.Errorf("%s: got %s and %s, %v", test.name, got.Query.Encode(), body, err)
		}
		if again, _ := url.ParseQuery(test.query); !cmp.Equal(query, again) {
			t.Errorf("%s: the arguments were changed", test.name)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	doc := load(t)
	for _, test := range []struct{ target, query, body, want string }{
		{"POST /v1/numbers/update", "phone_number=1", `{"example_context":{}}`, ""},
		{"POST /v1/numbers/update", "id=1", `{"example_context":{}}`, ""},
		{"POST /v1/numbers/update", "", `{}`, "phone_number is required; example_context is required"},
		{"POST /v1/numbers/update", "phone_number=1", `{"example_context":null}`, "example_context must not be null"},
		{"POST /v1/numbers/update", "phone_number=1", `{"example_context":{},"label":7}`, "label must be a string"},
		{"POST /v1/numbers/update", "phone_number=1&phone_number=2", `{"example_context":{}}`, "phone_number must be given once"},
		{
			"POST /v1/numbers/update", "phone_number=1", `{"example_context":{},"inbound_agent":7}`,
			"inbound_agent must be a string or an object",
		},
		{
			"POST /v1/numbers/update", "phone_number=1", `{"example_context":{},"inbound_agent":{"language":"xx","prompt":{"tags":[1]}}}`,
			"inbound_agent.language must be one of en, es, de, hi, pt, fr, nl, id, it, ja, ko; inbound_agent.prompt.tags[0] must be a string",
		},
		{"POST /v1/agents/create", "", `{}`, "prompt is required"},
		{"POST /v1/agents/create", "", `{"prompt":"p","conversation_speed":3}`, "conversation_speed must be between 0.5 and 2"},
		{"POST /v1/agents/create", "", `{"prompt":"p","max_idle_check_count":1.5}`, "max_idle_check_count must be a whole number"},
		{"POST /v1/agents/create", "", `{"prompt":"p","Language":"xx","whatever":{}}`, ""},
		{"POST /v1/agents/create", "", `{"prompt":"p","actions":["a",{"id":1}]}`, "actions[1].id must be a string"},
		{"POST /v1/agents/create", "", `{"prompt":"p","conversation_speed":1e999}`, "conversation_speed holds a number out of range"},
		{"POST /v1/agents/create", "", `{"prompt":{"collect_fields":[{"x":-1e999}]}}`, "prompt holds a number out of range"},
		{"POST /v1/agents/create", "", `{"prompt":"p","language":null}`, ""},
		{"POST /v1/agents/create", "", `{"prompt":"p","interrupt_sensitivity":"x","max_idle_check_count":"y"}`, "interrupt_sensitivity must be one of low, high; max_idle_check_count must be a whole number"},
		{"POST /v1/calls/create", "", `{"agent":null}`, "agent must be a string or an object; to_number is required; from_number is required"},
		{"GET /v1/numbers/list", "page=0&size=101", "", "page must be 1 or more; size must be between 1 and 100"},
		{"GET /v1/numbers/list", "page=x&sort_desc=maybe", "", "page must be a whole number; sort_desc must be true or false"},
		{"GET /v1/numbers/list", "sort_column=a%00b", "", "sort_column must be text"},
	} {
		query, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		op := operation(t, doc, test.target)
		in, err := Normalise(dialect.Fluents(), op, query, []byte(test.body))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := Validate(dialect.Fluents(), op, in); err != nil {
			got = sidetone.MessageOf(err)
		}
		if got != test.want {
			t.Errorf("%s %s %s:\n got %q\nwant %q", test.target, test.query, test.body, got, test.want)
		}
	}
}

// TestHugeMistakesAreCheap bounds what one request can make the validator do:
// half a million wrong items are one sentence, not half a million.
func TestHugeMistakesAreCheap(t *testing.T) {
	t.Parallel()
	op := operation(t, load(t), "POST /v1/numbers/update")
	many := strings.Repeat("1,", 500_000) + "1"
	for body, want := range map[string]string{
		`{"prompt":{"tags":[` + many + `]}}`:           "inbound_agent.prompt.tags must have at most 100 items",
		`{"actions":[` + many + `]}`:                   "inbound_agent.actions must have at most 100 items",
		`{"prompt":{"collect_fields":[` + many + `]}}`: "inbound_agent.prompt.collect_fields must have at most 100 items",
		`{"deepgram_keywords":[` + many + `]}`:         "inbound_agent.deepgram_keywords[0] must be a string",
	} {
		in, err := Normalise(dialect.Fluents(), op, url.Values{"id": {"x"}}, []byte(`{"example_context":{},"inbound_agent":`+body+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := sidetone.MessageOf(Validate(dialect.Fluents(), op, in)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
