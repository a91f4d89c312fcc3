package audio

import (
	"fmt"
	"time"
)

const (
	// stereoLag is how long sound stays in memory for late frames.
	stereoLag = 500 * time.Millisecond
	// stereoBlock is how much is handed to the writer at once.
	stereoBlock = 60 * time.Millisecond
	// stereoRing is how much sound there is room for: what waits, and the
	// longest frame.
	stereoRing = stereoLag + stereoBlock + 60*time.Millisecond
	// stereoSettle is how long the caller's channel may still be moved as a
	// whole, until its shortest delay is known. It is shorter than stereoLag.
	stereoSettle = 400 * time.Millisecond
	// stereoMaxGap bounds the silence that a pause may leave.
	stereoMaxGap = 24 * time.Hour
	// stereoExpect bounds the sound that is written after that of later times.
	stereoExpect = 2 * time.Second
	// quietLevel is the level in dBFS below which a frame may be stretched.
	quietLevel = -50.0
)

// SampleWriter takes recorded samples; a WAVWriter is one.
type SampleWriter interface {
	// Write takes samples of all channels in turn and keeps none of the slice.
	Write(pcm []int16) error
}

// Stereo records both directions of a call on one time base: the caller on the
// left, the agent on the right. The base counts samples of our own clock; what
// lies before its zero is left out. The agent's sound lies in the slots it was
// sent in. The caller's lies where it was spoken, its last sample at its arrival
// over the network's shortest delay: media time is mapped by the lower envelope
// of arrival minus media time over 10 s, and errors above 5 ms, which clocks of
// different speed cause, are taken out by steps of at most 1 ms in silence (and
// from 12 ms on in sound, one step a second, if no silence comes). What is lost,
// suppressed or held leaves silence of the right length.
//
// It holds less than a second of sound, or three after Expect, and allocates nothing per frame. It
// must not be used concurrently, and it writes to its writer inside of the
// calls: a writer that can block takes them to a goroutine of its owner.
type Stereo struct {
	rate int
	out  SampleWriter
	err  error

	ring    []int16 // pairs; position p lies at pair p % size
	size    int64
	written int64 // positions before it were handed to out
	newest  int64 // end of the latest sound

	caller     timeline
	callerEnd  int64 // end of the caller's sound
	settled    int64 // position until which the caller may be moved as a whole; 0 before its first frame
	quietest   float64
	convert    *Resampler
	callerRate int
	scratch    []int16
	late       int64
	awaited    int64 // end of the caller's sound that may come later than what is written meanwhile
}

// NewStereo returns a recorder at rate samples a second, 8000 to 48000, that
// hands pairs of samples (left, right) to out.
func NewStereo(rate int, out SampleWriter) (*Stereo, error) {
	if rate < 8000 || rate > 48000 {
		return nil, fmt.Errorf("record at %d samples a second: %w", rate, ErrWAVFormat)
	}
	size := Samples(stereoRing, rate)
	return &Stereo{
		rate: rate, out: out,
		ring: make([]int16, 2*size), size: size,
		caller:     newTimeline(rate),
		callerRate: rate,
	}, nil
}

// Expect says, before anything is written, that the caller's sound of the recording's first
// d, at most 2 s, arrived before anybody wrote it: it is written while that of later times
// is written too.
func (s *Stereo) Expect(d time.Duration) {
	s.awaited = Samples(min(d, stereoExpect), s.rate)
	s.size = Samples(stereoRing, s.rate) + s.awaited
	s.ring = make([]int16, 2*s.size)
}

// Late returns how many samples came too late to be recorded.
func (s *Stereo) Late() int64 { return s.late }

// Err returns the first error of the writer. After it sound is still placed,
// and dropped.
func (s *Stereo) Err() error { return s.err }

// WriteAgent records pcm, at the recorder's rate, as sent to the caller in the
// slot that begins at the given time: frames of slots that follow each other join,
// however late they were sent, and a slot without a frame is silent.
func (s *Stereo) WriteAgent(pcm []int16, at time.Duration) {
	s.place(1, pcm, Samples(at, s.rate))
	s.flushDue()
}

