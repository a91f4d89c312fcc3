package openaiaudio

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
)

// transcriptionModels are those that a transcription session may use.
func transcriptionModels() []string {
	return []string{"whisper-1", "gpt-transcribe", "gpt-live-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15",
		"gpt-4o-transcribe", "gpt-4o-transcribe-diarize", "gpt-realtime-whisper"}
}

// update is a session.update with the members that the stand-in knows; it refuses
// others, as the vendor does.
type update struct {
	Type    string `json:"type"`
	EventID string `json:"event_id"`
	Session struct {
		Type    string   `json:"type"`
		Include []string `json:"include"`
		Audio   struct {
			Input struct {
				Format *struct {
					Type string `json:"type"`
					Rate int    `json:"rate"`
				} `json:"format"`
				Transcription *struct {
					Model     string   `json:"model"`
					Language  string   `json:"language"`
					Languages []string `json:"languages"`
					Keywords  []string `json:"keywords"`
					Prompt    string   `json:"prompt"`
					Delay     string   `json:"delay"`
				} `json:"transcription"`
				NoiseReduction json.RawMessage `json:"noise_reduction"`
				TurnDetection  json.RawMessage `json:"turn_detection"`
			} `json:"input"`
		} `json:"audio"`
	} `json:"session"`
}

// talker is one client of /v1/realtime.
type talker struct {
	*hearing.Listener
	ears      hearing.Ears
	line      *hearing.Line
	fault     standin.Kind
	id        string
	model     string
	item      string // the one that is running
	previous  string
	committed time.Duration // how much was heard up to the last commit
	told      int           // words that were told as deltas
}

// realtime serves a transcription session.
func (o Options) realtime(w http.ResponseWriter, r *standin.Request) {
	line, err := hearing.Accept(w, r)
	if err != nil {
		return
	}
	defer line.End()
	t := &talker{ears: o.Ears, line: line, fault: r.Fault.Kind, id: newID("sess_"), item: newID("item_")}
	defer func() { t.close() }()
	line.Error = func() any {
		return event("error", object{"error": failure("server_error", r.Fault.Reason, "The server had an error.")})
	}
	line.Nulls = []string{"previous_item_id", "logprobs", "code", "param", "delta", "transcript", "usage", "include"}
	if t.fault != standin.NoStart {
		line.Send(event("session.created", object{"session": t.session()}))
	}
	if t.fault == standin.EarlyTurn {
		t.delta("early")
		t.completed("early")
	}
	for m := range line.Messages() {
		t.take(m)
	}
}

func (t *talker) close() {
	if t.Listener != nil {
		t.Listener.Close()
	}
}

// event is a message of the server's.
func event(kind string, members object) object {
	members["type"], members["event_id"] = kind, newID("event_")
	return members
}

// session is the session as events show it.
func (t *talker) session() object {
	input := object{"turn_detection": nil}
	if t.Listener != nil {
		input["format"], input["transcription"] = object{"type": "audio/pcm", "rate": 24000}, object{"model": t.model}
		if t.Rate == 8000 {
			input["format"] = object{"type": "audio/pcmu"}
		}
	}
	return object{"type": "transcription", "object": "realtime.transcription_session", "id": t.id, "expires_at": time.Now().Add(time.Hour).Unix(),
		"include": []string{}, "audio": object{"input": input}}
}

// invalid reports that a message was not accepted; the session stays open.
func (t *talker) invalid(code, message string) {
	t.line.Send(event("error", object{"error": failure("invalid_request_error", code, message)}))
}

// take handles a message.
func (t *talker) take(m hearing.Message) {
	var e struct {
		Type  string
		Audio string
	}
	if m.Binary || json.Unmarshal(m.Data, &e) != nil {
		t.invalid("invalid_event", "The event is no JSON object.")
		return
	}
	switch e.Type {
	case "session.update":
		t.update(m.Data)
	case "input_audio_buffer.append":
		t.appendSound(e.Audio)
	case "input_audio_buffer.commit":
		t.commit()
	case "input_audio_buffer.clear":
		t.line.Send(event("input_audio_buffer.cleared", object{}))
	default:
		t.invalid("invalid_value", fmt.Sprintf("Invalid value: '%s'.", e.Type))
	}
}

