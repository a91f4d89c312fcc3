// Package audio holds the pure, per-frame parts of telephone sound: frames,
// codecs, resampling, reordering, playout, voice activity, tones, the Baudot
// modem and WAV files.
//
// Nothing here reads a clock, starts a goroutine or performs I/O other than on
// an io.Writer or io.Reader it was given. Samples are signed 16-bit mono PCM in
// the machine's byte order; a full-scale sample is 32767 (0 dBFS).
package audio

import "time"

// FrameDuration is the length of the frames that legs send and that the pacing
// wheel hands out, whatever the sample rate.
const FrameDuration = 20 * time.Millisecond

// Frame is a run of mono PCM16 samples at Rate.
//
// Offset is the leg's media time of the first sample, counted in samples from
// the first sample of the leg; it never comes from a wall clock. Whoever passes
// a Frame on keeps ownership of PCM: a receiver that needs the samples after it
// returns copies them.
type Frame struct {
	// PCM holds the samples. Its length is Rate/50 for a 20 ms frame.
	PCM []int16
	// Rate is the number of samples a second: 8000 or 16000 on telephone legs.
	Rate int
	// Offset is the position of PCM[0] in the leg's media time, in samples.
	Offset int64
	// Missing says that no samples were received for this stretch: they were
	// lost, or the sender suppressed silence. PCM then holds silence or, after a
	// Concealer, a substitute; it carries no speech.
	Missing bool
	// Mark, when not zero, asks a leg for a Played event with this number once
	// the last sample of the frame was played. Ignored on received frames.
	Mark uint64
}

// Duration returns the playing time of the frame; zero when Rate is not
// positive.
func (f Frame) Duration() time.Duration {
	if f.Rate <= 0 {
		return 0
	}
	return time.Duration(len(f.PCM)) * time.Second / time.Duration(f.Rate)
}

// Samples returns how many samples d lasts at rate, rounded down.
func Samples(d time.Duration, rate int) int64 {
	return int64(d) * int64(rate) / int64(time.Second)
}

// Span returns how long n samples last at rate; zero when rate is not positive.
func Span(n int64, rate int) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(n * int64(time.Second) / int64(rate))
}
