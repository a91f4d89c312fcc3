package openai_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/llm/openai"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	stand "github.com/sidetone/sidetone/standin/openai"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a driver with default options whose vendor is at url.
func open(client *http.Client, url string) llm.Driver {
	return openai.New(openai.Options{Base: url + "/v1", Client: &provider.Client{Vendor: "openai", HTTP: client, Secrets: []sidetone.Secret{llmtest.Key},
		Authorise: func(h http.Header) { h.Set("Authorization", "Bearer "+llmtest.Key) }}})
}

func TestVendor(t *testing.T) {
	t.Parallel()
	llmtest.RunVendor(t, llmtest.Vendor{Name: "openai", Open: open, NamesErrors: true, InBand: provider.Broken,
		Serve: func(c *standin.Control, model llm.Driver) http.Handler {
			return stand.New(stand.Options{Control: c, Key: llmtest.Key, Model: model})
		}})
}

// With SIDETONE_TEST_LONG the streams are ended at every byte.
func TestRecorded(t *testing.T) {
	t.Parallel()
	llmtest.RunRecorded(t, "openai", false, "data: [DONE]\n\n", func(c *http.Client) llm.Driver { return open(c, "http://vendor.example") })
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{"", "data: {\n\n", "data: {}\n\n", "data: null\n\n",
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\",\"tool_calls\":null},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":-1,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":-1}}\n\n",
		"data: {\"error\":{\"code\":429,\"message\":\"m\"}}\n\n", "data: {\"choices\":null,\"error\":null}\n\ndata: [DONE]", "data: {\"choices\":[{}]}\n\n: x\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		llmtest.CheckAnswer(t, open(llmtest.Replay(body), "http://vendor.example"))
	})
}

// Each kind of server is asked in the way that it understands.
func TestRequestsByServer(t *testing.T) {
	t.Parallel()
	control := &standin.Control{}
	server := httptest.NewServer(stand.New(stand.Options{Control: control, Model: llmtest.NewStub()}))
	t.Cleanup(server.Close)
	client := func(base string) *provider.Client {
		return &provider.Client{Vendor: "openai", HTTP: redirected(server, base)}
	}
	request := llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "hi"}}, Temperature: 0.5, MaxTokens: 9, Seed: "call-1"}
	own := server.URL + "/v1"
	for name, c := range map[string]struct {
		o     openai.Options
		model string
		path  string
		body  string
	}{
		"OpenAI": {openai.Options{}, "", "/v1/chat/completions",
			`{"model":"gpt-4.1-mini","stream":true,"stream_options":{"include_usage":true},"prompt_cache_key":"call-1","temperature":0.5,"max_completion_tokens":9,"messages":`},
		"a model that reasons": {openai.Options{}, "gpt-5-mini", "/v1/chat/completions",
			`{"model":"gpt-5-mini","stream":true,"stream_options":{"include_usage":true},"prompt_cache_key":"call-1","max_completion_tokens":9,"messages":`},
		"a server of one's own": {openai.Options{Base: own + "/", Model: "llama"}, "", "/v1/chat/completions",
			`{"model":"llama","stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"max_tokens":9,"messages":`},
		"one that refuses stream_options": {openai.Options{Base: own, Model: "llama", NoUsage: true}, "qwen", "/v1/chat/completions",
			`{"model":"qwen","stream":true,"temperature":0.5,"max_tokens":9,"messages":`},
		"a model that reasons elsewhere": {openai.Options{Base: own}, "openai/gpt-5-mini", "/v1/chat/completions",
			`{"model":"openai/gpt-5-mini","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":9,"messages":`},
		"one in a region of OpenAI's": {openai.Options{Base: "https://eu.api.openai.com/v1"}, "gpt-5-mini", "/v1/chat/completions",
			`{"model":"gpt-5-mini","stream":true,"stream_options":{"include_usage":true},"prompt_cache_key":"call-1","max_completion_tokens":9,"messages":`},
		"one of a deployment of Azure": {openai.Options{Base: server.URL, AzureVersion: "2024-10-21", Deployment: "my one", Model: "gpt-5-mini"}, "", "/openai/deployments/my one/chat/completions",
			`{"model":"my one","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":9,"messages":`},
		"Azure": {openai.Options{Base: server.URL, AzureVersion: "2024-10-21"}, "gpt-4.1-mini", "/openai/deployments/gpt-4.1-mini/chat/completions",
			`{"model":"gpt-4.1-mini","stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"max_completion_tokens":9,"messages":`},
		"a deployment of Azure": {openai.Options{Base: server.URL, AzureVersion: "2024-10-21", Deployment: "my one"}, "gpt-4.1-mini", "/openai/deployments/my one/chat/completions",
			`{"model":"my one","stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"max_completion_tokens":9,"messages":`},
	} {
		c.o.Client = client(c.o.Base)
		request.Model = c.model
		if _, _, _, err := llmtest.Collect(t.Context(), t, openai.New(c.o), request); err != nil && !strings.Contains(err.Error(), "max_tokens") && !strings.Contains(err.Error(), "temperature") {
			t.Errorf("%s: %v", name, err)
		}
		asked := control.Ledger()[len(control.Ledger())-1]
		if asked.Path != c.path || !strings.HasPrefix(string(asked.Body[0]), c.body) {
			t.Errorf("%s: %s %s, want %s %s", name, asked.Path, asked.Body[0], c.path, c.body)
		}
		if version := asked.Query.Get("api-version"); version != c.o.AzureVersion {
			t.Errorf("%s: api-version %q", name, version)
		}
	}
}

