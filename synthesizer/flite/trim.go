package flite

import (
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/synthesizer"
)

// audibleLevel is the sample value, -40 dBFS, above which a listener counts
// sound as begun. audio.TrimSilence keeps softer beginnings too, such as the
// breath of an "h", which would count as delay here.
const audibleLevel = 327

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
	audio.FadeIn(r.pcm, native/200)
	audio.FadeOut(r.pcm, native/200)
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
