package audio

import (
	"fmt"
	"math"
	"time"
)

const (
	// resampleReach is how many samples of the lower of the two rates the
	// filter looks ahead and back: its delay.
	resampleReach = 20
	// resampleShape is the Kaiser window's parameter for 60 dB of rejection.
	resampleShape = 5.65
	// resampleEdge is the middle of the filter's falling edge as a fraction of
	// half the lower rate: its end lies at that half, so that nothing folds.
	resampleEdge = 0.905
	// resampleBlock is how many input samples are taken at once.
	resampleBlock = 960
	// resamplePhases bounds the filter table: rates whose ratio in lowest
	// terms needs more phases are refused.
	resamplePhases = 640
)

// Resampler converts a stream of PCM16 from one sample rate to another with a
// linear-phase filter: flat within 0.1 dB up to 0.8 of half the lower rate
// (3.2 kHz for 8 kHz), aliases and images of any tone at least 55 dB down. It
// keeps the filter's history between calls and allocates nothing after it was
// made, unless dst lacks capacity. It must not be used concurrently.
type Resampler struct {
	from, to int
	up, down int // to/from in lowest terms
	taps     int // filter length per phase, in input samples
	filter   []float32
	line     []float32 // history, then the block being converted
	fill     int       // samples in line
	phase    int       // of the next output sample, 0 to up-1
	next     int       // index in line of the newest input the next output needs
}

// NewResampler returns a converter between two sample rates in samples a
// second, each 4000 to 192000. Equal rates pass sound through without delay.
// Rates with no small common ratio are an error; all of 8000, 11025, 16000,
// 22050, 24000, 32000, 44100 and 48000 convert to each other.
func NewResampler(from, to int) (*Resampler, error) {
	if min(from, to) < 4000 || max(from, to) > 192000 {
		return nil, fmt.Errorf("resample from %d to %d: rate out of range", from, to)
	}
	divisor := commonDivisor(from, to)
	r := &Resampler{from: from, to: to, up: to / divisor, down: from / divisor}
	if r.up > resamplePhases {
		return nil, fmt.Errorf("resample from %d to %d: ratio %d to %d is too fine", from, to, r.down, r.up)
	}
	if from != to {
		r.design()
	}
	r.Reset()
	return r, nil
}

// design fills the table: for each phase the weights of taps input samples,
// oldest first.
func (r *Resampler) design() {
	reach := float64(resampleReach) * max(1, float64(r.from)/float64(r.to)) // in input samples
	r.taps = 2 * int(math.Ceil(reach))
	r.taps = (r.taps + 3) &^ 3
	r.filter = make([]float32, r.up*r.taps)
	r.line = make([]float32, r.taps+resampleBlock)
	cutoff := resampleEdge * min(1, float64(r.to)/float64(r.from))
	for phase := range r.up {
		weights := r.filter[phase*r.taps : (phase+1)*r.taps]
		sum := 0.0
		for i := range weights {
			// Distance of this input from the output's place, in input samples.
			at := float64(i-r.taps/2+1) - float64(phase)/float64(r.up)
			w := cutoff * sinc(cutoff*at) * kaiser(at/reach, resampleShape)
			weights[i] = float32(w)
			sum += w
		}
		for i := range weights {
			weights[i] = float32(float64(weights[i]) / sum)
		}
	}
}

// Reset forgets all sound, as at the start of a stream.
func (r *Resampler) Reset() {
	clear(r.line)
	r.fill, r.phase = r.taps-1, 0
	r.next = r.taps - 1
}

// Delay returns how late the output is against the input: 20 samples of the
// lower rate (2.5 ms for 8 kHz), zero for equal rates.
func (r *Resampler) Delay() time.Duration {
	if r.up == r.down {
		return 0
	}
	return time.Duration(r.taps/2) * time.Second / time.Duration(r.from)
}

// Process appends the converted src to dst and returns the extended slice.
// Over a stream the output has src's length times the ratio of the rates; for
// ratios like 1:2 that holds for every call.
func (r *Resampler) Process(dst, src []int16) []int16 {
	if r.up == r.down {
		return append(dst, src...)
	}
	for len(src) > 0 {
		n := min(len(src), len(r.line)-r.fill)
		for i, s := range src[:n] {
			r.line[r.fill+i] = float32(s)
		}
		r.fill += n
		src = src[n:]
		dst = r.convert(dst)
	}
	return dst
}

// Flush appends the samples still inside the filter, as if silence of the
// filter's delay followed, and resets the converter.
func (r *Resampler) Flush(dst []int16) []int16 {
	if r.up != r.down {
		dst = r.Process(dst, make([]int16, r.taps/2))
	}
	r.Reset()
	return dst
}

// convert appends every output sample whose inputs have come and keeps the
// history that later ones need.
func (r *Resampler) convert(dst []int16) []int16 {
	for r.next < r.fill {
		weights := r.filter[r.phase*r.taps : (r.phase+1)*r.taps]
		y := dot(weights, r.line[r.next-r.taps+1:r.next+1])
		dst = append(dst, round16(y))
		r.phase += r.down
		for r.phase >= r.up {
			r.phase -= r.up
			r.next++
		}
	}
	keep := min(r.next-r.taps+1, r.fill)
	copy(r.line, r.line[keep:r.fill])
	r.fill -= keep
	r.next -= keep
	return dst
}

// dot returns the scalar product of two slices whose length is a multiple of
// four. Four sums keep the processor's adders busy.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	return (s0 + s1) + (s2 + s3)
}

// round16 rounds to the nearest 16-bit sample, limiting what lies outside.
func round16(x float32) int16 {
	switch {
	case x >= 32767:
		return 32767
	case x <= -32768:
		return -32768
	case x < 0:
		return int16(x - 0.5)
	default:
		return int16(x + 0.5)
	}
}

// sinc is the impulse response of an ideal low-pass filter.
func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// kaiser is the Kaiser window at x between -1 and 1, zero outside.
func kaiser(x, shape float64) float64 {
	if x < -1 || x > 1 {
		return 0
	}
	return bessel(shape*math.Sqrt(1-x*x)) / bessel(shape)
}

// bessel is the modified Bessel function of the first kind and order zero.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-12*sum; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

// commonDivisor is Euclid's algorithm.
func commonDivisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
