package rerun

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// What marks say of a simulation.
const (
	// LeftOut: the model has no answer, and the agent says nothing.
	LeftOut = "the call has no answer to this question: what the model says is left out"
	// Composed: Options.Model has answered.
	Composed = "the call has no answer to this question: the playbook answers"
	// CutOff: the answer was interrupted in the call, and what is known of it is used.
	CutOff = "the model's answer was cut off in the call here: the rest of it is left out"
	// UnknownResult: a tool has no result.
	UnknownResult = "the action was not taken like this in the call: its result is not known"
	// Unanswered: the caller goes on as in the call, without what the agent said there.
	Unanswered = "the caller goes on as in the call, although the agent has not said what came before"
)

// Who does something in a call.
const (
	Caller  = "caller"
	Agent   = "agent"
	Line    = "call"
	Remark  = "simulation"
	Problem = "error"
	Server  = "server"
)

// Event is something that happened in a turn.
type Event struct {
	// At is when: of the agent's words when the first was heard, of the caller's when the
	// agent took the turn for over.
	At time.Duration
	// Who did it, and what: of words the words.
	Who, Text string
	// Said is what the agent was to say, of which Text was heard; "" when it is the same.
	Said string
	// Interrupted: the caller cut the agent off. Ignored: the agent took the caller's words for
	// none that need a reply. Done: Text is the name of an action, and Said its result.
	Interrupted, Ignored, Done bool
	// Rule, Wait and Gap are of the caller's words: why the agent waited how long after them, and
	// when its reply was heard. They are zero without a reply.
	Rule      string
	Wait, Gap time.Duration
}

// same reports whether two events differ in nothing but time.
func (e Event) same(o Event) bool {
	e.At, e.Wait, e.Gap, e.Rule, o.At, o.Wait, o.Gap, o.Rule = 0, 0, 0, "", 0, 0, 0, ""
	return e == o
}

// Turn is what happened from the caller's words on. The first of a call has none.
type Turn struct {
	Number int
	Events []Event
	// heard is how many inputs of the caller's had come before the agent took them for a
	// turn; simulated says that the turn has something that is.
	heard     int
	simulated bool
}

// course notes what happens in a call.
type course struct {
	turns     []Turn
	simulated bool
	audible   time.Duration // when the agent was first heard since its last words
	stopped   bool          // what was heard then was stopped
	cut       time.Duration // when the agent was cut off, and what was heard is not known
	left      bool          // the agent has ended the call
	over      bool          // the line is closed
}

func newCourse() *course { return &course{turns: []Turn{{}}} }

// courseOf is that of a recorded call.
func courseOf(played []step) *course {
	c, a := newCourse(), newActor(played, 0)
	f := newFloor()
	for i, p := range played {
		a.follow(i, &f)
		c.step(p.At, p.In, p.Outputs, a.next)
	}
	return c
}

// step notes a step, before which so many inputs have come from outside.
func (c *course) step(at time.Duration, in conversation.Input, outs []conversation.Output, outside int) {
	switch in := in.(type) {
	case conversation.Audible:
		if c.audible == 0 || c.stopped {
			c.audible, c.stopped = at, false
		}
	case conversation.Resumed:
		c.resumed(at, in)
	case conversation.HungUp:
		c.over = true
		text := "the line is closed"
		if in.Remote && !c.left {
			text = "the caller hangs up"
		}
		c.add(Event{At: at, Who: Line, Text: text})
	}
	for _, out := range outs {
		c.left = c.left || leaves(out)
		switch out := out.(type) {
		case conversation.Note:
			c.note(at, out, outside)
		case conversation.StopPlayout:
			c.stopped = true
		case conversation.Hangup:
			c.add(Event{At: at, Who: Line, Text: "the agent hangs up: " + out.Reason})
		}
	}
}

// resumed notes that another process goes on with a call. What was not yet heard is not.
func (c *course) resumed(at time.Duration, in conversation.Resumed) {
	if c.over {
		return
	}
	c.stopped = true
	away := at - min(max(0, in.Until), at)
	c.add(Event{At: at, Who: Server, Text: fmt.Sprintf("the process died; the call went on after %.1f s", away.Seconds())})
}

