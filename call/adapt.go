package call

import "github.com/sidetone/sidetone/audio"

// adapter keeps a session at the sample rate it began with when its leg changes
// to another (a re-INVITE with another codec, an answer that came with the ACK).
// It allocates only when the rate changes. It belongs to one goroutine.
type adapter struct {
	from, to int
	convert  *audio.Resampler
	buf      []int16
}

// apply returns f at the rate to; the samples are the adapter's until the next
// call. A rate that cannot be converted gives a frame without samples.
func (a *adapter) apply(f audio.Frame, to int) audio.Frame {
	if f.Rate == to || f.Rate <= 0 {
		return f
	}
	if a.from != f.Rate || a.to != to {
		a.from, a.to = f.Rate, to
		a.convert, _ = audio.NewResampler(f.Rate, to) // nil: a rate no leg has
	}
	if a.convert == nil {
		f.PCM = nil
		return f
	}
	a.buf = a.convert.Process(a.buf[:0], f.PCM)
	f.Offset = f.Offset * int64(to) / int64(f.Rate)
	f.PCM, f.Rate = a.buf, to
	return f
}
