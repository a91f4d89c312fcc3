package elevenlabs

import (
	"testing"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer/stream"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

// FuzzTake: whatever the vendor sends, one message a line, ends in sound that is
// in order or in a failure.
func FuzzTake(f *testing.F) {
	f.Add([]byte(`{"audio":"IKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoA==","alignment":{"chars":["G","o","o","d"," ","m"],"charStartTimesMs":[0,3,7,9,11,12],"charsDurationsMs":[3,4,2,2,1,1]},"isFinal":null}
{"audio":"IKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoA==","alignment":null}
{"isFinal":true}`))
	f.Add([]byte(`{"audio":null,"alignment":{"chars":["G"],"charsStartTimesMs":[-1e300],"charDurationsMs":[1e300]}}
{"error":"quota_exceeded","code":1008}`))
	f.Add([]byte(`{"alignment":{"chars":null}}
[]`))
	f.Fuzz(func(t *testing.T, messages []byte) {
		d := New(Options{Client: &provider.Client{Vendor: "elevenlabs"}})
		spell := speller{}
		synthesizertest.Messages(t, messages, func(message []byte, out *stream.Out) (bool, error) {
			spell.out = out
			return d.take(message, &spell, out)
		})
	})
}
