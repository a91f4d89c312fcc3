package anthropic_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/anthropic"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	stand "github.com/sidetone/sidetone/standin/anthropic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a driver with default options whose vendor is at url.
func open(client *http.Client, url string) llm.Driver { return openVersion("", client, url) }

func openVersion(version string, client *http.Client, url string) llm.Driver {
	return anthropic.New(anthropic.Options{Base: url + "/v1", Version: version, Client: &provider.Client{Vendor: "anthropic", HTTP: client,
		Secrets: []sidetone.Secret{llmtest.Key}, Authorise: anthropic.Authorise(version, llmtest.Key)}})
}

func TestVendor(t *testing.T) {
	t.Parallel()
	for _, version := range []string{anthropic.Version2023, anthropic.Version2026} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			llmtest.RunVendor(t, llmtest.Vendor{Name: "anthropic", NamesErrors: true, InBand: provider.Limited, NoStart: provider.Broken,
				Unstable: `,"cache_control":{"type":"ephemeral"}`,
				Open:     func(c *http.Client, url string) llm.Driver { return openVersion(version, c, url) },
				Serve: func(c *standin.Control, model llm.Driver) http.Handler {
					return stand.New(stand.Options{Control: c, Key: llmtest.Key, Model: model})
				}})
		})
	}
}

// With SIDETONE_TEST_LONG the streams are ended at every byte.
func TestRecorded(t *testing.T) {
	t.Parallel()
	llmtest.RunRecorded(t, "anthropic", true, "", func(c *http.Client) llm.Driver { return open(c, "http://vendor.example") })
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{"", "data: {\n\n", "data: {}\n\n", "data: null\n\n",
		"data: {\"type\":\"message_start\",\"message\":null}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\",\"input\":null}}\n\ndata: {\"type\":\"content_block_stop\"}\n\ndata: {\"type\":\"message_stop\"}\n\n",
		"event: error\ndata: {\"error\":{\"type\":\"overloaded_error\"}}\n\n", "event: message_stop\ndata: {}\n\n", "event: ping\ndata: []\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		llmtest.CheckAnswer(t, open(llmtest.Replay(body), "http://vendor.example"))
	})
}

// Versions differ in the key's header and in the temperature; the cache has its
// breakpoints behind the tools, the system prompt and the newest turn.
func TestRequest(t *testing.T) {
	t.Parallel()
	control := &standin.Control{}
	var seen http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		stand.New(stand.Options{Control: control, Model: llmtest.NewStub()}).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	request := llm.Request{Temperature: 0.5, Tools: []llm.Tool{{Name: "f"}, {Name: "g"}},
		Messages: []llm.Message{{Role: llm.System, Text: "S"}, {Role: llm.Assistant, Text: "Hello."}, {Role: llm.User, Text: "a"}, {Role: llm.User, Text: "b"}}}
	schema, mark := `"input_schema":{"type":"object","properties":{}}`, `"cache_control":{"type":"ephemeral"}`
	rest := `"tools":[{"name":"f",` + schema + `},{"name":"g",` + schema + `,` + mark + `}],"system":[{"type":"text","text":"S",` + mark + `}],` +
		`"messages":[{"role":"user","content":[{"type":"text","text":"[the call begins]"}]},{"role":"assistant","content":[{"type":"text","text":"Hello."}]},` +
		`{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b",` + mark + `}]}]}`
	for version, want := range map[string][3]string{
		"2023-06-01": {"", llmtest.Key, `{"model":"claude-haiku-4-5","max_tokens":1024,"stream":true,"temperature":0.5,`},
		"2026-10-21": {"Bearer " + llmtest.Key, "", `{"model":"claude-haiku-4-5","max_tokens":1024,"stream":true,`},
	} {
		if _, _, _, err := llmtest.Collect(t.Context(), t, openVersion(version, server.Client(), server.URL), request); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		ledger := control.Ledger()
		if got := string(ledger[len(ledger)-1].Body[0]); got != want[2]+rest {
			t.Errorf("%s: asked\n%s, want\n%s", version, got, want[2]+rest)
		}
		if seen.Get("Authorization") != want[0] || seen.Get("X-Api-Key") != want[1] || seen.Get("Anthropic-Version") != version {
			t.Errorf("%s: headers %v", version, seen)
		}
	}
}

