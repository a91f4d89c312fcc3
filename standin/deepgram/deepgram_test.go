package deepgram_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/deepgram"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/tonewords"
)

// said sends speech, then each of texts, and returns the messages that come until
// the stand-in closes.
func said(t *testing.T, path string, texts ...string) (messages [][]byte) {
	t.Helper()
	server := httptest.NewServer(deepgram.New(deepgram.Options{Control: &standin.Control{}, Ears: hearing.ToneWords}))
	t.Cleanup(server.Close)
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }() // it is over
	speech, _ := tonewords.Speak("good morning", 8000)
	sound := append(append(speech, make([]int16, 16000)...), speech...)
	if err := conn.Write(t.Context(), websocket.MessageBinary, audio.EncodeULaw(nil, sound)); err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for {
		_, data, err := conn.Read(t.Context())
		if err != nil {
			return messages
		}
		messages = append(messages, data)
	}
}

// What the stand-in sends follows the schemas of the vendor.
func TestMessagesFollowTheSchema(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromFile("testdata/schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path    string
		texts   []string
		schemas map[string]string // by type
	}{
		{
			path:  "/v1/listen?model=nova-3&encoding=mulaw&sample_rate=8000&interim_results=true&punctuate=true&vad_events=true&utterance_end_ms=1000&endpointing=300",
			texts: []string{`{"type":"KeepAlive"}`, `{"type":"Finalize"}`, `{"type":"CloseStream"}`},
			schemas: map[string]string{"Results": "ListenV1_ListenV1Results", "Metadata": "ListenV1_ListenV1Metadata",
				"UtteranceEnd": "ListenV1_ListenV1UtteranceEnd", "SpeechStarted": "ListenV1_ListenV1SpeechStarted"},
		},
		{
			path: "/v2/listen?model=flux-general-multi&encoding=mulaw&sample_rate=8000&eager_eot_threshold=0.4&language_hint=en",
			texts: []string{`{"type":"Configure","thresholds":{"eot_threshold":0.8},"keyterms":["a"]}`, `{"type":"Configure","thresholds":{"eot_threshold":7}}`,
				`{"type":"ForceEndTurn"}`, `{"type":"nothing"}`},
			schemas: map[string]string{"Connected": "ListenV2_ListenV2Connected", "TurnInfo": "ListenV2_ListenV2TurnInfo",
				"ConfigureSuccess": "ListenV2_ListenV2ConfigureSuccess", "ConfigureFailure": "ListenV2_ListenV2ConfigureFailure", "Error": "ListenV2_ListenV2FatalError"},
		},
	}
	for _, test := range tests {
		seen := map[string]bool{}
		for _, message := range said(t, test.path, test.texts...) {
			var v map[string]any
			if err := json.Unmarshal(message, &v); err != nil {
				t.Fatal(err)
			}
			kind, _ := v["type"].(string)
			schema := doc.Components.Schemas[test.schemas[kind]]
			if schema == nil {
				t.Fatalf("no schema for %s", message)
			}
			seen[kind] = true
			if err := schema.Value.VisitJSON(v); err != nil {
				t.Errorf("%s: %v", message, err)
			}
		}
		for kind := range test.schemas {
			if !seen[kind] {
				t.Errorf("%s: %s was not sent", test.path, kind)
			}
		}
	}
}
