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
	speechLevel = -20.0
	// shortestTurn and longestTurn bound a burst that asks for an answer: one or
	// two syllables, so that many turns fit into a minute.
	shortestTurn = 250 * time.Millisecond
	longestTurn  = 450 * time.Millisecond
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
	bursts []utterance
	// loop is endless speech, for calls that only echo.
	loop []int16
	// noises are added to everything that is sent, one of them in each call;
	// there may be none.
	noises [][]int16
	// noise is the one of this call.
	noise []int16
}

// of returns the sounds of one call.
func (s sounds) of(call int) sounds {
	if len(s.noises) > 0 {
		s.noise = s.noises[call%len(s.noises)]
	}
	return s
}

// newSounds makes the sounds of a run.
func newSounds(c Config) sounds {
	rate := c.Codec.rate()
	var s sounds
	for _, stimulus := range c.Stimuli {
		if u, ok := spoken(stimulus, rate); ok {
			s.bursts = append(s.bursts, u)
		}
	}
	random := rand.New(rand.NewPCG(c.Seed, 1))
	if len(s.bursts) == 0 {
		for i := range 16 {
			length := c.Burst
			if c.Scenario == ScenarioTurn {
				length = shortestTurn + time.Duration(random.Int64N(int64(longestTurn-shortestTurn)))
			}
			n := int(audio.Samples(length, rate))
			s.bursts = append(s.bursts, whole(trimmed(audio.SpeechLike(rate, n, speechLevel, c.Seed+uint64(i)))))
		}
	}
	if c.Scenario == ScenarioEcho || c.Scenario == ScenarioChurn || c.Scenario == ScenarioClock {
		s.loop = audio.SpeechLike(rate, 4*rate, speechLevel, c.Seed)
		limit(s.loop, clickFound/2)
	}
	if c.SNR > 0 {
		level := speechLevel - c.SNR
		if len(c.Stimuli) > 0 {
			level = utteranceLevel - c.SNR
		}
		for _, color := range []audio.NoiseColor{audio.WhiteNoise, audio.PinkNoise} {
			s.noises = append(s.noises, audio.Noise(color, 4*rate, level, c.Seed))
		}
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
