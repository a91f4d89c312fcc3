package openaiaudio_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/openaiaudio"
	"github.com/sidetone/sidetone/standin/tonewords"
)

// What the stand-in sends follows the schemas of the vendor.
func TestEventsFollowTheSchema(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromFile("testdata/schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(openaiaudio.New(openaiaudio.Options{Control: &standin.Control{}, Ears: hearing.ToneWords}))
	t.Cleanup(server.Close)
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/v1/realtime?intent=transcription", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	speech, _ := tonewords.Speak("good morning", 8000)
	sound := base64.StdEncoding.EncodeToString(audio.EncodeULaw(nil, append(speech, make([]int16, 800)...)))
	for _, text := range []string{
		`{"type":"session.update","session":{"type":"transcription","audio":{"input":{"format":{"type":"audio/pcmu"},"transcription":{"model":"whisper-1"},"turn_detection":null}}}}`,
		`{"type":"input_audio_buffer.append","audio":"` + sound + `"}`, `{"type":"input_audio_buffer.commit"}`, `{"type":"input_audio_buffer.commit"}`,
		`{"type":"input_audio_buffer.clear"}`,
	} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	const transcription = "conversation.item.input_audio_transcription."
	schemas := map[string]string{
		transcription + "delta": "RealtimeServerEventConversationItemInputAudioTranscriptionDelta", transcription + "completed": "RealtimeServerEventConversationItemInputAudioTranscriptionCompleted",
		"input_audio_buffer.committed": "RealtimeServerEventInputAudioBufferCommitted", "input_audio_buffer.cleared": "RealtimeServerEventInputAudioBufferCleared",
		"error": "RealtimeServerEventError",
	}
	seen := map[string]int{}
	for seen["input_audio_buffer.cleared"] == 0 {
		_, message, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(message, &v); err != nil {
			t.Fatal(err)
		}
		kind, _ := v["type"].(string)
		seen[kind]++
		name, value := schemas[kind], any(v)
		if strings.HasPrefix(kind, "session.") {
			name, value = "RealtimeTranscriptionSessionCreateResponseGA", v["session"]
		}
		if err := doc.Components.Schemas[name].Value.VisitJSON(value); err != nil {
			t.Errorf("%s: %v", message, err)
		}
	}
	for kind, n := range map[string]int{"session.created": 1, "session.updated": 1, transcription + "delta": 2, transcription + "completed": 1, "error": 1} {
		if seen[kind] != n {
			t.Errorf("%s came %d times, want %d", kind, seen[kind], n)
		}
	}
}
