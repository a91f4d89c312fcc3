package tonewords

import (
	"math"
	"strings"

	"github.com/sidetone/sidetone/synthesizer"
)

// A word is one symbol of two tones for each character, and a mark of one tone
// behind them. Characters at even and odd places use low tones of different
// banks, so that a doubled letter is two symbols, and so that no band sounds
// steady to a voice detector. A pitch below all of it tells the sound from pure
// tones.
const (
	symbolMS  = 40
	markMS    = 20
	gapMS     = 20
	lowTones  = 7
	highTones = 6
	markHz    = 3000
	pitchHz   = 200
	amplitude = 0.09 // of each of two tones
)

// alphabet lists the characters that survive; others become '?'.
const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789'?"

func lowHz(bank, tone int) float64 { return float64(500 + 75*(bank*lowTones+tone)) }

func highHz(tone int) float64 { return float64(1900 + 100*tone) }

// Spell returns a word as an Ear reads it: lower case, without punctuation other
// than apostrophes inside it, and '?' for any character without a sound.
func Spell(word string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(word) {
		switch {
		case strings.ContainsRune(alphabet, r) && r != '?':
			b.WriteRune(r)
		case r > 127 && !strings.ContainsRune("’‘“”«»—–…¿¡。、，？！", r):
			b.WriteByte('?')
		}
	}
	if spelt := strings.Trim(b.String(), "'"); spelt != "" {
		return spelt
	}
	return "?"
}

// Speak returns the sound of a text as mono PCM at rate, a multiple of 1000 and
// at least 8000, and its words with their places in text and sound. It begins
// with its first word, ends with its last, and has a level of about -20 dBFS.
func Speak(text string, rate int) ([]int16, []synthesizer.Word) {
	var pcm []int16
	words := synthesizer.SplitWords(text)
	for i := range words {
		if i > 0 {
			pcm = append(pcm, make([]int16, gapMS*rate/1000)...)
		}
		w := &words[i]
		w.FromSample = int64(len(pcm))
		pcm = speakWord(pcm, text[w.Start:w.End], rate)
		w.ToSample = int64(len(pcm))
	}
	return pcm, words
}

// speakWord appends the sound of one word.
func speakWord(pcm []int16, word string, rate int) []int16 {
	for i, c := range []byte(Spell(word)) {
		symbol := strings.IndexByte(alphabet, c)
		pcm = chord(pcm, symbolMS*rate/1000, rate, lowHz(i%2, symbol/highTones), highHz(symbol%highTones))
	}
	return chord(pcm, markMS*rate/1000, rate, markHz, markHz)
}

// chord appends n samples of two tones over the pitch. They are cosines: the
// first sample is audible.
func chord(pcm []int16, n, rate int, first, second float64) []int16 {
	step := 2 * math.Pi / float64(rate)
	for i := range n {
		t := step * float64(i)
		x := amplitude * (math.Cos(first*t) + math.Cos(second*t) + 0.5*math.Cos(pitchHz*t))
		pcm = append(pcm, int16(x*math.MaxInt16))
	}
	return pcm
}
