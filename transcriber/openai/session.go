package openai

import (
	"encoding/base64"
	"encoding/json"

	"github.com/sidetone/sidetone/provider"
)

// event is any event of the server's, with the members that matter here.
type event struct {
	Type       string `json:"type"`
	ItemID     string `json:"item_id"`
	Delta      string `json:"delta"`
	Transcript string `json:"transcript"`
	Error      struct {
		Type string `json:"type"`
		Code string `json:"code"`
	} `json:"error"`
	Session struct {
		ID string `json:"id"`
	} `json:"session"`
	// Usage has tokens of the models that are billed so.
	Usage struct {
		Input  float64 `json:"input_tokens"`
		Output float64 `json:"output_tokens"`
	} `json:"usage"`
}

// Sound implements socket.Session.
func (s *session) Sound(pcm []int16) (message []byte, binary bool) {
	if s.resample != nil {
		s.pcm = s.resample.Process(s.pcm[:0], pcm)
		pcm = s.pcm
	}
	sound, _ := s.encoder.Sound(pcm)
	if len(sound) == 0 {
		return nil, false
	}
	s.message = append(s.message[:0], `{"type":"input_audio_buffer.append","audio":"`...)
	s.message = base64.StdEncoding.AppendEncode(s.message, sound)
	s.message = append(s.message, `"}`...)
	return s.message, false
}

// Flush implements socket.Session.
func (s *session) Flush() []byte { return []byte(`{"type":"input_audio_buffer.commit"}`) }

// Receive implements socket.Session.
func (s *session) Receive(message []byte) error {
	var e event
	if json.Unmarshal(message, &e) != nil {
		return s.client.Fail(provider.Broken, "an event cannot be read")
	}
	switch e.Type {
	case "session.created":
		s.feed.Named(e.Session.ID)
	case "session.updated":
		s.ready = true
	case "input_audio_buffer.committed":
		s.asked = append(s.asked, item{id: e.ItemID})
	case "conversation.item.input_audio_transcription.delta":
		s.delta(e)
	case "conversation.item.input_audio_transcription.completed":
		s.feed.Used(provider.InputTokens, e.Usage.Input)
		s.feed.Used(provider.OutputTokens, e.Usage.Output)
		s.completed(e.ItemID, e.Transcript)
	case "conversation.item.input_audio_transcription.failed":
		// Sound without words is no failure.
		if e.Error.Code != "audio_unintelligible" {
			return s.client.Refusal(0, nil, message)
		}
		s.completed(e.ItemID, "")
	case "error":
		return s.failed(e, message)
	}
	return nil
}

// delta adds to the text of the running item.
func (s *session) delta(e event) {
	if e.ItemID != s.item {
		s.text.Reset()
		s.item = e.ItemID
	}
	const longest = 1 << 16 // bytes; no caller speaks so long
	if s.text.Len()+len(e.Delta) > longest {
		return
	}
	s.text.WriteString(e.Delta)
	s.feed.Partial(s.text.String(), nil)
}

// completed gives out the texts of items, each after those that were committed
// before it.
func (s *session) completed(id, text string) {
	known := false
	for i := range s.asked {
		if s.asked[i].id == id && !s.asked[i].done {
			s.asked[i].text, s.asked[i].done, known = text, true, true
			break
		}
	}
	if !known { // the server committed by itself
		s.feed.Final(text, nil, 0)
	}
	s.settle()
}

// settle gives out the answers that are next.
func (s *session) settle() {
	for len(s.asked) > 0 && s.asked[0].done {
		s.feed.Final(s.asked[0].text, nil, 1)
		s.asked = s.asked[1:]
	}
}

// failed takes an error event. Most leave the session open.
func (s *session) failed(e event, message []byte) error {
	switch {
	case e.Error.Code == "input_audio_buffer_commit_empty":
		s.asked = append(s.asked, item{done: true})
		s.settle()
		return nil
	case s.ready && e.Error.Type == "invalid_request_error" && e.Error.Code != "session_expired":
		return nil
	}
	f := s.client.Refusal(0, nil, message)
	if e.Error.Type == "invalid_request_error" {
		f.Kind = provider.Rejected
	}
	if e.Error.Code == "session_expired" {
		f.Kind = provider.Unreachable
	}
	return f
}
