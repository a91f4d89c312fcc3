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
	for i := 0; i+3 < len(re); i += 4 { // the first two stages turn by right angles only
		r, m := (*[4]float32)(re[i:]), (*[4]float32)(im[i:])
		r0, r1, r2, r3 := r[0]+r[1], r[0]-r[1], r[2]+r[3], r[2]-r[3]
		m0, m1, m2, m3 := m[0]+m[1], m[0]-m[1], m[2]+m[3], m[2]-m[3]
		r[0], r[1], r[2], r[3] = r0+r2, r1+m3, r0-r2, r1-m3
		m[0], m[1], m[2], m[3] = m0+m2, m1-r3, m0-m2, m1+r3
	}
	size := 8
	for ; size*2 <= len(re); size *= 4 {
		s.pair(re, im, size)
	}
	if size > len(re) {
		return
	}
	half, step := size/2, spectrumSize/size
	ra, rb, ia, ib := re[:half], re[half:size], im[:half], im[half:size]
	rb, ia, ib = rb[:len(ra)], ia[:len(ra)], ib[:len(ra)]
	for k := range ra {
		c, d := s.cos[k*step&(spectrumHalf-1)], s.sin[k*step&(spectrumHalf-1)]
		tr, ti := rb[k]*c+ib[k]*d, ib[k]*c-rb[k]*d
		rb[k], ib[k] = ra[k]-tr, ia[k]-ti
		ra[k], ia[k] = ra[k]+tr, ia[k]+ti
	}
}

// pair carries out two stages at once, those of blocks of size and of twice as
// many values, so that each value is loaded and stored once for both.
func (s *spectrum) pair(re, im []float32, size int) {
	half := size / 2
	step, wide := spectrumSize/size, spectrumSize/size/2
	for k := range half {
		// The first stage turns by c1, the second by c2 and, a quarter of a turn
		// further on, by the same with its parts exchanged.
		c1, d1 := s.cos[k*step&(spectrumHalf-1)], s.sin[k*step&(spectrumHalf-1)]
		c2, d2 := s.cos[k*wide&(spectrumHalf-1)], s.sin[k*wide&(spectrumHalf-1)]
		for i := k; i+3*half < len(re); i += 2 * size {
			r, m := re[i:i+3*half+1], im[i:i+3*half+1]
			r0, m0, r1, m1 := r[0], m[0], r[half], m[half]
			r2, m2, r3, m3 := r[size], m[size], r[3*half], m[3*half]

			tr, ti := r1*c1+m1*d1, m1*c1-r1*d1
			r0, m0, r1, m1 = r0+tr, m0+ti, r0-tr, m0-ti
			tr, ti = r3*c1+m3*d1, m3*c1-r3*d1
			r2, m2, r3, m3 = r2+tr, m2+ti, r2-tr, m2-ti

			tr, ti = r2*c2+m2*d2, m2*c2-r2*d2
			r[0], m[0], r[size], m[size] = r0+tr, m0+ti, r0-tr, m0-ti
			tr, ti = m3*c2-r3*d2, -r3*c2-m3*d2
			r[half], m[half], r[3*half], m[3*half] = r1+tr, m1+ti, r1-tr, m1-ti
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
	for k := 1; k <= spectrumHalf/2; k++ {
		m := spectrumHalf - k
		er, ei := (re[k]+re[m])/2, (im[k]-im[m])/2 // of the even samples
		or, oi := (im[k]+im[m])/2, (re[m]-re[k])/2 // of the odd samples
		r, i := or*s.cos[k]+oi*s.sin[k], oi*s.cos[k]-or*s.sin[k]
		out[k] = (er+r)*(er+r) + (ei+i)*(ei+i)
		out[m] = (er-r)*(er-r) + (ei-i)*(ei-i)
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
