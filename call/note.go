package call

import (
	"encoding/json"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
)

// note turns an entry of the machine into an event of the call.
func (s *Session) note(n conversation.Note) {
	kind, ok := eventKind(n.Kind)
	if !ok {
		return
	}
	if s.call.HIPAA && kind != sidetone.EventError {
		s.event(kind, "", nil) // what happened and when, but nothing of what was said
		return
	}
	data := map[string]any{}
	for k, v := range n.Values {
		data[k] = v
	}
	if n.Said != "" && n.Said != n.Text {
		data["said"] = n.Said
	}
	if n.Interrupted {
		data["interrupted"] = true
	}
	if n.Continues {
		data["continues"] = true
	}
	s.event(kind, n.Text, data)
}

// event adds an entry to the call's record.
func (s *Session) event(kind sidetone.EventKind, text string, data map[string]any) {
	e := s.newEvent(kind, text, data)
	switch kind {
	case sidetone.EventCaller, sidetone.EventAgent, sidetone.EventDigits, sidetone.EventIgnored, sidetone.EventAction:
		s.spoken = append(s.spoken, e)
	}
	s.record(e)
}

func (s *Session) newEvent(kind sidetone.EventKind, text string, data map[string]any) sidetone.Event {
	s.sequence++
	encoded, err := json.Marshal(data)
	if err != nil || len(data) == 0 {
		encoded = []byte("{}")
	}
	return sidetone.Event{
		CallID: s.call.ID, EnvironmentID: s.call.EnvironmentID, Sequence: s.sequence,
		Kind: kind, At: s.clock.Now(), Offset: s.now() - s.answered, Text: text, Data: encoded,
	}
}

func eventKind(k conversation.NoteKind) (sidetone.EventKind, bool) {
	switch k {
	case conversation.NoteCaller:
		return sidetone.EventCaller, true
	case conversation.NoteAgent:
		return sidetone.EventAgent, true
	case conversation.NoteIgnored:
		return sidetone.EventIgnored, true
	case conversation.NotePaused:
		return sidetone.EventPaused, true
	case conversation.NoteResumed:
		return sidetone.EventResumed, true
	case conversation.NoteInterrupted:
		return sidetone.EventInterrupted, true
	case conversation.NoteTurn:
		return sidetone.EventTurn, true
	case conversation.NoteAction:
		return sidetone.EventAction, true
	case conversation.NoteDigits:
		return sidetone.EventDigits, true
	case conversation.NoteError:
		return sidetone.EventError, true
	}
	return "", false
}
