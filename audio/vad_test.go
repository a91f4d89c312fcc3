package audio

import (
	"fmt"
	"math"
	"math/rand/v2"
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

// vadMix scores every voice, or only the held-out ones, over noise made by
// the function.
func vadMix(t *testing.T, heldOut bool, skip int, noise func(n int, seed uint64) []int16) vadScore {
	t.Helper()
	voices := spoken(t)
	var all vadScore
	for i, voice := range testVoices() {
		if heldOut && !voice.heldOut {
			continue
		}
		truth := labelSpeech(voices[voice.name], -26)
		all.add(score(t, mixed(truth.pcm, noise(len(truth.pcm), uint64(i))), truth, skip))
	}
	return all
}

func TestVADInNoise(t *testing.T) {
	t.Parallel()
	tests := []struct {
		snr, hit, falses, onset95 float64
	}{
		{snr: 20, hit: 95, falses: 1, onset95: 120},
		{snr: 10, hit: 90, falses: 3, onset95: 240},
	}
	for _, test := range tests {
		for color, name := range []string{"white", "pink", "brown"} {
			t.Run(fmt.Sprintf("%s at %.0f dB", name, test.snr), func(t *testing.T) {
				t.Parallel()
				for _, heldOut := range []bool{false, true} {
					got := vadMix(t, heldOut, 0, func(n int, seed uint64) []int16 {
						return Noise(NoiseColor(color), n, -26-test.snr, seed)
					})
					t.Logf("held-out voices only %v: %v", heldOut, got)
					if got.hitRate() < test.hit || got.falseRate() > test.falses {
						t.Errorf("want hit >= %.0f %%, false <= %.0f %%", test.hit, test.falses)
					}
					if percentile(got.onsets, 50) > 80 || percentile(got.onsets, 95) > test.onset95 {
						t.Errorf("want onset p50 <= 80 ms, p95 <= %.0f ms", test.onset95)
					}
					if got.missed > 0 {
						t.Errorf("%d phrases never started a burst", got.missed)
					}
				}
			})
		}
	}
}

// Babble defeats detectors of energy; its figure is printed, not promised.
func TestVADInBabble(t *testing.T) {
	t.Parallel()
	voices := spoken(t)
	got := vadMix(t, false, 0, func(n int, seed uint64) []int16 {
		sum := make([]float64, n)
		for i, voice := range testVoices() {
			speech := labelSpeech(voices[voice.name], -46).pcm
			for j := range sum {
				sum[j] += float64(speech[(j+i*17000+int(seed)*9000)%len(speech)])
			}
		}
		return scaled(sum, -46)
	})
	t.Logf("babble of 8 voices at 20 dB: %v", got)
}

func hum(n int, level float64) []int16 {
	raw := make([]float64, n)
	for i := range raw {
		for k, gain := range []float64{1, 0.6, 0.5, 0.3, 0.2, 0.15, 0.1} {
			raw[i] += gain * math.Sin(2*math.Pi*50*float64(k+1)*float64(i)/8000+float64(k*k))
		}
	}
	return scaled(raw, level)
}

func TestVADIgnoresSteadySounds(t *testing.T) {
	t.Parallel()
	const n = 10 * 8000
	sounds := map[string]func(level float64) []int16{
		"hum":       func(level float64) []int16 { return hum(n, level) },
		"50 Hz":     func(level float64) []int16 { return Sine(8000, n, 50, level) },
		"120 Hz":    func(level float64) []int16 { return Sine(8000, n, 120, level) },
		"240 Hz":    func(level float64) []int16 { return Sine(8000, n, 240, level) },
		"440 Hz":    func(level float64) []int16 { return Sine(8000, n, 440, level) },
		"1004 Hz":   func(level float64) []int16 { return Sine(8000, n, 1004, level) },
		"3141 Hz":   func(level float64) []int16 { return Sine(8000, n, 3141, level) },
		"dial tone": func(level float64) []int16 { return DualTone(8000, n, 350, 440, level-3) },
		"white":     func(level float64) []int16 { return Noise(WhiteNoise, n, level-6, 3) },
	}
	for name, sound := range sounds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for level := -51.0; level <= -3; level += 12 {
				for _, before := range []int{0, 4000} {
					pcm := append(make([]int16, before), sound(level)...)
					if last := lastSpeech(t, 8000, pcm); last > before+12000 {
						t.Errorf("%.0f dBFS after %d samples of silence: still speech at sample %d", level, before, last-before)
					}
				}
			}
		})
	}
}

