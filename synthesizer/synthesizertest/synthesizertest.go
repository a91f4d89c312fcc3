// Package synthesizertest holds the conformance suite that every driver of a
// synthetic voice passes, and a stub driver whose words can be read back from
// sound.
package synthesizertest

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/synthesizer"
)

// Harness is one driver under test.
type Harness struct {
	// Driver is the driver.
	Driver synthesizer.Driver
	// Rates are the sample rates it serves; nil means 8000 and 16000.
	Rates []int
	// Text is what it is asked to say: three words or more, at least one with
	// punctuation after it.
	Text string
	// WordTimes says that the driver reports every word of Text.
	WordTimes bool
	// Speech says that the sound is speech, so that level and peaks are
	// checked; modems and stubs have levels of their own.
	Speech bool
	// Deterministic says that equal requests give equal sound.
	Deterministic bool
}

// Run checks that the driver of each harness that make returns keeps the
// promises of synthesizer.Driver.
func Run(t *testing.T, make func(t *testing.T) Harness) {
	t.Helper()
	t.Run("speaks with words in order", func(t *testing.T) { each(t, make(t), speaks) })
	t.Run("silence and level", func(t *testing.T) { each(t, make(t), levels) })
	t.Run("equal requests give equal sound", func(t *testing.T) { each(t, make(t), repeats) })
	t.Run("nothing to say", func(t *testing.T) { nothing(t, make(t)) })
	t.Run("odd text does no harm", func(t *testing.T) { odd(t, make(t)) })
	t.Run("unknown rate is an error", func(t *testing.T) { badRate(t, make(t)) })
	t.Run("ended context is an error", func(t *testing.T) { cancelled(t, make(t)) })
	t.Run("leaving the loop stops it", func(t *testing.T) { leaves(t, make(t)) })
	t.Run("concurrent requests do not mix", func(t *testing.T) { concurrent(t, make(t)) })
}

func each(t *testing.T, h Harness, check func(*testing.T, Harness, int)) {
	rates := h.Rates
	if rates == nil {
		rates = []int{8000, 16000}
	}
	for _, rate := range rates {
		check(t, h, rate)
	}
}

func (h Harness) request(rate int) synthesizer.Request {
	return synthesizer.Request{Text: h.Text, Rate: rate}
}

func (h Harness) rate() int {
	if h.Rates == nil {
		return 8000
	}
	return h.Rates[0]
}

// Collect reads a whole utterance: sound, words, and the error that ended it. It
// fails the test when a word lies outside the sound delivered with it, or when
// anything follows an error.
func Collect(ctx context.Context, t *testing.T, d synthesizer.Driver, r synthesizer.Request) (pcm []int16, words []synthesizer.Word, err error) {
	t.Helper()
	for chunk, e := range d.Speak(ctx, r) {
		if err != nil {
			t.Errorf("a chunk follows the error %v", err)
			break
		}
		if e != nil {
			err = e
			continue
		}
		pcm = append(pcm, chunk.PCM...)
		for _, w := range chunk.Words {
			if w.ToSample > int64(len(pcm)) {
				t.Errorf("word %q ends at sample %d, but only %d were delivered", r.Text[w.Start:w.End], w.ToSample, len(pcm))
			}
		}
		words = append(words, chunk.Words...)
	}
	return pcm, words, err
}

func speaks(t *testing.T, h Harness, rate int) {
	pcm, words, err := Collect(t.Context(), t, h.Driver, h.request(rate))
	if err != nil {
		t.Fatalf("speak: %v", err)
	}
	if len(pcm) < rate/10 {
		t.Fatalf("only %d samples at %d Hz", len(pcm), rate)
	}
	if !h.WordTimes {
		return
	}
	var want, got []string
	for _, w := range synthesizer.SplitWords(h.Text) {
		want = append(want, h.Text[w.Start:w.End])
	}
	at := int64(0)
	for _, w := range words {
		got = append(got, h.Text[w.Start:w.End])
		if w.FromSample < at || w.ToSample <= w.FromSample {
			t.Errorf("word %q spans samples %d to %d, the one before ended at %d", h.Text[w.Start:w.End], w.FromSample, w.ToSample, at)
		}
		at = w.ToSample
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("words at %d Hz (-want +got):\n%s", rate, diff)
	}
}

func levels(t *testing.T, h Harness, rate int) {
	pcm, _, err := Collect(t.Context(), t, h.Driver, h.request(rate))
	if err != nil {
		t.Fatalf("speak: %v", err)
	}
	lead, trail := silence(pcm, rate)
	if lead > 20 || trail > 100 {
		t.Errorf("at %d Hz %.0f ms of silence before and %.0f ms after, want at most 20 and 100", rate, lead, trail)
	}
	if !h.Speech {
		return
	}
	peak, active := Levels(pcm, rate)
	if peak > -2.9 {
		t.Errorf("peak at %d Hz is %.1f dBFS, want at most -3", rate, peak)
	}
	if math.Abs(active+20) > 1 && peak < -3.5 {
		t.Errorf("active speech at %d Hz is at %.1f dBFS, want -20 (or peaks at -3, they are at %.1f)", rate, active, peak)
	}
}

