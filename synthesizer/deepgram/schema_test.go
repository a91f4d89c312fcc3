package deepgram_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/deepgram"
	"github.com/sidetone/sidetone/synthesizer/stream"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

// TestMessagesFollowTheSchema: what the driver sends and what the stand-in answers
// is what the vendor's file allows.
func TestMessagesFollowTheSchema(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/speak.yaml")
	if err != nil {
		t.Fatal(err)
	}
	schemas := synthesizertest.ReadSchemas(t, file)
	c, base, control := client(t, 0)
	d := deepgram.New(deepgram.Options{Client: c, Base: base})
	defer func() { _ = d.Close() }()
	if _, _, err := synthesizertest.Collect(t.Context(), t, d, synthesizer.Request{Text: "a few words", Rate: 8000}); err != nil {
		t.Fatal(err)
	}
	for range d.Speak(t.Context(), synthesizer.Request{Text: "a few words", Rate: 8000}) {
		break
	}
	e := control.Ledger()[0]
	sent := append(e.Body, []byte(`{"type":"Close"}`))
	header := http.Header{"Authorization": {"Token " + synthesizertest.Key}}
	said := synthesizertest.Replay(t, stream.WebSocketBase(base)+e.Path+"?"+e.Query.Encode(), header, sent)
	for _, m := range sent {
		schemas.Check(t, "SpeakV1_SpeakV1"+strings.Replace(kind(t, m), "Speak", "Text", 1), m)
	}
	for _, m := range said {
		schemas.Check(t, "SpeakV1_SpeakV1"+kind(t, m), m)
	}
	if len(said) < 2 {
		t.Errorf("%d messages came", len(said))
	}
}

func kind(t *testing.T, message []byte) string {
	t.Helper()
	var m struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(message, &m); err != nil {
		t.Fatal(err)
	}
	return m.Type
}
