package google_test

import (
	"net/http"
	"testing"

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
	llmtest.RunVendor(t, llmtest.Vendor{Name: "google", Open: open, InBand: provider.Broken,
		Serve: func(c *standin.Control, model llm.Driver) http.Handler {
			return stand.New(stand.Options{Control: c, Key: llmtest.Key, Model: model})
		}})
}

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
