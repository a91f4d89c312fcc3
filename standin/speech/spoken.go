package speech

import (
	"context"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/synthesizer"
)

// Spoken is Options.Speak with a voice in place of tone words: real speech, for
// ears and recognisers. A text that the voice cannot say makes no sound.
func Spoken(voice synthesizer.Driver) func(text string, rate int) ([]int16, []synthesizer.Word) {
	return func(text string, rate int) (pcm []int16, words []synthesizer.Word) {
		from := 16000
		if rate == 8000 {
			from = rate
		}
		for chunk, err := range voice.Speak(context.Background(), synthesizer.Request{Text: text, Rate: from}) {
			if err != nil {
				return nil, nil
			}
			pcm, words = append(pcm, chunk.PCM...), append(words, chunk.Words...)
		}
		r, err := audio.NewResampler(from, rate)
		if err != nil {
			return nil, nil
		}
		for i := range words {
			words[i].FromSample = words[i].FromSample * int64(rate) / int64(from)
			words[i].ToSample = words[i].ToSample * int64(rate) / int64(from)
		}
		return r.Flush(r.Process(nil, pcm)), words
	}
}