// update configures the session.
func (t *talker) update(raw []byte) {
	var u update
	if err := standin.Strict(raw, &u); err != nil {
		t.invalid("unknown_parameter", err.Error())
		return
	}
	in := u.Session.Audio.Input
	if u.Session.Type != "transcription" || in.Transcription == nil {
		t.invalid("invalid_value", "This stand-in serves transcription sessions only.")
		return
	}
	model, modern := in.Transcription.Model, strings.HasPrefix(in.Transcription.Model, "gpt-transcribe") || strings.HasPrefix(in.Transcription.Model, "gpt-live-transcribe")
	coding, rate := "linear16", 24000
	switch {
	case !slices.Contains(transcriptionModels(), model):
		t.invalid("model_not_found", "The model does not exist.")
		return
	case !modern && (in.Transcription.Keywords != nil || in.Transcription.Languages != nil):
		t.invalid("unsupported_parameter", "keywords and languages are not supported by this model.")
		return
	case model == "gpt-realtime-whisper" && in.Transcription.Prompt != "":
		t.invalid("unsupported_parameter", "prompt is not supported by this model.")
		return
	case in.Format != nil && in.Format.Type == "audio/pcmu":
		coding, rate = "mulaw", 8000
	case in.Format != nil && (in.Format.Type != "audio/pcm" || in.Format.Rate != 24000):
		t.invalid("invalid_value", "Only audio/pcm at 24000 Hz and audio/pcmu are known here.")
		return
	}
	ear, err := hearing.NewListener(t.ears, coding, rate, t.fault)
	if err != nil {
		t.invalid("invalid_value", err.Error())
		return
	}
	t.close()
	t.Listener, t.model = ear, model
	if t.fault != standin.NoStart {
		t.line.Send(event("session.updated", object{"session": t.session()}))
	}
}

// appendSound takes sound. Like gpt-live-transcribe, every model tells its words as
// they come.
func (t *talker) appendSound(text string) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || t.Listener == nil {
		t.invalid("invalid_value", "Invalid 'audio'. Expected base64-encoded audio bytes in a configured session.")
		return
	}
	if t.fault == standin.Expire && t.Position() > time.Second {
		t.invalid("session_expired", "Your session hit the maximum duration of 60 minutes.")
		t.line.Shut(1001, "")
		return
	}
	t.Hear(raw, func(words bool) {
		if words {
			t.tell()
		}
	})
}

// tell sends the words that were not told as deltas.
func (t *talker) tell() {
	for ; t.told < len(t.Words); t.told++ {
		text := t.Words[t.told].Text
		if t.told > 0 {
			text = " " + text
		}
		t.delta(text)
	}
}

func (t *talker) delta(text string) {
	t.line.Send(event("conversation.item.input_audio_transcription.delta", object{"item_id": t.item, "content_index": 0, "delta": text, "logprobs": nil}))
}

// leastCommitted is how much sound a commit must find.
const leastCommitted = 100 * time.Millisecond

// commit ends the running item.
func (t *talker) commit() {
	if t.Listener == nil || t.Position()-t.committed < leastCommitted {
		t.invalid("input_audio_buffer_commit_empty", "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio.")
		return
	}
	t.line.Send(event("input_audio_buffer.committed", object{"item_id": t.item, "previous_item_id": nullable(t.previous)}))
	t.committed = t.Position()
	if t.Finish() {
		t.tell()
	}
	text, _ := t.Take()
	t.completed(text)
	t.previous, t.item, t.told = t.item, newID("item_"), 0
}

func (t *talker) completed(text string) {
	t.line.Send(event("conversation.item.input_audio_transcription.completed", object{"item_id": t.item, "content_index": 0, "transcript": text,
		"usage": object{"type": "duration", "seconds": 1}}))
}
