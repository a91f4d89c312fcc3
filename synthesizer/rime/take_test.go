package rime

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
	f.Add([]byte(`{"type":"chunk","contextId":"id","data":"IKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoCCgIKAgoA=="}
{"type":"timestamps","contextId":"id","word_timestamps":{"words":["Good","morning"],"start":[0,0],"end":[0.1,1e300]}}
{"type":"done","contextId":"id"}`))
	f.Add([]byte(`{"type":"error","message":"no"}`))
	f.Add([]byte(`{"type":"timestamps","word_timestamps":null}
{"type":null}
[]`))
	f.Fuzz(func(t *testing.T, messages []byte) {
		d := New(Options{Client: &provider.Client{Vendor: "rime"}})
		v := stream.Voice{Client: d.o.Client, Patience: time.Minute}
		const text = "Good morning, 25 of you"
		source := func(_ context.Context, _ string, out *stream.Out) error {
			if err := out.Format(stream.OfLine(8000)); err != nil {
				return err
			}
			times := times{}
			for line := range bytes.Lines(messages) {
				if done, err := d.take(line, "id", &times, out); done || err != nil {
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
