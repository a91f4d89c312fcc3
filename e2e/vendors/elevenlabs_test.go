//go:build vendors

package vendors

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/sidetone/sidetone/standin"
	standpkg "github.com/sidetone/sidetone/standin/elevenlabs"
	"github.com/sidetone/sidetone/standin/speech"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/elevenlabs"
	"github.com/sidetone/sidetone/synthesizer/stream"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

// elevenLabsMessages writes messages.json: what our driver says for an utterance over
// the socket of voices, what the stand-in answers, and as which of the client's types.
func elevenLabsMessages(t *testing.T, dir string) {
	t.Helper()
	control, credential := &standin.Control{}, http.Header{"Xi-Api-Key": {key}}
	c, base := synthesizertest.Serve(t, "elevenlabs", func(h http.Header) { h.Set("xi-api-key", key) },
		standpkg.New(speech.Options{Control: control, Key: key}))
	half := 0.5
	d := elevenlabs.New(elevenlabs.Options{Client: c, Base: base, Stability: &half, SimilarityBoost: &half})
	if _, _, err := synthesizertest.Collect(t.Context(), t, d, synthesizer.Request{Text: "a few words", Rate: 8000}); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	type typed struct {
		Type    string          `json:"type"`
		Message json.RawMessage `json:"message"`
	}
	var all []typed
	e := control.Ledger()[0]
	for i, m := range e.Body {
		name := "SendText"
		switch i {
		case 0:
			name = "InitializeConnection"
		case len(e.Body) - 1:
			name = "CloseConnection"
		}
		all = append(all, typed{name, m})
	}
	for _, m := range synthesizertest.Replay(t, stream.WebSocketBase(base)+e.Path+"?"+e.Query.Encode(), credential, e.Body) {
		var end struct{ IsFinal bool }
		if err := json.Unmarshal(m, &end); err != nil {
			t.Fatal(err)
		}
		all = append(all, typed{map[bool]string{false: "AudioOutput", true: "FinalOutput"}[end.IsFinal], m})
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "messages.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}
