package call

import (
	"strings"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// melody is sound that is played again and again while nothing is said. It belongs to one
// Player.
type melody struct {
	pcm []int16
	at  int
}

// fill fills a frame.
func (m *melody) fill(frame []int16) {
	for n := 0; n < len(frame); {
		k := copy(frame[n:], m.pcm[m.at:])
		n += k
		m.at = (m.at + k) % len(m.pcm)
	}
}

// ringBackLevel is how loud each tone of a ring-back is, in dBFS.
const ringBackLevel = -24

// ringBack is what a caller hears while a number rings, as in the number's part of the world:
// ITU-T E.180, supplement 2, gives what each country plays
// (https://www.itu.int/rec/T-REC-E.180). Where it is neither North America nor the United
// Kingdom, it is the tone of most of Europe.
func ringBack(rate int, number string) *melody {
	tones, on, off := []float64{425}, []time.Duration{time.Second}, []time.Duration{4 * time.Second}
	switch {
	case strings.HasPrefix(number, "+1"):
		tones, on = []float64{440, 480}, []time.Duration{2 * time.Second}
	case strings.HasPrefix(number, "+44"):
		tones = []float64{400, 450}
		on, off = []time.Duration{400 * time.Millisecond, 400 * time.Millisecond}, []time.Duration{200 * time.Millisecond, 2 * time.Second}
	}
	m := &melody{}
	for i := range on {
		m.pcm = append(m.pcm, audio.Chord(rate, int(audio.Samples(on[i], rate)), ringBackLevel, tones...)...)
		m.pcm = append(m.pcm, make([]int16, audio.Samples(off[i], rate))...)
	}
	return m
}

// holdLevel is how loud music on hold is, in dBFS.
const holdLevel = -30

// holdMusic is what a caller hears who waits: a slow run of chords that nobody has rights in.
func holdMusic(rate int) *melody {
	chords := [][]float64{{261.63, 329.63, 392}, {220, 261.63, 329.63}, {174.61, 220, 261.63}, {196, 246.94, 293.66}} // C, A minor, F, G
	n := int(audio.Samples(1600*time.Millisecond, rate))
	m := &melody{}
	for _, notes := range chords {
		for i := range 4 { // one note after the other, then all of them
			part := notes
			if i < 3 {
				part = notes[i : i+1]
			}
			pcm := audio.Chord(rate, n/4, holdLevel, part...)
			audio.FadeIn(pcm, n/40)
			audio.FadeOut(pcm, n/20)
			m.pcm = append(m.pcm, pcm...)
		}
	}
	return m
}
