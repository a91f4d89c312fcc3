package flite

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/process/processtest"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	driver := New(Options{})
	for _, text := range []string{
		"Good morning, this is the Sunny Hill clinic. How can I help you?",
		"We are open from 8 to 6 on weekdays - and Dr. Smith's line is 555-0123.",
	} {
		synthesizertest.Run(t, func(*testing.T) synthesizertest.Harness {
			return synthesizertest.Harness{Driver: driver, Text: text, WordTimes: true, Speech: true, Deterministic: true}
		})
	}
}

func TestEveryVoiceIsLevelled(t *testing.T) {
	t.Parallel()
	driver := New(Options{})
	for _, voice := range driver.Voices() {
		pcm, words, err := synthesizertest.Collect(t.Context(), t, driver, synthesizer.Request{
			Text: "I would like to see the doctor on Tuesday.", Voice: voice, Rate: 16000,
		})
		if err != nil {
			t.Fatalf("%s: %v", voice, err)
		}
		peak, active := synthesizertest.Levels(pcm, 16000)
		if peak > -2.9 || active < -21 || active > -19 {
			t.Errorf("%s: peak %.1f dBFS, active speech %.1f dBFS", voice, peak, active)
		}
		if len(words) != 9 {
			t.Errorf("%s: %d words, want 9", voice, len(words))
		}
	}
}

// A pause in the text lies between the words it lies between in the sound.
func TestWordTimesMeetTheSound(t *testing.T) {
	t.Parallel()
	const text = "Tuesday, Wednesday, Thursday, appointment."
	pcm, words, err := synthesizertest.Collect(t.Context(), t, New(Options{}), synthesizer.Request{Text: text, Rate: 16000})
	if err != nil || len(words) != 4 {
		t.Fatalf("%d words, %v", len(words), err)
	}
	for i, w := range words {
		inside := power(pcm[w.FromSample:w.ToSample])
		if inside < 1e5 {
			t.Errorf("%q holds silence (power %.0f)", text[w.Start:w.End], inside)
		}
		if i == 0 {
			continue
		}
		gap := pcm[words[i-1].ToSample:w.FromSample]
		if len(gap) < 480 || power(gap[len(gap)/4:len(gap)*3/4]) > inside/20 {
			t.Errorf("between %q and the word before lie %d samples of power %.0f, want a pause", text[w.Start:w.End], len(gap), power(gap))
		}
	}
}

func power(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return sum / float64(max(len(pcm), 1))
}

func TestSpeakRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request synthesizer.Request
		options Options
		want    string
	}{
		"voice":    {synthesizer.Request{Text: "a word", Rate: 8000, Voice: "../../etc/passwd"}, Options{}, "voice"},
		"language": {synthesizer.Request{Text: "ein Wort", Rate: 8000, Language: "de-DE"}, Options{}, "language"},
		"program":  {synthesizer.Request{Text: "a word", Rate: 8000}, Options{Program: "no-such-flite"}, "no-such-flite"},
		"failing":  {synthesizer.Request{Text: "a word", Rate: 8000}, Options{Program: "false"}, "exit status 1"},
		"useless":  {synthesizer.Request{Text: "a word", Rate: 8000}, Options{Program: "true"}, "not a WAV file"},
	} {
		_, _, err := synthesizertest.Collect(t.Context(), t, New(c.options), c.request)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error = %v, want one about %q", name, err, c.want)
		}
	}
	_, _, err := synthesizertest.Collect(t.Context(), t, New(Options{Program: "no-such-flite"}), synthesizer.Request{Text: "a", Rate: 8000})
	if !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("error = %v, want %v", err, exec.ErrNotFound)
	}
}