// lastSpeech returns the last sample a detector called voiced, or 0.
func lastSpeech(t *testing.T, rate int, pcm []int16) int {
	t.Helper()
	v, err := NewVAD(rate)
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for i := 0; i+160 <= len(pcm); i += 160 {
		if e := v.Write(pcm[i : i+160]); e.Voiced {
			last = i + 160
		}
	}
	return last
}

func TestVADSpeechOverHum(t *testing.T) {
	t.Parallel()
	got := vadMix(t, false, 150, func(n int, _ uint64) []int16 { return hum(n, -26) })
	t.Logf("speech over hum at 0 dB: %v", got)
	if got.hitRate() < 90 {
		t.Error("want hit >= 90 %")
	}
	if got.falses != 0 {
		t.Errorf("%d hops of hum were taken for speech", got.falses)
	}
}

func TestVADIgnoresDTMF(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000} {
		for _, low := range []float64{697, 770, 852, 941} {
			for _, high := range []float64{1209, 1336, 1477, 1633} {
				var pcm []int16
				for range 5 {
					pcm = append(pcm, make([]int16, rate/10)...)
					pcm = append(pcm, DualTone(rate, rate/10, low, high, -10)...)
				}
				v, err := NewVAD(rate)
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; i+rate/50 <= len(pcm); i += rate / 50 {
					if e := v.Write(pcm[i : i+rate/50]); e.Started {
						t.Fatalf("%d Hz: %v + %v Hz started a burst at %d", rate, low, high, i)
					}
				}
			}
		}
	}
}

// The end of a turn is counted from the last voiced sample, so both edges of a
// loud burst must be placed to 5 ms wherever they fall in a frame.
func TestVADEdges(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000} {
		for _, noise := range []float64{-100, -46, -40} {
			t.Run(fmt.Sprintf("%d Hz, noise %.0f dBFS", rate, noise), func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(16) {
					checkEdges(t, rate, noise, seed)
				}
			})
		}
	}
}

func checkEdges(t *testing.T, rate int, noise float64, seed uint64) {
	t.Helper()
	source := rand.New(rand.NewPCG(seed, 9))
	lead, length := rate+source.IntN(rate/20), rate/2+source.IntN(rate)
	pcm := append(make([]int16, lead), SpeechLike(rate, length, -20, seed)...)
	pcm = append(pcm, make([]int16, rate)...)
	pcm = mixed(pcm, Noise(PinkNoise, len(pcm), noise, seed))
	v, err := NewVAD(rate)
	if err != nil {
		t.Fatal(err)
	}
	allowed := rate * 5 / 1000
	started, ended := 0, 0
	for at := rate / 50; at <= len(pcm); at += rate / 50 {
		e := v.Write(pcm[at-rate/50 : at])
		if e.Started {
			if started++; abs(at-e.SinceStart-lead) > allowed {
				t.Errorf("seed %d: start off by %d samples", seed, at-e.SinceStart-lead)
			}
			if late := (at - lead) * 1000 / rate; late > 90 {
				t.Errorf("seed %d: start noticed after %d ms", seed, late)
			}
		}
		// The endpoint wait relies on the last voiced sample long before the end
		// of the burst is declared.
		if past := at - lead - length; past > rate/20 && abs(e.SinceVoiced-past) > allowed {
			t.Fatalf("seed %d: %d ms after the end, last voiced sample off by %d samples", seed, past*1000/rate, e.SinceVoiced-past)
		}
		if e.Ended {
			if ended++; abs(e.Burst-length) > 2*allowed {
				t.Errorf("seed %d: burst of %d samples, want %d", seed, e.Burst, length)
			}
			if late := (at - lead - length) * 1000 / rate; late < 180 || late > 280 {
				t.Errorf("seed %d: end noticed after %d ms", seed, late)
			}
		}
	}
	if started != 1 || ended != 1 {
		t.Errorf("seed %d: %d starts and %d ends, want one each", seed, started, ended)
	}
}

