package assemblyai

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/socket"
)

// feed is told what the vendor says: a *socket.Feed.
type feed interface {
	Partial(text string, words []transcriber.Word)
	Final(text string, words []transcriber.Word, answers int)
	Say(kind transcriber.Kind)
	Asked() bool
	Named(id string)
	Used(u provider.Unit, n float64)
}

// session is the protocol of /v3/ws.
type session struct {
	*socket.Encoder
	feed   feed
	client *provider.Client
	model  string
	last   int64 // turn_order of the newest turn that ended
}

// turn is a message of type Turn, with the members that matter here.
type turn struct {
	Order      int64  `json:"turn_order"`
	EndOfTurn  bool   `json:"end_of_turn"`
	Transcript string `json:"transcript"`
	Words      []struct {
		Text  string  `json:"text"`
		Start float64 `json:"start"`
		End   float64 `json:"end"`
	} `json:"words"`
}

// Flush implements socket.Session.
func (s *session) Flush() []byte { return []byte(`{"type":"ForceEndpoint"}`) }

// Receive implements socket.Session.
func (s *session) Receive(message []byte) error {
	var m struct {
		Type  string `json:"type"`
		Error string `json:"error"`
		// ID is the session's, of a Begin; Seconds is how long it was open, of a
		// Termination.
		ID      string  `json:"id"`
		Seconds float64 `json:"session_duration_seconds"`
	}
	if json.Unmarshal(message, &m) != nil {
		return s.client.Fail(provider.Broken, "a message is no JSON object")
	}
	switch {
	case m.Type == "Turn":
		return s.turn(message)
	case m.Type == "Begin":
		s.feed.Named(m.ID)
	case m.Type == "Termination":
		s.feed.Used(provider.SessionSeconds, m.Seconds)
	case m.Type == "Error", m.Type == "" && m.Error != "":
		return s.refusal(message)
	}
	return nil
}

// turn takes a Turn. Older servers send the end of a turn twice, the second time
// with punctuation, in which nothing is new: the first counts.
func (s *session) turn(message []byte) error {
	var m turn
	if json.Unmarshal(message, &m) != nil {
		return s.client.Fail(provider.Broken, "a Turn cannot be read")
	}
	if m.Order <= s.last {
		return nil
	}
	words, texts := []transcriber.Word(nil), []string(nil)
	for _, w := range m.Words {
		texts = append(texts, w.Text)
		words = append(words, transcriber.Word{Text: w.Text, From: milliseconds(w.Start), To: milliseconds(w.End)})
	}
	if !m.EndOfTurn {
		// The transcript leaves out the newest words, which may still change.
		s.feed.Partial(cmp.Or(strings.Join(texts, " "), m.Transcript), words)
		return nil
	}
	s.last = m.Order
	asked := s.feed.Asked()
	s.feed.Final(m.Transcript, words, 1)
	if !asked && findsEnds(s.model) {
		s.feed.Say(transcriber.EndOfTurn)
	}
	return nil
}

// findsEnds reports whether the end of a turn is the judgement of a model that was
// made for it: whisper-rt only measures silence, and u3-rt-pro goes by
// punctuation.
func findsEnds(model string) bool { return strings.HasPrefix(model, "universal-streaming") }

// refusal is the failure that a message of type Error reports. Its error_code is a
// close code.
func (s *session) refusal(message []byte) error {
	var m struct {
		Code int `json:"error_code"`
	}
	_ = json.Unmarshal(message, &m) // an error without a code is one of the vendor
	f := s.client.Refusal(0, nil, message)
	f.Status = m.Code
	return f
}

// milliseconds is a time as the vendor writes it.
func milliseconds(ms float64) time.Duration {
	const longest = 1 << 30 // far beyond any session
	return time.Duration(min(max(ms, 0), longest) * float64(time.Millisecond))
}
