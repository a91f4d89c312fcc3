package elevenlabs

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
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

// The vendor's file and its client call the lengths of characters differently.
func TestLengthsOfCharactersHaveTwoNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"charDurationsMs", "charsDurationsMs"} {
		d := New(Options{Client: &provider.Client{Vendor: "elevenlabs"}})
		v := stream.Voice{Client: d.o.Client, Patience: time.Minute}
		message := fmt.Sprintf(`{"audio":%q,"alignment":{"chars":["H","i"],"charStartTimesMs":[0,40],%q:[40,60]}}`,
			base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x20, 0xa0}, 400)), name)
		source := func(_ context.Context, _ string, out *stream.Out) error {
			if err := out.Format(stream.OfLine(8000)); err != nil {
				return err
			}
			spell := speller{out: out}
			if _, err := d.take([]byte(message), &spell, out); err != nil {
				return err
			}
			_, err := d.take([]byte(`{"isFinal":true}`), &spell, out)
			return err
		}
		var words []synthesizer.Word
		for chunk, err := range v.Speak(t.Context(), synthesizer.Request{Text: "Hi", Rate: 8000}, source) {
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, chunk.Words...)
		}
		if want := []synthesizer.Word{{Start: 0, End: 2, FromSample: 0, ToSample: 800}}; !slices.Equal(words, want) {
			t.Errorf("%s: words %+v, want %+v", name, words, want)
		}
	}
}
