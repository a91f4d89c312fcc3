package audio

import "math"

// ToneDetector says whether one steady tone is present: more than 80 per cent
// of the sound of a 20 ms block above -45 dBFS. It serves tests and the load
// generator. It belongs to one goroutine and allocates nothing.
type ToneDetector struct {
	coeff, s1, s2, energy float64
	size, count           int
	present               bool
}

// NewToneDetector returns a detector of the tone of freq hertz for PCM at rate
// hertz.
func NewToneDetector(rate int, freq float64) *ToneDetector {
	return &ToneDetector{
		coeff: 2 * math.Cos(2*math.Pi*freq/float64(max(1, rate))),
		size:  max(1, rate/50),
	}
}

// Write listens to pcm and says whether the last complete block held the tone.
func (d *ToneDetector) Write(pcm []int16) bool {
	const share, gate = 0.8, 110 // -45 dBFS
	for _, sample := range pcm {
		x := float64(sample)
		d.energy += x * x
		d.s2, d.s1 = d.s1, x+d.coeff*d.s1-d.s2
		if d.count++; d.count == d.size {
			n := float64(d.size)
			power := d.s1*d.s1 + d.s2*d.s2 - d.coeff*d.s1*d.s2
			d.present = 2*power/n > share*d.energy && levelStep(float32(d.energy/n)) >= gate
			d.s1, d.s2, d.energy, d.count = 0, 0, 0, 0
		}
	}
	return d.present
}
