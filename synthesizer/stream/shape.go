package stream

import "github.com/sidetone/sidetone/audio"

const (
	// audible is the sample value, -40 dBFS, above which a listener counts sound
	// as begun.
	audible = 327
	// leadMS and tailMS are the silence that is left around speech.
	leadMS, tailMS = 15, 80
	// fadeMS makes the cut before speech inaudible.
	fadeMS = 5
	// steer is how much the gain may change in 10 ms: 0.05 dB; hurry is the same
	// while it was only guessed: 0.4 dB.
	steer, hurry = 1.00577, 1.0471
)

// shaper cuts the silence around an utterance and levels it as it comes. It works
// on frames of 10 ms.
type shaper struct {
	rate  int
	level *level
	gain  float64
	known bool // the gain is that of the voice

	rest  []int16 // less than a frame
	lead  []int16 // before speech begins, or while the gain is not known
	begun bool
	cut   int64   // samples that were cut before speech
	quiet int     // samples given out since the last audible one
	held  []int16 // silence that is given out only when speech goes on
	ready []int16
}

func newShaper(rate int, l *level) *shaper {
	s := &shaper{rate: rate, level: l}
	var trust trust
	s.gain, trust = l.gain()
	s.known = trust != unknown
	return s
}

func (s *shaper) samples(ms int) int { return s.rate * ms / 1000 }

// push takes sound and returns what can be played of it so far. The caller owns
// the result.
func (s *shaper) push(pcm []int16) []int16 {
	s.rest = append(s.rest, pcm...)
	size := s.samples(10)
	done := 0
	for ; len(s.rest)-done >= size; done += size {
		s.frame(s.rest[done : done+size])
	}
	s.rest = append(s.rest[:0], s.rest[done:]...)
	return s.take()
}

// end takes what is left.
func (s *shaper) end() []int16 {
	if len(s.rest) > 0 {
		s.frame(s.rest)
	}
	if s.begun && !s.known {
		s.settle()
	}
	return s.take()
}

func (s *shaper) take() []int16 {
	out := s.ready
	s.ready = nil
	return out
}

func (s *shaper) frame(pcm []int16) {
	if s.begun {
		s.level.hear(pcm)
	}
	if s.begun && s.known {
		s.play(pcm)
		return
	}
	s.lead = append(s.lead, pcm...)
	if !s.begun {
		if !s.begin(len(pcm)) {
			return
		}
		s.level.hear(pcm)
	}
	if _, trust := s.level.gain(); s.known || trust != unknown {
		s.settle()
	}
}

// begin looks for the beginning of speech in the last n samples of lead and cuts
// what lies before it.
func (s *shaper) begin(n int) bool {
	for i := len(s.lead) - n; i < len(s.lead); i++ {
		if x := float64(s.lead[i]) * s.gain; x > audible || x < -audible {
			from := max(i-s.samples(leadMS), 0)
			s.cut += int64(from)
			s.lead = s.lead[from:]
			audio.FadeIn(s.lead, min(s.samples(fadeMS), i-from))
			s.begun = true
			return true
		}
	}
	if spare := len(s.lead) - s.samples(leadMS); spare > 0 {
		s.cut += int64(spare)
		s.lead = append(s.lead[:0], s.lead[spare:]...)
	}
	return false
}

// settle plays what waited for the gain.
func (s *shaper) settle() {
	if !s.known {
		s.gain, _ = s.level.gain()
		s.known = true
		if s.begun = false; !s.begin(len(s.lead)) { // what was audible is not at this level
			return
		}
	}
	s.play(s.lead)
	s.lead = nil
}

// play levels sound and gives it out, but for silence that may be the last.
func (s *shaper) play(pcm []int16) {
	from := s.gain
	want, trust := s.level.gain()
	step := steer
	if trust == guessed {
		step = hurry
	}
	s.gain = min(max(want, s.gain/step), s.gain*step)
	at := len(s.held)
	s.held = append(s.held, pcm...)
	audio.Amplify(s.held[at:], from, s.gain)
	tail := s.samples(tailMS)
	start := 0
	for i := at; i < len(s.held); i++ {
		if x := s.held[i]; x > audible || x < -audible {
			s.ready = append(s.ready, s.held[start:i+1]...)
			start, s.quiet = i+1, 0
		}
	}
	if n := min(tail-s.quiet, len(s.held)-start); n > 0 {
		s.ready = append(s.ready, s.held[start:start+n]...)
		start, s.quiet = start+n, s.quiet+n
	}
	s.held = append(s.held[:0], s.held[start:]...)
}