// WriteCaller records a received frame that arrived at the given time of the
// same clock. Frames come in media order; Missing frames stay silent, and
// their arrival does not matter. A frame of another rate is converted.
func (s *Stereo) WriteCaller(f Frame, arrived time.Duration) {
	if f.Missing || len(f.PCM) == 0 || f.Rate <= 0 {
		return
	}
	pcm, ok := s.atRate(f)
	if !ok {
		return
	}
	media := f.Offset * int64(s.rate) / int64(f.Rate)
	end := Samples(arrived, s.rate)
	if end >= s.awaited {
		s.awaited = 0
	}
	low := s.caller.observe(end, media+int64(len(pcm)))
	s.settle(end, low)
	if s.caller.interrupted(low) {
		s.caller.restart()
		low = s.caller.observe(end, media+int64(len(pcm)))
	}
	move := s.caller.step(low, s.quiet(pcm))
	at := media + s.caller.offset
	if s.convert != nil {
		at -= Samples(s.convert.Delay(), s.rate)
	}
	switch head := pcm[:min(int(max(move, -move)), len(pcm))]; {
	case move > 0 && at-move == s.callerEnd:
		s.place(0, head, at-move) // fills the step's own millisecond
	case move < 0 && at-move == s.callerEnd:
		pcm, at = pcm[len(head):], at+int64(len(head)) // keeps the frame before whole
	}
	s.place(0, pcm, at)
	s.callerEnd = at + int64(len(pcm))
	s.flushDue()
}

// atRate returns the frame's samples at the recorder's rate; false when they
// cannot be converted.
func (s *Stereo) atRate(f Frame) ([]int16, bool) {
	if f.Rate != s.callerRate {
		s.callerRate, s.convert = f.Rate, nil
		if s.caller.started {
			s.caller.restart()
		}
		if f.Rate != s.rate {
			convert, err := NewResampler(f.Rate, s.rate)
			if err != nil {
				return nil, false
			}
			s.convert = convert
		}
	}
	if f.Rate == s.rate {
		return f.PCM, true
	}
	if s.convert == nil {
		return nil, false
	}
	s.scratch = s.convert.Process(s.scratch[:0], f.PCM)
	return s.scratch, true
}

// settle moves all of the caller's sound earlier while its shortest delay is
// still being found; nothing of it has left the ring yet.
func (s *Stereo) settle(end, low int64) {
	if s.settled == 0 {
		s.settled = end + Samples(stereoSettle, s.rate)
	}
	move := s.caller.offset - low
	if end > s.settled || move <= 0 || move > Samples(stereoSettle, s.rate) {
		return
	}
	for p := s.written; p < s.callerEnd; p++ {
		from := int16(0)
		if p+move < s.callerEnd {
			from = s.ring[2*((p+move)%s.size)]
		}
		s.ring[2*(p%s.size)] = from
	}
	s.caller.offset, s.callerEnd = low, s.callerEnd-move
}

// quiet reports whether a step in this frame is not heard: it lies below -50
// dBFS, or near the lowest level of late.
func (s *Stereo) quiet(pcm []int16) bool {
	level := RMS(pcm)
	s.quietest = min(s.quietest+0.02, level) // forgets 1 dB a second
	return level < quietLevel || level < s.quietest+3
}

// place puts samples of one channel at a position, as far as it lies within
// reach.
func (s *Stereo) place(channel int, pcm []int16, at int64) {
	if at-s.newest > Samples(stereoMaxGap, s.rate) {
		s.late += int64(len(pcm))
		return
	}
	end := at + int64(len(pcm))
	if room := s.written + s.size; end > room {
		s.flush(end - s.size)
	}
	if cut := min(s.written-at, int64(len(pcm))); cut > 0 {
		s.late += cut
		pcm, at = pcm[cut:], at+cut
	}
	first := min(int64(len(pcm)), s.size-at%s.size) // the rest lies at the ring's beginning
	for i, v := range pcm[:first] {
		s.ring[2*(at%s.size+int64(i))+int64(channel)] = v
	}
	for i, v := range pcm[first:] {
		s.ring[2*i+channel] = v
	}
	s.newest = max(s.newest, end)
}

// flushDue hands on what no late frame can change any more.
func (s *Stereo) flushDue() {
	if due := s.newest - Samples(stereoLag, s.rate) - s.awaited; due-s.written >= Samples(stereoBlock, s.rate) {
		s.flush(due)
	}
}

// flush hands everything before position to on and clears its place.
func (s *Stereo) flush(to int64) {
	for s.written < to {
		from := s.written % s.size
		n := min(to-s.written, s.size-from)
		block := s.ring[2*from : 2*(from+n)]
		if s.err == nil {
			s.err = s.out.Write(block)
		}
		clear(block)
		s.written += n
	}
}

// Close hands on what is left, up to the time end of the call: shorter sound
// is followed by silence, longer is cut. It returns the first error of the
// writer, which its owner closes.
func (s *Stereo) Close(end time.Duration) error {
	s.flush(min(Samples(end, s.rate), s.newest+Samples(stereoMaxGap, s.rate)))
	if s.err != nil {
		return fmt.Errorf("record: %w", s.err)
	}
	return nil
}
