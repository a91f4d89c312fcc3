package call

import (
	"slices"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation/turns"
)

// TurnTaken is a turn of a call that is over.
type TurnTaken struct {
	CallID, EnvironmentID, AgentID string
	// Began is when the call's times begin to count.
	Began time.Time
	Turn  turns.Turn
	// Vendors is who served the parts recogniser, model and voice last; local for the
	// server itself. A part that nobody serves is absent.
	Vendors map[string]string
}

// turnOver puts a turn into the call's record, and tells whoever counts turns. It holds
// figures only, so that it is recorded also where nothing of what was said is.
func (s *Session) turnOver(t turns.Turn) {
	vendors := s.servedBy()
	data := map[string]any{"number": t.Number, "kind": string(t.Kind), "from_ms": milliseconds(t.From - s.answered), "to_ms": milliseconds(t.To - s.answered),
		"silence_ms": milliseconds(t.Silence()), "stages": stagesOf(&t)}
	if len(vendors) > 0 {
		data["vendors"] = vendors
	}
	for f, d := range t.Figures {
		data[string(f)+"_ms"] = milliseconds(d)
	}
	if t.Rule != "" {
		data["rule"] = t.Rule
	}
	if t.Interrupted {
		data["interrupted"] = true
	}
	if t.BargeIn > 0 {
		data["barge_in_ms"] = milliseconds(t.BargeIn)
	}
	s.event(sidetone.EventMeasured, string(longest(&t)), data)
	if s.turned != nil {
		s.turned(TurnTaken{CallID: s.call.ID, EnvironmentID: s.call.EnvironmentID, AgentID: s.call.AgentID, Began: s.start, Turn: t, Vendors: vendors})
	}
}

// lastTurn records what is left of the last turn when the call is over.
func (s *Session) lastTurn() {
	if s.plan.Echo {
		return
	}
	if t, ok := s.meter.End(s.now()); ok {
		s.turnOver(t)
	}
}

// stagesOf is what the silence of a turn was made of, in milliseconds.
func stagesOf(t *turns.Turn) map[string]float64 {
	out := map[string]float64{}
	for _, stage := range turns.Stages() {
		if d := t.Of(stage); d > 0 {
			out[string(stage)] = milliseconds(d)
		}
	}
	return out
}

// longest is the stage that the caller waited for longest, "" when the turn had no
// silence but the caller's own.
func longest(t *turns.Turn) turns.Stage {
	all := slices.DeleteFunc(turns.Stages(), func(s turns.Stage) bool { return s == turns.Caller || t.Of(s) == 0 })
	if len(all) == 0 {
		return ""
	}
	return slices.MaxFunc(all, func(a, b turns.Stage) int { return int(t.Of(a) - t.Of(b)) })
}

// servedBy is who has served each part of the call last.
func (s *Session) servedBy() map[string]string {
	out := map[string]string{}
	for _, c := range s.parts() {
		if source, ok := c.served(); ok {
			out[string(c.part)] = who(source)
		}
	}
	return out
}

// served is who has done what was asked last; before anybody has, who is to serve first.
func (c *candidates) served() (Source, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latest < 0 || c.latest >= len(c.circuits) {
		return Source{}, false
	}
	return c.circuits[c.latest].source, true
}
