package audio

import (
	"math"
	"slices"
	"testing"
)

func TestLevels(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		pcm       []int16
		rms, peak float64
	}{
		{"nothing", nil, SilenceFloor, SilenceFloor},
		{"silence", make([]int16, 10), SilenceFloor, SilenceFloor},
		{"sine at -6 dBFS", sineWave(1000, 8000, 1), -9.03, -6.02},
		{"loudest square", []int16{-32768, 32767, -32768, 32767}, 0, 0},
		{"one step", []int16{1, -1}, -90.31, -90.31},
	} {
		if got := RMS(test.pcm); math.Abs(got-test.rms) > 0.01 {
			t.Errorf("%s: RMS %.2f dBFS, want %.2f", test.name, got, test.rms)
		}
		if got := decibels(float64(peak(test.pcm))); math.Abs(got-test.peak) > 0.01 {
			t.Errorf("%s: peak %.2f dBFS, want %.2f", test.name, got, test.peak)
		}
	}
}

func TestFades(t *testing.T) {
	t.Parallel()
	level := func() []int16 { return slices.Repeat([]int16{1000}, 8) }
	pcm := level()
	FadeIn(pcm, 4)
	if want := []int16{250, 500, 750, 1000, 1000, 1000, 1000, 1000}; !slices.Equal(pcm, want) {
		t.Errorf("FadeIn: %v, want %v", pcm, want)
	}
	pcm = level()
	FadeOut(pcm, 4)
	if want := []int16{1000, 1000, 1000, 1000, 750, 500, 250, 0}; !slices.Equal(pcm, want) {
		t.Errorf("FadeOut: %v, want %v", pcm, want)
	}
	pcm = level()
	FadeOut(pcm, 100)
	if pcm[0] != 875 || pcm[7] != 0 {
		t.Errorf("a fade longer than the sound: %v", pcm)
	}
	// Two pieces make the same fade as one.
	whole, pieces := level(), level()
	FadePart(whole, 1, 0)
	FadePart(pieces[:4], 1, 0.5)
	FadePart(pieces[4:], 0.5, 0)
	if !slices.Equal(whole, pieces) {
		t.Errorf("in pieces %v, at once %v", pieces, whole)
	}
	FadeIn(nil, 10)
}

func TestNormalizeVoices(t *testing.T) {
	t.Parallel()
	for _, voice := range spokenVoices() {
		t.Run(voice, func(t *testing.T) {
			t.Parallel()
			pcm := spokenSentence(t, voice, 16000)
			for _, before := range []float64{1, 0.1} {
				scaled := slices.Clone(pcm)
				FadePart(scaled, before, before)
				Normalize(scaled, 16000)
				level, _ := ActiveLevel(scaled, 16000)
				t.Logf("active %.2f dBFS, peak %.2f dBFS", level, decibels(float64(peak(scaled))))
				if math.Abs(level-SpeechLevel) > 0.5 || decibels(float64(peak(scaled))) > SpeechPeak+0.01 {
					t.Errorf("active %.2f dBFS, peak %.2f dBFS", level, decibels(float64(peak(scaled))))
				}
			}
		})
	}
	silence := make([]int16, 1600)
	Normalize(silence, 16000)
	if decibels(float64(peak(silence))) != SilenceFloor {
		t.Error("silence is no longer silent")
	}
	click := make([]int16, 16000)
	click[100] = 30000
	Normalize(click, 16000)
	if got := decibels(float64(peak(click))); got > SpeechPeak+0.01 {
		t.Errorf("a click has a peak of %.2f dBFS", got)
	}
}
