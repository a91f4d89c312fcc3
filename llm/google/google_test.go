package google_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/google"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	stand "github.com/sidetone/sidetone/standin/google"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a driver with default options whose vendor is at url.
func open(client *http.Client, url string) llm.Driver {
	return google.New(google.Options{Base: url + "/v1beta", Client: &provider.Client{Vendor: "google", HTTP: client, Secrets: []sidetone.Secret{llmtest.Key},
		Authorise: func(h http.Header) { h.Set("X-Goog-Api-Key", llmtest.Key) }}})
}

func TestVendor(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string]bool{"calls with ids": true, "calls without ids": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			llmtest.RunVendor(t, llmtest.Vendor{Name: "google", Open: open, InBand: provider.Broken,
				Serve: func(c *standin.Control, model llm.Driver) http.Handler {
					return stand.New(stand.Options{Control: c, Key: llmtest.Key, Model: model, CallIDs: ids})
				}})
		})
	}
}

// With SIDETONE_TEST_LONG the streams are ended at every byte.
func TestRecorded(t *testing.T) {
	t.Parallel()
	llmtest.RunRecorded(t, "google", false, "", func(c *http.Client) llm.Driver { return open(c, "http://vendor.example") })
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{"", "data: {\n\n", "data: {}\n\n", "data: null\n\n",
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"},{\"functionCall\":{\"name\":\"f\",\"args\":null}}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":-5}}\n\n",
		"data: {\"promptFeedback\":{\"blockReason\":\"OTHER\"}}\n\n", "data: {\"error\":{\"code\":0}}\n\n", "data: {\"candidates\":[{\"content\":null,\"finishReason\":\"MAX_TOKENS\"}]}\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		llmtest.CheckAnswer(t, open(llmtest.Replay(body), "http://vendor.example"))
	})
}

// A call is shown again as Google made it; another model's has no id of Google's
// and the word for a signature that is not there.
func TestCallsAreShownAgain(t *testing.T) {
	t.Parallel()
	for _, ids := range []bool{true, false} {
		control := &standin.Control{}
		stub := llmtest.NewStub(llmtest.Answer{Calls: []llm.ToolCall{{ID: "theirs", Name: "f", Args: json.RawMessage(`{"x":1}`)}, {ID: "second", Name: "f"}}})
		stub.Queue(llmtest.Say("Fine."))
		server := httptest.NewServer(stand.New(stand.Options{Control: control, Model: stub, CallIDs: ids}))
		t.Cleanup(server.Close)
		d := open(server.Client(), server.URL)
		messages := []llm.Message{{Role: llm.User, Text: "a"}, {Role: llm.Assistant, Calls: []llm.ToolCall{{ID: "other", Name: "h", Args: json.RawMessage(`{}`)}}},
			{Role: llm.ToolRole, CallID: "other", Text: "done"}, {Role: llm.User, Text: "b"}}
		request := llm.Request{Messages: messages, Temperature: 0.5, MaxTokens: 9, Tools: []llm.Tool{{Name: "f"}}}
		_, calls, _, err := llmtest.Collect(t.Context(), t, d, request)
		if err != nil || len(calls) != 2 {
			t.Fatalf("calls %v, error %v", calls, err)
		}
		request.Messages = append(messages, llm.Message{Role: llm.Assistant, Calls: calls}, llm.Message{Role: llm.ToolRole, CallID: calls[0].ID, Text: "failed: no"},
			llm.Message{Role: llm.ToolRole, CallID: calls[1].ID, Text: "yes"})
		if _, _, _, err := llmtest.Collect(t.Context(), t, d, request); err != nil {
			t.Fatal(err)
		}
		body := string(control.Ledger()[1].Body[0])
		first, second := `"id":"theirs",`, `"id":"second",`
		if !ids {
			first, second = "", ""
		}
		signature, _, _ := strings.Cut(after(body, `{"functionCall":{`+first+`"name":"f","args":{"x":1}},"thoughtSignature":"`), `"`)
		want := `{"generationConfig":{"temperature":0.5,"maxOutputTokens":9},"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{}}}]}],` +
			`"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"functionCall":{"name":"h","args":{}},"thoughtSignature":"skip_thought_signature_validator"}]},` +
			`{"role":"user","parts":[{"functionResponse":{"name":"h","response":{"result":"done"}}},{"text":"b"}]},` +
			`{"role":"model","parts":[{"functionCall":{` + first + `"name":"f","args":{"x":1}},"thoughtSignature":"` + signature + `"},{"functionCall":{` + second + `"name":"f","args":{}}}]},` +
			`{"role":"user","parts":[{"functionResponse":{` + first + `"name":"f","response":{"error":"no"}}},{"functionResponse":{` + second + `"name":"f","response":{"result":"yes"}}}]}]}`
		if body != want || signature == "" {
			t.Errorf("asked\n%s, want\n%s", body, want)
		}
	}
}

