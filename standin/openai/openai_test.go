package openai_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidetone/sidetone/llm"
	driver "github.com/sidetone/sidetone/llm/openai"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/model"
	"github.com/sidetone/sidetone/standin/openai"
)

// tap keeps what was answered.
type tap struct {
	mu   sync.Mutex
	seen bytes.Buffer
}

// RoundTrip sends the request and copies the answer.
func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		body, _ := io.ReadAll(response.Body)
		p.mu.Lock()
		p.seen.Write(body)
		p.mu.Unlock()
		response.Body = io.NopCloser(bytes.NewReader(body))
	}
	return response, err
}

// validate holds JSON against one of the vendor's schemas.
func validate(t *testing.T, doc *openapi3.T, name string, raw []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v in %s", name, err, raw)
	}
	if err := doc.Components.Schemas[name].Value.VisitJSON(v); err != nil {
		t.Errorf("%s does not follow the schema of OpenAI: %v\n%s", name, err, raw)
	}
}

// What our driver asks and what the stand-in answers follow OpenAI's own schema.
func TestTrafficFollowsTheSchema(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromFile("testdata/chat.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	control, wire := &standin.Control{}, &tap{}
	server := httptest.NewServer(openai.New(openai.Options{Control: control, Model: model.Playbook{}}))
	t.Cleanup(server.Close)
	d := driver.New(driver.Options{Client: &provider.Client{Vendor: "openai", HTTP: &http.Client{Transport: wire}}, Base: server.URL + "/v1"})
	history := []llm.Message{{Role: llm.System, Text: "playbook: P\n\nwhen caller says: weather\n  do get_weather city=Paris\n  say: It is $result.\n"},
		{Role: llm.Assistant, Text: "Hello."}, {Role: llm.User, Text: "the weather"}}
	call := generate(t, d, llm.Request{Messages: history, Temperature: 0.5, MaxTokens: 100,
		Tools: []llm.Tool{{Name: "get_weather", Description: "d", Schema: json.RawMessage(`{"type":"object","properties":{}}`)}}})
	generate(t, d, llm.Request{Messages: append(history, llm.Message{Role: llm.Assistant, Calls: []llm.ToolCall{*call}}, llm.Message{Role: llm.ToolRole, CallID: call.ID, Text: "sunny"})})
	for _, e := range control.Ledger() {
		validate(t, doc, "CreateChatCompletionRequest", e.Body[0])
	}
	chunks := 0
	for e := range provider.Events(&wire.seen) {
		if string(e.Data) != "[DONE]" {
			validate(t, doc, "CreateChatCompletionStreamResponse", e.Data)
			chunks++
		}
	}
	for _, name := range []string{"CreateChatCompletionRequest", "CreateChatCompletionStreamResponse", "ErrorResponse"} {
		if doc.Components.Schemas[name].Value.VisitJSON(map[string]any{}) == nil {
			t.Errorf("the schema of %s accepts anything", name)
		}
	}
	if chunks < 10 {
		t.Errorf("%d chunks were seen", chunks)
	}
}

// generate reads one answer and returns its call.
func generate(t *testing.T, d llm.Driver, r llm.Request) (call *llm.ToolCall) {
	t.Helper()
	for delta, err := range d.Generate(context.Background(), r) {
		if err != nil {
			t.Fatal(err)
		}
		if delta.Call != nil {
			call = delta.Call
		}
	}
	return call
}

// Errors follow the schema, too, and requests that OpenAI refuses are refused.
func TestRefusals(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromFile("testdata/chat.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	control := &standin.Control{}
	server := httptest.NewServer(openai.New(openai.Options{Control: control, Key: "k", Model: model.Playbook{}}))
	t.Cleanup(server.Close)
	user := `"messages":[{"role":"user","content":"hi"}]`
	for body, want := range map[string]int{
		`{"model":"m","stream":true,` + user + `}`:                                                                      http.StatusOK,
		`{"model":"m","stream":true,"novelty":1,` + user + `}`:                                                          http.StatusBadRequest,
		`{"stream":true,` + user + `}`:                                                                                  http.StatusBadRequest,
		`{"model":"m",` + user + `}`:                                                                                    http.StatusBadRequest,
		`{"model":"m","stream":true,"messages":[]}`:                                                                     http.StatusBadRequest,
		`{"model":"m","stream":true,"temperature":3,` + user + `}`:                                                      http.StatusBadRequest,
		`{"model":"gpt-5-mini","stream":true,"temperature":1,` + user + `}`:                                             http.StatusBadRequest,
		`{"model":"gpt-5-mini","stream":true,"max_tokens":1,` + user + `}`:                                              http.StatusBadRequest,
		`{"model":"m","stream":true,"messages":[{"role":"tool","tool_call_id":"x","content":"r"}]}`:                     http.StatusBadRequest,
		`{"model":"m","stream":true,"messages":[{"role":"caller","content":"r"}]}`:                                      http.StatusBadRequest,
		`{"model":"m","stream":true,"messages":[{"role":"assistant"}]}`:                                                 http.StatusBadRequest,
		`{"model":"m","stream":true,"tools":[{"type":"function","function":{"name":"f","parameters":1}}],` + user + `}`: http.StatusBadRequest,
		`{"model":"m","stream":true,"messages":[{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]}]}`: http.StatusBadRequest,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/chat/completions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer k")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != want || response.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: status %d, want %d: %s", body, response.StatusCode, want, raw)
		}
		if want != http.StatusOK {
			validate(t, doc, "ErrorResponse", raw)
		}
	}
}
