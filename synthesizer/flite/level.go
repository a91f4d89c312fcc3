package flite

import (
	"math"

	"github.com/sidetone/sidetone/synthesizer"
)

// The levels of speech, in sample values: -20 dBFS for its mean while active,
// -3 dBFS for its peaks, -40 dBFS for what a listener counts as sound.
const (
	speechLevel  = 3276.7
	peakLevel    = 23197
	audibleLevel = 327
)

// level returns pcm with active speech at speechLevel and peaks held down to
// peakLevel.
func level(pcm []int16) []int16 {
	const block = native / 100
	var powers []float64
	loudest := 0.0
	for at := 0; at+block <= len(pcm); at += block {
		sum := 0.0
		for _, s := range pcm[at : at+block] {
			sum += float64(s) * float64(s)
		}
		powers = append(powers, sum/block)
		loudest = max(loudest, sum/block)
	}
	total, n := 0.0, 0
	for _, p := range powers {
		if p > loudest/100 { // within 20 dB of the loudest block
			total += p
			n++
		}
	}
	if n == 0 || total == 0 {
		return pcm
	}
	return limit(pcm, speechLevel/math.Sqrt(total/float64(n)))
}

// limit applies the gain, lowered smoothly around peaks that would exceed
// peakLevel.
func limit(pcm []int16, gain float64) []int16 {
	const block = native / 500 // 2 ms
	gains := make([]float64, len(pcm)/block+3)
	for i := range gains {
		gains[i] = gain
	}
	for i, s := range pcm {
		if peak := math.Abs(float64(s)); peak*gain > peakLevel {
			// The block and both its neighbours, between whose middles the gain
			// is interpolated.
			for b := i / block; b < i/block+3; b++ {
				gains[b] = min(gains[b], peakLevel/peak)
			}
		}
	}
	out := make([]int16, len(pcm))
	for i, s := range pcm {
		b, part := i/block, float64(i%block)/block
		// gains[b+1] belongs to the middle of block b.
		g := gains[b]*(0.5-part) + gains[b+1]*(0.5+part)
		if part >= 0.5 {
			g = gains[b+1]*(1.5-part) + gains[b+2]*(part-0.5)
		}
		out[i] = int16(min(max(float64(s)*g, -peakLevel), peakLevel))
	}
	return out
}

// rendering is a sentence as sound at the native rate.
type rendering struct {
	pcm   []int16
	words []synthesizer.Word
}

// trim cuts the silence around the speech to 15 ms before and 80 ms after, with
// short fades, and moves the words along.
func trim(pcm []int16, words []synthesizer.Word) rendering {
	first, last := -1, -1
	for i, s := range pcm {
		if s > audibleLevel || s < -audibleLevel {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return rendering{}
	}
	const lead, trail = native * 15 / 1000, native * 80 / 1000
	from, to := max(first-lead, 0), min(last+trail, len(pcm))
	r := rendering{pcm: append([]int16(nil), pcm[from:to]...), words: words}
	fade(r.pcm)
	at, end := int64(0), int64(len(r.pcm))
	for i := range r.words {
		w := &r.words[i]
		// Two samples at least, so that one is left at half the rate.
		w.FromSample = min(max(w.FromSample-int64(from), at), end-2)
		w.ToSample = min(max(w.ToSample-int64(from), w.FromSample+2), end)
		at = w.ToSample
	}
	return r
}

// fade ramps the first and the last 5 ms.
func fade(pcm []int16) {
	n := min(native/200, len(pcm)/2)
	for i := range n {
		pcm[i] = int16(int(pcm[i]) * i / n)
		last := len(pcm) - 1 - i
		pcm[last] = int16(int(pcm[last]) * i / n)
	}
}
