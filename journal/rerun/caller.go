package rerun

import (
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
)

// reaction is how long the agent must have been heard before a caller who speaks over it
// can be taken to do so because of what it says. Who speaks sooner was about to go on.
const reaction = time.Second

// follows says what a stretch of the caller's came after.
type follows uint8

const (
	followsCaller follows = iota // the caller's own stretch before, or the call's beginning
	followsEnd                   // the end of what the agent said
	followsBegin                 // the beginning of it: the agent was spoken over
)

// stretch is what the caller does in one go: a burst of speech with the words that were
// recognised, a key, the hang-up. What else comes from outside belongs to the stretch
// before it.
type stretch struct {
	// at is the time of its first input, and over when the caller was silent again.
	at, over time.Duration
	// It came distance after the nth such moment since the stretch before was over.
	follows  follows
	nth      int
	distance time.Duration
}

// outside is an input that no output has led to. in is nil where the process died: what
// comes next is the conversation.Resumed of the one that went on with the call.
type outside struct {
	at time.Duration
	in conversation.Input
	// step is where it stands in the journal, and stretch which one it belongs to.
	step, stretch int
}

// caller is what came from outside in a call.
type caller struct {
	inputs    []outside
	stretches []stretch
}

// callerOf takes a recorded call apart.
func callerOf(played []journal.Played) caller {
	var c caller
	f := newFloor()
	b := bursts{settled: true}
	left, before := false, time.Duration(0)
	for i, p := range played {
		_, hungUp := p.In.(conversation.HungUp)
		if fromOutside(p.In) && !(hungUp && left) { // the far end confirms our hang-up
			if in, ok := p.In.(conversation.Resumed); ok {
				c.take(diedAt(in, p.At, before), nil, i, &b, &f)
			}
			c.take(p.At, p.In, i, &b, &f)
		}
		f.step(p.At, p.In, p.Outputs)
		before = p.At
		left = left || slices.ContainsFunc(p.Outputs, leaves)
	}
	return c
}

// take adds an input, or a death, of step i.
func (c *caller) take(at time.Duration, in conversation.Input, i int, b *bursts, f *floor) {
	if b.begins(in) || len(c.stretches) == 0 {
		c.begin(at, f)
	}
	s := &c.stretches[len(c.stretches)-1]
	if b.take(in) {
		s.over = at
	}
	c.inputs = append(c.inputs, outside{at, in, i, len(c.stretches) - 1})
}

// diedAt is when the process had died that was followed by another one at a time, with
// the last step before.
func diedAt(in conversation.Resumed, at, before time.Duration) time.Duration {
	return min(max(in.Until.Truncate(time.Microsecond), before), at)
}

// begin begins a stretch, and finds what it followed.
func (c *caller) begin(at time.Duration, f *floor) {
	s := stretch{at: at, over: at, distance: at}
	if n := len(c.stretches); n > 0 {
		before := c.stretches[n-1]
		s.distance = at - before.at
		begun, ended := after(f.began, before.over, at-reaction), after(f.ended, before.over, at)
		latest := before.over
		if n := len(begun); n > 0 {
			s.follows, s.nth, s.distance, latest = followsBegin, n, at-begun[n-1].at, begun[n-1].at
		}
		if n := len(ended); n > 0 && ended[n-1].at >= latest {
			s.follows, s.nth, s.distance = followsEnd, n, at-ended[n-1].at
		}
	}
	c.stretches = append(c.stretches, s)
}

// leaves reports whether the agent ends the call by an output.
func leaves(out conversation.Output) bool {
	switch out := out.(type) {
	case conversation.Hangup:
		return true
	case conversation.RunTool:
		return out.Name == endConversation
	default:
		return false
	}
}

// fromOutside reports whether an input is none that an output has led to.
func fromOutside(in conversation.Input) bool {
	switch in := in.(type) {
	case conversation.SpeechStarted, conversation.SpeechEnded, conversation.Heard, conversation.TurnYielded, conversation.TurnEnding,
		conversation.TurnGoesOn, conversation.CallerLeaves, conversation.Digit, conversation.MediaStarted, conversation.Held, conversation.Unheld,
		conversation.Resumed, conversation.Command, conversation.RecogniserAway, conversation.RecogniserReplaced, conversation.RecogniserLost, conversation.ModelWaits:
		return true
	case conversation.HungUp:
		return in.Remote
	default:
		return false
	}
}