func (c *course) note(at time.Duration, n conversation.Note, outside int) {
	switch n.Kind {
	case conversation.NoteCaller:
		c.unheard()
		c.said(at, n, outside)
	case conversation.NoteInterrupted:
		c.cut = at
	case conversation.NoteAgent:
		c.cut = 0
		e := Event{At: at, Who: Agent, Text: n.Text, Interrupted: n.Interrupted}
		if c.audible > 0 {
			e.At, c.audible = c.audible, 0
		}
		if n.Said != n.Text {
			e.Said = n.Said
		}
		c.add(e)
	case conversation.NoteTurn:
		if e := c.last(Caller); e != nil {
			e.Rule, e.Wait, e.Gap = n.Text, n.Figures[conversation.FigureWait], n.Figures[conversation.FigureGap]
		}
	case conversation.NoteIgnored:
		c.add(Event{At: at, Who: Caller, Text: n.Text, Ignored: true})
	case conversation.NoteAction:
		c.add(Event{At: at, Who: Agent, Text: n.Text, Said: n.Said, Done: true})
	case conversation.NoteError:
		c.add(Event{At: at, Who: Problem, Text: n.Text})
	}
}

// unheard notes that the agent was cut off before a word of it was heard.
func (c *course) unheard() {
	if c.cut > 0 {
		c.add(Event{At: c.cut, Who: Agent, Interrupted: true})
		c.cut = 0
	}
}

// said begins a turn with the caller's words, or adds them to one that was not answered.
func (c *course) said(at time.Duration, n conversation.Note, outside int) {
	if e := c.last(Caller); n.Continues && e != nil {
		e.Text += " " + n.Text
		e.At = at
		last := &c.turns[len(c.turns)-1]
		last.heard, last.simulated = outside, c.simulated
		return
	}
	c.turns = append(c.turns, Turn{Number: len(c.turns), heard: outside})
	c.add(Event{At: at, Who: Caller, Text: n.Text})
}

// last is the last event of the turn that someone did.
func (c *course) last(who string) *Event {
	events := c.turns[len(c.turns)-1].Events
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Who == who && !events[i].Ignored {
			return &events[i]
		}
	}
	return nil
}

// mark notes what is to be known of the simulation.
func (c *course) mark(at time.Duration, text string) { c.add(Event{At: at, Who: Remark, Text: text}) }

func (c *course) add(e Event) {
	last := &c.turns[len(c.turns)-1]
	last.Events, last.simulated = append(last.Events, e), c.simulated
}

// Block is a piece of the call in which the caller said the same both times: mostly a
// turn, or several that are one in the other call.
type Block struct {
	Was, Is []Turn
	// Same says that nothing differs but times.
	Same bool
	// Later is how much later the turn is over than it was, when it is the same.
	Later time.Duration
}

// sort brings the events of turns into the order of their times: what the agent said is
// known when it is over.
func (c *course) sort() *course {
	for _, t := range c.turns {
		slices.SortStableFunc(t.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	}
	return c
}

// blocks puts the turns of two calls side by side, from the one on in which the second is
// simulated.
func blocks(was, is *course) []Block {
	var out []Block
	for i, k := 0, 0; i < len(was.turns) || k < len(is.turns); {
		b := Block{}
		take := func(from []Turn, n *int, to *[]Turn) {
			if *n < len(from) {
				*to = append(*to, from[*n])
				*n++
			}
		}
		take(was.turns, &i, &b.Was)
		take(is.turns, &k, &b.Is)
		for i < len(was.turns) || k < len(is.turns) {
			w, s := reached(b.Was), reached(b.Is)
			if w == s || w < s && i == len(was.turns) || w > s && k == len(is.turns) {
				break
			}
			if w < s {
				take(was.turns, &i, &b.Was)
			} else {
				take(is.turns, &k, &b.Is)
			}
		}
		b.compare()
		if slices.ContainsFunc(b.Is, func(t Turn) bool { return t.simulated }) || len(b.Is) == 0 {
			out = append(out, b)
		}
	}
	return out
}

// reached is how much of the caller's the last of the turns has.
func reached(turns []Turn) int {
	if len(turns) == 0 {
		return 0
	}
	return turns[len(turns)-1].heard
}

func (b *Block) compare() {
	was, is := events(b.Was), events(b.Is)
	b.Same = len(b.Was) == len(b.Is) && slices.EqualFunc(was, is, Event.same)
	if b.Same && len(is) > 0 {
		b.Later = is[len(is)-1].At - was[len(was)-1].At
	}
}

func events(turns []Turn) []Event {
	var out []Event
	for _, t := range turns {
		out = append(out, t.Events...)
	}
	return out
}
