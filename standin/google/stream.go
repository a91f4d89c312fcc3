package google

import (
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/standin"
)

// chunks writes one answer.
type chunks struct {
	events  *standin.Events
	fault   standin.Kind
	model   string
	id      string
	signed  *signatures
	callIDs bool
	calls   int
	words   int
}

// stream writes the pieces of an answer up to the end.
func (c *chunks) stream(answer func(func(llm.Delta, error) bool)) {
	if c.fault == standin.Unknown && !c.send(object{"parts": []any{object{"novelty": object{"x": 1}}, object{"text": "I think.", "thought": true}}, "role": "model"}, "", nil) {
		return
	}
	for d, err := range answer {
		switch {
		case err != nil:
			name, data := c.events.Error()
			c.events.Send(name, data)
			return
		case d.Done != nil:
			c.finish(*d.Done)
			return
		case d.Call != nil:
			if !c.call(*d.Call) {
				return
			}
		default:
			c.words++
			if !c.send(content1("text", d.Text), "", &llm.Usage{In: 1, Out: c.words}) {
				return
			}
		}
	}
}

// content1 is a content with one part.
func content1(name string, value any) object {
	return object{"parts": []any{object{name: value}}, "role": "model"}
}

// call writes a call of a tool, which comes whole. Only the first of an answer has
// a signature.
func (c *chunks) call(call llm.ToolCall) bool {
	f := object{"name": call.Name, "args": call.Args}
	if c.callIDs {
		f["id"] = call.ID
	}
	part := object{"functionCall": f}
	if c.fault == standin.Null {
		part["text"], f["id"], f["willContinue"], f["partialArgs"] = nil, nil, nil, nil
	}
	if c.calls++; c.calls == 1 {
		part["thoughtSignature"] = c.signed.give()
	}
	return c.send(object{"parts": []any{part}, "role": "model"}, "", nil)
}

// finish writes the last chunk: an empty text and the reason.
func (c *chunks) finish(used llm.Usage) {
	if c.fault == standin.NoEnd {
		return
	}
	c.send(content1("text", ""), "STOP", &used)
}

// send writes a chunk.
func (c *chunks) send(content object, reason string, used *llm.Usage) bool {
	candidate := object{"content": content, "index": 0}
	if reason != "" {
		candidate["finishReason"] = reason
	}
	chunk := object{"candidates": []any{candidate}, "modelVersion": c.model, "responseId": c.id}
	if used != nil {
		chunk["usageMetadata"] = object{"promptTokenCount": used.In, "cachedContentTokenCount": used.Cached,
			"candidatesTokenCount": used.Out, "totalTokenCount": used.In + used.Out}
	}
	switch c.fault {
	case standin.Unknown:
		chunk["novelty"], candidate["novelty"] = []any{1, object{}}, "new"
	case standin.Null:
		chunk["promptFeedback"], chunk["error"] = nil, nil
		if reason == "" {
			candidate["finishReason"], chunk["usageMetadata"] = nil, nil
		}
	}
	return c.events.Send("", chunk)
}
