package elevenlabs_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/elevenlabs"
	"github.com/sidetone/sidetone/synthesizer/stream"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

// TestMessagesFollowTheSchema: what the driver sends and what the stand-in answers
// is what the vendor's file allows. That file may not be copied: the variable
// names a folder that has it.
func TestMessagesFollowTheSchema(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("SIDETONE_TEST_SCHEMAS")
	if folder == "" {
		t.Skip("NOT CHECKED AGAINST THE VENDOR'S SCHEMA: set SIDETONE_TEST_SCHEMAS to a folder with elevenlabs.asyncapi.yml " +
			"(elevenlabs/elevenlabs-docs, fern/apis/api/asyncapi.yml), which may not be copied here")
	}
	file, err := os.ReadFile(filepath.Join(folder, "elevenlabs.asyncapi.yml"))
	if err != nil {
		t.Fatal(err)
	}
	schemas := synthesizertest.ReadSchemas(t, file)
	c, base, control := client(t, 0)
	half := 0.5
	d := elevenlabs.New(elevenlabs.Options{Client: c, Base: base, Stability: &half, SimilarityBoost: &half})
	if _, _, err := synthesizertest.Collect(t.Context(), t, d, synthesizer.Request{Text: "a few words", Rate: 8000}); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	e := control.Ledger()[0]
	header := http.Header{"Xi-Api-Key": {synthesizertest.Key}}
	said := synthesizertest.Replay(t, stream.WebSocketBase(base)+e.Path+"?"+e.Query.Encode(), header, e.Body)
	for i, m := range e.Body {
		schema := "SendText"
		switch i {
		case 0:
			schema = "InitializeConnection"
		case len(e.Body) - 1:
			schema = "CloseConnection"
		}
		schemas.Check(t, schema, m)
	}
	for _, m := range said {
		schema := "AudioOutput"
		if strings.Contains(string(m), `"isFinal":true`) {
			schema = "FinalOutput"
		}
		schemas.Check(t, schema, m)
	}
	if len(said) < 2 || len(e.Body) != 3 {
		t.Errorf("%d messages were sent, %d came", len(e.Body), len(said))
	}
}
