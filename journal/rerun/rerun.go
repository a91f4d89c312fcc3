package rerun

import (
	"fmt"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/script"
	"github.com/sidetone/sidetone/journal"
)

// Options say who takes the part of those whose answers the call does not have.
type Options struct {
	// Model answers questions that were not asked in the call; nil: they have no answer,
	// and the agent says nothing to them.
	Model func(conversation.AskModel) (Answer, error)
	// OtherPrompt says that the agent has another prompt than in the call, which no
	// question shows: then no answer of the call is one to an equal question.
	OtherPrompt bool
}

// Answer is a model's. One that is empty is meant to be.
type Answer struct {
	Text  string
	Calls []conversation.ToolCall
}

// Fork is where a call goes another way.
type Fork struct {
	// Inputs is how many inputs had the same outputs before.
	Inputs int
	// Turn is the caller's turn, At the time of the input, Line where it stands, Input its
	// text and Output the number of the first output that differs.
	Turn   int
	At     time.Duration
	Line   int
	Input  string
	Output int
	// Was is what the agent did, Is what it does now; "" for nothing.
	Was, Is string
}

// Report compares a call with what it would have been.
type Report struct {
	Fork Fork
	// Blocks are the turns from the fork on, in order.
	Blocks []Block
	// Born says that nothing is simulated, and Blocks empty, as the model speaks itself:
	// what it would have said is not known.
	Born bool
	// Unheard is how many inputs of the caller's did not come any more, as the call was over.
	Unheard int
	// Ended is when the simulation was over.
	Ended time.Duration
}

// step is one of a recorded call.
type step = journal.Played

// Run runs a call with another configuration, and returns nil when the agent does the same
// in all of it. It is an error when the call is not replayed exactly with its own
// configuration.
func Run(j *journal.Journal, cfg conversation.Config, o Options) (*Report, error) {
	played, err := j.Replay()
	if err != nil {
		return nil, fmt.Errorf("the replay of the call as it was is not exact, so that nothing can be compared with it: %w", err)
	}
	c, err := collect(played)
	if err != nil {
		return nil, err
	}
	s := &simulation{m: conversation.New(cfg), o: o, calls: c, actor: newActor(played, j.Ended), course: newCourse(), exact: true,
		timers: map[conversation.Timer]conversation.Arm{}, floor: newFloor(), player: player{tick: c.tick}, asked: map[uint64]*thought{}}
	fork, err := s.follow(played)
	if fork == nil || err != nil {
		return nil, err
	}
	r := &Report{Fork: *fork, Born: c.born}
	if c.born {
		return r, nil
	}
	s.play(j.Ended + mostAfter)
	if s.err != nil {
		return nil, s.err
	}
	r.Blocks = blocks(courseOf(played).sort(), s.course.sort())
	r.Unheard, r.Ended = s.actor.unheard(), s.now
	return r, nil
}

// follow runs the machine beside the call up to the first difference; nil when there is
// none.
func (s *simulation) follow(played []step) (*Fork, error) {
	turn := 0
	for i, p := range played {
		outs := append([]conversation.Output(nil), s.m.Step(p.At, p.In)...)
		n, was, is, err := firstDifferent(p.Outputs, outs)
		if err != nil {
			return nil, err
		}
		if n < 0 && s.o.OtherPrompt {
			n, was, is = otherQuestion(outs)
		}
		if n < 0 {
			s.learn(i, p)
			turn = p.Turn
			continue
		}
		fork := &Fork{Inputs: i, Turn: turn, At: p.At, Line: p.Line, Input: p.Text, Output: n + 1, Was: was, Is: is}
		s.diverge(i, p, outs)
		return fork, s.err
	}
	return nil, nil
}

// diverge takes the step whose outputs differ, from which on all is simulated.
func (s *simulation) diverge(i int, p step, outs []conversation.Output) {
	s.now = p.At
	s.before(p.At, p.In)
	s.actor.follow(i, &s.floor)
	s.leave(i)
	s.course.simulated = true
	for _, in := range s.after(p.At, p.In, outs) {
		s.step(p.At, in)
	}
}

// otherQuestion returns the first question to the model among outputs; -1 for none.
func otherQuestion(outs []conversation.Output) (n int, was, is string) {
	for n, out := range outs {
		if ask, ok := out.(conversation.AskModel); ok {
			what := fmt.Sprintf("AskModel %d", ask.Gen)
			return n, what + " with the prompt of the call", what + " with another prompt"
		}
	}
	return -1, "", ""
}

// firstDifferent returns the first output that differs and both texts; -1 for none.
func firstDifferent(was, is []conversation.Output) (n int, before, now string, err error) {
	for n := range max(len(was), len(is)) {
		if before, err = textAt(was, n); err != nil {
			return 0, "", "", err
		}
		if now, err = textAt(is, n); err != nil {
			return 0, "", "", err
		}
		if before != now {
			return n, before, now, nil
		}
	}
	return -1, "", "", nil
}

func textAt(outs []conversation.Output, n int) (string, error) {
	if n >= len(outs) {
		return "", nil
	}
	b, err := script.AppendOutput(nil, outs[n])
	return string(b), err
}
