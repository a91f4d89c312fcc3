package elevenlabs

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/stream"
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
		v := stream.Voice{Client: d.o.Client, Patience: time.Minute}
		const text = "Good morning, 25 of you"
		source := func(_ context.Context, _ string, out *stream.Out) error {
			if err := out.Format(stream.OfLine(8000)); err != nil {
				return err
			}
			spell := speller{out: out}
			for line := range bytes.Lines(messages) {
				if done, err := d.take(line, &spell, out); done || err != nil {
					return err
				}
			}
			return out.Done()
		}
		at, total := int64(0), int64(0)
		for chunk, err := range v.Speak(t.Context(), synthesizer.Request{Text: text, Rate: 8000}, source) {
			if err != nil && !errors.As(err, new(*provider.Failure)) {
				t.Fatalf("error %v is no failure", err)
			}
			total += int64(len(chunk.PCM))
			for _, w := range chunk.Words {
				if w.Start < 0 || w.End > len(text) || w.FromSample < at || w.ToSample <= w.FromSample || w.ToSample > total {
					t.Fatalf("word %+v after sample %d of %d", w, at, total)
				}
				at = w.ToSample
			}
		}
	})
}
