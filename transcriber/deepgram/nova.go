package deepgram

import (
	"encoding/json"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/socket"
)

// feed is told what the vendor says: a *socket.Feed.
type feed interface {
	Partial(text string, words []transcriber.Word)
	Final(text string, words []transcriber.Word, answers int)
	Say(kind transcriber.Kind)
}

// nova is the protocol of /v1/listen.
type nova struct {
	*socket.Encoder
	feed   feed
	client *provider.Client
}

// result is any message of /v1/listen, with the members that matter here.
type result struct {
	Type         string `json:"type"`
	IsFinal      bool   `json:"is_final"`
	FromFinalize bool   `json:"from_finalize"`
	Channel      struct {
		Alternatives []struct {
			Transcript string `json:"transcript"`
			Words      []word `json:"words"`
		} `json:"alternatives"`
	} `json:"channel"`
}

// word is a word with its times; punctuated_word comes with punctuation only.
type word struct {
	Word       string  `json:"word"`
	Punctuated string  `json:"punctuated_word"`
	Start      seconds `json:"start"`
	End        seconds `json:"end"`
}

// Flush implements socket.Session, see https://developers.deepgram.com/docs/finalize.
func (n *nova) Flush() []byte { return []byte(`{"type":"Finalize"}`) }

// Receive implements socket.Session. SpeechStarted, UtteranceEnd, Metadata and what
// is not known say nothing that the call's own detector does not know.
func (n *nova) Receive(message []byte) error {
	var r struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(message, &r) != nil {
		return n.client.Fail(provider.Broken, "a message is no JSON object")
	}
	switch r.Type {
	case "Results":
		return n.results(message)
	case "Error":
		return refusal(n.client, message)
	}
	return nil
}

func (n *nova) results(message []byte) error {
	var r result
	if err := json.Unmarshal(message, &r); err != nil {
		return n.client.Fail(provider.Broken, "Results cannot be read")
	}
	text, words := "", []transcriber.Word(nil)
	if len(r.Channel.Alternatives) > 0 {
		best := r.Channel.Alternatives[0]
		text, words = best.Transcript, wordsOf(best.Words)
	}
	switch {
	case r.FromFinalize:
		n.feed.Final(text, words, 1)
	case r.IsFinal:
		n.feed.Final(text, words, 0)
	default:
		n.feed.Partial(text, words)
	}
	return nil
}

// wordsOf translates words; nil when there are none.
func wordsOf(words []word) []transcriber.Word {
	var out []transcriber.Word
	for _, w := range words {
		text := w.Word
		if w.Punctuated != "" {
			text = w.Punctuated
		}
		out = append(out, transcriber.Word{Text: text, From: w.Start.duration(), To: w.End.duration()})
	}
	return out
}

// refusal is the failure that the vendor reports on an open connection.
func refusal(c *provider.Client, message []byte) error {
	f := c.Refusal(0, nil, message)
	if f.Kind == provider.Broken {
		var e struct {
			Code      string `json:"code"`
			RequestID string `json:"request_id"`
		}
		_ = json.Unmarshal(message, &e) // an error without a code is one of the vendor
		f.Kind, f.RequestID = kinds(e.Code), c.Name(e.RequestID)
	}
	return f
}

// kinds translates the vendor's codes, see
// https://developers.deepgram.com/docs/errors.
func kinds(code string) provider.Kind {
	switch code {
	case "INVALID_AUTH", "INSUFFICIENT_PERMISSIONS":
		return provider.Unauthorised
	case "ASR_PAYMENT_REQUIRED":
		return provider.Exhausted
	case "TOO_MANY_REQUESTS":
		return provider.Limited
	case "INVALID_QUERY_PARAMETER", "UNPARSABLE_CLIENT_MESSAGE", "PAYLOAD_TOO_LARGE":
		return provider.Rejected
	}
	return provider.Broken
}