// bursts follows the caller's bursts of speech.
type bursts struct {
	// talking: one runs. voiced: the stretch has one. settled: the recogniser has said what
	// it heard of the last one, so that further words are new ones.
	talking, voiced, settled bool
}

// begins reports whether an input begins a stretch.
func (b *bursts) begins(in conversation.Input) bool {
	switch in := in.(type) {
	case conversation.SpeechStarted, conversation.Digit, conversation.CallerLeaves, conversation.HungUp:
		return true
	case conversation.Heard:
		return !b.talking && b.settled && strings.TrimSpace(in.Text) != ""
	default:
		return false
	}
}

// take notes an input, and reports whether what comes next follows what the agent did
// since: the caller made a sound, or pressed a key, up to it, or nobody knows who did.
func (b *bursts) take(in conversation.Input) bool {
	begins := b.begins(in)
	b.voiced = b.voiced && !begins
	switch in := in.(type) {
	case conversation.SpeechStarted:
		b.talking, b.voiced, b.settled = true, true, false
		return true
	case conversation.SpeechEnded:
		b.talking = false
		return true
	case conversation.Heard:
		b.settled = !b.talking && (in.Final || in.Flushed)
		return !b.voiced
	case conversation.Resumed:
		b.talking, b.settled = false, true // nobody hears the rest
		return true
	default:
		return begins
	}
}

// actor has the caller of a call act in another one.
type actor struct {
	caller
	// next is the input that comes next.
	next int
	// began is when the stretch of the last input began in this call, and over when it was.
	began, over time.Duration
	bursts      bursts
	// unanswered says that the last stretch came although the agent has not said what it followed.
	unanswered bool
	// ended is when the recorded call was over, and silence until when this one goes on that
	// long after the caller's last input.
	ended, silence time.Duration
}

func newActor(played []journal.Played, ended time.Duration) actor {
	return actor{ended: ended, caller: callerOf(played), bursts: bursts{settled: true}}
}

// rest is how many inputs are still to come.
func (s *actor) rest() int { return len(s.inputs) - s.next }

// unheard is how many of those that are still to come the agent would have heard of.
func (s *actor) unheard() (n int) {
	for _, in := range s.inputs[s.next:] {
		if _, resumed := in.in.(conversation.Resumed); in.in != nil && !resumed {
			n++
		}
	}
	return n
}

// dies reports whether what comes next is the death of the process.
func (s *actor) dies() bool { return s.rest() > 0 && s.inputs[s.next].in == nil }

// due returns when the next input comes, if nothing else happens before.
func (s *actor) due(now time.Duration, f *floor) (at time.Duration, ok bool) {
	if s.rest() == 0 {
		return 0, false
	}
	in := s.inputs[s.next]
	to := s.stretches[in.stretch]
	if !s.opens() {
		return max(now, s.began+in.at-to.at), true
	}
	usual := s.began + to.distance
	var moments []moment
	switch to.follows {
	case followsCaller:
		return max(now, usual), true
	case followsEnd:
		moments = after(f.ended, s.over, now)
	case followsBegin:
		moments = after(f.began, s.over, now)
	}
	if len(moments) >= to.nth {
		return max(now, moments[to.nth-1].at+to.distance), true
	}
	return max(now, s.began+to.at-s.stretches[in.stretch-1].at), !f.busy()
}

// opens reports whether the next input is the first of its stretch.
func (s *actor) opens() bool {
	return s.next == 0 || s.inputs[s.next].stretch != s.inputs[s.next-1].stretch
}

// follow takes step i of the recorded call: the next input, if that is its.
func (s *actor) follow(i int, f *floor) {
	for s.rest() > 0 && s.inputs[s.next].step == i {
		s.take(s.inputs[s.next].at, f)
	}
}

// take gives the next input, at a time; nil when the process dies then.
func (s *actor) take(at time.Duration, f *floor) conversation.Input {
	in := s.inputs[s.next]
	if s.opens() {
		to := s.stretches[in.stretch]
		s.unanswered = to.follows == followsEnd && len(after(f.ended, s.over, at)) < to.nth && len(after(f.began, s.over, at)) == 0 ||
			to.follows == followsBegin && len(after(f.began, s.over, at)) < to.nth
		s.began, s.over = at, at
	}
	if s.bursts.take(in.in) {
		s.over = at
	}
	s.next++
	s.silence = at + s.ended - in.at
	return in.in
}
