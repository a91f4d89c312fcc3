package deepgram

import (
	"encoding/json"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/socket"
)

// turns is the protocol of /v2/listen. Flux has no Finalize: unless turns are
// forced to end, a Finalize is answered by the next end of a turn, or by the text
// of the turn so far when its time is up.
type turns struct {
	*socket.Encoder
	feed   feed
	client *provider.Client
	force  bool
}

// turn is any message of /v2/listen, with the members that matter here.
type turn struct {
	Type       string `json:"type"`
	Event      string `json:"event"`
	Transcript string `json:"transcript"`
	Words      []word `json:"words"`
	Trigger    string `json:"trigger"`
}

// everyFlush is more Finalizes than ever wait at once.
const everyFlush = 1 << 10

// Flush implements socket.Session.
func (t *turns) Flush() []byte {
	if !t.force {
		return nil
	}
	return []byte(`{"type":"ForceEndTurn"}`)
}

// Receive implements socket.Session.
func (t *turns) Receive(message []byte) error {
	var m struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(message, &m) != nil {
		return t.client.Fail(provider.Broken, "a message is no JSON object")
	}
	switch m.Type {
	case "TurnInfo":
		return t.info(message)
	case "Error":
		return refusal(t.client, message)
	}
	return nil
}

// info takes a TurnInfo, see https://developers.deepgram.com/docs/flux/state.
func (t *turns) info(message []byte) error {
	var m turn
	if json.Unmarshal(message, &m) != nil {
		return t.client.Fail(provider.Broken, "TurnInfo cannot be read")
	}
	words := wordsOf(m.Words)
	switch m.Event {
	case "EndOfTurn":
		t.feed.Final(m.Transcript, words, everyFlush)
		if m.Trigger != "manual" { // an end that was asked for is no sign of the caller's
			t.feed.Say(transcriber.EndOfTurn)
		}
	case "EagerEndOfTurn":
		t.feed.Partial(m.Transcript, words)
		t.feed.Say(transcriber.EagerEndOfTurn)
	case "TurnResumed":
		t.feed.Say(transcriber.TurnResumed)
		t.feed.Partial(m.Transcript, words)
	case "StartOfTurn", "Update":
		t.feed.Partial(m.Transcript, words)
	}
	return nil
}
