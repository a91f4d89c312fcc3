package loadgen

import (
	"time"

	"github.com/sidetone/sidetone/audio"
)

const (
	// ownPause is the longest silence inside a burst of ours, agentPause inside a speech
	// of the agent.
	ownPause   = 300 * time.Millisecond
	agentPause = 200 * time.Millisecond
)

// FarEnd is what one call was like where the caller is.
type FarEnd struct {
	// From is the caller's user part.
	From string `json:"from"`
	// Turns has one for each time that the agent spoke.
	Turns []FarTurn `json:"turns"`
}

// FarTurn is a time in which the agent spoke, with what was before it since the agent spoke
// last. Times are in milliseconds.
type FarTurn struct {
	// Gap is from the caller's last voiced sample to the agent's first; nil: the caller
	// had said nothing, or spoke on.
	Gap *float64 `json:"gap,omitempty"`
	// BargeIn is from the caller's first voiced sample to the last packet with sound of the
	// agent; nil: the caller did not speak while the agent did.
	BargeIn *float64 `json:"barge_in,omitempty"`
	// Silence is how long neither spoke.
	Silence float64 `json:"silence"`
}

// span is a time with sound; packet is when the last packet of it came or was sent.
type span struct{ from, to, packet time.Duration }

// farEnd records when a call has sound in either direction. It looks at samples only, not
// at what the behaviour makes of them.
type farEnd struct {
	behaviour
	from        string
	rate        int
	answered    time.Duration
	first, last int // audible samples of the frame filled last, or -1
	frame       int
	own, agent  []span
}

func (f *farEnd) fill(pcm []int16, now time.Duration) {
	f.behaviour.fill(pcm, now)
	f.first, f.last, f.frame = firstAudible(pcm), lastAudible(pcm), len(pcm)
}

func (f *farEnd) sent(at time.Duration) {
	f.behaviour.sent(at)
	if f.first >= 0 { // a packet leaves when its last sample was taken
		f.own = extend(f.own, span{at - f.span(f.frame-f.first), at - f.span(f.frame-1-f.last), at}, ownPause)
	}
}

func (f *farEnd) heard(pcm []int16, at time.Duration) {
	f.behaviour.heard(pcm, at)
	if first := firstAudible(pcm); first >= 0 {
		f.agent = extend(f.agent, span{at + f.span(first), at + f.span(lastAudible(pcm)+1), at}, agentPause)
	}
}

func (f *farEnd) report(t *tally) {
	f.behaviour.report(t)
	t.farEnds = append(t.farEnds, FarEnd{From: f.from, Turns: f.turns()})
}

func (f *farEnd) span(samples int) time.Duration { return audio.Span(int64(samples), f.rate) }

// extend adds a span to the last one when at most pause is between them.
func extend(all []span, s span, pause time.Duration) []span {
	if n := len(all); n > 0 && s.from-all[n-1].to <= pause {
		all[n-1].to, all[n-1].packet = max(all[n-1].to, s.to), s.packet
		return all
	}
	return append(all, s)
}

// turns makes turns of what was recorded.
func (f *farEnd) turns() []FarTurn {
	out := make([]FarTurn, 0, len(f.agent))
	began, ended := time.Duration(0), f.answered
	for _, a := range f.agent {
		turn, quiet := FarTurn{}, a.from-ended
		for _, o := range f.own {
			quiet -= max(0, min(o.to, a.from)-max(o.from, ended))
			switch {
			case o.from > a.from && o.from < a.packet:
				turn.BargeIn = new(milliseconds(a.packet - o.from))
			case o.from < a.from && o.from > began && o.to <= a.from:
				turn.Gap = new(milliseconds(a.from - o.to))
			case o.from < a.from && o.to > a.from:
				turn.Gap = nil
			}
		}
		turn.Silence = milliseconds(max(0, quiet))
		out = append(out, turn)
		began, ended = a.from, a.to
	}
	return out
}
