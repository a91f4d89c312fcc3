package audio

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// sineWave returns seconds of a sine at -6 dBFS.
func sineWave(frequency float64, rate int, seconds float64) []int16 {
	pcm := make([]int16, int(seconds*float64(rate)))
	for i := range pcm {
		pcm[i] = int16(math.Round(16384 * math.Sin(2*math.Pi*frequency*float64(i)/float64(rate))))
	}
	return pcm
}

// splitTone returns the level of the sine at frequency in pcm and of all the
// rest, both in dB against the -6 dBFS sine of sineWave.
func splitTone(pcm []int16, frequency float64, rate int) (tone, rest float64) {
	var c, s float64
	n := float64(len(pcm))
	for i, v := range pcm {
		a := 2 * math.Pi * frequency * float64(i) / float64(rate)
		c += float64(v) * math.Cos(a) * 2 / n
		s += float64(v) * math.Sin(a) * 2 / n
	}
	var power float64
	for i, v := range pcm {
		a := 2 * math.Pi * frequency * float64(i) / float64(rate)
		d := float64(v) - c*math.Cos(a) - s*math.Sin(a)
		power += d * d * 2 / n
	}
	return 10 * math.Log10((c*c+s*s+1e-9)/(16384*16384)), 10 * math.Log10((power+1e-9)/(16384*16384))
}

func TestResamplerSweep(t *testing.T) {
	t.Parallel()
	for _, rates := range [][2]int{{8000, 16000}, {16000, 8000}, {24000, 16000}, {48000, 16000}, {16000, 48000}, {48000, 8000}, {22050, 16000}, {44100, 8000}} {
		from, to := rates[0], rates[1]
		t.Run(fmt.Sprintf("%d to %d", from, to), func(t *testing.T) {
			t.Parallel()
			nyquist := float64(min(from, to)) / 2
			worstRipple, worstRest := 0.0, math.Inf(-1)
			r, err := NewResampler(from, to)
			if err != nil {
				t.Fatal(err)
			}
			// From 100 Hz to the end of the input's band, whole periods of
			// 100 ms each.
			for f := 100.0; f < float64(from)/2-20; f += 90 {
				r.Reset()
				out := r.Process(nil, sineWave(f, from, 0.2))
				out = out[to/20 : to/20+to/10] // after the filter has settled
				tone, rest := splitTone(out, f, to)
				if f <= 0.8*nyquist {
					worstRipple = max(worstRipple, math.Abs(tone))
				}
				if f >= nyquist {
					// Nothing of it belongs into the output.
					_, rest = splitTone(out, 0.001, to)
				}
				worstRest = max(worstRest, rest)
			}
			t.Logf("ripple %.2f dB, aliases and images %.1f dB", worstRipple, worstRest)
			if worstRipple > 0.1 {
				t.Errorf("ripple %.2f dB up to %.0f Hz, want 0.1", worstRipple, 0.8*nyquist)
			}
			if worstRest > -55 {
				t.Errorf("alias or image at %.1f dB, want -55", worstRest)
			}
		})
	}
}

func TestResamplerDelayAndLength(t *testing.T) {
	t.Parallel()
	for _, rates := range [][2]int{{8000, 16000}, {16000, 8000}, {48000, 16000}, {22050, 16000}} {
		from, to := rates[0], rates[1]
		r, err := NewResampler(from, to)
		if err != nil {
			t.Fatal(err)
		}
		pcm := make([]int16, from)
		pulse := from / 2
		pcm[pulse] = 20000
		out := r.Process(nil, pcm)
		if got, want := len(out), to; got < want-1 || got > want+1 {
			t.Errorf("%d to %d: a second gave %d samples", from, to, got)
		}
		peak := 0
		for i, v := range out {
			if v > out[peak] {
				peak = i
			}
		}
		want := (float64(pulse)/float64(from) + r.Delay().Seconds()) * float64(to)
		if math.Abs(float64(peak)-want) > 1 {
			t.Errorf("%d to %d: pulse at %d, want %.1f (delay %v)", from, to, peak, want, r.Delay())
		}
		if tail := r.Flush(nil); len(tail) == 0 {
			t.Errorf("%d to %d: nothing flushed", from, to)
		}
	}
}

func TestResamplerInPiecesEqualsWhole(t *testing.T) {
	t.Parallel()
	pcm := sineWave(700, 22050, 0.5)
	whole, _ := NewResampler(22050, 16000)
	want := whole.Process(nil, pcm)
	pieces, _ := NewResampler(22050, 16000)
	var got []int16
	for i, size := 0, 1; i < len(pcm); i, size = i+size, size%1500+37 {
		got = pieces.Process(got, pcm[i:min(i+size, len(pcm))])
	}
	if !slices.Equal(got, want) {
		t.Errorf("differs at sample %d of %d", firstDifference(got, want), len(want))
	}
	pieces.Reset()
	if got := pieces.Process(nil, pcm); !slices.Equal(got, want) {
		t.Error("differs after Reset")
	}
}

// Not parallel: testing.AllocsPerRun demands it.
func TestResamplerFrames(t *testing.T) {
	r, err := NewResampler(8000, 16000)
	if err != nil {
		t.Fatal(err)
	}
	frame, out := make([]int16, 160), make([]int16, 0, 320)
	if n := testing.AllocsPerRun(50, func() { out = r.Process(out[:0], frame) }); n != 0 || len(out) != 320 {
		t.Errorf("a frame: %v allocations and %d samples, want 0 and 320", n, len(out))
	}
	for _, rates := range [][2]int{{0, 8000}, {8000, 1 << 30}, {16000, 15999}} {
		if _, err := NewResampler(rates[0], rates[1]); err == nil {
			t.Errorf("rates %v are accepted", rates)
		}
	}
	same, err := NewResampler(16000, 16000)
	if err != nil || same.Delay() != 0 || !slices.Equal(same.Process(nil, []int16{1, 2}), []int16{1, 2}) {
		t.Errorf("equal rates change the sound (error %v)", err)
	}
}

func BenchmarkResampleFrame(b *testing.B) {
	r, _ := NewResampler(8000, 16000)
	frame, out := make([]int16, 160), make([]int16, 0, 320)
	for b.Loop() {
		out = r.Process(out[:0], frame)
	}
}
