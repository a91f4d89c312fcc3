package rerun

import (
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// mostAfter is how much longer than the call a simulation may take.
const mostAfter = 10 * time.Minute

// due is an input that comes at a time.
type due struct {
	at time.Duration
	reply
	gen  uint64 // of the answer it belongs to; zero for none
	call string // of the tool it belongs to
}

// thought is a question to the model; texted says that some text of an answer has come.
type thought struct {
	ask    conversation.AskModel
	texted bool
}

// simulation plays all who take part in a call but the machine. While the call is exact
// its inputs come from the journal, and it only learns what is under way.
type simulation struct {
	m      *conversation.Machine
	o      Options
	calls  *calls
	actor  actor
	course *course
	now    time.Duration
	exact  bool
	over   bool
	// life counts the processes that have died. dead: the last one has, at a time, and no
	// other one goes on with the call yet.
	life    int
	dead    bool
	until   time.Duration
	timers  map[conversation.Timer]conversation.Arm
	pending []due // sorted
	voice   voice
	player  player
	floor   floor
	asked   map[uint64]*thought
	left    time.Duration // when the agent hung up, in the exact part
	err     error
}

// learn takes exact step i: its outputs are those of the call.
func (s *simulation) learn(i int, p step) {
	s.now = p.At
	s.before(p.At, p.In)
	s.actor.follow(i, &s.floor)
	s.after(p.At, p.In, p.Outputs)
}

// leave ends the exact part behind a step: what has come up to it does not come again.
func (s *simulation) leave(step int) {
	s.exact = false
	s.pending = slices.DeleteFunc(s.pending, func(d due) bool { return d.step != none && d.step <= step })
	s.voice.forget(s.now, step)
	if s.left > 0 && !s.over {
		s.hangUp(s.left)
	}
}

// step gives the machine an input, and all that comes of it at once.
func (s *simulation) step(at time.Duration, in conversation.Input) {
	s.now = at
	for waiting := []conversation.Input{in}; len(waiting) > 0; waiting = waiting[1:] {
		s.before(at, waiting[0])
		outs := slices.Clone(s.m.Step(at, waiting[0]))
		waiting = append(waiting, s.after(at, waiting[0], outs)...)
	}
}

// before notes what is about to be given to the machine.
func (s *simulation) before(at time.Duration, in conversation.Input) {
	s.player.take(at, in)
	switch in := in.(type) {
	case conversation.TimerFired:
		delete(s.timers, in.Name)
	case conversation.ModelText:
		if t := s.asked[in.Gen]; t != nil {
			t.texted = true
		}
	case conversation.HungUp:
		s.over = true
	case conversation.Resumed:
		s.lose(at)
		s.life++
		s.dead = false
	}
}

// die ends the process: nothing of what it was at goes on.
func (s *simulation) die(at time.Duration) {
	s.now, s.dead, s.until = at, true, at
	s.lose(at)
}

// lose drops all that is to come but the end of the line.
func (s *simulation) lose(at time.Duration) {
	s.pending = slices.DeleteFunc(s.pending, func(d due) bool {
		_, ends := d.in.(conversation.HungUp)
		return !ends
	})
	s.voice.hush()
	s.player = player{tick: s.player.tick, free: at}
}

// after carries out what the machine answered, and returns what is to be told to it at
// once.
func (s *simulation) after(at time.Duration, in conversation.Input, outs []conversation.Output) (told []conversation.Input) {
	s.floor.step(at, in, outs)
	s.course.step(at, in, outs, s.actor.next)
	for _, out := range outs {
		if stopped := s.obey(at, out); stopped != nil {
			told = append(told, stopped)
		}
	}
	return told
}

func (s *simulation) obey(at time.Duration, out conversation.Output) conversation.Input {
	switch out := out.(type) {
	case conversation.Arm:
		s.timers[out.Name] = out
	case conversation.Disarm:
		delete(s.timers, out.Name)
	case conversation.AskModel:
		s.ask(at, out)
	case conversation.CancelModel:
		s.pending = slices.DeleteFunc(s.pending, func(d due) bool { return d.gen == out.Gen })
	case conversation.RunTool:
		s.run(at, out)
	case conversation.Hangup:
		s.hangUp(at)
	default:
		return s.obeySound(at, out)
	}
	return nil
}

func (s *simulation) obeySound(at time.Duration, out conversation.Output) conversation.Input {
	switch out := out.(type) {
	case conversation.Say:
		s.say(at, out)
	case conversation.Unsay:
		s.player.drop(out.Utt)
		s.voice.drop(at, out.Utt)
	case conversation.PausePlayout:
		return s.player.pause(at)
	case conversation.ResumePlayout:
		s.player.resume(at, out)
	case conversation.StopPlayout:
		s.voice.hush()
		return s.player.stop(at)
	}
	return nil
}

func (s *simulation) say(at time.Duration, out conversation.Say) {
	if !s.player.say(out.Utt, out.Ahead) {
		return
	}
	if s.exact {
		r := s.calls.utts[out.Utt]
		r.used = true
		s.voice.follow(out.Utt, r, out.Ahead != 0)
		return
	}
	r := s.calls.sounds.take(out.Text, s.life)
	if r == nil {
		r = &recording{replies: []reply{{in: s.calls.pace.speak(out.Text), after: s.calls.pace.first, step: none}}}
	}
	s.voice.say(at, out.Utt, r, out.Ahead != 0)
}

// ask gives the model a question: an equal one of the call has its answer.
func (s *simulation) ask(at time.Duration, out conversation.AskModel) {
	if out.Hedge || s.err != nil {
		return
	}
	s.asked[out.Gen] = &thought{ask: out}
	r := s.calls.gens[out.Gen]
	if s.exact {
		r.used = true
	} else if r = s.known(out); r == nil || !r.whole && s.o.Model != nil {
		s.compose(at, out)
		return
	}
	s.reply(at, out.Gen, r)
}

// reply gives an answer of the call.
func (s *simulation) reply(at time.Duration, gen uint64, r *recording) {
	for _, p := range r.replies {
		s.later(due{at: at + p.after, reply: p, gen: gen})
	}
}

// known is the answer of the call to an equal question; nil for none.
func (s *simulation) known(out conversation.AskModel) *recording {
	if s.o.OtherPrompt {
		return nil
	}
	key, err := question(out)
	s.err = err
	return s.calls.answers.take(key, s.life)
}

// compose gives the answer of Options.Model to a question, or leaves it out.
func (s *simulation) compose(at time.Duration, out conversation.AskModel) {
	if s.o.Model == nil {
		at += s.calls.thinks + s.calls.pace.first // until then the caller may go on
		s.later(due{at: at, gen: out.Gen, reply: reply{in: conversation.ModelDone{Gen: out.Gen, Silent: true}, step: none, mark: LeftOut}})
		return
	}
	answer, err := s.o.Model(out)
	if err != nil {
		s.err = err
		return
	}
	at += s.calls.thinks
	mark := Composed
	for word := range strings.SplitAfterSeq(answer.Text, " ") {
		if word != "" {
			s.later(due{at: at, gen: out.Gen, reply: reply{in: conversation.ModelText{Gen: out.Gen, Text: word}, step: none, mark: mark}})
			mark = ""
		}
	}
	for _, c := range answer.Calls {
		s.later(due{at: at, gen: out.Gen, reply: reply{in: conversation.ModelCall{Gen: out.Gen, ID: c.ID, Name: c.Name, Args: c.Args}, step: none, mark: mark}})
		mark = ""
	}
	silent := answer.Text == "" && len(answer.Calls) == 0
	s.later(due{at: at, gen: out.Gen, reply: reply{in: conversation.ModelDone{Gen: out.Gen, Silent: silent}, step: none, mark: mark}})
}

// run runs a tool: an equal call of the call has its result.
func (s *simulation) run(at time.Duration, out conversation.RunTool) {
	if leaves(out) {
		defer s.hangUp(at) // behind its result, if it comes at once
	}
	r := s.calls.tools[out.ID]
	if !s.exact {
		r = s.calls.results.take(toolCall(out), s.life)
	} else if r.used = true; len(r.replies) == 0 && out.Name != endConversation {
		return // it had no result before the call was over
	}
	if r != nil && r.whole && len(r.replies) == 0 {
		return // it had no result in time
	}
	if r != nil && len(r.replies) > 0 {
		s.later(due{at: at + r.replies[0].after, reply: r.replies[0], call: out.ID})
		return
	}
	p := reply{in: conversation.ToolDone{Result: "unknown action: " + out.Name, Failed: true}, step: none}
	switch {
	case out.Name == endConversation:
		p.in, p.after = conversation.ToolDone{Result: "done"}, s.calls.hangs
	case !out.Unoffered:
		p.in, p.mark = unknownResult(), UnknownResult
	}
	s.later(due{at: at + p.after, reply: p, call: out.ID})
}

// hangUp ends the line from our side.
func (s *simulation) hangUp(at time.Duration) {
	if s.exact {
		s.left = at
		return // the journal tells when the line is over
	}
	s.later(due{at: at + s.calls.hangs, reply: reply{in: conversation.HungUp{Reason: "normal"}, step: none}})
}

// later has something come at its time, behind what comes then already.
func (s *simulation) later(d due) {
	i := len(s.pending)
	for i > 0 && s.pending[i-1].at > d.at {
		i--
	}
	s.pending = slices.Insert(s.pending, i, d)
}

// play plays the rest of the call.
func (s *simulation) play(until time.Duration) {
	for s.err == nil && !s.over {
		at, act := s.next()
		if act == nil || at > until || at > s.actor.silence && s.idle() {
			break
		}
		act(at)
	}
	for _, d := range slices.Clone(s.pending) { // what was begun is completed
		if _, ok := d.in.(conversation.ToolDone); ok && s.over && s.err == nil {
			s.come(max(s.now, d.at), d)
		}
	}
}

// idle reports whether nothing but silence is to come.
func (s *simulation) idle() bool {
	for name := range s.timers {
		switch name {
		case conversation.TimerIdle, conversation.TimerSilence, conversation.TimerDuration, conversation.TimerGuard:
		default:
			return false
		}
	}
	return s.actor.rest() == 0 && !s.floor.busy() && len(s.pending) == 0
}

// next returns what comes next; nil when nothing does.
func (s *simulation) next() (at time.Duration, act func(time.Duration)) {
	first := func(t time.Duration, f func(time.Duration)) {
		if t = max(t, s.now); act == nil || t < at {
			at, act = t, f
		}
	}
	if len(s.pending) > 0 {
		first(s.pending[0].at, s.answer)
	}
	if s.dead {
		if t, ok := s.actor.due(s.now, &s.floor); ok {
			first(t, s.call)
		}
		return at, act
	}
	if t, ok := s.voice.due(); ok {
		first(t, func(t time.Duration) { s.come(t, due{reply: s.voice.take()}) })
	}
	if t, in, ok := s.player.next(); ok {
		first(t, func(t time.Duration) { s.step(t, in) })
	}
	t, ok := s.actor.due(s.now, &s.floor)
	if ok && !s.actor.dies() {
		first(t, s.call)
	}
	if a, ok := s.timer(); ok {
		first(a.At, func(t time.Duration) { s.step(t, conversation.TimerFired{Name: a.Name, Epoch: a.Epoch}) })
	}
	if ok && s.actor.dies() {
		first(t, s.call) // behind all that comes at the same time
	}
	return at, act
}

// timer is the one that is due first.
func (s *simulation) timer() (first conversation.Arm, ok bool) {
	for _, a := range s.timers {
		if !ok || a.At < first.At || a.At == first.At && a.Name < first.Name {
			first, ok = a, true
		}
	}
	return first, ok
}

// answer gives the machine what comes first of the model and the tools.
func (s *simulation) answer(at time.Duration) {
	d := s.pending[0]
	s.pending = s.pending[1:]
	s.come(at, d)
}

// call has the caller do what comes next.
func (s *simulation) call(at time.Duration) {
	in := s.actor.take(at, &s.floor)
	if s.actor.unanswered {
		s.course.mark(at, Unanswered)
		s.actor.unanswered = false
	}
	switch in := in.(type) {
	case nil:
		s.die(at)
	case conversation.Resumed:
		in.Until = s.until
		s.step(at, in)
	default:
		s.step(at, in)
	}
}

// come gives the machine what came of an output.
func (s *simulation) come(at time.Duration, d due) {
	if d.mark != "" {
		s.course.mark(at, d.mark)
	}
	switch in := d.in.(type) {
	case nil:
		s.goOn(at, d.gen)
		return
	case conversation.ModelText:
		in.Gen = d.gen
		d.in = in
	case conversation.ModelCall:
		in.Gen = d.gen
		d.in = in
	case conversation.ModelDone:
		in.Gen = d.gen
		d.in = in
	case conversation.ModelFailed:
		in.Gen = d.gen
		d.in = in
	case conversation.ToolDone:
		in.ID = d.call
		d.in = in
	}
	s.step(at, d.in)
}

// goOn ends an answer of which the call has not all: what is known of it is the answer.
func (s *simulation) goOn(at time.Duration, gen uint64) {
	t := s.asked[gen]
	switch {
	case t.texted:
		s.course.mark(at, CutOff)
		s.step(at, conversation.ModelDone{Gen: gen})
	default:
		if r := s.known(t.ask); r != nil && r.whole { // asked again in the call, as its process had died
			s.reply(at, gen, r)
			return
		}
		s.compose(at, t.ask)
	}
}
