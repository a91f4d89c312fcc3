package audio

import "math"

// spectrumSize is the transform length of the detectors: 256 samples at 8 kHz,
// so that neighbouring bins lie 31.25 Hz apart.
const spectrumSize = 256

// spectrumHalf is half the transform length; bins 0 to spectrumHalf carry all
// there is to know about a real signal.
const spectrumHalf = spectrumSize / 2

// spectrum is a fixed-size Fourier transform with its tables. The zero value
// is not ready; newSpectrum fills the tables. It holds no state between calls.
type spectrum struct {
	cos, sin [spectrumHalf]float32
	swap     [spectrumSize]uint8
}

// newSpectrum returns a transform with its tables filled in.
func newSpectrum() *spectrum {
	s := &spectrum{}
	for i := range spectrumHalf {
		angle := 2 * math.Pi * float64(i) / spectrumSize
		s.cos[i] = float32(math.Cos(angle))
		s.sin[i] = float32(math.Sin(angle))
	}
	for i := range spectrumSize {
		reversed := 0
		for bit := 1; bit < spectrumSize; bit <<= 1 {
			reversed <<= 1
			if i&bit != 0 {
				reversed |= 1
			}
		}
		s.swap[i] = uint8(reversed)
	}
	return s
}

// forward transforms re and im in place.
func (s *spectrum) forward(re, im *[spectrumSize]float32) {
	for i := range spectrumSize {
		if j := int(s.swap[i]); j > i {
			re[i], re[j] = re[j], re[i]
			im[i], im[j] = im[j], im[i]
		}
	}
	for size := 2; size <= spectrumSize; size <<= 1 {
		half, step := size/2, spectrumSize/size
		for start := 0; start < spectrumSize; start += size {
			for k := range half {
				c, d := s.cos[k*step], -s.sin[k*step]
				a, b := start+k, start+k+half
				tr := re[b]*c - im[b]*d
				ti := re[b]*d + im[b]*c
				re[b], im[b] = re[a]-tr, im[a]-ti
				re[a], im[a] = re[a]+tr, im[a]+ti
			}
		}
	}
}

// inverse undoes forward, in place, including the scaling.
func (s *spectrum) inverse(re, im *[spectrumSize]float32) {
	for i := range im {
		im[i] = -im[i]
	}
	s.forward(re, im)
	for i := range re {
		re[i] /= spectrumSize
		im[i] /= -spectrumSize
	}
}

// hann fills window with a periodic Hann window.
func hann(window []float32) {
	for i := range window {
		window[i] = float32(0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(len(window))))
	}
}
