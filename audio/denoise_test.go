package audio

import (
	"fmt"
	"testing"
)

// denoised returns pcm through a new Denoiser, its delay taken out.
func denoised(pcm []int16) []int16 {
	d := NewDenoiser(8000)
	out := append(append([]int16(nil), pcm...), make([]int16, d.Delay())...)
	d.Process(out)
	return out[d.Delay():]
}

func TestDenoiser(t *testing.T) {
	t.Parallel()
	voices := spoken(t)
	for color, name := range []string{"white", "pink"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var before, after vadScore
			var reduction, lost float64
			for i, voice := range testVoices() {
				truth := labelSpeech(voices[voice.name], -26)
				mix := mixed(truth.pcm, Noise(NoiseColor(color), len(truth.pcm), -36, uint64(i)))
				clean := denoised(mix)
				reduction += meanLevel(mix, truth, silent) - meanLevel(clean, truth, silent)
				lost += meanLevel(mix, truth, talking) - meanLevel(clean, truth, talking)
				before.add(score(t, mix, truth, 0))
				after.add(score(t, clean, truth, 0))
			}
			n := float64(len(testVoices()))
			t.Logf("noise down %.1f dB, speech %.1f dB; before %v; after %v", reduction/n, lost/n, before, after)
			if reduction/n < 8 {
				t.Errorf("noise is lowered by %.1f dB, want 8", reduction/n)
			}
			if lost/n > 2 {
				t.Errorf("speech is lowered by %.1f dB, want at most 2", lost/n)
			}
			if after.hitRate() < before.hitRate()-1 {
				t.Errorf("hit rate falls from %.1f %% to %.1f %%", before.hitRate(), after.hitRate())
			}
			// The detector alone has hardly any false alarms here: allow one hop in a
			// thousand rather than half of nothing.
			if after.falseRate() > max(before.falseRate()/2, 0.1) {
				t.Errorf("false alarms go from %.2f %% to %.2f %%, want half", before.falseRate(), after.falseRate())
			}
		})
	}
}

// meanLevel is the mean level of the hops with a label, after the first two
// seconds.
func meanLevel(pcm []int16, truth labelled, want label) float64 {
	var some []int16
	for i := 200; i < len(truth.labels); i++ {
		if truth.labels[i] == want {
			some = append(some, pcm[i*80:i*80+80]...)
		}
	}
	return rmsLevel(some)
}

func TestDenoiserLeavesCleanSpeechAlone(t *testing.T) {
	t.Parallel()
	speech := append(make([]int16, 8000), SpeechLike(8000, 8000, -20, 1)...)
	got := denoised(speech)
	if diff := rmsLevel(got[8000:]) - rmsLevel(speech[8000:]); diff < -1 || diff > 0.5 {
		t.Errorf("level changes by %.2f dB", diff)
	}
}

func TestDenoiserWriteSizes(t *testing.T) {
	t.Parallel()
	pcm := Noise(PinkNoise, 16000, -30, 1)
	want := denoised(pcm)
	for _, size := range []int{1, 80, 160, 333} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			d := NewDenoiser(8000)
			got := append(append([]int16(nil), pcm...), make([]int16, d.Delay())...)
			for at := 0; at < len(got); at += size {
				d.Process(got[at:min(at+size, len(got))])
			}
			for i := range want {
				if got[d.Delay()+i] != want[i] {
					t.Fatalf("sample %d differs", i)
				}
			}
		})
	}
}

func TestDenoiserAllocatesNothing(t *testing.T) {
	d := NewDenoiser(8000)
	frame := Noise(WhiteNoise, 160, -30, 1)
	if n := testing.AllocsPerRun(100, func() { d.Process(frame) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
