package audio

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// heardDigits returns what a detector makes of a sound in 20 ms frames.
func heardDigits(rate int, pcm []int16) string {
	d := NewDTMFDetector(rate)
	var digits strings.Builder
	for frame := range slices.Chunk(pcm, rate/50) {
		if digit, ok := d.Write(frame); ok {
			digits.WriteRune(digit)
		}
	}
	return digits.String()
}

func TestDTMFRoundTrip(t *testing.T) {
	t.Parallel()
	const digits = "1234567890*#ABCD1155"
	tests := []struct {
		name         string
		rate         int
		on, off      time.Duration
		level, noise float64
	}{
		{"usual", 8000, 100 * time.Millisecond, 100 * time.Millisecond, -12, -90},
		{"wide band", 16000, 100 * time.Millisecond, 100 * time.Millisecond, -12, -90},
		{"short", 8000, 55 * time.Millisecond, 50 * time.Millisecond, -12, -90},
		{"quiet", 8000, 80 * time.Millisecond, 60 * time.Millisecond, -32, -90},
		{"noisy", 8000, 80 * time.Millisecond, 60 * time.Millisecond, -12, -29},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pcm, err := DTMF(digits, test.rate, test.on, test.off, test.level)
			if err != nil {
				t.Fatal(err)
			}
			for shift := 0; shift < 160; shift += 37 {
				moved := append(make([]int16, shift), pcm...)
				moved = mixed(moved, Noise(WhiteNoise, len(moved), test.noise, 1))
				if got := heardDigits(test.rate, moved); got != digits {
					t.Errorf("shifted by %d: got %q, want %q", shift, got, digits)
				}
			}
		})
	}
	if _, err := DTMF("12x", 8000, time.Second, 0, -12); !errors.Is(err, ErrNotADigit) {
		t.Errorf("digit x: got %v, want ErrNotADigit", err)
	}
}

func TestDTMFDown(t *testing.T) {
	t.Parallel()
	d := NewDTMFDetector(8000)
	d.Write(DualTone(8000, 480, 697, 1336, -12))
	if digit, down := d.Down(); !down || digit != '2' {
		t.Errorf("while the tone lasts: %c, %v, want 2", digit, down)
	}
	d.Write(make([]int16, 400))
	if _, down := d.Down(); down {
		t.Error("the key is still down 50 ms after the tone")
	}
}

// How long a tone was is known to within 5 ms, wherever it begins, and within 15 ms where
// other sound comes before and after it.
func TestDTMFLength(t *testing.T) {
	t.Parallel()
	for level, limit := range map[float64]time.Duration{-60: 5 * time.Millisecond, -20: 15 * time.Millisecond} {
		for _, digit := range "0123456789*#ABCD" {
			for _, ms := range []int{60, 70, 80, 200} {
				tone, err := DTMF(string(digit), 8000, time.Duration(ms)*time.Millisecond, 0, -20)
				if err != nil {
					t.Fatal(err)
				}
				for shift := 0; shift < 102; shift += 3 {
					d := NewDTMFDetector(8000)
					sound := slices.Concat(Noise(WhiteNoise, 400+shift, level, 1), mixed(tone, Noise(WhiteNoise, len(tone), -60, 2)), Noise(WhiteNoise, 400, level, 3))
					for frame := range slices.Chunk(sound, 160) {
						d.Write(frame)
					}
					if got := d.Length() - time.Duration(ms)*time.Millisecond; got.Abs() > limit {
						t.Errorf("%c, %d ms, shifted by %d, amid noise of %.0f dBFS: %s too long", digit, ms, shift, level, got)
					}
				}
			}
		}
	}
}

// multimon-ng, which knows nothing of us, hears our digits.
func TestMultimonHearsDTMF(t *testing.T) {
	t.Parallel()
	const digits = "159D*0#3"
	pcm, err := DTMF(digits, 8000, 120*time.Millisecond, 120*time.Millisecond, -12)
	if err != nil {
		t.Fatal(err)
	}
	pcm = append(pcm, make([]int16, 8000)...)
	raw := run(t, bytesOf(pcm), "sox", "-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-",
		"-t", "raw", "-r", "22050", "-")
	var got strings.Builder
	for line := range strings.Lines(string(run(t, raw, "multimon-ng", "-q", "-a", "DTMF", "-t", "raw", "-"))) {
		if digit, ok := strings.CutPrefix(strings.TrimSpace(line), "DTMF: "); ok {
			got.WriteString(digit)
		}
	}
	if got.String() != digits {
		t.Errorf("multimon-ng heard %q, want %q", got.String(), digits)
	}
}

func TestDTMFHearsSox(t *testing.T) {
	t.Parallel()
	var pcm []int16
	for _, tones := range [][2]string{{"770", "1336"}, {"941", "1477"}, {"697", "1633"}} {
		raw := run(t, nil, "sox", "-n", "-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-",
			"synth", "0.1", "sine", tones[0], "synth", "0.1", "sine", "mix", tones[1], "gain", "-9", "pad", "0.05", "0.05")
		pcm = append(pcm, samplesOf(raw)...)
	}
	if got := heardDigits(8000, pcm); got != "5#A" {
		t.Errorf("got %q, want %q", got, "5#A")
	}
}

// Speech is not a digit: none in half an hour, and with SIDETONE_TEST_LONG in
// an hour and a half.
func TestDTMFIgnoresSpeech(t *testing.T) {
	t.Parallel()
	rounds := 4
	if os.Getenv("SIDETONE_TEST_LONG") != "" {
		rounds = 10
	}
	samples := 0
	voices := spoken(t)
	for round := range rounds {
		for voice, sentences := range voices {
			// Each round hears the voices at another speed, hence pitch, and level.
			pcm := labelSpeech(sentences, -26+float64(round)).pcm
			for _, speed := range []float64{1, 0.8 + 0.04*float64(round)} {
				sound := stretched(pcm, speed)
				samples += len(sound)
				if got := heardDigits(8000, sound); got != "" {
					t.Errorf("round %d, %s at speed %.2f: heard %q", round, voice, speed, got)
				}
			}
		}
	}
	minutes := samples / 8000 / 60
	t.Logf("%d minutes of speech", minutes)
	if minutes < 30 {
		t.Error("want at least 30 minutes")
	}
}

// stretched plays pcm at another speed.
func stretched(pcm []int16, speed float64) []int16 {
	out := make([]int16, int(float64(len(pcm)-1)/speed))
	for i := range out {
		at := float64(i) * speed
		j := int(at)
		out[i] = quantise(float64(pcm[j]) + (at-float64(j))*(float64(pcm[j+1])-float64(pcm[j])))
	}
	return out
}

func TestDTMFAllocatesNothing(t *testing.T) {
	d := NewDTMFDetector(8000)
	frame := DualTone(8000, 160, 697, 1209, -12)
	if n := testing.AllocsPerRun(100, func() { d.Write(frame) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
