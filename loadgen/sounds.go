package loadgen

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/sidetone/sidetone/audio"
)

const (
	// audible is the smallest sample that counts as sound: -40 dBFS.
	audible = 328
	// speechLevel is the level of the generator's own bursts in dBFS.
	speechLevel = -20
	// clickLevel is the height of a click, clickFound the height above which a
	// received sample is taken for one: speech stays far below both.
	clickLevel = 30000
	clickFound = 20000
)

// firstAudible returns the index of the first audible sample, or -1.
func firstAudible(pcm []int16) int {
	for i, s := range pcm {
		if s >= audible || s <= -audible {
			return i
		}
	}
	return -1
}

// lastAudible returns the index of the last audible sample, or -1.
func lastAudible(pcm []int16) int {
	for i := len(pcm) - 1; i >= 0; i-- {
		if s := pcm[i]; s >= audible || s <= -audible {
			return i
		}
	}
	return -1
}

// sounds are what the calls of a run say, made once and shared.
type sounds struct {
	// bursts are whole utterances.
	bursts [][]int16
	// loop is endless speech, for calls that only echo.
	loop []int16
	// noise is added to everything that is sent; it may be empty.
	noise []int16
}

// newSounds makes the sounds of a run.
func newSounds(c Config) sounds {
	rate := c.Codec.rate()
	var s sounds
	for _, stimulus := range c.Stimuli {
		if burst := trimmed(stimulus); len(burst) > 0 {
			s.bursts = append(s.bursts, burst)
		}
	}
	random := rand.New(rand.NewPCG(c.Seed, 1))
	if len(s.bursts) == 0 {
		for i := range 16 {
			length := c.Burst
			if c.Scenario == ScenarioTurn {
				length = 600*time.Millisecond + time.Duration(random.Int64N(int64(800*time.Millisecond)))
			}
			n := int(audio.Samples(length, rate))
			s.bursts = append(s.bursts, trimmed(audio.SpeechLike(rate, n, speechLevel, c.Seed+uint64(i))))
		}
	}
	if c.Scenario == ScenarioEcho || c.Scenario == ScenarioChurn || c.Scenario == ScenarioClock {
		s.loop = audio.SpeechLike(rate, 4*rate, speechLevel, c.Seed)
		limit(s.loop, clickFound/2)
	}
	if c.Noise < 0 {
		s.noise = audio.Noise(audio.WhiteNoise, 4*rate, c.Noise, c.Seed)
	}
	return s
}

// trimmed cuts pcm to its first and last audible sample.
func trimmed(pcm []int16) []int16 {
	first := firstAudible(pcm)
	if first < 0 {
		return nil
	}
	return pcm[first : lastAudible(pcm)+1]
}

// limit cuts every sample of pcm to at most height.
func limit(pcm []int16, height int16) {
	for i, s := range pcm {
		pcm[i] = max(-height, min(height, s))
	}
}

// mix adds the samples of from, beginning at offset and going round, to pcm.
func mix(pcm, from []int16, offset int) {
	if len(from) == 0 {
		return
	}
	at := offset % len(from)
	for i := range pcm {
		sum := int32(pcm[i]) + int32(from[at])
		pcm[i] = int16(max(math.MinInt16, min(math.MaxInt16, sum)))
		if at++; at == len(from) {
			at = 0
		}
	}
}
