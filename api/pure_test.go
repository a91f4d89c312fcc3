package api

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/dialect"
)

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
		`{"a":{"like":1}}`:  "filters.a.like is no comparison; use eq, ne, in, gt, gte, lt, lte or contains",
		`{"a":[1]}`:         "filters.a must be a text, a number, true, false or null",
		`{"a":{"eq":[1]}}`:  "filters.a.eq must be a text, a number, true, false or null",
		`{"a":{"in":1}}`:    "filters.a.in must be a list of texts, numbers, true, false or null",
		`{"a":{"in":[{}]}}`: "filters.a.in must be a list of texts, numbers, true, false or null",
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
		o, body := errorBody(dialect.PlainErrors, contract.Operation{}, sidetone.Errorf(code, "m"))
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

// FuzzBody feeds the way of a body from the wire to a decoded noun: it must
// neither panic nor let a wrong type reach a decoder.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"example_context":{},"inbound_agent":{"prompt":{"content":"x","tags":["a"]},"actions":[{"id":"a"}],"initial_message_delay":1e300}}`,
		`{"agent":{"idle_time_seconds":-1},"to_number":"+1 202","from_number":"","context":{}}`, `null`, `{"a":1,"a":2}`, `[[[[`,
	} {
		f.Add([]byte(seed))
	}
	document, err := contract.Load()
	if err != nil {
		f.Fatal(err)
	}
	number, err := document.Operation("POST", "/v1/numbers/update")
	if err != nil {
		f.Fatal(err)
	}
	call, err := document.Operation("POST", "/v1/calls/create")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []contract.Operation{number, call} {
			in, err := contract.Normalise(dialect.Fluents(), op, url.Values{"id": {"x"}}, body)
			if err != nil {
				if sidetone.CodeOf(err) != sidetone.Invalid {
					t.Fatalf("normalise: %v", err)
				}
				continue
			}
			if err := contract.Validate(dialect.Fluents(), op, in); err != nil {
				if sidetone.CodeOf(err) != sidetone.Invalid || len(sidetone.MessageOf(err)) < 8 {
					t.Fatalf("validate: %v", err)
				}
				continue
			}
			d := newDecoder(dialect.Fluents(), in.Body)
			change := decodeNumberChange(d)
			_, placed := decodePlacement(d)
			_, called := decodeCall(dialect.Fluents(), in.Body)
			for _, err := range []error{d.Err(), placed, called} {
				if err != nil && sidetone.CodeOf(err) != sidetone.Invalid {
					t.Fatalf("decode: %v", err)
				}
			}
			n := sidetone.NewNumber("n", "e", "+12025550101", "simulated", time.Unix(0, 0))
			change.Apply(&n, time.Unix(0, 0))
			if _, err := json.Marshal(renderNumber(view{profile: dialect.Fluents()}, n, nil)); err != nil {
				t.Fatalf("render: %v", err)
			}
		}
	})
}

func TestDetailedErrors(t *testing.T) {
	t.Parallel()
	_, got := errorBody(dialect.DetailErrors, contract.Operation{}, sidetone.Errorf(sidetone.NotFound, "id names no call in this environment"))
	want := map[string]any{
		"detail": "id names no call in this environment", "message": "id names no call in this environment",
		"error": "Not Found", "statusCode": 404,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	_, got = errorBody(dialect.DetailErrors, contract.Operation{}, below("agent", sidetone.Joined(sidetone.Invalid, []string{"prompt is odd; very odd", "label is long"})))
	list := []object{
		{"loc": []string{"body", "agent", "prompt"}, "msg": "agent.prompt is odd; very odd", "type": "value_error"},
		{"loc": []string{"body", "agent", "label"}, "msg": "agent.label is long", "type": "value_error"},
	}
	if got["statusCode"] != 422 {
		t.Errorf("got %v", got)
	}
	if diff := cmp.Diff(any(list), got["detail"]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
