package loadgen

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/sidetone/sidetone/audio"
)

// recordedCall makes the log of a minute of clicks and the recording of a
// server that places the caller's at place(i, seconds since the answer).
func recordedCall(t *testing.T, place func(i int, at float64) float64) ([]Click, *bytes.Buffer) {
	t.Helper()
	const rate, origin = 8000, 0.35
	clicks := make([]Click, 60)
	pcm := make([]int16, 2*rate*63)
	put := func(channel int, at float64) {
		from := int(math.Round(at * rate))
		for i := range 4 {
			pcm[2*(from+i)+channel] = clickLevel
		}
	}
	for i := range clicks {
		at := 0.5 + float64(i)*0.9998
		echoed := 0.03 + 0.001*float64(i%20)
		clicks[i] = Click{
			SinceAnswer: at + 0.004*float64(i%2), Echoed: echoed - 0.004*float64(i%2),
			Sample: int64(math.Round(at * rate * 1.0002)), SampleRate: rate,
		}
		put(0, place(i, at-framePeriod.Seconds()+origin))
		put(1, at+echoed+origin)
	}
	var wav bytes.Buffer
	if err := audio.WriteWAV(&wav, audio.WAVFormat{Rate: rate, Channels: 2}, pcm); err != nil {
		t.Fatal(err)
	}
	return clicks, &wav
}

func TestAlign(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		place              func(i int, at float64) float64
		start, middle, end float64
	}{
		"true":         {func(_ int, at float64) float64 { return at }, 0, 0, 0},
		"late":         {func(_ int, at float64) float64 { return at + 0.03 }, 30, 30, 30},
		"early":        {func(_ int, at float64) float64 { return at - 0.025 }, 25, 25, 25},
		"drifting":     {func(i int, at float64) float64 { return at + 0.0006*float64(i) }, 11.4, 23.4, 35.4},
		"off at one":   {func(i int, at float64) float64 { return at + map[int]float64{30: 0.04}[i] }, 0, 40, 0},
		"swaying":      {func(i int, at float64) float64 { return at + 0.005*float64(i%2) }, 5, 5, 5},
		"off at first": {func(i int, at float64) float64 { return at + map[int]float64{0: 0.05}[i] }, 50, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clicks, wav := recordedCall(t, c.place)
			got, err := Align(wav, clicks, 200)
			if err != nil {
				t.Fatal(err)
			}
			for _, pair := range [][2]float64{{got.Start, c.start}, {got.Middle, c.middle}, {got.End, c.end}} {
				if math.Abs(pair[0]-pair[1]) > 0.3 {
					t.Errorf("%+v, want %g, %g, %g", got, c.start, c.middle, c.end)
				}
			}
			if worst := max(c.start, c.middle, c.end); math.Abs(got.Worst().Seconds()*1000-worst) > 0.3 {
				t.Errorf("worst = %v, want %g ms", got.Worst(), worst)
			}
			if got.Clicks != len(clicks) {
				t.Errorf("%d clicks compared, want %d", got.Clicks, len(clicks))
			}
		})
	}
}

func TestAlignRefuses(t *testing.T) {
	t.Parallel()
	clicks, wav := recordedCall(t, func(i int, at float64) float64 {
		if i == 20 {
			return at + 0.49
		}
		return at
	})
	if _, err := Align(wav, clicks, 200); !errors.Is(err, ErrAlign) {
		t.Errorf("click that is missing: %v", err)
	}
	var mono, silent bytes.Buffer
	for out, channels := range map[*bytes.Buffer]int{&mono: 1, &silent: 2} {
		if err := audio.WriteWAV(out, audio.WAVFormat{Rate: 8000, Channels: channels}, make([]int16, 16000)); err != nil {
			t.Fatal(err)
		}
		if _, err := Align(out, clicks, 200); !errors.Is(err, ErrAlign) {
			t.Errorf("%d channels of silence: %v", channels, err)
		}
	}
	if _, err := Align(bytes.NewReader([]byte("no sound")), clicks, 200); err == nil {
		t.Error("a text was taken for a recording")
	}
}

// Echoes may be lost, at the beginning and later.
func TestAlignWithoutSomeEchoes(t *testing.T) {
	t.Parallel()
	clicks, wav := recordedCall(t, func(_ int, at float64) float64 { return at })
	for _, lost := range []int{0, 1, 17, 30, 31, 44} {
		clicks[lost].Echoed = 0
	}
	got, err := Align(wav, clicks, 200)
	if err != nil || got.Worst().Seconds() > 0.001 {
		t.Errorf("%+v, %v", got, err)
	}
}
