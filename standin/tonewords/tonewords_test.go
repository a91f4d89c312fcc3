package tonewords_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/standin/tonewords"
)

const sentence = "Hello, the bookkeeper's number is 8800 and zzz committee meets at noon."

// heard writes pcm in frames of 20 ms and returns what was heard.
func heard(pcm []int16, rate int) []tonewords.Word {
	ear := tonewords.NewEar(rate)
	var all []tonewords.Word
	for len(pcm) > 0 {
		n := min(len(pcm), rate/50)
		all = append(all, ear.Write(pcm[:n])...)
		pcm = pcm[n:]
	}
	return append(all, ear.Write(make([]int16, rate/10))...)
}

func text(words []tonewords.Word) string {
	var all []string
	for _, w := range words {
		all = append(all, w.Text)
	}
	return strings.Join(all, " ")
}

func spelt(s string) string {
	var all []string
	for _, w := range strings.Fields(s) {
		all = append(all, tonewords.Spell(w))
	}
	return strings.Join(all, " ")
}

func TestEarReadsWhatWasSpoken(t *testing.T) {
	t.Parallel()
	changes := map[string]func(pcm []int16, rate int) ([]int16, int){
		"as it is": func(pcm []int16, rate int) ([]int16, int) { return pcm, rate },
		"mu-law": func(pcm []int16, rate int) ([]int16, int) {
			return audio.DecodeULaw(nil, audio.EncodeULaw(nil, pcm)), rate
		},
		"A-law, twice": func(pcm []int16, rate int) ([]int16, int) {
			once := audio.DecodeALaw(nil, audio.EncodeALaw(nil, pcm))
			return audio.DecodeULaw(nil, audio.EncodeULaw(nil, once)), rate
		},
		"resampled": func(pcm []int16, rate int) ([]int16, int) {
			to := 24000 - rate // 8000 and 16000
			r, err := audio.NewResampler(rate, to)
			if err != nil {
				t.Fatal(err)
			}
			return r.Flush(r.Process(nil, pcm)), to
		},
		"24 kHz": func(pcm []int16, rate int) ([]int16, int) {
			r, err := audio.NewResampler(rate, 24000)
			if err != nil {
				t.Fatal(err)
			}
			return r.Flush(r.Process(nil, pcm)), 24000
		},
		"noise and a quarter of the level": func(pcm []int16, rate int) ([]int16, int) {
			noise := audio.Noise(audio.PinkNoise, len(pcm), -58, 1)
			out := make([]int16, len(pcm))
			for i := range pcm {
				out[i] = pcm[i]/4 + noise[i]
			}
			return out, rate
		},
	}
	for name, change := range changes {
		for _, rate := range []int{8000, 16000} {
			t.Run(fmt.Sprintf("%s %d", name, rate), func(t *testing.T) {
				t.Parallel()
				pcm, _ := tonewords.Speak(sentence, rate)
				changed, to := change(pcm, rate)
				if got, want := text(heard(changed, to)), spelt(sentence); got != want {
					t.Errorf("heard %q, want %q", got, want)
				}
			})
		}
	}
}

func TestEarKnowsWhere(t *testing.T) {
	t.Parallel()
	const rate = 8000
	pcm, words := tonewords.Speak(sentence, rate)
	lead := make([]int16, 3*rate+17)
	got := heard(append(lead, pcm...), rate)
	if len(got) != len(words) {
		t.Fatalf("heard %d words of %d", len(got), len(words))
	}
	for i, w := range words {
		from, to := got[i].From-int64(len(lead))-w.FromSample, got[i].To-int64(len(lead))-w.ToSample
		if max(from, -from, to, -to) > rate/500 {
			t.Errorf("word %q is off by %d and %d samples", got[i].Text, from, to)
		}
	}
}

