package audio

import (
	"math"
	"time"
)

const (
	// SilenceFloor is the level in dBFS that is reported for digital silence.
	SilenceFloor = -100.0
	// FadeDuration is how long sound is faded where speech is cut off or
	// taken up again, so that the edge is not heard as a click.
	FadeDuration = 20 * time.Millisecond
	// SpeechLevel is the level in dBFS that synthesised speech is brought to.
	SpeechLevel = -20.0
	// SpeechPeak is the highest peak in dBFS that normalised speech has.
	SpeechPeak = -3.0
)

// RMS returns the level of pcm in dBFS: its root mean square against 32768, so
// that a full-scale sine is at -3.01. Silence and no samples are SilenceFloor.
func RMS(pcm []int16) float64 {
	if len(pcm) == 0 {
		return SilenceFloor
	}
	return decibels(math.Sqrt(float64(energy(pcm)) / float64(len(pcm))))
}

// energy returns the sum of the squares of pcm.
func energy(pcm []int16) int64 {
	var sum int64
	for _, s := range pcm {
		sum += int64(s) * int64(s)
	}
	return sum
}

// peak returns the largest absolute sample.
func peak(pcm []int16) int {
	top := 0
	for _, s := range pcm {
		top = max(top, int(s), -int(s))
	}
	return top
}

// decibels returns a sample value in dBFS.
func decibels(x float64) float64 {
	return max(20*math.Log10(x/32768+1e-30), SilenceFloor)
}

// linearLevel returns the sample value of a level in dBFS.
func linearLevel(level float64) float64 { return 32768 * math.Pow(10, level/20) }

// FadeIn raises the first n samples of pcm linearly from silence, in place.
// Fewer samples than n are a whole, shorter fade.
func FadeIn(pcm []int16, n int) { FadePart(pcm[:min(n, len(pcm))], 0, 1) }

// FadeOut lowers the last n samples of pcm linearly to silence, in place.
// Fewer samples than n are a whole, shorter fade.
func FadeOut(pcm []int16, n int) { FadePart(pcm[max(len(pcm)-n, 0):], 1, 0) }

// FadePart scales pcm in place by a gain that goes linearly from one value to
// another, both 0 to 1: one piece of a fade that spans several frames.
func FadePart(pcm []int16, from, to float64) {
	if len(pcm) == 0 {
		return
	}
	gain, step := from, (to-from)/float64(len(pcm))
	for i, s := range pcm {
		gain += step
		pcm[i] = int16(math.Round(float64(s) * gain))
	}
}

// ActiveLevel returns the RMS level in dBFS of the 10 ms frames of pcm that lie
// less than 25 dB below the loudest one; false for silence.
func ActiveLevel(pcm []int16, rate int) (float64, bool) {
	size := rate / 100
	if size == 0 {
		return SilenceFloor, false
	}
	var loudest int64
	for i := 0; i+size <= len(pcm); i += size {
		loudest = max(loudest, energy(pcm[i:i+size]))
	}
	if loudest == 0 {
		return SilenceFloor, false
	}
	var sum, count int64
	for i := 0; i+size <= len(pcm); i += size {
		if e := energy(pcm[i : i+size]); float64(e) > float64(loudest)*0.00316 {
			sum += e
			count += int64(size)
		}
	}
	return decibels(math.Sqrt(float64(sum) / float64(count))), true
}

// Normalize brings speech to SpeechLevel in place. What would rise above
// SpeechPeak is rounded off smoothly instead of turning the whole sentence
// down: the curve is straight up to -9 dBFS and never passes SpeechPeak. Silence
// stays as it is.
func Normalize(pcm []int16, rate int) {
	level, ok := ActiveLevel(pcm, rate)
	if !ok {
		return
	}
	gain := math.Pow(10, (SpeechLevel-level)/20)
	knee, top := linearLevel(speechKnee), linearLevel(SpeechPeak)
	bent := float64(peak(pcm))*gain > top
	for i, s := range pcm {
		x := float64(s) * gain
		if bent {
			x = bend(x, knee, top)
		}
		pcm[i] = int16(math.Round(x))
	}
}

// speechKnee is the level in dBFS from which on loud samples are rounded off.
const speechKnee = -9.0

// bend rounds off what is above knee, so that nothing passes top.
func bend(x, knee, top float64) float64 {
	if size := math.Abs(x); size > knee {
		return math.Copysign(knee+(top-knee)*math.Tanh((size-knee)/(top-knee)), x)
	}
	return x
}

// Amplify scales speech in place by a gain that goes linearly from one value to
// another, one piece of a stream after the other. Peaks are rounded off as
// Normalize does.
func Amplify(pcm []int16, from, to float64) {
	knee, top := linearLevel(speechKnee), linearLevel(SpeechPeak)
	gain, step := from, (to-from)/float64(max(len(pcm), 1))
	for i, s := range pcm {
		gain += step
		pcm[i] = int16(math.Round(bend(float64(s)*gain, knee, top)))
	}
}