// TestTemperature: what is 0 is sent, but to models that take none.
func TestTemperature(t *testing.T) {
	t.Parallel()
	control := &standin.Control{}
	server := httptest.NewServer(stand.New(stand.Options{Control: control, Model: llmtest.NewStub()}))
	t.Cleanup(server.Close)
	d := openai.New(openai.Options{Client: &provider.Client{Vendor: "openai", HTTP: server.Client()}, Base: server.URL + "/v1"})
	for model, takes := range map[string]bool{"": true, "gpt-4.1": true, "gpt-5-chat-latest": true, "llama3.2": true, "openai/gpt-oss-20b": true,
		"gpt-5": false, "gpt-5.2": false, "o3-mini": false, "o4-mini": false, "openai/o1": false, "GPT-5-mini": false} {
		if _, _, _, err := llmtest.Collect(t.Context(), t, d, llm.Request{Model: model, Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}); err != nil {
			t.Errorf("%s: %v", model, err)
		}
		sent := strings.Contains(string(control.Ledger()[len(control.Ledger())-1].Body[0]), `"temperature":0,`)
		if d.TakesTemperature(model) != takes || sent != takes {
			t.Errorf("%q: takes a temperature: %t, sent: %t, want %t", model, d.TakesTemperature(model), sent, takes)
		}
	}
}

// redirected sends what is meant for OpenAI itself to the stand-in.
func redirected(server *httptest.Server, base string) *http.Client {
	if base != "" && !strings.Contains(base, "openai.com") {
		return server.Client()
	}
	return &http.Client{Transport: rewriter{server}}
}

type rewriter struct{ server *httptest.Server }

// RoundTrip changes the host of a request.
func (r rewriter) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" || !strings.HasSuffix(req.URL.Host, "api.openai.com") {
		return nil, errors.New("not OpenAI's address: " + req.URL.String())
	}
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", strings.TrimPrefix(r.server.URL, "http://")
	return r.server.Client().Transport.RoundTrip(req)
}

// How answers end, and which failures they are.
func TestEnds(t *testing.T) {
	t.Parallel()
	choice := func(delta, reason string) string {
		return `data: {"choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + reason + `}]}` + "\n\n"
	}
	failure := func(inner string) string { return `data: {"error":` + inner + `}` + "\n\n" }
	half := `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x"}}]}`
	for name, c := range map[string]struct {
		body string
		text string
		kind provider.Kind
	}{
		"without [DONE]":        {choice(`{"content":"Hi."}`, `"stop"`), "Hi.", 0},
		"without a reason":      {choice(`{"content":"Hi."}`, `null`) + "data: [DONE]\n\n", "Hi.", 0},
		"thoughts":              {choice(`{"content":"<thi"}`, `null`) + choice(`{"content":"nk>Hm.</think>\n\nHi."}`, `"stop"`), "Hi.", 0},
		"only thoughts":         {choice(`{"content":"<think>Hm."}`, `"stop"`), "", provider.Empty},
		"too long":              {choice(`{"content":"Hi"}`, `"length"`), "Hi", 0},
		"too long, in a call":   {choice(half, `"length"`), "", provider.Empty},
		"a refusal":             {choice(`{"refusal":"I cannot."}`, `"stop"`), "I cannot.", 0},
		"filtered":              {choice(`{"content":"Hi"}`, `"content_filter"`), "Hi", provider.Rejected},
		"a call without name":   {choice(`{"tool_calls":[{"index":0,"id":"a"}]}`, `"tool_calls"`), "", provider.Broken},
		"another choice":        {`data: {"choices":[{"index":1,"delta":{"content":"No"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n", "", provider.Empty},
		"nothing":               {"", "", provider.Broken},
		"only the end":          {"data: [DONE]\n\n", "", provider.Empty},
		"no JSON":               {"data: <html>\n\n", "", provider.Broken},
		"quota":                 {failure(`{"code":"insufficient_quota","message":"m"}`), "", provider.Exhausted},
		"rate":                  {failure(`{"code":"rate_limit_exceeded"}`), "", provider.Limited},
		"status as the code":    {failure(`{"code":502,"message":"m"}`), "", provider.Broken},
		"rate as the code":      {failure(`{"code":429}`), "", provider.Limited},
		"model":                 {failure(`{"code":"model_not_found"}`), "", provider.Missing},
		"key":                   {failure(`{"code":"invalid_api_key"}`), "", provider.Unauthorised},
		"request":               {failure(`{"type":"invalid_request_error","code":null}`), "", provider.Rejected},
		"an error that is text": {failure(`"overloaded"`), "", provider.Broken},
	} {
		text, _, used, err := llmtest.Collect(t.Context(), t, open(llmtest.Replay([]byte(c.body)), "http://vendor.example"), llm.Request{})
		if text != c.text || c.kind == 0 && (err != nil || used == nil) || c.kind != 0 && provider.KindOf(err) != c.kind {
			t.Errorf("%s: text %q, error %v (%v); want %q, %v", name, text, err, provider.KindOf(err), c.text, c.kind)
		}
	}
}

// Calls come in pieces, which may be mixed.
func TestCallsInPieces(t *testing.T) {
	t.Parallel()
	piece := func(s string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":null,"tool_calls":[` + s + `]}}]}` + "\n\n"
	}
	body := piece(`{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}`) +
		piece(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}`) +
		piece(`{"index":1,"id":null,"function":{"name":null,"arguments":"{}"}},{"index":0,"function":{"arguments":"1}"}}`) + "data: [DONE]\n\n"
	_, calls, _, err := llmtest.Collect(t.Context(), t, open(llmtest.Replay([]byte(body)), "http://vendor.example"), llm.Request{})
	got, _ := json.Marshal(calls)
	if want := `[{"ID":"a","Name":"f","Args":{"x":1}},{"ID":"b","Name":"g","Args":{}}]`; err != nil || string(got) != want {
		t.Errorf("calls %s, error %v; want %s", got, err, want)
	}
}
