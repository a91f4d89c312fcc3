package answer

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/sidetone/sidetone/llm"
)

const (
	// interrupted stands where the caller cut the agent off: what follows it in the
	// model's own answer was not heard.
	interrupted = "[interrupted by the caller]"
	// callBegins stands in place of the caller's words when the agent speaks first,
	// and callerSilent when it speaks again unasked, for models that only answer.
	callBegins   = "[the call begins]"
	callerSilent = "[the caller says nothing]"
)

// Heard is an assistant message as every model gets it: the words that the caller
// heard, and a mark where they were cut off.
func Heard(m llm.Message) string {
	if !m.Interrupted {
		return m.Text
	}
	return strings.TrimLeft(strings.TrimRight(m.Text, " \n")+" "+interrupted, " ")
}

// Paired returns the messages in the order that all vendors accept: the results of
// an assistant message's calls follow it, one for each; a result that is missing
// is llm.PendingResult. Messages that say nothing and results that belong to no
// call are left out. The texts of interrupted messages are those of Heard.
func Paired(messages []llm.Message) []llm.Message {
	var out []llm.Message
	for i, m := range messages {
		if m.Role == llm.Assistant {
			m.Text, m.Interrupted = Heard(m), false
		}
		if m.Role == llm.ToolRole || strings.TrimSpace(m.Text) == "" && len(m.Calls) == 0 {
			continue
		}
		out = append(out, m)
		for _, c := range m.Calls {
			out = append(out, result(messages[i+1:], c.ID))
		}
	}
	return out
}

// result is the result of a call.
func result(later []llm.Message, id string) llm.Message {
	for _, m := range later {
		if m.Role == llm.ToolRole && m.CallID == id {
			return m
		}
	}
	return llm.Message{Role: llm.ToolRole, CallID: id, Text: llm.PendingResult}
}

// Turn is what one side says and does before it is the other's turn.
type Turn struct {
	// Assistant is true for the model's turn.
	Assistant bool
	// Messages are the turn's, in order; results of tools belong to the caller's
	// side. There is at least one.
	Messages []llm.Message
}

// Turns returns the system prompt and the conversation for vendors whose models
// only answer: turns alternate, and the first and the last are the caller's. A
// system message further on is the caller's side, too.
func Turns(messages []llm.Message) (system string, turns []Turn) {
	paired := Paired(messages)
	for len(paired) > 0 && paired[0].Role == llm.System {
		system = strings.TrimLeft(system+"\n\n"+paired[0].Text, "\n")
		paired = paired[1:]
	}
	if len(paired) == 0 || paired[0].Role == llm.Assistant {
		paired = append([]llm.Message{{Role: llm.User, Text: callBegins}}, paired...)
	}
	if paired[len(paired)-1].Role == llm.Assistant {
		paired = append(paired, llm.Message{Role: llm.User, Text: callerSilent})
	}
	for _, m := range paired {
		assistant := m.Role == llm.Assistant
		if n := len(turns); n > 0 && turns[n-1].Assistant == assistant {
			turns[n-1].Messages = append(turns[n-1].Messages, m)
			continue
		}
		turns = append(turns, Turn{Assistant: assistant, Messages: []llm.Message{m}})
	}
	return system, turns
}

// Object returns arguments of a tool that are a JSON object, and an empty object
// for any others, for vendors that accept nothing else.
func Object(args json.RawMessage) json.RawMessage {
	if trimmed := bytes.TrimSpace(args); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) {
		return trimmed
	}
	return json.RawMessage(`{}`)
}

// Schema returns the JSON Schema of a tool's arguments, that of no arguments when
// there is none.
func Schema(t llm.Tool) json.RawMessage {
	if len(t.Schema) == 0 {
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return t.Schema
}
