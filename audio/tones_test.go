package audio

import (
	"math"
	"slices"
	"testing"
)

func TestTonesLevels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		pcm  []int16
		want float64
	}{
		{"sine", Sine(8000, 8000, 1000, -12), -12},
		{"dual tone", DualTone(8000, 8000, 697, 1209, -15), -12},
		{"speech-like", SpeechLike(16000, 16000, -20, 1), -20},
		{"white", Noise(WhiteNoise, 8000, -30, 1), -30},
		{"pink", Noise(PinkNoise, 8000, -30, 1), -30},
		{"brown", Noise(BrownNoise, 8000, -30, 1), -30},
	}
	for _, test := range tests {
		if got := rmsLevel(test.pcm); math.Abs(got-test.want) > 0.2 {
			t.Errorf("%s: %.2f dBFS, want %.2f", test.name, got, test.want)
		}
	}
}

// octave is the power of the octave above freq at 8 kHz, in dB.
func octave(pcm []int16, freq float64) float64 {
	s := newSpectrum()
	var window [spectrumSize]float32
	hann(window[:])
	var sum float64
	for block := range slices.Chunk(pcm[:len(pcm)/spectrumSize*spectrumSize], spectrumSize) {
		var re, im [spectrumSize]float32
		for i, x := range block {
			re[i] = float32(x) * window[i]
		}
		s.forward(&re, &im)
		for i := int(freq / 31.25); i < int(2*freq/31.25); i++ {
			sum += float64(re[i]*re[i] + im[i]*im[i])
		}
	}
	return 10 * math.Log10(sum)
}

// An octave of white noise has 3 dB more power than the one below, of pink
// noise as much, of brown noise 3 dB less.
func TestNoiseColors(t *testing.T) {
	t.Parallel()
	for color, want := range []float64{3, 0, -3} {
		pcm := Noise(NoiseColor(color), 80000, -20, 7)
		for _, freq := range []float64{250, 500} {
			if got := octave(pcm, 2*freq) - octave(pcm, freq); math.Abs(got-want) > 1 {
				t.Errorf("colour %d above %.0f Hz: %.1f dB an octave, want %.0f", color, freq, got, want)
			}
		}
	}
}

func TestGeneratorsAreDeterministic(t *testing.T) {
	t.Parallel()
	if !slices.Equal(SpeechLike(8000, 4000, -20, 5), SpeechLike(8000, 4000, -20, 5)) {
		t.Error("two equal calls of SpeechLike differ")
	}
	if slices.Equal(SpeechLike(8000, 4000, -20, 5), SpeechLike(8000, 4000, -20, 6)) {
		t.Error("SpeechLike ignores its seed")
	}
	if !slices.Equal(Noise(PinkNoise, 4000, -20, 5), Noise(PinkNoise, 4000, -20, 5)) {
		t.Error("two equal calls of Noise differ")
	}
	if got := len(Noise(WhiteNoise, 0, -20, 5)) + len(SpeechLike(8000, 0, -20, 5)); got != 0 {
		t.Errorf("no samples asked for, %d given", got)
	}
}

// The load generator takes the last sample of the burst for its end.
func TestSpeechLikeEndsAbruptly(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		pcm := SpeechLike(8000, 4000+int(seed)*77, -20, seed)
		if got := rmsLevel(pcm[len(pcm)-40:]); got < -32 {
			t.Errorf("seed %d: the last 5 ms are at %.1f dBFS", seed, got)
		}
		if got := rmsLevel(pcm[len(pcm)-200:]); got < -21 {
			t.Errorf("seed %d: the last 25 ms are at %.1f dBFS", seed, got)
		}
	}
}
