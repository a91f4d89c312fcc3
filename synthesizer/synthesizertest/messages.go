package synthesizertest

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

// Messages gives what a vendor sends, one message a line, to take, with which a driver
// reads one. Whatever it is, it ends in sound that is in order or in a failure.
func Messages(t *testing.T, messages []byte, take func(message []byte, out *stream.Out) (done bool, err error)) {
	t.Helper()
	v := stream.Voice{Client: &provider.Client{Vendor: "acme"}, Patience: time.Minute}
	const text = "Good morning, 25 of you"
	source := func(_ context.Context, _ string, out *stream.Out) error {
		if err := out.Format(stream.OfLine(8000)); err != nil {
			return err
		}
		for line := range bytes.Lines(messages) {
			if done, err := take(line, out); done || err != nil {
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
}