func TestASlotIsAwaitedNoLongerThanTheContext(t *testing.T) {
	t.Parallel()
	driver := New(Options{MaxSentences: 1})
	driver.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := synthesizertest.Collect(ctx, t, driver, synthesizer.Request{Text: "a word", Rate: 8000})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

// A program that never stops writing is an error, and soon.
func TestEndlessSoundIsRefused(t *testing.T) {
	t.Parallel()
	program := processtest.Script(t, "flite", `[ "$3" = -psdur ] && exec cat /dev/zero >&3`)
	d := New(Options{Program: program})
	if _, _, err := d.sound(t.Context(), "rms", "hello"); err == nil || !strings.Contains(err.Error(), "run "+program) {
		t.Errorf("error = %v", err)
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"--help", []string{"help"}},
		{"Hello. I am here! Are you? Yes", []string{"Hello.", "I am here!", "Are you?", "Yes"}},
		{"Dr. Smith is in. John F. Kennedy is not.", []string{"Dr. Smith is in.", "John F. Kennedy is not."}},
		{"At 8 a.m. Monday, e.g. now", []string{"At 8 a.m. Monday, e.g. now"}},
		{"it costs 3.50 euros. fine", []string{"it costs 3.50 euros. fine"}},
		{"a <b>bold</b> “claim” — naïve", []string{"a bbold/b claim, naive"}},
		{"\x00\x01 `x`", []string{"x"}},
		{strings.Repeat("word ", 61), []string{strings.TrimSpace(strings.Repeat("word ", 60)), "word"}},
	} {
		var got []string
		for _, s := range sentences(c.text) {
			got = append(got, s.clean())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("sentences of %q (-want +got):\n%s", c.text, diff)
		}
	}
}

func FuzzSentences(f *testing.F) {
	f.Add("Hello. I'm -voice here; $5 — naïve!")
	f.Add("\xff\x00 a.b.c. D")
	f.Fuzz(func(t *testing.T, text string) {
		at := 0
		for _, s := range sentences(text) {
			clean := s.clean()
			if clean == "" || clean[0] == '-' {
				t.Errorf("sentence %q", clean)
			}
			for _, c := range []byte(clean) {
				if c < ' ' || c > '~' {
					t.Errorf("sentence %q holds byte %#x", clean, c)
				}
			}
			for _, w := range s.words {
				if w.start < at || w.end <= w.start || w.end > len(text) {
					t.Fatalf("word %+v after %d in %d bytes", w, at, len(text))
				}
				at = w.end
			}
		}
	})
}

func FuzzParseWAV(f *testing.F) {
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x04\x00\x00\x00\x01\x00\x02\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		pcm, rate, err := parseWAV(file)
		if err == nil && (rate == 0 || len(pcm) > len(file)/2) {
			t.Errorf("%d samples at %d Hz out of %d bytes", len(pcm), rate, len(file))
		}
	})
}

func TestAlign(t *testing.T) {
	t.Parallel()
	words := []word{{0, 1, "i"}, {2, 6, "like"}, {7, 9, "to"}, {10, 14, "book"}}
	names := []string{"pau", "ay", "l", "ay", "k", "t", "ax", "pau", "b", "uh", "k", "pau"}
	var spoken []phone
	for i, name := range names {
		spoken = append(spoken, phone{name, float64(i+1) / 10})
	}
	placed := func(w word, from, to int64) synthesizer.Word {
		return synthesizer.Word{Start: w.start, End: w.end, FromSample: from * native / 10, ToSample: to * native / 10}
	}
	want := []synthesizer.Word{placed(words[0], 1, 2), placed(words[1], 2, 5), placed(words[2], 5, 7), placed(words[3], 8, 11)}
	apart := [][]string{{"ay"}, {"l", "ay", "k"}, {"t", "uw"}, {"b", "uh", "k"}}
	if diff := cmp.Diff(want, align(words, spoken, apart)); diff != "" {
		t.Errorf("aligned (-want +got):\n%s", diff)
	}
	if got := align(words, spoken, nil); len(got) != 4 || got[3].ToSample != want[3].ToSample || got[0].FromSample != want[0].FromSample {
		t.Errorf("aligned by letters: %+v", got)
	}
	if got := align(words, spoken[:3], apart); got != nil {
		t.Errorf("four words over two phones: %+v, want none", got)
	}
	if got := align(words, nil, nil); got != nil {
		t.Errorf("without phones: %+v, want none", got)
	}
}
