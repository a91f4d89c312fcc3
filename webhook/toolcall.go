package webhook

import (
	"bytes"
	"encoding/json"
)

// ToolCall is one call of a tool by a model, to be told in the shape of another product.
type ToolCall struct {
	// ID and Name are the call's and the tool's; Description and Schema are the tool's.
	ID, Name, Description string
	Schema                json.RawMessage
	// Args are the arguments, a JSON object.
	Args json.RawMessage
	// URL is where it is sent.
	URL string
}

// VapiToolCall is the body of a message tool-calls, see
// https://docs.vapi.ai/tools/custom-tools (read 2026-11-30). An entry of toolCallList has
// the members of that page, and those of ToolCall in npm's @vapi-ai/server-sdk: both are
// read by servers.
func VapiToolCall(r Report, t ToolCall) ([]byte, error) {
	c := r.Call
	caller, ours, kind := c.FromNumber, c.ToNumber, "inboundPhoneCall"
	if c.Outgoing {
		caller, ours, kind = c.ToNumber, c.FromNumber, "outboundPhoneCall"
	}
	call := map[string]any{"id": c.ID, "type": kind, "status": "in-progress", "createdAt": instant(c.Created),
		"customer": map[string]any{"number": caller}, "phoneNumber": map[string]any{"number": ours}}
	setText(call, "assistantId", c.AgentID)
	if !c.Started.IsZero() {
		call["startedAt"] = instant(c.Started)
	}
	listed := map[string]any{"id": t.ID, "type": "function", "name": t.Name, "arguments": t.Args,
		"function": map[string]any{"name": t.Name, "arguments": t.Args}}
	function := map[string]any{"name": t.Name, "description": t.Description, "parameters": t.Schema}
	with := map[string]any{"type": "function", "name": t.Name, "description": t.Description, "parameters": t.Schema, "function": function,
		"server": map[string]any{"url": t.URL}, "messages": []any{},
		"toolCall": map[string]any{"id": t.ID, "type": "function", "function": map[string]any{"name": t.Name, "parameters": t.Args, "arguments": t.Args}}}
	return json.Marshal(map[string]any{"message": map[string]any{"type": "tool-calls", "timestamp": r.At.UnixMilli(), "call": call,
		"customer": call["customer"], "phoneNumber": call["phoneNumber"], "toolCallList": []any{listed}, "toolWithToolCallList": []any{with},
		"artifact": map[string]any{"messages": vapiMessages(r), "transcript": spoken(r.Events, "AI", "User")}}})
}

// VapiResult reads the answer to such a message: the result of the call with that id, or
// why there is none. ok is false when it has neither.
func VapiResult(body []byte, id string) (result json.RawMessage, failure string, ok bool) {
	var answer struct {
		Results []struct {
			ToolCallID string          `json:"toolCallId"`
			Result     json.RawMessage `json:"result"`
			Error      string          `json:"error"`
		} `json:"results"`
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil, "", false
	}
	for _, one := range answer.Results {
		switch {
		case one.ToolCallID != id:
		case one.Error != "":
			return nil, one.Error, true
		case one.Result != nil:
			return one.Result, "", true
		}
	}
	return nil, answer.Error, answer.Error != ""
}

// RetellToolCall is the body of a custom function's request, see
// https://docs.retellai.com/build/single-multi-prompt/custom-function (read 2026-11-30).
func RetellToolCall(r Report, t ToolCall) ([]byte, error) {
	call := retellCall(r)
	call["transcript"], call["transcript_object"] = spoken(r.Events, "Agent", "User"), retellTurns(r.Events)
	var out bytes.Buffer
	// The product's libraries verify what JSON.stringify makes of the body that they have
	// parsed: it must be written as that does, without escapes for HTML.
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(map[string]any{"name": t.Name, "args": t.Args, "call": call})
	return bytes.TrimSpace(out.Bytes()), err
}
