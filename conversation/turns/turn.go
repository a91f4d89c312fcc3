package turns

import (
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// Stage is what a silence is made of: whom or what the call waited for.
type Stage string

// The stages, in the order in which a turn goes through them.
const (
	// Caller: it is the caller's turn to speak.
	Caller Stage = "caller"
	// Wait: the caller may go on, or it is not known yet whether a sound was an
	// interruption.
	Wait Stage = "endpoint_wait"
	// Recogniser: the wait is over, and the words are not there.
	Recogniser Stage = "recogniser"
	// Model: the language model has given nothing to say.
	Model Stage = "model"
	// Voice: there is something to say, and no sound of it.
	Voice Stage = "voice"
	// Action: a tool of the agent's runs.
	Action Stage = "action"
	// Failure: somebody who serves the call failed in this time.
	Failure Stage = "vendor_failure"
	// Playout: there is sound, and its first packet was not sent.
	Playout Stage = "playout"
	// Restart: the process that held the call had died, and no other one went on with it.
	Restart Stage = "restart"
)

// Stages returns all stages in their order.
func Stages() []Stage {
	return []Stage{Caller, Wait, Recogniser, Model, Voice, Action, Failure, Playout, Restart}
}

// Kind says how the agent came to speak in a turn.
type Kind string

// The kinds of turns.
const (
	// Reply: the agent answers what the caller said.
	Reply Kind = "reply"
	// Unasked: the agent speaks by itself, as in a greeting or a question whether
	// somebody is there.
	Unasked Kind = "unasked"
	// Unanswered: the call, or its measuring, ended before the agent spoke.
	Unanswered Kind = "unanswered"
)

// Piece is a silence that is made of one stage.
type Piece struct {
	Stage Stage
	// From and To count from the call's beginning.
	From, To time.Duration
}

// Turn is one turn of a call: the caller's words, and what the agent said after them. The
// turns of a call follow each other without a gap; each ends when the agent has spoken.
type Turn struct {
	// Number counts from 1.
	Number int
	Kind   Kind
	// From and To count from the call's beginning.
	From, To time.Duration
	// Rule is the rule that chose the wait; Figures are the turn's times, without those
	// that were not measured. Both are of replies only.
	Rule    string
	Figures map[conversation.Figure]time.Duration
	// Interrupted says that the caller cut the agent off, BargeIn how long after the
	// caller's first voiced sample the agent was silent; zero: not measured, because words
	// came without the voice detector, or the agent was silent already.
	Interrupted bool
	BargeIn     time.Duration
	// Pieces are all times in which neither side made a sound, in order. Times on hold
	// are not among them.
	Pieces []Piece
}

// Silence is how long neither side made a sound.
func (t *Turn) Silence() (sum time.Duration) {
	for _, p := range t.Pieces {
		sum += p.To - p.From
	}
	return sum
}

// Of is how much of the silence a stage made.
func (t *Turn) Of(s Stage) (sum time.Duration) {
	for _, p := range t.Pieces {
		if p.Stage == s {
			sum += p.To - p.From
		}
	}
	return sum
}
