package rime

import (
	"testing"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer/stream"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

// FuzzTake: whatever the vendor sends, one message a line, ends in sound that is
// in order or in a failure.
func FuzzTake(f *testing.F) {
	f.Add([]byte(`{"type":"chunk","contextId":"id","data":"IKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoA=="}
{"type":"timestamps","contextId":"id","word_timestamps":{"words":["Good","morning"],"start":[0,0],"end":[0.1,1e300]}}
{"type":"done","contextId":"id"}`))
	f.Add([]byte(`{"type":"error","message":"no"}`))
	f.Add([]byte(`{"type":"timestamps","word_timestamps":null}
{"type":null}
[]`))
	f.Fuzz(func(t *testing.T, messages []byte) {
		d := New(Options{Client: &provider.Client{Vendor: "rime"}})
		times := times{}
		synthesizertest.Messages(t, messages, func(message []byte, out *stream.Out) (bool, error) { return d.take(message, "id", &times, out) })
	})
}