// TestTemperature: what is 0 is sent, but to models that take none.
func TestTemperature(t *testing.T) {
	t.Parallel()
	control := &standin.Control{}
	server := httptest.NewServer(stand.New(stand.Options{Control: control, Model: llmtest.NewStub()}))
	t.Cleanup(server.Close)
	d := openVersion("2023-06-01", server.Client(), server.URL)
	for model, takes := range map[string]bool{"": true, "claude-sonnet-4-5": true, "claude-opus-4-20250514": true, "claude-3-5-haiku-latest": true,
		"claude-opus-4-7": false, "claude-sonnet-5": false} {
		if _, _, _, err := llmtest.Collect(t.Context(), t, d, llm.Request{Model: model, Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}); err != nil {
			t.Errorf("%s: %v", model, err)
		}
		sent := strings.Contains(string(control.Ledger()[len(control.Ledger())-1].Body[0]), `"temperature":0,`)
		if says := d.(llm.Selective).TakesTemperature(model); says != takes || sent != takes {
			t.Errorf("%q: takes a temperature: %t, sent: %t, want %t", model, says, sent, takes)
		}
	}
}

// How answers end, and which failures they are.
func TestEnds(t *testing.T) {
	t.Parallel()
	start, stop := `{"type":"message_start","message":{"id":"msg_1"}}`, `{"type":"message_stop"}`
	text := `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}`
	reason := func(r string) string { return `{"type":"message_delta","delta":{"stop_reason":"` + r + `"}}` }
	call := `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"f"}}`
	half := `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"x"}}`
	closed := `{"type":"content_block_stop","index":1}`
	failure := func(kind string) string { return `{"type":"error","error":{"type":"` + kind + `","message":"m"}}` }
	for name, c := range map[string]struct {
		events []string
		kind   provider.Kind
	}{
		"whole":                {[]string{start, text, reason("end_turn"), stop}, 0},
		"no reason":            {[]string{start, text, stop}, 0},
		"too long":             {[]string{start, text, reason("max_tokens"), stop}, 0},
		"context used up":      {[]string{start, text, reason("model_context_window_exceeded"), stop}, 0},
		"paused":               {[]string{start, text, reason("pause_turn"), stop}, 0},
		"too long, in a call":  {[]string{start, call, half, closed, reason("max_tokens"), stop}, provider.Empty},
		"refused":              {[]string{start, text, reason("refusal"), stop}, provider.Rejected},
		"no stop":              {[]string{start, text, reason("end_turn")}, provider.Broken},
		"no start":             {[]string{text, reason("end_turn"), stop}, provider.Broken},
		"only start and stop":  {[]string{start, stop}, provider.Empty},
		"a call without name":  {[]string{start, `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use"}}`, closed, stop}, provider.Broken},
		"authentication_error": {[]string{failure("authentication_error")}, provider.Unauthorised},
		"permission_error":     {[]string{failure("permission_error")}, provider.Unauthorised},
		"billing_error":        {[]string{failure("billing_error")}, provider.Exhausted},
		"not_found_error":      {[]string{failure("not_found_error")}, provider.Missing},
		"rate_limit_error":     {[]string{failure("rate_limit_error")}, provider.Limited},
		"overloaded_error":     {[]string{start, text, failure("overloaded_error")}, provider.Limited},
		"timeout_error":        {[]string{failure("timeout_error")}, provider.Late},
		"request_too_large":    {[]string{failure("request_too_large")}, provider.Rejected},
		"api_error":            {[]string{failure("api_error")}, provider.Broken},
		"an unknown error":     {[]string{failure("novel_error")}, provider.Broken},
	} {
		body := llmtest.Framed([]byte(strings.Join(c.events, "\n")), true)
		_, _, used, err := llmtest.Collect(t.Context(), t, open(llmtest.Replay(body), "http://vendor.example"), llm.Request{})
		if c.kind == 0 && (err != nil || used == nil) || c.kind != 0 && provider.KindOf(err) != c.kind {
			t.Errorf("%s: error %v (%v); want %v", name, err, provider.KindOf(err), c.kind)
		}
	}
}

// An account without money is no wrong request.
func TestCreditBalance(t *testing.T) {
	t.Parallel()
	control := &standin.Control{}
	server := httptest.NewServer(stand.New(stand.Options{Control: control, Model: llmtest.NewStub()}))
	t.Cleanup(server.Close)
	for reason, want := range map[string]provider.Kind{"credit_balance": provider.Exhausted, "": provider.Rejected} {
		control.Inject(standin.Fault{Kind: standin.Status, Status: http.StatusBadRequest, Reason: reason, Times: 1})
		_, _, _, err := llmtest.Collect(t.Context(), t, open(server.Client(), server.URL), llm.Request{})
		if provider.KindOf(err) != want {
			t.Errorf("%q: %v, want %v", reason, err, want)
		}
	}
}
