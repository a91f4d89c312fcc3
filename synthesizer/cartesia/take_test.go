package cartesia

import (
	"testing"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer/stream"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

// FuzzTake: whatever the vendor sends, one message a line, ends in sound that is
// in order or in a failure.
func FuzzTake(f *testing.F) {
	f.Add([]byte(`{"type":"chunk","context_id":"id","data":"IKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoA==","done":false,"status_code":206,"step_time":1}
{"type":"timestamps","context_id":"id","word_timestamps":{"words":["Good","morning"],"start":[0,0.1],"end":[0.1]}}
{"type":"done","context_id":"id","done":true}`))
	f.Add([]byte(`{"type":"error","context_id":"id","error":"quota","status_code":402}`))
	f.Add([]byte(`{"type":"timestamps","word_timestamps":null}
{"type":null}
[]`))
	f.Add([]byte(`{"type":"chunk","data":"%"}`))
	f.Fuzz(func(t *testing.T, messages []byte) {
		d := New(Options{Client: &provider.Client{Vendor: "cartesia"}})
		synthesizertest.Messages(t, messages, func(message []byte, out *stream.Out) (bool, error) { return d.take(message, "id", out) })
	})
}