// TestTemperature: what is 0 is sent.
func TestTemperature(t *testing.T) {
	t.Parallel()
	control := &standin.Control{}
	server := httptest.NewServer(stand.New(stand.Options{Control: control, Model: llmtest.NewStub()}))
	t.Cleanup(server.Close)
	if _, _, _, err := llmtest.Collect(t.Context(), t, open(server.Client(), server.URL), llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}); err != nil {
		t.Fatal(err)
	}
	if body := string(control.Ledger()[0].Body[0]); !strings.HasPrefix(body, `{"generationConfig":{"temperature":0},`) {
		t.Errorf("asked %s", body)
	}
}

// after is what follows a text in another.
func after(s, before string) string {
	_, rest, _ := strings.Cut(s, before)
	return rest
}

// How answers end, and which failures they are.
func TestEnds(t *testing.T) {
	t.Parallel()
	ended := func(reason string) string {
		return `{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"` + reason + `"}],"responseId":"r1"}`
	}
	for name, c := range map[string]struct {
		chunks string
		kind   provider.Kind
	}{
		"STOP":                    {ended("STOP"), 0},
		"MAX_TOKENS":              {ended("MAX_TOKENS"), 0},
		"SAFETY":                  {ended("SAFETY"), provider.Rejected},
		"RECITATION":              {ended("RECITATION"), provider.Rejected},
		"MALFORMED_FUNCTION_CALL": {ended("MALFORMED_FUNCTION_CALL"), provider.Broken},
		"a new reason":            {ended("NOVELTY"), provider.Broken},
		"blocked":                 {`{"promptFeedback":{"blockReason":"SAFETY"}}`, provider.Rejected},
		"only thoughts":           {`{"candidates":[{"content":{"parts":[{"text":"Hm","thought":true}]},"finishReason":"STOP"}]}`, provider.Empty},
		"no reason":               {`{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}`, provider.Broken},
		"a call without name":     {`{"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]},"finishReason":"STOP"}]}`, provider.Broken},
		"an error":                {`{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}`, provider.Broken},
		"a limit":                 {`{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}`, provider.Limited},
		"an error without code":   {`{"error":{}}`, provider.Broken},
	} {
		body := llmtest.Framed([]byte(c.chunks), false)
		_, _, used, err := llmtest.Collect(t.Context(), t, open(llmtest.Replay(body), "http://vendor.example"), llm.Request{})
		if c.kind == 0 && (err != nil || used == nil) || c.kind != 0 && provider.KindOf(err) != c.kind {
			t.Errorf("%s: error %v (%v); want %v", name, err, provider.KindOf(err), c.kind)
		}
	}
}

// The vendor says in the body how long to wait, see the recorded error.
func TestRetryInfo(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../llmtest/testdata/recorded/google/google-429-retry-info.json")
	if err != nil {
		t.Fatal(err)
	}
	f := (&provider.Client{Vendor: "google"}).Refusal(http.StatusTooManyRequests, nil, raw)
	if f.Kind != provider.Limited || f.RetryAfter != 34400*time.Millisecond {
		t.Errorf("%v, wait %v", f, f.RetryAfter)
	}
}
