package audio

import (
	"math"
	"math/rand/v2"
)

// amplitude turns a level in dBFS (root mean square, 0 dB = 32767) into a
// root mean square in sample units.
func amplitude(level float64) float64 { return math.MaxInt16 * math.Pow(10, level/20) }

// quantise rounds a sample and keeps it in range.
func quantise(x float64) int16 {
	return int16(math.Round(min(max(x, math.MinInt16), math.MaxInt16)))
}

// Sine returns n samples at rate of a steady tone of freq hertz whose root mean
// square is level dBFS (at most -3; louder tones are clipped).
func Sine(rate, n int, freq, level float64) []int16 {
	return Chord(rate, n, level, freq)
}

// DualTone returns n samples at rate of two steady tones of equal strength,
// each with a root mean square of level dBFS, as DTMF and call progress tones
// are.
func DualTone(rate, n int, first, second, level float64) []int16 {
	return Chord(rate, n, level, first, second)
}

// Chord returns n samples at rate of steady tones at freqs hertz, each with a
// root mean square of level dBFS. Sums beyond full scale are clipped.
func Chord(rate, n int, level float64, freqs ...float64) []int16 {
	pcm := make([]int16, n)
	peak := amplitude(level) * math.Sqrt2
	for i := range pcm {
		var sum float64
		for _, freq := range freqs {
			sum += math.Sin(2 * math.Pi * freq * float64(i) / float64(rate))
		}
		pcm[i] = quantise(peak * sum)
	}
	return pcm
}

// NoiseColor is the spectral slope of generated noise.
type NoiseColor int

// The colours that Noise makes.
const (
	// WhiteNoise has equal power at all frequencies.
	WhiteNoise NoiseColor = iota
	// PinkNoise falls by 3 dB an octave.
	PinkNoise
	// BrownNoise falls by 6 dB an octave.
	BrownNoise
)

// Noise returns n samples of noise whose root mean square is level dBFS. Equal
// arguments give equal samples.
func Noise(color NoiseColor, n int, level float64, seed uint64) []int16 {
	source := rand.New(rand.NewPCG(seed, uint64(color)))
	raw := make([]float64, n)
	var rows [pinkRows]float64
	var brown float64
	for i := range raw {
		white := source.NormFloat64()
		switch color {
		case PinkNoise:
			raw[i] = pinkStep(&rows, white)
		case BrownNoise:
			brown = 0.998*brown + white
			raw[i] = brown
		default:
			raw[i] = white
		}
	}
	return scaled(raw, level)
}

// pinkRows is the number of one-pole filters that pinkStep adds up.
const pinkRows = 6

// pinkStep adds up one-pole filters an octave and a half apart, whose steps
// together follow 3 dB an octave.
func pinkStep(rows *[pinkRows]float64, white float64) float64 {
	share, gain := 0.004, 1.0
	for i := range rows {
		rows[i] += share * (white - rows[i])
		share, gain = share*math.Pow(2, 1.5), gain*math.Pow(2, -0.75)
	}
	sum := 0.7 * gain * white
	for i := range rows {
		gain *= math.Pow(2, 0.75)
		sum += gain * rows[pinkRows-1-i]
	}
	return sum
}

// scaled turns raw values into samples whose root mean square is level dBFS.
func scaled(raw []float64, level float64) []int16 {
	var energy float64
	for _, x := range raw {
		energy += x * x
	}
	pcm := make([]int16, len(raw))
	if energy == 0 {
		return pcm
	}
	gain := amplitude(level) / math.Sqrt(energy/float64(len(raw)))
	for i, x := range raw {
		pcm[i] = quantise(gain * x)
	}
	return pcm
}

// SpeechLike returns n samples at rate of a sound that detectors of speech take
// for a voice: the harmonics of a pitch that wanders between 100 and 140 Hz
// under two moving resonances, in four syllables a second. It begins and ends
// abruptly, at the loudest point of a syllable, so that the moment of its last
// sample is beyond doubt. Its root mean square is level dBFS; equal arguments
// give equal samples.
func SpeechLike(rate, n int, level float64, seed uint64) []int16 {
	source := rand.New(rand.NewPCG(seed, 0x5be4))
	voice := newVoice(rate, source)
	raw := make([]float64, n)
	for i := range raw {
		raw[i] = voice.next(float64(i-n+1) / float64(rate))
	}
	return scaled(raw, level)
}

// voiceHarmonics is the number of harmonics of a SpeechLike sound: up to
// 3360 Hz at the highest pitch.
const voiceHarmonics = 24

// voice is the oscillator bank behind SpeechLike.
type voice struct {
	rate   float64
	drift  float64 // starting phase of the pitch's wandering
	phase  float64 // of the fundamental, in cycles
	offset [voiceHarmonics]float64
	gain   [voiceHarmonics]float64
	count  int
}

// newVoice returns a voice with random phases drawn from source.
func newVoice(rate int, source *rand.Rand) *voice {
	v := &voice{rate: float64(rate), drift: source.Float64()}
	for i := range v.offset {
		v.offset[i] = source.Float64()
	}
	return v
}

// next returns the sample at t seconds relative to the end of the burst.
func (v *voice) next(t float64) float64 {
	pitch := 120 + 20*math.Sin(2*math.Pi*(0.7*t+v.drift))
	v.phase += pitch / v.rate
	if v.count%64 == 0 {
		v.shape(pitch, t)
	}
	v.count++
	var sum float64
	for i, gain := range v.gain {
		sum += gain * math.Sin(2*math.Pi*(float64(i+1)*v.phase+v.offset[i]))
	}
	return sum * (0.6 + 0.4*math.Cos(2*math.Pi*4*t))
}

// shape sets the strength of the harmonics for the resonances at time t.
func (v *voice) shape(pitch, t float64) {
	low := 550 + 200*math.Sin(2*math.Pi*(1.3*t+v.drift))
	high := 1600 + 500*math.Sin(2*math.Pi*(0.9*t-v.drift))
	for i := range v.gain {
		freq := pitch * float64(i+1)
		v.gain[i] = 0.05 + resonance(freq, low, 150) + 0.4*resonance(freq, high, 250)
	}
}

// resonance is the bell-shaped response of a resonance to freq, in hertz.
func resonance(freq, centre, width float64) float64 {
	x := (freq - centre) / width
	return 1 / (1 + x*x)
}
