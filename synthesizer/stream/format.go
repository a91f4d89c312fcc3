package stream

import (
	"fmt"

	"github.com/sidetone/sidetone/audio"
)

// Encoding is how samples are written as bytes.
type Encoding uint8

// The encodings.
const (
	// MuLaw is one byte a sample, ITU-T G.711.
	MuLaw Encoding = iota + 1
	// PCM16 is two bytes a sample, signed, little endian.
	PCM16
)

// Format is how a vendor sends sound; always mono.
type Format struct {
	Encoding Encoding
	// Rate is in samples a second, 4000 to 192000.
	Rate int
}

// OfLine is the format to ask a vendor for that has both: mu-law for a line of
// 8000 Hz, PCM16 for any other.
func OfLine(rate int) Format {
	if rate == 8000 {
		return Format{MuLaw, rate}
	}
	return Format{PCM16, rate}
}

// decoder makes samples of bytes that are cut anywhere.
type decoder struct {
	format    Format
	resampler *audio.Resampler
	skip      int // samples of the resampler's delay that are still to come
	odd       []byte
	samples   []int16
}

func newDecoder(f Format, rate int) (*decoder, error) {
	if f.Encoding != MuLaw && f.Encoding != PCM16 {
		return nil, fmt.Errorf("encoding %d is neither mu-law nor PCM", f.Encoding)
	}
	r, err := audio.NewResampler(f.Rate, rate)
	if err != nil {
		return nil, err
	}
	return &decoder{format: f, resampler: r, skip: int(audio.Samples(r.Delay(), rate))}, nil
}

// decode appends the samples that data completes to dst, and returns how many the
// vendor sent.
func (d *decoder) decode(dst []int16, data []byte) (out []int16, sent int) {
	if d.format.Encoding == MuLaw {
		d.samples = audio.DecodeULaw(d.samples[:0], data)
	} else {
		d.samples = d.pcm(d.samples[:0], data)
	}
	return d.late(dst, d.resampler.Process(nil, d.samples)), len(d.samples)
}

// pcm appends the whole samples of data and keeps an odd byte for the next one.
func (d *decoder) pcm(dst []int16, data []byte) []int16 {
	if len(d.odd) == 1 && len(data) > 0 {
		dst = append(dst, int16(uint16(d.odd[0])|uint16(data[0])<<8))
		data, d.odd = data[1:], d.odd[:0]
	}
	for ; len(data) >= 2; data = data[2:] {
		dst = append(dst, int16(uint16(data[0])|uint16(data[1])<<8))
	}
	d.odd = append(d.odd, data...)
	return dst
}

// flush appends what is still inside the resampler.
func (d *decoder) flush(dst []int16) []int16 {
	return d.late(dst, d.resampler.Flush(nil))
}

// late appends more to dst without the resampler's delay, so that times stay the
// vendor's.
func (d *decoder) late(dst, more []int16) []int16 {
	n := min(d.skip, len(more))
	d.skip -= n
	return append(dst, more[n:]...)
}
