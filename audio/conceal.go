package audio

import "math"

const (
	// concealFrames is how many frames in a row repeat earlier sound before
	// comfort noise takes over.
	concealFrames = 3
	// concealRate bounds the sample rate a Concealer has room for.
	concealRate = 48000
	// ComfortLevel is the level of comfort noise in dBm0: 0 dBm0 is a sine
	// 3.14 dB below full scale (ITU-T G.711).
	ComfortLevel = -65.0
)

// ComfortNoise makes the faint noise that tells a listener that the line is
// alive. The same seed gives the same noise. It must not be used concurrently.
type ComfortNoise struct {
	state uint64
	scale float64
}

// NewComfortNoise returns noise at ComfortLevel.
func NewComfortNoise(seed uint64) *ComfortNoise {
	// The mean square of the sum of three values spread evenly over -1 to 1 is
	// one. A full-scale sine has 3.01 dB less than a full-scale square wave.
	return &ComfortNoise{state: seed, scale: linearLevel(ComfortLevel - 3.14 - 3.01)}
}

// Fill overwrites pcm with noise.
func (c *ComfortNoise) Fill(pcm []int16) {
	for i := range pcm {
		// SplitMix64, a small generator with a single word of state.
		c.state += 0x9E3779B97F4A7C15
		z := c.state
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		sum := int32(int16(z)) + int32(int16(z>>16)) + int32(int16(z>>32))
		pcm[i] = int16(math.Floor(float64(sum)/32768*c.scale + 0.5))
	}
}

// Concealer covers lost frames: at most three repeat the last pitch period of
// the sound before, each weaker than the one before, then comfort noise takes
// over. It must not be used concurrently.
type Concealer struct {
	rate    int
	noise   *ComfortNoise
	history []int16 // the newest samples of good sound, oldest first
	period  int     // length of the repeated part; 0 before a loss
	phase   int     // place in the repeated part
	frames  int     // lost frames in a row
	gain    float64
}

// NewConcealer returns a concealer for sound at rate samples a second.
func NewConcealer(rate int) *Concealer {
	rate = min(max(rate, 1000), concealRate)
	return &Concealer{
		rate:    rate,
		noise:   NewComfortNoise(uint64(rate)),
		history: make([]int16, rate*3/100),
	}
}

// Good takes note of a received frame, unchanged.
func (c *Concealer) Good(pcm []int16) {
	if len(pcm) >= len(c.history) {
		copy(c.history, pcm[len(pcm)-len(c.history):])
	} else {
		copy(c.history, c.history[len(pcm):])
		copy(c.history[len(c.history)-len(pcm):], pcm)
	}
	c.frames, c.period = 0, 0
}

// Lost overwrites pcm, at most 60 ms long, with a substitute for a lost frame.
func (c *Concealer) Lost(pcm []int16) {
	c.frames++
	if c.frames > concealFrames {
		c.noise.Fill(pcm)
		return
	}
	if c.period == 0 {
		c.period, c.phase, c.gain = c.findPeriod(), 0, 1
	}
	source := c.history[len(c.history)-c.period:]
	// From full level down to silence at the end of the third frame.
	target := 1 - float64(c.frames)/concealFrames
	step := (target - c.gain) / float64(max(len(pcm), 1))
	for i := range pcm {
		c.gain += step
		pcm[i] = int16(float64(source[c.phase]) * c.gain)
		if c.phase++; c.phase == c.period {
			c.phase = 0
		}
	}
}

// Silence overwrites pcm with comfort noise and forgets the sound before: the
// sender said that there is nothing.
func (c *Concealer) Silence(pcm []int16) {
	c.frames = concealFrames
	c.noise.Fill(pcm)
}

// Join blends the start of the first good frame after a loss with the
// substitute going on, in place, over at most 5 ms. Call it before Good. It
// does nothing when no frame was lost.
func (c *Concealer) Join(pcm []int16) {
	n := min(len(pcm), c.rate/200)
	if c.frames == 0 || n == 0 {
		return
	}
	if c.frames >= concealFrames || c.period == 0 {
		FadeIn(pcm, n)
		return
	}
	source := c.history[len(c.history)-c.period:]
	for i := range pcm[:n] {
		fresh := float64(i+1) / float64(n+1)
		old := float64(source[c.phase]) * c.gain
		pcm[i] = int16(float64(pcm[i])*fresh + old*(1-fresh))
		if c.phase++; c.phase == c.period {
			c.phase = 0
		}
	}
}

// findPeriod returns the lag between 2.5 and 15 ms at which the history's end
// is most like what came before: the pitch period of a voice. Above 8 kHz it
// compares fewer samples; it runs only after losses.
func (c *Concealer) findPeriod() int {
	end := len(c.history)
	window := c.rate / 80
	stride := max(c.rate/8000, 1)
	best, bestScore := c.rate/100, 0.0
	for lag := c.rate / 400; lag <= c.rate*15/1000; lag += stride {
		var cross, power float64
		for i := end - window; i < end; i += stride {
			a, b := float64(c.history[i]), float64(c.history[i-lag])
			cross += a * b
			power += b * b
		}
		if cross <= 0 || power == 0 {
			continue
		}
		if score := cross * cross / power; score > bestScore*1.02 {
			best, bestScore = lag, score
		}
	}
	return best
}
