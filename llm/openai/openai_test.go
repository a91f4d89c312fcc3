package openai_test

import (
	"net/http"
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