func TestEarLeavesOutCutWords(t *testing.T) {
	t.Parallel()
	const rate = 8000
	pcm, words := tonewords.Speak("one second three", rate)
	w := words[1]
	for name, cut := range map[string][]int16{
		"end":       pcm[:w.ToSample-rate/200],
		"beginning": pcm[w.FromSample+rate/200 : w.ToSample],
	} {
		if got := text(heard(cut, rate)); strings.Contains(got, "second") {
			t.Errorf("without its %s the word is still heard in %q", name, got)
		}
	}
	if got := text(heard(pcm[:w.ToSample], rate)); got != "one second" {
		t.Errorf("a word that is whole at the end: %q", got)
	}
}

func TestEarHearsNothingElse(t *testing.T) {
	t.Parallel()
	const rate = 8000
	digits, err := audio.DTMF("0123456789", rate, 80*time.Millisecond, 80*time.Millisecond, -15)
	if err != nil {
		t.Fatal(err)
	}
	for name, pcm := range map[string][]int16{
		"noise": audio.Noise(audio.WhiteNoise, 5*rate, -20, 1), "speech": audio.SpeechLike(rate, 5*rate, -20, 1),
		"digits": digits, "mark": audio.Sine(rate, rate, 3000, -20),
	} {
		if got := heard(pcm, rate); len(got) > 0 {
			t.Errorf("%s is heard as %q", name, text(got))
		}
	}
}

// A detector must take it for speech from its beginning to its end.
func TestSoundCountsAsSpeech(t *testing.T) {
	t.Parallel()
	letters := "etaoinshrdlucmfwypvbgkqjxz0123456789"
	source := rand.New(rand.NewPCG(1, 2))
	for _, rate := range []int{8000, 16000} {
		for n := 1; n <= 40; n++ {
			var words []string
			for range n {
				word := make([]byte, 2+source.IntN(9))
				for i := range word {
					word[i] = letters[source.IntN(len(letters))]
				}
				words = append(words, string(word))
			}
			said := strings.Join(words, " ")
			pcm, _ := tonewords.Speak(said, rate)
			vad, err := audio.NewVAD(rate)
			if err != nil {
				t.Fatal(err)
			}
			vad.Write(make([]int16, rate))
			started, bursts := -1, 0
			for at := 0; at < len(pcm); at += rate / 100 {
				e := vad.Write(pcm[at:min(at+rate/100, len(pcm))])
				if e.Started {
					bursts++
					if started < 0 {
						started = at
					}
				}
			}
			if started < 0 || started > rate*8/100 || bursts != 1 {
				t.Fatalf("%q at %d: started after %d samples, %d bursts", said, rate, started, bursts)
			}
			e := vad.Write(make([]int16, rate/2))
			if late := e.SinceVoiced - rate/2; e.Speech || late < -rate/100 || late > rate*6/100 {
				t.Errorf("%q at %d: the last voiced sample is %d samples before the end", said, rate, late)
			}
		}
	}
}

func TestSoundHoldsNoDigits(t *testing.T) {
	t.Parallel()
	pcm, _ := tonewords.Speak(strings.Repeat(sentence+" ", 20), 8000)
	d := audio.NewDTMFDetector(8000)
	for at := 0; at < len(pcm); at += 160 {
		if digit, found := d.Write(pcm[at:min(at+160, len(pcm))]); found {
			t.Errorf("digit %c at sample %d", digit, at)
		}
	}
}

func FuzzEar(f *testing.F) {
	pcm, _ := tonewords.Speak("ok then", 8000)
	f.Add(audio.EncodeULaw(nil, pcm), uint8(160))
	f.Fuzz(func(t *testing.T, codes []byte, size uint8) {
		ear := tonewords.NewEar(8000)
		sound := audio.DecodeULaw(nil, codes)
		total := int64(len(sound))
		for len(sound) > 0 {
			n := min(int(size)+1, len(sound))
			for _, w := range ear.Write(sound[:n]) {
				if w.Text == "" || w.From >= w.To || w.To > ear.Position() {
					t.Fatalf("word %+v", w)
				}
			}
			sound = sound[n:]
		}
		if ear.Position() != total {
			t.Fatalf("position %d of %d", ear.Position(), total)
		}
	})
}
