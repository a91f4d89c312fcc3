package audio

import (
	"slices"
	"testing"
)

func percentile(values []float64, p int) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func TestVADExplore(t *testing.T) {
	voices := spoken(t)
	for _, snr := range []float64{20, 10} {
		for color, name := range []string{"white", "pink", "brown"} {
			var all vadScore
			for i, v := range testVoices() {
				truth := labelSpeech(voices[v.name], -26)
				noise := Noise(NoiseColor(color), len(truth.pcm), -26-snr, uint64(i))
				s := score(t, mixed(truth.pcm, noise), truth, 0)
				t.Log(v.name, s)
				all.add(s)
			}
			t.Log("####", snr, name, all)
		}
	}
}
