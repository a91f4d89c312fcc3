package api

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

func operationFor(t testing.TB, method, path string) operation {
	t.Helper()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	op, err := operationOf(doc, method, path)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func TestParseObject(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for body, want := range map[string]string{
		`{"a":1,"A":2}`:         "",
		` {"a":{"b":[1,{}]}} `:  "",
		deep(64):                "",
		deep(65):                "body must not be nested deeper than 64",
		`{"a":1,"a":2}`:         "a must be given once",
		`{"a":{"b":1,"b":1}}`:   "b must be given once",
		`{"a":[{"b":1,"b":1}]}`: "b must be given once",
		`{"a":1} {}`:            "body must hold one JSON value",
		`{"a":1}x`:              "body must hold one JSON value",
		`{"a":`:                 "body must be complete JSON",
		`{"a" 1}`:               "body must be JSON",
		`[1]`:                   "body must be a JSON object",
		`"text"`:                "body must be a JSON object",
		"{\"a\":\"\xff\"}":      "body must be UTF-8",
		`{"a":"b\u0000c"}`:      "body must not contain the character U+0000",
		`{"a\u0000":1}`:         "body must not contain the character U+0000",
	} {
		_, err := parseObject([]byte(body))
		got := ""
		if err != nil {
			got = sidetone.MessageOf(err)
		}
		if got != want {
			t.Errorf("%.40s: got %q, want %q", body, got, want)
		}
	}
}

func TestNormalise(t *testing.T) {
	t.Parallel()
	update, list := operationFor(t, "POST", "/v1/numbers/update"), operationFor(t, "GET", "/v1/numbers/list")
	create := operationFor(t, "POST", "/v1/calls/create")
	for _, test := range []struct {
		name    string
		profile profile
		op      operation
		query   string
		body    string
		want    input
	}{
		{"no body", fluents(), update, "", "", input{url.Values{}, fields{}}},
		{"null body", fluents(), update, "", " null\n", input{url.Values{}, fields{}}},
		{"body without use", fluents(), list, "", "{broken", input{url.Values{}, fields{}}},
		{"Python's booleans", fluents(), list, "sort_desc=True&size=", "", input{url.Values{"sort_desc": {"true"}}, fields{}}},
		{"an unescaped plus", fluents(), update, "phone_number=+12025550101", "", input{url.Values{"phone_number": {"+12025550101"}}, fields{}}},
		{"a provider as object", fluents(), update, "", `{"telephony_provider":{"name":"twilio"}}`,
			input{url.Values{}, fields{"telephony_provider": json.RawMessage(`"twilio"`)}}},
		{"a provider as text", fluents(), update, "", `{"telephony_provider":"sip"}`,
			input{url.Values{}, fields{"telephony_provider": json.RawMessage(`"sip"`)}}},
		{"{} is a value", fluents(), update, "", `{"label":{}}`, input{url.Values{}, fields{"label": json.RawMessage(`{}`)}}},
		{"{} keeps", vocode(), update, "", `{"label":{ },"example_context":{},"description":"x"}`,
			input{url.Values{}, fields{"description": json.RawMessage(`"x"`)}}},
		{"{} keeps at every depth", vocode(), update, "", `{"inbound_agent":{"prompt":{"content":{},"tags":[]},"actions":[{"id":"a","config":{},"label":{}}]}}`,
			input{url.Values{}, fields{"inbound_agent": json.RawMessage(`{"actions":[{"id":"a"}],"prompt":{"tags":[]}}`)}}},
		{"free maps are values in a create", vocode(), create, "", `{"context":{},"telephony_params":{"a":{}},"agent":{"actions":[{"config":{},"label":{}}]},"on_no_human_answer":{}}`,
			input{url.Values{}, fields{"context": json.RawMessage(`{}`), "telephony_params": json.RawMessage(`{"a":{}}`), "agent": json.RawMessage(`{"actions":[{"config":{}}]}`)}}},
	} {
		query, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		before := test.query
		got, err := normalise(test.profile, test.op, query, []byte(test.body))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(input{})); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
		if again, _ := url.ParseQuery(before); !cmp.Equal(query, again) {
			t.Errorf("%s: the arguments were changed", test.name)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
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
		{"POST /v1/agents/create", "", `{"prompt":"p","language":null}`, ""},
		{"POST /v1/agents/create", "", `{"prompt":"p","interrupt_sensitivity":"x","max_idle_check_count":"y"}`, "interrupt_sensitivity must be one of low, high; max_idle_check_count must be a whole number"},
		{"POST /v1/calls/create", "", `{"agent":null}`, "agent must be a string or an object; to_number is required; from_number is required"},
		{"GET /v1/numbers/list", "page=0&size=101", "", "page must be 1 or more; size must be between 1 and 100"},
		{"GET /v1/numbers/list", "page=x&sort_desc=maybe", "", "page must be a whole number; sort_desc must be true or false"},
		{"GET /v1/numbers/list", "sort_column=a%00b", "", "sort_column must be text"},
	} {
		method, path, _ := strings.Cut(test.target, " ")
		query, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		op := operationFor(t, method, path)
		in, err := normalise(fluents(), op, query, []byte(test.body))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := validate(fluents(), op, in); err != nil {
			got = sidetone.MessageOf(err)
		}
		if got != test.want {
			t.Errorf("%s %s %s:\n got %q\nwant %q", test.target, test.query, test.body, got, test.want)
		}
	}
}

func TestDecoderIsTriState(t *testing.T) {
	t.Parallel()
	d := &decoder{fields: fields{
		"null": json.RawMessage("null"), "text": json.RawMessage(`"x"`), "three": json.RawMessage("3.0"),
		"half": json.RawMessage("2.5"), "wrong": json.RawMessage(`{}`), "object": json.RawMessage(`{ "a" : 1 }`),
	}, profile: fluents()}
	for _, test := range []struct{ got, want any }{
		{d.text("absent"), sidetone.Optional[string]{}},
		{d.text("null"), sidetone.None[string]()},
		{d.text("text"), sidetone.Some("x")},
		{d.whole("three"), sidetone.Some(3)},
		{d.span("half", time.Second), sidetone.Some(2500 * time.Millisecond)},
		{d.span("null", time.Second), sidetone.None[time.Duration]()},
		{d.raw("object"), sidetone.Some([]byte(`{"a":1}`))},
		{d.raw("null"), sidetone.None[[]byte]()},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if err := d.err(); err != nil {
		t.Fatal(err)
	}
	d.text("wrong")
	d.whole("half")
	d.reference("three")
	want := "wrong must be a string; half must be a whole number; three must be an id or an object"
	if got := sidetone.MessageOf(d.err()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReferenceOf(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]reference{
		`"a"`:         {set: true, byID: true, id: "a"},
		`{"id":"a"}`:  {set: true, byID: true, id: "a", fields: fields{"id": json.RawMessage(`"a"`)}},
		`{"id":null}`: {set: true, fields: fields{"id": json.RawMessage(`null`)}},
		`{}`:          {set: true, fields: fields{}},
	} {
		got, ok := referenceOf(json.RawMessage(raw))
		if !ok {
			t.Errorf("%s is refused", raw)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(reference{})); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", raw, diff)
		}
	}
	for _, raw := range []string{`7`, `[]`, `{"id":7}`, `true`} {
		if _, ok := referenceOf(json.RawMessage(raw)); ok {
			t.Errorf("%s is accepted", raw)
		}
	}
}

func TestParseFilters(t *testing.T) {
	t.Parallel()
	got, err := parseFilters(`{"status":{"in":["ended","error"]},"from_number":"1 (202) 555-0101","label":{"contains":"x","ne":null}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []sidetone.Filter{
		{Column: "from_number", Op: "eq", Values: []any{"+12025550101"}},
		{Column: "label", Op: "contains", Values: []any{"x"}},
		{Column: "label", Op: "ne", Values: []any{nil}},
		{Column: "status", Op: "in", Values: []any{"ended", "error"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for text, want := range map[string]string{
		`[]`:                "filters must be a JSON object",
		`nonsense`:          "filters must be a JSON object",
		`{"a":{"like":1}}`:  "filters.a must use eq, ne, in, gt, gte, lt, lte or contains",
		`{"a":{"eq":[1]}}`:  "filters.a.eq must be a text, a number, true, false or null",
		`{"a":{"in":1}}`:    "filters.a.in must be a text, a number, true, false or null",
		`{"a":{"in":[{}]}}`: "filters.a.in must be a text, a number, true, false or null",
	} {
		if _, err := parseFilters(text); err == nil || sidetone.MessageOf(err) != want {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	if got, err := parseFilters(""); got != nil || err != nil {
		t.Errorf("no filters: got %v, %v", got, err)
	}
}

func TestErrorTable(t *testing.T) {
	t.Parallel()
	for code, status := range map[sidetone.Code]int{
		sidetone.Invalid: 400, sidetone.Unauthenticated: 401, sidetone.Forbidden: 403, sidetone.NotFound: 404,
		methodNotAllowed: 405, sidetone.Conflict: 409, sidetone.TooLarge: 413, badRange: 416,
		sidetone.Unprocessable: 422, sidetone.Limited: 429, sidetone.Unavailable: 503, sidetone.Internal: 500, "new": 500,
	} {
		o, body := plainErrors.body(sidetone.Errorf(code, "m"))
		want := map[string]any{"message": "m", "error": o.name, "statusCode": status}
		if diff := cmp.Diff(want, body); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", code, diff)
		}
		if waits := o.retry != ""; waits != (status == 429 || status == 503) {
			t.Errorf("%s: Retry-After is %q", code, o.retry)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "deflate": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", header)
		if got := acceptsGzip(r); got != want {
			t.Errorf("%q: got %v, want %v", header, got, want)
		}
	}
}

// TestHugeMistakesAreCheap bounds what one request can make the validator do:
// half a million wrong items are one sentence, not half a million.
func TestHugeMistakesAreCheap(t *testing.T) {
	t.Parallel()
	op := operationFor(t, "POST", "/v1/numbers/update")
	many := strings.Repeat("1,", 500_000) + "1"
	for body, want := range map[string]string{
		`{"prompt":{"tags":[` + many + `]}}`:           "inbound_agent.prompt.tags must have at most 100 items",
		`{"actions":[` + many + `]}`:                   "inbound_agent.actions must have at most 100 items",
		`{"prompt":{"collect_fields":[` + many + `]}}`: "inbound_agent.prompt.collect_fields must have at most 100 items",
		`{"deepgram_keywords":[` + many + `]}`:         "inbound_agent.deepgram_keywords[0] must be a string",
	} {
		in, err := normalise(fluents(), op, url.Values{"id": {"x"}}, []byte(`{"example_context":{},"inbound_agent":`+body+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if faults := newChecker(in).check(nil, op.body, mustTree(t, in.body)); len(faults) != 1 || faults[0] != want {
			t.Errorf("got %d sentences, first %q, want %q", len(faults), faults[0], want)
		}
	}
}

func mustTree(t *testing.T, f fields) map[string]any {
	t.Helper()
	out, err := tree(f)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzBody feeds the way of a body from the wire to a decoded noun: it must
// neither panic nor let a wrong type reach a decoder.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"example_context":{},"inbound_agent":{"prompt":{"content":"x","tags":["a"]},"actions":[{"id":"a"}],"initial_message_delay":1e300}}`,
		`{"agent":{"idle_time_seconds":-1},"to_number":"+1 202","from_number":"","context":{}}`, `null`, `{"a":1,"a":2}`, `[[[[`,
	} {
		f.Add([]byte(seed))
	}
	number, call := operationFor(f, "POST", "/v1/numbers/update"), operationFor(f, "POST", "/v1/calls/create")
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []operation{number, call} {
			in, err := normalise(fluents(), op, url.Values{"id": {"x"}}, body)
			if err != nil {
				if sidetone.CodeOf(err) != sidetone.Invalid {
					t.Fatalf("normalise: %v", err)
				}
				continue
			}
			if err := validate(fluents(), op, in); err != nil {
				if sidetone.CodeOf(err) != sidetone.Invalid || len(sidetone.MessageOf(err)) < 8 {
					t.Fatalf("validate: %v", err)
				}
				continue
			}
			d := &decoder{fields: in.body, profile: fluents()}
			change := decodeNumberChange(d)
			_, placed := decodePlacement(d)
			_, called := decodeCall(fluents(), in.body)
			for _, err := range []error{d.err(), placed, called} {
				if err != nil && sidetone.CodeOf(err) != sidetone.Invalid {
					t.Fatalf("decode: %v", err)
				}
			}
			n := sidetone.NewNumber("n", "e", "+12025550101", "simulated", time.Unix(0, 0))
			change.Apply(&n, time.Unix(0, 0))
			if _, err := json.Marshal(renderNumber(view{profile: fluents()}, n, nil)); err != nil {
				t.Fatalf("render: %v", err)
			}
		}
	})
}

// TestWhatFitsIsValid holds that no parameter takes the short way which the
// validator would refuse, and that most can take it.
func TestWhatFitsIsValid(t *testing.T) {
	t.Parallel()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	values := []any{"", "x", "äöü", strings.Repeat("x", 300), strings.Repeat("🔑", 5000), 0.0, 1.0, -1.0, 10.0, 100.0, 101.0, 1e9, true, false}
	all, short := 0, 0
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			op, err := operationOf(doc, method, path)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range op.parameters {
				if all++; p.bounded {
					short++
				}
				for _, v := range values {
					_, isText := v.(string)
					_, isNumber := v.(float64)
					suits := isText && p.kind == "string" || isNumber && (p.kind == "integer" || p.kind == "number") || !isText && !isNumber && p.kind == "boolean"
					if err := p.schema.VisitJSON(v); suits && p.fits(v) && err != nil {
						t.Errorf("%s %s: %s=%v fits, says the short way; the validator says %v", method, path, p.name, v, err)
					}
				}
			}
		}
	}
	if t.Logf("%d of %d parameters can take the short way", short, all); 10*short < 7*all {
		t.Errorf("only %d of %d parameters can take the short way", short, all)
	}
}
