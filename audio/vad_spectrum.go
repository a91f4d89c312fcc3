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
	s.stages(re[:], im[:])
}

// stages carries out the butterflies on values in bit-reversed order. There are
// spectrumSize of them, or half as many.
func (s *spectrum) stages(re, im []float32) {
	im = im[:len(re)]
	for i := 0; i+1 < len(re); i += 2 { // the first stage turns nothing
		re[i], re[i+1] = re[i]+re[i+1], re[i]-re[i+1]
		im[i], im[i+1] = im[i]+im[i+1], im[i]-im[i+1]
	}
	for size := 4; size <= len(re); size <<= 1 {
		half, step := size/2, spectrumSize/size
		for start := 0; start < len(re); start += size {
			ra, rb := re[start:start+half], re[start+half:start+size]
			ia, ib := im[start:start+half], im[start+half:start+size]
			rb, ia, ib = rb[:len(ra)], ia[:len(ra)], ib[:len(ra)]
			for k := range ra {
				c, d := s.cos[k*step&(spectrumHalf-1)], s.sin[k*step&(spectrumHalf-1)]
				tr, ti := rb[k]*c+ib[k]*d, ib[k]*c-rb[k]*d
				rb[k], ib[k] = ra[k]-tr, ia[k]-ti
				ra[k], ia[k] = ra[k]+tr, ia[k]+ti
			}
		}
	}
}

// powers puts the squared magnitudes of the transform of the real samples x,
// as many as spectrumSize and with zeros where x is shorter, into out. It packs
// pairs of samples into complex values, which takes half the work of forward;
// re and im are scratch.
func (s *spectrum) powers(x []float32, re, im *[spectrumHalf]float32, out *[spectrumHalf + 1]float32) {
	clear(re[:])
	clear(im[:])
	for i := range len(x) / 2 {
		j := s.swap[i] >> 1 & (spectrumHalf - 1)
		re[j], im[j] = x[2*i], x[2*i+1]
	}
	s.stages(re[:], im[:])
	first, last := re[0]+im[0], re[0]-im[0]
	out[0], out[spectrumHalf] = first*first, last*last
	for k := 1; k < spectrumHalf; k++ {
		m := spectrumHalf - k
		er, ei := (re[k]+re[m])/2, (im[k]-im[m])/2 // of the even samples
		or, oi := (im[k]+im[m])/2, (re[m]-re[k])/2 // of the odd samples
		r, i := er+or*s.cos[k]+oi*s.sin[k], ei+oi*s.cos[k]-or*s.sin[k]
		out[k] = r*r + i*i
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
