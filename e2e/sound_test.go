package e2e

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/client"
)

// sound is what one side said: mono.
type sound struct {
	rate int
	pcm  []int16
}

// readWAV returns the channels of a WAV.
func readWAV(t *testing.T, raw []byte) []sound {
	t.Helper()
	pcm, f, err := audio.ReadWAV(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v (%d octets)", err, len(raw))
	}
	out := make([]sound, f.Channels)
	for c := range out {
		out[c].rate = f.Rate
		for i := c; i < len(pcm); i += f.Channels {
			out[c].pcm = append(out[c].pcm, pcm[i])
		}
	}
	return out
}

func readWAVFile(t *testing.T, path string) sound {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return readWAV(t, raw)[0]
}

// recording returns both sides of a call as the server kept them.
func (s *server) recording(t *testing.T, ctx context.Context, id string) (caller, agent sound) {
	t.Helper()
	var wav bytes.Buffer
	if _, err := s.api.Calls().Recording(ctx, id, client.WAV, &wav); err != nil {
		t.Fatal(err)
	}
	sides := readWAV(t, wav.Bytes())
	if len(sides) != 2 {
		t.Fatalf("the recording has %d channels, want 2", len(sides))
	}
	return sides[0], sides[1]
}

// frames calls each with 20 ms pieces and their level in dBFS.
func (s sound) frames(each func(i int, pcm []int16, level float64)) {
	n := s.rate / 50
	for i := 0; (i+1)*n <= len(s.pcm); i++ {
		f := s.pcm[i*n : (i+1)*n]
		var sum float64
		for _, v := range f {
			sum += float64(v) * float64(v)
		}
		each(i, f, 20*math.Log10(math.Sqrt(sum/float64(n))/32768+1e-9))
	}
}

// loud returns how many seconds are louder than -35 dBFS, which no comfort
// noise is.
func (s sound) loud() float64 {
	n := 0
	s.frames(func(_ int, _ []int16, level float64) {
		if level > -35 {
			n++
		}
	})
	return float64(n) / 50
}

// tone returns how many seconds are loud and consist of freq by nine tenths of
// their power.
func (s sound) tone(freq float64) float64 {
	n := 0
	s.frames(func(_ int, pcm []int16, level float64) {
		if level > -35 && share(pcm, s.rate, freq) > 0.9 {
			n++
		}
	})
	return float64(n) / 50
}

// share is the part of the power of pcm that lies at freq, by least squares.
func share(pcm []int16, rate int, freq float64) float64 {
	var re, im, total float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * freq * float64(i) / float64(rate))
		re += float64(v) * cos
		im += float64(v) * sin
		total += float64(v) * float64(v)
	}
	if total == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / float64(len(pcm)) / total
}

// alike compares the loudness of two sounds, two seconds of a at a time, each
// where it fits b best within 3 s, and returns the median correlation: near 1
// for the same speech. Peers that keep no time stamps may lose pauses, so that
// the whole does not line up.
func alike(a, b sound) float64 { return alikeFrom(a, b, 0) }

// alikeFrom does the same when a begins so many frames of 20 ms into b.
func alikeFrom(a, b sound, begin int) float64 {
	const piece, far = 100, 150
	x, y := a.envelope(), b.envelope()
	var found []float64
	for i := 0; i+piece <= len(x); i += piece / 2 {
		best := 0.0
		for shift := begin + i - far; shift <= begin+i+far; shift++ {
			best = max(best, correlation(x[i:i+piece], y, shift))
		}
		found = append(found, best)
	}
	if len(found) == 0 {
		return 0
	}
	slices.Sort(found)
	return found[len(found)/2]
}

func (s sound) envelope() []float64 {
	var out []float64
	s.frames(func(_ int, _ []int16, level float64) { out = append(out, max(level, -60)) })
	return out
}

func correlation(x, y []float64, shift int) float64 {
	var n, sx, sy, sxx, syy, sxy float64
	for i, a := range x {
		j := i + shift
		if j < 0 || j >= len(y) {
			continue
		}
		b := y[j]
		n, sx, sy, sxx, syy, sxy = n+1, sx+a, sy+b, sxx+a*a, syy+b*b, sxy+a*b
	}
	if int(n) < len(x) {
		return 0
	}
	d := math.Sqrt((n*sxx - sx*sx) * (n*syy - sy*sy))
	if d == 0 {
		return 0
	}
	return (n*sxy - sx*sy) / d
}

func writeWAV(t *testing.T, path string, s sound) {
	t.Helper()
	var b bytes.Buffer
	if err := audio.WriteWAV(&b, audio.WAVFormat{Rate: s.rate, Channels: 1}, s.pcm); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMeasures(t *testing.T) {
	t.Parallel()
	tone := sound{8000, audio.Sine(8000, 8000, 440, -12)}
	if got := tone.tone(440); got < 0.98 {
		t.Errorf("a second of 440 Hz has %.2f s of it", got)
	}
	if got := tone.tone(600); got != 0 {
		t.Errorf("a second of 440 Hz has %.2f s of 600 Hz", got)
	}
	if got := (sound{8000, make([]int16, 8000)}).loud(); got != 0 {
		t.Errorf("silence is loud for %.2f s", got)
	}
	one, other := spoken(t, greeting), spoken(t, "Whoever wants to bring a car must book it two days before, by telephone. Nobody may stay below while the ship is at sea.")
	cut := len(one.pcm) / 2
	torn := sound{one.rate, slices.Concat(make([]int16, one.rate), one.pcm[:cut], one.pcm[cut+one.rate/2:])}
	if got := alike(one, torn); got < 0.95 {
		t.Errorf("the same speech is alike by %.2f", got)
	}
	if got := alike(one, other); got > 0.8 {
		t.Errorf("two speeches are alike by %.2f", got)
	}
}

// spoken lets flite say a text.
func spoken(t *testing.T, text string) sound {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spoken.wav")
	run(t, within(t, 30*time.Second), ".", "flite", "-voice", "slt", "-t", text, "-o", path)
	return readWAVFile(t, path)
}
