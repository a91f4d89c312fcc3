package audio

import "math"

// The rhythm and the rules of a Denoiser.
const (
	denoiseHop      = 128 // half a transform: 16 ms at 8 kHz, 8 ms at 16 kHz
	denoiseWindows  = 8   // sub-windows whose smallest value is the noise
	denoiseSmooth   = 0.85
	denoiseBias     = 1.7  // by how much the minimum of a smoothed power falls short
	denoiseDecision = 0.98 // weight of the last frame in the estimate of the speech
	denoiseLeast    = 0.25 // gain: 12 dB down, no bin is ever silenced
	denoiseLearn    = 20   // first hops whose mean is the noise: one alone says little
)

// Denoiser lowers steady noise for the ears of detectors; it is not meant for
// listeners, transcribers or recordings. The noise of each bin is the minimum
// of its smoothed power over about 1.5 s (Martin 2001), the gain a Wiener rule
// on a decision-directed estimate of the speech (Ephraim and Malah 1984).
//
// The output lags the input by Delay samples. A Denoiser belongs to one
// goroutine; Process allocates nothing.
type Denoiser struct {
	fft        *spectrum
	window     [spectrumSize]float32
	in         [spectrumSize]float32
	tail       [denoiseHop]float32 // overlap to add to the next hop
	ready      [denoiseHop]int16   // finished samples of the last hop
	late       [denoiseHop]int16   // the same as they came
	filled     int
	re, im     [spectrumSize]float32
	smooth     [spectrumHalf + 1]float32
	smallest   [denoiseWindows][spectrumHalf + 1]float32
	noise      [spectrumHalf + 1]float32
	speech     [spectrumHalf + 1]float32 // power of the last clean frame
	slot, hops int
	subHops    int
	learned    int // hops of the beginning that have been averaged
}

// NewDenoiser returns a denoiser for PCM at rate hertz.
func NewDenoiser(rate int) *Denoiser {
	d := &Denoiser{fft: newSpectrum()}
	hann(d.window[:])
	for i, w := range d.window {
		d.window[i] = float32(math.Sqrt(float64(w)))
	}
	d.subHops = max(1, rate*3/2/denoiseHop/denoiseWindows)
	for slot := range d.smallest {
		for i := range d.smallest[slot] {
			d.smallest[slot][i] = math.MaxFloat32
		}
	}
	return d
}

// Delay returns by how many samples the output lags the input.
func (d *Denoiser) Delay() int { return spectrumSize }

// Process replaces pcm, of any length, by its denoised past.
func (d *Denoiser) Process(pcm []int16) { d.ProcessLate(pcm, nil) }

// ProcessLate is Process, and puts the same past as it came into late, which is
// nil or as long as pcm.
func (d *Denoiser) ProcessLate(pcm, late []int16) {
	for i, sample := range pcm {
		pcm[i] = d.ready[d.filled]
		if late != nil {
			late[i] = d.late[d.filled]
		}
		d.in[denoiseHop+d.filled] = float32(sample)
		if d.filled++; d.filled == denoiseHop {
			d.filled = 0
			d.hop()
		}
	}
}

// hop treats the last transform's worth of samples.
func (d *Denoiser) hop() {
	for i, w := range d.window {
		d.re[i] = d.in[i] * w
	}
	clear(d.im[:])
	d.fft.forward(&d.re, &d.im)
	d.estimate()
	for i := range d.noise {
		d.apply(i, d.gain(i))
	}
	d.fft.inverse(&d.re, &d.im)
	for i := range denoiseHop {
		d.ready[i] = quantise(float64(d.tail[i] + d.re[i]*d.window[i]))
		d.tail[i] = d.re[denoiseHop+i] * d.window[denoiseHop+i]
		d.late[i] = int16(d.in[i])
	}
	copy(d.in[:denoiseHop], d.in[denoiseHop:])
}

// estimate follows the noise of every bin.
func (d *Denoiser) estimate() {
	if d.hops++; d.hops == d.subHops {
		d.hops = 0
		d.slot = (d.slot + 1) % denoiseWindows
		d.smallest[d.slot] = d.smooth
	}
	keep := float32(denoiseSmooth)
	if d.learned < denoiseLearn {
		keep = float32(d.learned) / float32(d.learned+1)
	}
	for i := range d.smooth {
		d.smooth[i] = keep*d.smooth[i] + (1-keep)*d.power(i)
		d.noise[i] = max(1, d.smooth[i])
		if d.learned == denoiseLearn {
			d.noise[i] = max(1, denoiseBias*d.minimum(i))
		}
	}
	d.learned = min(d.learned+1, denoiseLearn)
}

// minimum returns the smallest recent power of a bin, the current one included.
func (d *Denoiser) minimum(i int) float32 {
	d.smallest[d.slot][i] = min(d.smallest[d.slot][i], d.smooth[i])
	least := d.smallest[0][i]
	for slot := 1; slot < denoiseWindows; slot++ {
		least = min(least, d.smallest[slot][i])
	}
	return least
}

// power returns the power of a bin.
func (d *Denoiser) power(i int) float32 { return d.re[i]*d.re[i] + d.im[i]*d.im[i] }

// gain returns the gain of a bin and remembers the speech it lets through.
func (d *Denoiser) gain(i int) float32 {
	power := d.power(i)
	prior := denoiseDecision*d.speech[i]/d.noise[i] + (1-denoiseDecision)*max(power/d.noise[i]-1, 0)
	gain := prior / (1 + prior)
	d.speech[i] = gain * gain * power
	return max(gain, denoiseLeast)
}

// apply scales a bin and its mirror image.
func (d *Denoiser) apply(i int, gain float32) {
	d.re[i] *= gain
	d.im[i] *= gain
	if i > 0 && i < spectrumHalf {
		d.re[spectrumSize-i] *= gain
		d.im[spectrumSize-i] *= gain
	}
}
