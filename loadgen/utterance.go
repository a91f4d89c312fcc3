package loadgen

import (
	"math"

	"github.com/sidetone/sidetone/audio"
)

const (
	// utteranceLevel is the active level in dBFS that given sounds are brought
	// to: the nominal level of speech on a telephone line.
	utteranceLevel = -26.0
	// activeMargin is how far below the active level a hop may lie and still
	// be part of it, in dB, as in ITU-T P.56.
	activeMargin = 15.9
	// voicedGate is the level in dBFS above which a hop of 10 ms is voiced.
	voicedGate = -50.0
)

// utterance is one thing that is said. Samples from the first voiced one, at
// from, up to the last one, before to, are timed; what lies around them is
// spoken and not timed.
type utterance struct {
	pcm      []int16
	from, to int
}

// whole returns an utterance of which every sample counts.
func whole(pcm []int16) utterance { return utterance{pcm: pcm, to: len(pcm)} }

// spoken brings recorded speech to utteranceLevel and finds its edges: the
// first and the last sample above voicedGate in the first and the last hop of
// 10 ms whose level is. False means that no hop is.
func spoken(pcm []int16, rate int) (utterance, bool) {
	active, ok := activeLevel(pcm, rate)
	if !ok {
		return utterance{}, false
	}
	u := whole(make([]int16, len(pcm)))
	gain := math.Pow(10, (utteranceLevel-active)/20)
	for i, s := range pcm {
		u.pcm[i] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(float64(s)*gain))))
	}
	first, last := -1, -1
	for i, level := range hopLevels(u.pcm, rate) {
		if level <= voicedGate {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	if first < 0 {
		return utterance{}, false
	}
	hop := rate / 100
	u.from, u.to = first*hop, min((last+1)*hop, len(pcm))
	for !above(u.pcm[u.from]) {
		u.from++
	}
	for !above(u.pcm[u.to-1]) {
		u.to--
	}
	return u, true
}

// above says whether one sample lies above voicedGate.
func above(s int16) bool {
	const gate = 104 // 32768 * 10^(-50/20)
	return s >= gate || s <= -gate
}

// hopLevels returns the level of each 10 ms of pcm, in dBFS; the last hop may be
// shorter.
func hopLevels(pcm []int16, rate int) []float64 {
	hop := rate / 100
	levels := make([]float64, 0, len(pcm)/hop+1)
	for from := 0; from < len(pcm); from += hop {
		levels = append(levels, audio.RMS(pcm[from:min(from+hop, len(pcm))]))
	}
	return levels
}

// activeLevel returns the mean level in dBFS of the hops that lie at most
// activeMargin below it; false for silence.
func activeLevel(pcm []int16, rate int) (float64, bool) {
	levels := hopLevels(pcm, rate)
	level, found := 0.0, false
	for threshold, round := -70.0, 0; round < 20; round++ {
		energy, count := 0.0, 0
		for _, l := range levels {
			if l > threshold {
				energy += math.Pow(10, l/10)
				count++
			}
		}
		if count == 0 {
			break
		}
		level, found = 10*math.Log10(energy/float64(count)), true
		threshold = level - activeMargin
	}
	return level, found
}
