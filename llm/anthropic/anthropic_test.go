package anthropic_test

import (
	"net/http"
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
func open(client *http.Client, url string) llm.Driver {
	return anthropic.New(anthropic.Options{Base: url + "/v1", Client: &provider.Client{Vendor: "anthropic", HTTP: client, Secrets: []sidetone.Secret{llmtest.Key},
		Authorise: anthropic.Authorise(anthropic.Version2026, llmtest.Key)}})
}

func TestVendor(t *testing.T) {
	t.Parallel()
	llmtest.RunVendor(t, llmtest.Vendor{Name: "anthropic", Open: open, NamesErrors: true, InBand: provider.Limited, NoStart: provider.Broken,
		Unstable: `,"cache_control":{"type":"ephemeral"}`,
		Serve: func(c *standin.Control, model llm.Driver) http.Handler {
			return stand.New(stand.Options{Control: c, Key: llmtest.Key, Model: model})
		}})
}

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
