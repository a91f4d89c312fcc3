package server

import (
	"context"
	"iter"
	"testing"

	"github.com/sidetone/sidetone/synthesizer"
)

// speaker tells what it was asked to say.
type speaker struct{ said *string }

func (s speaker) Speak(_ context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	return func(yield func(synthesizer.Chunk, error) bool) {
		*s.said = r.Text
		yield(synthesizer.Chunk{PCM: make([]int16, 8), Words: []synthesizer.Word{{End: 3}}}, nil)
	}
}

// TestUnderstudySpeaksEnglish: the server's own voice cannot read other languages.
func TestUnderstudySpeaksEnglish(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"少々お待ちください。": "One moment, please.", "ください。": "One moment, please.", "失礼いたします。": "Goodbye.",
		"申し訳ございません。こちらで問題が発生しました。": "I'm sorry, something went wrong on my side."} {
		var said string
		for c, err := range (understudy{speaker{&said}, "ja"}).Speak(t.Context(), synthesizer.Request{Text: text}) {
			if err != nil || len(c.PCM) == 0 || len(c.Words) > 0 {
				t.Errorf("%q: %+v, %v", text, c, err)
			}
		}
		if said != want {
			t.Errorf("%q was said as %q", text, said)
		}
	}
}
