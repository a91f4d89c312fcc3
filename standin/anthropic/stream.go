package anthropic

import (
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/standin"
)

// stream writes one answer.
type stream struct {
	events *standin.Events
	fault  standin.Kind
	model  string
	index  int  // of the block that is open or comes next
	text   bool // a block of text is open
}

// write writes the pieces of an answer up to the end.
func (s *stream) write(answer func(func(llm.Delta, error) bool)) {
	if !s.start() {
		return
	}
	reason := "end_turn"
	for d, err := range answer {
		switch {
		case err != nil:
			name, data := s.events.Error()
			s.events.Send(name, data)
			return
		case d.Done != nil:
			s.finish(reason, *d.Done)
			return
		case d.Call != nil:
			reason = "tool_use"
			if !s.call(*d.Call) {
				return
			}
		case !s.say(d.Text):
			return
		}
	}
}

// send writes an event; o names its type.
func (s *stream) send(o object) bool {
	name := o["type"].(string)
	if s.fault == standin.Unknown {
		o["novelty"] = object{"deep": []any{1, nil}}
	}
	return s.events.Send(name, o)
}

func (s *stream) start() bool {
	if s.fault == standin.NoStart {
		return true
	}
	message := object{"id": newID("msg_"), "type": "message", "role": "assistant", "model": s.model, "content": []any{},
		"stop_reason": nil, "stop_sequence": nil, "usage": object{"input_tokens": 0, "output_tokens": 1}}
	if s.fault == standin.Null {
		message["usage"] = object{"input_tokens": 0, "cache_creation_input_tokens": nil, "cache_read_input_tokens": nil, "output_tokens": 1}
	}
	if !s.send(object{"type": "message_start", "message": message}) || !s.send(object{"type": "ping"}) {
		return false
	}
	return s.fault != standin.Unknown || s.novelty()
}

// novelty writes an event and a block of types that nobody documents.
func (s *stream) novelty() bool {
	i := s.index
	s.index++
	return s.send(object{"type": "novelty"}) &&
		s.send(object{"type": "content_block_start", "index": i, "content_block": object{"type": "novelty", "text": "not to be said"}}) &&
		s.send(object{"type": "content_block_delta", "index": i, "delta": object{"type": "novelty_delta", "text": "not to be said"}}) &&
		s.send(object{"type": "content_block_stop", "index": i})
}

// say writes a piece of text.
func (s *stream) say(text string) bool {
	if !s.text {
		s.text = true
		if !s.send(object{"type": "content_block_start", "index": s.index, "content_block": object{"type": "text", "text": ""}}) {
			return false
		}
	}
	return s.send(object{"type": "content_block_delta", "index": s.index, "delta": object{"type": "text_delta", "text": text}})
}

// close ends the block of text.
func (s *stream) close() bool {
	if !s.text {
		return true
	}
	s.text = false
	s.index++
	return s.send(object{"type": "content_block_stop", "index": s.index - 1})
}

// call writes a call of a tool: one without arguments has a single empty piece,
// and pings lie between the pieces of others.
func (s *stream) call(c llm.ToolCall) bool {
	if !s.close() {
		return false
	}
	start := object{"type": "tool_use", "id": newCallID(c.ID), "name": c.Name, "input": object{}}
	if !s.send(object{"type": "content_block_start", "index": s.index, "content_block": start}) {
		return false
	}
	args := string(c.Args)
	if args == "{}" {
		args = ""
	}
	for _, piece := range []string{"", args[:len(args)/2], args[len(args)/2:]} {
		delta := object{"type": "input_json_delta", "partial_json": piece}
		if !s.send(object{"type": "content_block_delta", "index": s.index, "delta": delta}) || !s.send(object{"type": "ping"}) {
			return false
		}
	}
	s.index++
	return s.send(object{"type": "content_block_stop", "index": s.index - 1})
}

// finish writes the reason, the usage and the end.
func (s *stream) finish(reason string, used llm.Usage) {
	usage := object{"input_tokens": used.In - used.Cached, "cache_read_input_tokens": used.Cached, "cache_creation_input_tokens": 0, "output_tokens": used.Out}
	if s.fault == standin.Null {
		usage["cache_creation_input_tokens"] = nil
	}
	if !s.close() || s.fault == standin.NoEnd {
		return
	}
	delta := object{"stop_reason": reason, "stop_sequence": nil}
	if s.send(object{"type": "message_delta", "delta": delta, "usage": usage}) {
		s.send(object{"type": "message_stop"})
	}
}
