package synthesizertest_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

const sentence = "Good morning, this is Sunny Hill; the committee will see all 25 of you at 9:30, we're ready!"

func TestStubConforms(t *testing.T) {
	t.Parallel()
	synthesizertest.Run(t, func(*testing.T) synthesizertest.Harness {
		return synthesizertest.Harness{Driver: &synthesizertest.Stub{}, Text: sentence, WordTimes: true, Deterministic: true}
	})
}

func collect(t *testing.T, text string, rate int) ([]int16, []synthesizer.Word) {
	t.Helper()
	pcm, words, err := synthesizertest.Collect(t.Context(), t, &synthesizertest.Stub{}, synthesizer.Request{Text: text, Rate: rate})
	if err != nil {
		t.Fatalf("speak: %v", err)
	}
	return pcm, words
}

func stringsOf(heard []synthesizertest.Heard) []string {
	var all []string
	for _, h := range heard {
		all = append(all, h.Text)
	}
	return all
}

// companded is pcm with the error of a logarithmic 8-bit codec.
func companded(pcm []int16) []int16 {
	out := make([]int16, len(pcm))
	for i, s := range pcm {
		step := int16(2)
		for limit := int16(32); limit > 0 && limit < 16384 && (s > limit || s < -limit); limit *= 2 {
			step *= 2
		}
		out[i] = s / step * step
	}
	return out
}

func TestDecodeWordsReadsWhatWasSpoken(t *testing.T) {
	t.Parallel()
	var want []string
	for word := range strings.FieldsSeq(sentence) {
		want = append(want, synthesizertest.Spell(word))
	}
	for _, rate := range []int{8000, 16000} {
		pcm, words := collect(t, sentence, rate)
		random := rand.New(rand.NewPCG(1, 2))
		for _, before := range []int{0, 1, 7, 160, 333} {
			noisy := make([]int16, before, before+len(pcm)+500)
			noisy = append(noisy, companded(pcm)...)
			noisy = append(noisy, make([]int16, 500)...)
			for i := range noisy {
				noisy[i] += int16(random.IntN(33) - 16)
			}
			heard := synthesizertest.DecodeWords(noisy, rate)
			if diff := cmp.Diff(want, stringsOf(heard)); diff != "" {
				t.Fatalf("%d Hz, %d samples late (-want +got):\n%s", rate, before, diff)
			}
			for i, h := range heard {
				off := max(h.From-words[i].FromSample-int64(before), words[i].FromSample+int64(before)-h.From,
					h.To-words[i].ToSample-int64(before), words[i].ToSample+int64(before)-h.To)
				if off > int64(rate/500) {
					t.Errorf("%d Hz: word %q found at %d-%d, is %d samples off", rate, h.Text, h.From, h.To, off)
				}
			}
		}
	}
}

func TestDecodeWordsCountsAWordOnlyWithItsLastSample(t *testing.T) {
	t.Parallel()
	const rate = 8000
	pcm, words := collect(t, sentence, rate)
	for cut := 0; cut <= len(pcm); cut += rate / 100 {
		want := 0
		near := false
		for _, w := range words {
			if w.ToSample <= int64(cut) {
				want++
			}
			missing := w.ToSample - int64(cut)
			near = near || (missing > 0 && missing <= rate*4/1000)
		}
		if near {
			continue // inside the decoder's tolerance
		}
		padded := append(append([]int16(nil), pcm[:cut]...), make([]int16, 4000)...)
		if got := synthesizertest.DecodeWords(padded, rate); len(got) != want {
			t.Errorf("cut at %d ms: heard %v, want %d words", cut*1000/rate, stringsOf(got), want)
		}
	}
}

func TestDecodeWordsFindsNothingInNoise(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	noise := make([]int16, 80000)
	for i := range noise {
		noise[i] = int16(random.NormFloat64() * 3000)
	}
	if got := synthesizertest.DecodeWords(noise, 8000); len(got) > 0 {
		t.Errorf("heard %v in noise", stringsOf(got))
	}
}

func TestStubOptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		time.AfterFunc(3*time.Second, func() { close(gate) })
		stub := &synthesizertest.Stub{Delay: time.Second, Pace: 50 * time.Millisecond, Gate: gate, NoTimes: true}
		start := time.Now()
		pcm, words, err := synthesizertest.Collect(t.Context(), t, stub, synthesizer.Request{Text: "a b c", Rate: 8000})
		if took := time.Since(start); err != nil || len(words) != 0 || took != 3100*time.Millisecond {
			t.Errorf("%d samples, words %v, error %v after %v", len(pcm), words, err, took)
		}
		boom := errors.New("boom")
		stub = &synthesizertest.Stub{OneChunk: true}
		stub.Fail(boom, 1)
		pcm, words, err = synthesizertest.Collect(t.Context(), t, stub, synthesizer.Request{Text: "a b c", Rate: 8000})
		if len(pcm) == 0 || len(words) != 3 || !errors.Is(err, boom) {
			t.Errorf("failing after a chunk: %d samples, %d words, error %v", len(pcm), len(words), err)
		}
		stub.Fail(nil, 0)
		if n := len(stub.Requests()); n != 1 || stub.Running() != 0 {
			t.Errorf("%d requests kept, %d running", n, stub.Running())
		}
	})
}
