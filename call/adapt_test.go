package call

import (
	"testing"

	"github.com/sidetone/sidetone/audio"
)

func TestAdapterConvertsFramesToTheSessionsRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to int }{{8000, 16000}, {16000, 8000}} {
		var a adapter
		tone := audio.Sine(c.from, c.from/2, 440, -12)
		var out []int16
		offset := int64(0)
		for at := 0; at+c.from/50 <= len(tone); at += c.from / 50 {
			f := a.apply(audio.Frame{PCM: tone[at : at+c.from/50], Rate: c.from, Offset: int64(at)}, c.to)
			if f.Rate != c.to || f.Offset != offset {
				t.Fatalf("%d to %d: frame at rate %d, offset %d, want %d", c.from, c.to, f.Rate, f.Offset, offset)
			}
			offset += int64(c.to / 50)
			out = append(out, f.PCM...)
		}
		if want := c.to / 2; len(out) < want-c.to/50 || len(out) > want {
			t.Errorf("%d to %d: %d samples, want about %d", c.from, c.to, len(out), want)
		}
		if level := audio.RMS(out[len(out)/2:]); level < -13 || level > -11 {
			t.Errorf("%d to %d: level %.1f dBFS, want -12", c.from, c.to, level)
		}
	}
}

func TestAdapterLeavesFramesOfTheRightRateAlone(t *testing.T) { // not parallel: it counts allocations
	var a adapter
	pcm := []int16{1, 2, 3}
	if f := a.apply(audio.Frame{PCM: pcm, Rate: 8000, Offset: 7}, 8000); &f.PCM[0] != &pcm[0] || f.Offset != 7 {
		t.Errorf("got %+v", f)
	}
	f := audio.Frame{PCM: make([]int16, 160), Rate: 8000}
	a.apply(f, 16000)
	if n := testing.AllocsPerRun(100, func() { a.apply(f, 16000) }); n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
