package openai

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/model"
)

// chat answers one request with a stream, see
// https://platform.openai.com/docs/api-reference/chat-streaming.
func (s *server) chat(w http.ResponseWriter, r *standin.Request, deployment string) {
	raw, err := standin.ReadBody(r.Request)
	if err != nil {
		invalid(w, err.Error())
		return
	}
	r.Note(raw)
	asked, err := parse(raw)
	if err != nil {
		invalid(w, err.Error())
		return
	}
	c := &chunks{events: standin.OpenEvents(w, r), fault: r.Fault.Kind, azure: deployment != "",
		id: newID("chatcmpl-"), created: time.Now().Unix(), model: cmp.Or(deployment, asked.Model),
		usage: asked.StreamOptions != nil && asked.StreamOptions.IncludeUsage}
	c.events.Error = func() (string, any) { return "", failureOf(http.StatusInternalServerError, r.Fault.Reason) }
	c.stream(model.Answer(r.Context(), s.Model, asked.request(), r.Fault.Kind))
}

// chunks writes one answer.
type chunks struct {
	events  *standin.Events
	fault   standin.Kind
	azure   bool
	id      string
	created int64
	model   string
	usage   bool
	calls   int
}

// object is a JSON object.
type object map[string]any

// stream writes the pieces of an answer up to the end.
func (c *chunks) stream(answer func(func(llm.Delta, error) bool)) {
	if !c.start() {
		return
	}
	reason := "stop"
	for d, err := range answer {
		switch {
		case err != nil:
			name, data := c.events.Error()
			c.events.Send(name, data)
			return
		case d.Done != nil:
			c.finish(reason, *d.Done)
			return
		case d.Call != nil:
			reason = "tool_calls"
			if !c.call(*d.Call) {
				return
			}
		case !c.send(object{"content": d.Text}, nil):
			return
		}
	}
}

func (c *chunks) start() bool {
	if c.fault == standin.NoStart {
		return true
	}
	if c.azure && !c.events.Send("", object{"id": "", "object": "", "created": 0, "model": "", "choices": []any{},
		"prompt_filter_results": []any{object{"prompt_index": 0, "content_filter_results": object{}}}}) {
		return false
	}
	switch c.fault {
	case standin.Unknown:
		if !c.events.Send("novelty", object{"object": "chat.novelty", "news": []any{1, "two", nil}}) {
			return false
		}
	case standin.Null:
		if !c.events.Send("", object{"id": c.id, "object": nil, "created": c.created, "model": nil, "choices": nil, "usage": nil}) {
			return false
		}
	}
	return c.send(object{"role": "assistant", "content": "", "refusal": nil}, nil)
}

// call writes a call of a tool: its name first, its arguments in two pieces.
func (c *chunks) call(call llm.ToolCall) bool {
	i, args := c.calls, string(call.Args)
	c.calls++
	head := object{"index": i, "id": call.ID, "type": "function", "function": object{"name": call.Name, "arguments": ""}}
	if !c.send(object{"tool_calls": []any{head}}, nil) {
		return false
	}
	for _, piece := range []string{args[:len(args)/2], args[len(args)/2:]} {
		next := object{"index": i, "function": object{"arguments": piece}}
		if c.fault == standin.Null {
			next["id"], next["type"] = nil, nil
		}
		if !c.send(object{"tool_calls": []any{next}}, nil) {
			return false
		}
	}
	return true
}

// finish writes the reason, the usage and the mark of the end.
func (c *chunks) finish(reason string, used llm.Usage) {
	if c.fault == standin.NoEnd || !c.send(object{}, reason) {
		return
	}
	if c.usage {
		last := c.chunk()
		last["choices"] = []any{}
		last["usage"] = object{"prompt_tokens": used.In, "completion_tokens": used.Out, "total_tokens": used.In + used.Out,
			"prompt_tokens_details": object{"cached_tokens": used.Cached, "audio_tokens": 0}}
		if !c.events.Send("", last) {
			return
		}
	}
	c.events.Send("", json.RawMessage("[DONE]"))
}

// chunk is what all chunks have.
func (c *chunks) chunk() object {
	o := object{"id": c.id, "object": "chat.completion.chunk", "created": c.created, "model": c.model}
	if c.fault == standin.Unknown {
		o["novelty"] = object{"deep": []any{object{"er": 1}}}
	}
	return o
}

// send writes a chunk with one choice.
func (c *chunks) send(delta object, reason any) bool {
	choice := object{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": nil}
	chunk := c.chunk()
	chunk["choices"] = []any{choice}
	if c.usage {
		chunk["usage"] = nil
	}
	switch c.fault {
	case standin.Unknown:
		delta["novelty"] = "new"
	case standin.Null:
		for _, name := range []string{"role", "content", "refusal", "tool_calls", "function_call"} {
			if _, ok := delta[name]; !ok {
				delta[name] = nil
			}
		}
		if reason != nil && len(delta) > 0 {
			choice["delta"] = nil
		}
	}
	return c.events.Send("", chunk)
}