// silence returns the milliseconds below -40 dBFS at either end.
func silence(pcm []int16, rate int) (lead, trail float64) {
	const audible = 327
	first, last := -1, -1
	for i, s := range pcm {
		if s > audible || s < -audible {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return math.Inf(1), math.Inf(1)
	}
	ms := 1000 / float64(rate)
	return float64(first) * ms, float64(len(pcm)-1-last) * ms
}

// Levels returns the peak and the mean level of active speech of pcm, both in
// dBFS. Active are the 10 ms blocks within 20 dB of the loudest one.
func Levels(pcm []int16, rate int) (peak, active float64) {
	top := 0.0
	var powers []float64
	loudest := 0.0
	for block := rate / 100; len(pcm) >= block; pcm = pcm[block:] {
		sum := 0.0
		for _, s := range pcm[:block] {
			sum += float64(s) * float64(s)
			top = max(top, math.Abs(float64(s)))
		}
		powers = append(powers, sum/float64(block))
		loudest = max(loudest, sum/float64(block))
	}
	total, n := 0.0, 0
	for _, p := range powers {
		if p > loudest/100 {
			total += p
			n++
		}
	}
	full := 32767.0
	return 20 * math.Log10(top/full), 10 * math.Log10(total/float64(max(n, 1))/(full*full))
}

func repeats(t *testing.T, h Harness, rate int) {
	if !h.Deterministic {
		return
	}
	pcm, words, err := Collect(t.Context(), t, h.Driver, h.request(rate))
	if err != nil {
		t.Fatalf("speak: %v", err)
	}
	again, wordsAgain, err := Collect(t.Context(), t, h.Driver, h.request(rate))
	if err != nil {
		t.Fatalf("speak again: %v", err)
	}
	if !cmp.Equal(pcm, again) || !cmp.Equal(words, wordsAgain) {
		t.Errorf("two requests at %d Hz gave different sound (%d and %d samples) or words", rate, len(pcm), len(again))
	}
}

func nothing(t *testing.T, h Harness) {
	for _, text := range []string{"", "  \n", "... !"} {
		r := h.request(h.rate())
		r.Text = text
		pcm, words, err := Collect(t.Context(), t, h.Driver, r)
		if err != nil || len(pcm) > 0 || len(words) > 0 {
			t.Errorf("%q gave %d samples, %d words, error %v; want nothing", text, len(pcm), len(words), err)
		}
	}
}

func odd(t *testing.T, h Harness) {
	for _, text := range []string{
		"-voice", "--help", "; echo hello", "$(id) `id`", "nul \x00 byte", "bad \xff\xfe bytes", "a <break/> tag & more", "naïve Größe 你好", "\"quoted\" 'words'",
	} {
		r := h.request(h.rate())
		r.Text = text
		pcm, words, err := Collect(t.Context(), t, h.Driver, r)
		if err != nil || len(pcm) == 0 {
			t.Errorf("%q gave %d samples, error %v", text, len(pcm), err)
		}
		for _, w := range words {
			if w.Start < 0 || w.End > len(text) || w.Start >= w.End {
				t.Errorf("word bytes %d to %d lie outside %q", w.Start, w.End, text)
			}
		}
	}
}

func badRate(t *testing.T, h Harness) {
	for _, rate := range []int{0, -1, 44100} {
		if _, _, err := Collect(t.Context(), t, h.Driver, h.request(rate)); err == nil {
			t.Errorf("rate %d was accepted", rate)
		}
	}
}

func cancelled(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Collect(ctx, t, h.Driver, h.request(h.rate())); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
}

func leaves(t *testing.T, h Harness) {
	n := 0
	for _, err := range h.Driver.Speak(t.Context(), h.request(h.rate())) {
		if err != nil {
			t.Fatalf("speak: %v", err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("got %d chunks, want 1", n)
	}
}

func concurrent(t *testing.T, h Harness) {
	type result struct {
		samples int
		err     error
	}
	texts := []string{h.Text, h.Text + " " + h.Text, h.Text, h.Text + " " + h.Text}
	results := make([]chan result, len(texts))
	for i, text := range texts {
		results[i] = make(chan result, 1)
		go func() {
			r := h.request(h.rate())
			r.Text = text
			pcm, _, err := Collect(t.Context(), t, h.Driver, r)
			results[i] <- result{len(pcm), err}
		}()
	}
	var lengths [4]int
	for i := range results {
		r := <-results[i]
		if r.err != nil {
			t.Errorf("speak %d: %v", i, r.err)
		}
		lengths[i] = r.samples
	}
	if lengths[1] <= lengths[0] || (h.Deterministic && (lengths[0] != lengths[2] || lengths[1] != lengths[3])) {
		t.Errorf("samples of the one text %d and %d, of the double %d and %d", lengths[0], lengths[2], lengths[1], lengths[3])
	}
}