func abs(x int) int { return max(x, -x) }

func TestVADSpeechLikeIsSpeech(t *testing.T) {
	t.Parallel()
	for _, level := range []float64{-38, -30, -20, -12} {
		truth := labelSpeech([][]int16{SpeechLike(8000, 24000, level, 1), SpeechLike(8000, 8000, level, 2)}, level)
		got := score(t, truth.pcm, truth, 0)
		if got.hitRate() < 95 || got.missed > 0 || got.falses > 0 {
			t.Errorf("%.0f dBFS: %v", level, got)
		}
	}
}

// The result must not depend on how the sound is cut into writes.
func TestVADWriteSizes(t *testing.T) {
	t.Parallel()
	pcm := append(make([]int16, 8123), SpeechLike(16000, 20000, -20, 4)...)
	pcm = append(pcm, make([]int16, 12000)...)
	whole, err := NewVAD(16000)
	if err != nil {
		t.Fatal(err)
	}
	want := whole.Write(pcm)
	for _, size := range []int{1, 7, 160, 320, 333, 2000} {
		v, err := NewVAD(16000)
		if err != nil {
			t.Fatal(err)
		}
		var got VADEvent
		for part := range slices.Chunk(pcm, size) {
			got = v.Write(part)
		}
		got.Started, got.Ended = want.Started, want.Ended
		if got != want {
			t.Errorf("writes of %d: got %+v, want %+v", size, got, want)
		}
	}
}

func TestVADSkip(t *testing.T) {
	t.Parallel()
	v, err := NewVAD(16000)
	if err != nil {
		t.Fatal(err)
	}
	v.Write(make([]int16, 16000))
	v.Write(SpeechLike(16000, 8000, -20, 1))
	e := v.Skip(4000)
	if !e.Ended || e.Speech || abs(e.SinceVoiced-4000) > 80 {
		t.Errorf("after 250 ms of loss: %+v, want an ended burst 4000 samples back", e)
	}
	if e := v.Write(SpeechLike(16000, 8000, -20, 2)); !e.Started || !e.Speech {
		t.Errorf("speech after loss: %+v, want a new burst", e)
	}
}

func TestVADRefusesOtherRates(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{0, -8000, 44100} {
		if _, err := NewVAD(rate); err == nil {
			t.Errorf("rate %d was accepted", rate)
		}
	}
}

func TestVADAllocatesNothing(t *testing.T) {
	v, err := NewVAD(16000)
	if err != nil {
		t.Fatal(err)
	}
	frame := SpeechLike(16000, 320, -20, 1)
	if n := testing.AllocsPerRun(100, func() { v.Write(frame); v.Skip(320) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkVAD(b *testing.B) {
	v, err := NewVAD(8000)
	if err != nil {
		b.Fatal(err)
	}
	frame := SpeechLike(8000, 160, -20, 1)
	for b.Loop() {
		v.Write(frame)
	}
}

func BenchmarkVADWideband(b *testing.B) {
	v, err := NewVAD(16000)
	if err != nil {
		b.Fatal(err)
	}
	frame := SpeechLike(16000, 320, -20, 1)
	for b.Loop() {
		v.Write(frame)
	}
}
