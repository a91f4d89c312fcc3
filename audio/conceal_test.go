package audio

import (
	"math"
	"slices"
	"testing"
)

func TestComfortNoise(t *testing.T) {
	t.Parallel()
	pcm := make([]int16, 16000)
	NewComfortNoise(1).Fill(pcm)
	// -65 dBm0 is 65 + 3.14 dB below a full-scale sine.
	if got, want := RMS(pcm), -65-3.14-3.01; math.Abs(got-want) > 0.3 {
		t.Errorf("level %.2f dBFS, want %.2f", got, want)
	}
	sum := 0
	for _, s := range pcm {
		sum += int(s)
	}
	if mean := float64(sum) / float64(len(pcm)); math.Abs(mean) > 0.5 {
		t.Errorf("mean %.2f, want none", mean)
	}
	same, other := make([]int16, 16000), make([]int16, 16000)
	NewComfortNoise(1).Fill(same)
	NewComfortNoise(2).Fill(other)
	if !slices.Equal(pcm, same) || slices.Equal(pcm, other) {
		t.Error("the noise does not depend on the seed alone")
	}
}

func TestConcealerDecays(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000} {
		c := NewConcealer(rate)
		good := sineWave(150, rate, 0.1)
		c.Good(good)
		var levels []float64
		for range 5 {
			frame := make([]int16, rate/50)
			c.Lost(frame)
			levels = append(levels, RMS(frame))
		}
		t.Logf("%d: %.1f dBFS", rate, levels)
		for i := 1; i < 4; i++ {
			if levels[i] > levels[i-1]-1 {
				t.Errorf("rate %d: lost frame %d at %.1f dBFS after %.1f", rate, i+1, levels[i], levels[i-1])
			}
		}
		if levels[0] < RMS(good)-4 {
			t.Errorf("rate %d: the first substitute is at %.1f dBFS, the sound at %.1f", rate, levels[0], RMS(good))
		}
		if levels[3] > -65 || levels[4] > -65 {
			t.Errorf("rate %d: no comfort noise after three frames: %.1f dBFS", rate, levels[3:])
		}
	}
}

// The repeated period continues a voice without a break of its phase.
func TestConcealerFollowsThePitch(t *testing.T) {
	t.Parallel()
	const rate = 8000
	for _, pitch := range []float64{80, 125, 160, 250} {
		whole := sineWave(pitch, rate, 1)
		c := NewConcealer(rate)
		c.Good(whole[:4000])
		lost := make([]int16, 160)
		c.Lost(lost)
		var wrong, all float64
		for i, s := range lost[:80] {
			want := float64(whole[4000+i]) * (1 - float64(i)/480)
			wrong += (float64(s) - want) * (float64(s) - want)
			all += want * want
		}
		if wrong > 0.05*all {
			t.Errorf("pitch %v: the substitute differs by %.1f %%", pitch, 100*wrong/all)
		}
		next := slices.Clone(whole[4160:4320])
		c.Join(next)
		if jump := math.Abs(float64(next[0]) - float64(lost[159])); jump > 16384*0.35 {
			t.Errorf("pitch %v: a jump of %.0f at the join", pitch, jump)
		}
		if !slices.Equal(next[40:], whole[4200:4320]) {
			t.Errorf("pitch %v: Join changes more than 5 ms", pitch)
		}
	}
}

func TestConcealerStartsAndStopsCleanly(t *testing.T) {
	t.Parallel()
	c := NewConcealer(8000)
	frame := make([]int16, 160)
	c.Lost(frame) // before any sound
	if RMS(frame) > -65 {
		t.Errorf("sound from nothing: %.1f dBFS", RMS(frame))
	}
	good := sineWave(200, 8000, 0.02)
	joined := slices.Clone(good)
	c.Good(good)
	c.Join(joined)
	if !slices.Equal(joined, good) {
		t.Error("Join changes sound although nothing was lost")
	}
	c.Silence(frame)
	c.Join(joined)
	if joined[0] != 0 && math.Abs(float64(joined[0])) > math.Abs(float64(good[0])) {
		t.Error("sound does not fade in after silence")
	}
	c.Good(nil)
	c.Lost(nil)
}
