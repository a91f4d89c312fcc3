package call

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/handover"
	"github.com/sidetone/sidetone/conversation/turns"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/telephony"
)

// Session is one live call. run owns the machine and every field below it;
// helpers reach the session through its inbox only.
type Session struct {
	call  sidetone.Call
	plan  Plan
	clock Clock
	log   *slog.Logger

	asked bool // to end, by the record; the exchange's

	inbox   *inbox
	start   time.Time                       // zero of the machine's time, when the session was made
	first   *party                          // the other end of the call
	parties []*party                        // the first is the other end of the call
	legs    atomic.Pointer[[]telephony.Leg] // of the parties, for whoever is not run
	ear     *ear
	mouth   *mouth
	mind    *mind
	tools   *toolRunner
	secrets *secrets // nil for an echo, as fields
	fields  *fields
	paused  bool // the recording, by an order
	rec     Recorder
	tape    Tape // nil: packets are not kept
	record  func(sidetone.Event)
	rewrite func()                 // stores how to hang up the legs
	left    atomic.Pointer[string] // why a leg is not known to be closed; nil: all are

	handover   handingOver
	fetching   *fetching               // a person who is asked whether they take the caller; nil: nobody is
	rescued    bool                    // somebody else was to take the call, as nobody here serves it
	alone      bool                    // the caller is gone, and a person is still to be told
	away       atomic.Pointer[handing] // with whom the far end went on; nil: it did not
	lines      lines
	ledger     Ledger
	comfort    bool            // new players play soft noise while nobody speaks
	wheel      *Wheel          // of the parties
	live       context.Context // ends with the conversation
	stopSpeech func()          // lets who listens and speaks go
	regained   *answered       // the second leg that was taken up; nil: there is none

	machine  *conversation.Machine // nil for an echo, as ear, mouth, mind and tools
	meter    turns.Meter           // of its turns
	turned   func(TurnTaken)
	journal  Journal // noJournal when none is kept
	timers   map[conversation.Timer]armed
	stop     func() bool // of the clock's timer
	sequence int64
	spoken   []sidetone.Event // what the transcript is made of
	failures map[string]bool  // kinds of failures that the call's errors have
	blame    *failure         // what the machine is being told of
	thinking string           // how a model has failed last
	answered time.Duration    // when the call was answered
	talked   bool             // it was answered at all
	resumed  bool             // another process has had it until known
	known    time.Duration
	run      *detail                       // that the entry is about which is noted
	before   map[string]sidetone.ActionRun // the runs of the process before, by key
	wished   map[string]string             // the key of the last run by the model's name of it, of the process before
	settling string                        // the model's name of the run whose result the machine was given
	flowing  bool                          // the machine knows that media flows

	remote bool // the far end ended the call
	cause  telephony.Cause
	reason string // our own reason to hang up
	broke  string // what went wrong, when the reason is "error"
	err    error
	line   *sidetone.LineQuality // how it was, when the call is over

	stopWaiting func() bool        // stops the timer that runs since our hang-up
	stopWarming context.CancelFunc // ends the opening of connections; nil: none were to be opened
	wg          sync.WaitGroup
}

// caller is the party whose call this is: the other end of the call. It never changes.
func (s *Session) caller() *party { return s.first }

// setParties says who is in the call; the caller is the first.
func (s *Session) setParties(parties ...*party) {
	s.parties = parties
	legs := make([]telephony.Leg, len(parties))
	for i, p := range parties {
		legs[i] = p.leg
	}
	s.legs.Store(&legs)
}

// seat gives a party its turns.
func (s *Session) seat(p *party) { p.remove = s.wheel.add(p.player) }

// confirmTimeout is how long a leg may take to end after our own hang-up; the
// call is over then all the same.
const confirmTimeout = 10 * time.Second

// abandoned says that the leg has not ended in time.
type abandoned struct{}

// mediaWait is how long the first received sound is awaited before the agent
// speaks all the same.
const mediaWait = time.Second

// rehearseAfter is when what the agent may have to say at once is prepared.
const rehearseAfter = time.Second

// armed is a timer of the machine.
type armed struct {
	epoch uint64
	at    time.Duration
}

// legEnded is the reader's last post.
type legEnded struct{ ev telephony.Event }

// now is the machine's time.
func (s *Session) now() time.Duration { return s.clock.Now().Sub(s.start) }

// leave asks a session to end for a reason that is not the conversation's own.
type leave struct{ reason string }

// converse runs the answered call to its end: until the leg is over or ctx
// ends. It returns after every helper has.
func (s *Session) converse(ctx context.Context, wheel *Wheel) {
	ctx, cancel := context.WithCancel(ctx)
	s.live, s.wheel = ctx, wheel
	s.startSpeech(ctx)
	for _, p := range s.parties {
		s.seat(p)
	}
	defer s.after(mediaWait, conversation.MediaStarted{})()
	if s.plan.Echo {
		defer s.after(cmp.Or(s.call.Snapshot.Agent.CallDuration, longestEcho), leave{"max_duration"})()
	}
	if err := s.safely("conversation", func() {
		s.takeUp(ctx)
		s.loop(ctx)
	}); err != nil {
		s.fail(err)
		s.awaitEnd()
	}
	if s.stopWaiting != nil {
		s.stopWaiting()
	}
	for _, p := range s.parties {
		p.remove()
		p.player.close()
	}
	cancel()
	if s.stopWarming != nil {
		s.stopWarming()
	}
	if s.stop != nil {
		s.stop()
	}
	s.settle(ctx)
	s.noteAway()
	s.noteLeft()
}

// settle waits for all that still works for the call.
func (s *Session) settle(ctx context.Context) {
	if s.plan.Echo {
		s.wg.Wait()
		return
	}
	s.mind.wait()
	s.wg.Wait()
	s.settleTools(ctx)
}

// startSpeech starts what recognises and speaks.
func (s *Session) startSpeech(ctx context.Context) {
	if s.plan.Echo {
		return
	}
	ctx, s.stopSpeech = context.WithCancel(ctx)
	s.mind.attend()
	if len(s.plan.Recognisers) > 0 {
		s.ear.begin()
		s.spawn("recogniser", func() { s.ear.run(ctx) })
	}
	if len(s.plan.Voices) == 0 {
		return
	}
	s.spawn("voice", func() { s.mouth.run(ctx) })
	s.spawn("rehearsal", func() {
		s.clock.Sleep(rehearseAfter, ctx.Done()) // the greeting comes first
		s.mouth.rehearse(ctx)
	})
}

// after posts v once d has passed, unless stop is called first.
func (s *Session) after(d time.Duration, v any) (stop func() bool) {
	return s.clock.AfterFunc(d, func() { s.inbox.post(v) })
}

// awaitEnd waits for the leg's end, for as long as it may take.
func (s *Session) awaitEnd() {
	late := make(chan struct{})
	stop := s.clock.AfterFunc(confirmTimeout, func() { close(late) })
	defer stop()
	select {
	case <-s.caller().ended:
	case <-late:
		s.abandon()
	}
}

// abandon ends a call whose leg does not.
func (s *Session) abandon() {
	s.log.Warn("the line does not confirm that the call is over")
	s.addError("the line did not confirm the end of the call")
	for _, p := range s.parties {
		p.drop()
	}
}

// endOthers hangs up everybody but the caller, who is gone.
func (s *Session) endOthers() {
	for _, p := range s.parties[1:] {
		s.turnAway(p.leg)
	}
}

// loop steps the machine until the leg is over.
func (s *Session) loop(ctx context.Context) {
	done := ctx.Done()
	for {
		for v := s.inbox.next(); v != nil; v = s.inbox.next() {
			if s.take(ctx, v) {
				return
			}
		}
		select {
		case <-s.inbox.ready:
		case <-done:
			s.giveUp("shutdown")
			done = nil // the leg's end is still to come
		}
	}
}

// take handles one post; it reports whether the leg is over.
func (s *Session) take(ctx context.Context, v any) bool {
	switch v := v.(type) {
	case legEnded:
		s.remote, s.cause, s.err = v.ev.Remote, v.ev.Cause, v.ev.Err
		if !v.ev.Remote {
			s.hangup(telephony.CauseNormal) // a reader that was stopped leaves the leg standing
		}
		s.tell(ctx, conversation.HungUp{Remote: v.ev.Remote, Reason: v.ev.Cause.String()})
		s.forgo(ctx)
		if s.fetching != nil { // the person is told that nobody is there any more
			s.alone = true
			s.after(confirmTimeout, abandoned{})
			return false
		}
		s.endOthers()
		return true
	case ofOther:
		s.otherTold(ctx, v)
	case handing:
		s.handOver(ctx, v)
	case ringing:
		s.rings(v)
	case answered:
		s.meet(ctx, v)
	case handedBack:
		s.handBack(ctx, v)
	case unrescued:
		s.part(v.out)
	case fetch:
		s.fetchPerson(ctx, v)
	case reached:
		s.reach(ctx, v)
	case fetchFailed:
		v.f.why = errors.Unwrap(v.err)
		s.fetchStep(ctx, v.f, handover.Refused{Outcome: refusedAs(v.err)})
	case fetched:
		s.fetchStep(ctx, v.f, v.in)
	case spoken:
		if v.utt == v.f.said {
			s.fetchStep(ctx, v.f, handover.Said{})
		}
	case asked:
		s.event(sidetone.EventError, string(v.part)+": "+v.source.Vendor+" is asked too", map[string]any{"part": string(v.part), "vendor": v.source.Vendor})
	case failure:
		s.blamed(ctx, v)
	case moved:
		s.rewrite()
	case passed:
		s.passedOver(v)
	case abandoned:
		if s.alone {
			s.endOthers()
			return true
		}
		s.abandon()
		s.tell(ctx, conversation.HungUp{Reason: "not confirmed"})
		return true
	case waits:
		s.waited(ctx, v)
	case llm.Note:
		s.noted(v)
	case due:
		s.fire(ctx)
	case leave:
		s.giveUp(v.reason)
	case recordingWish:
		v.done <- s.pauseRecording(v.paused)
	case broken:
		if v.stack != nil {
			s.log.Error("panic", slog.Any("error", v.err), slog.String("stack", string(v.stack)))
		}
		s.fail(v.err)
	case conversation.Input:
		s.tell(ctx, v)
	}
	return s.alone && s.fetching == nil
}

// tell lets the machine know of an input that came from outside of it.
func (s *Session) tell(ctx context.Context, in conversation.Input) {
	if s.plan.Echo {
		s.echo(in)
		return
	}
	if s.handover.done && s.bridged(in) {
		return
	}
	if _, ok := in.(conversation.MediaStarted); ok {
		if s.flowing {
			return
		}
		s.flowing = true
	}
	switch in := in.(type) {
	case conversation.SpeechStarted:
		s.secrets.speaks()
	case conversation.SpeechEnded:
		s.ear.spoke(in.Length)
	case conversation.Digit:
		if in = s.secrets.press(in); in.Ref == 0 {
			s.mind.press(in.Key)
		}
		s.step(ctx, in)
		return
	case conversation.Heard:
		s.step(ctx, s.secrets.hear(in))
		return
	case conversation.Held:
		s.held(ctx, true)
		return
	case conversation.Unheld:
		s.held(ctx, false)
		return
	case conversation.Command:
		if in.Verb == "end" {
			s.forgo(ctx)
		}
	}
	s.step(ctx, in)
}

// waited asks a model that has something to say; one that cannot follow the call is
// asked, and so found out, when it was to speak first.
func (s *Session) waited(ctx context.Context, w waits) {
	if s.mind.leads() && (w.err == nil || s.call.Snapshot.Agent.InitialMessage == "") {
		s.tell(ctx, conversation.ModelWaits{})
	}
}

// longestEcho is how long an echo lasts whose agent says nothing of it.
const longestEcho = 2 * time.Hour

// echo is what an agent does that only returns the sound: it notes the keys, and
// ends when it is told to.
func (s *Session) echo(in conversation.Input) {
	switch in := in.(type) {
	case conversation.Digit:
		s.event(sidetone.EventDigits, string(in.Key), nil)
	case conversation.Command:
		if in.Verb == "end" {
			s.giveUp("api")
		}
	}
}

// step feeds the machine and carries out what it wishes.
func (s *Session) step(ctx context.Context, in conversation.Input) {
	for pending := []conversation.Input{in}; len(pending) > 0; pending = pending[1:] {
		now := s.now()
		s.journal.Input(now, pending[0]) // before anything comes of it
		outs := s.machine.Step(now, pending[0])
		s.journal.Outputs(outs)
		if _, ok := pending[0].(conversation.Played); ok {
			s.spawn("journal", s.commit) // what was heard to its end is not said again by a process that takes the call over
		}
		turn, over := s.meter.Step(now, pending[0], outs)
		done, _ := pending[0].(conversation.ToolDone)
		s.settling = done.ID
		for _, out := range outs {
			if reply := s.obey(ctx, out); reply != nil {
				pending = append(pending, reply)
			}
		}
		if over {
			s.turnOver(turn)
		}
	}
	s.rearm()
}

// obey carries one output out; some are answered at once.
func (s *Session) obey(ctx context.Context, out conversation.Output) conversation.Input {
	switch out := out.(type) {
	case conversation.AskModel:
		if !s.handover.done {
			s.mind.ask(ctx, out)
		}
	case conversation.CancelModel:
		s.mind.cancel(out.Gen)
	case conversation.Say:
		if !s.handover.done {
			s.say(ctx, out)
		}
	case conversation.Unsay:
		s.mouth.unsay(out.Utt)
	case conversation.PausePlayout:
		return s.silence((*Player).pause)
	case conversation.ResumePlayout:
		s.caller().player.resume(out.Utt, out.At)
	case conversation.StopPlayout:
		s.mouth.hush()
		return s.silence((*Player).stop)
	case conversation.FinalizeSpeech:
		s.secrets.finalizes()
		s.ear.finalize()
	case conversation.ResetDetector:
		if d := s.caller().detector; d != nil {
			d.reset()
		}
	case conversation.Arm:
		s.timers[out.Name] = armed{out.Epoch, out.At}
	case conversation.Disarm:
		delete(s.timers, out.Name)
	case conversation.RunTool:
		s.tools.run(out)
	case conversation.Hangup:
		if !s.rescue(out) {
			s.part(out)
		}
	case conversation.Cover:
		s.hide(true)
	case conversation.Uncover:
		s.hide(false)
	case conversation.Collected:
		s.took(out)
	case conversation.Note:
		s.noteRun(s.now(), out)
	}
	return nil
}

// part hangs up as the machine wants it.
func (s *Session) part(out conversation.Hangup) {
	s.reason, s.broke = out.Reason, s.explained(out.Cause)
	s.hangup(telephony.CauseNormal)
}

// silence stops the agent's sound at once and tells what of it was heard.
func (s *Session) silence(stop func(*Player) conversation.Stopped) conversation.Input {
	stopped := stop(s.caller().player)
	_ = s.caller().leg.Clear() // an ended leg reports itself
	return stopped
}

// say speaks an utterance behind the others, or before one whose sound is late.
func (s *Session) say(ctx context.Context, out conversation.Say) {
	if out.Ahead == 0 {
		s.mouth.say(out)
	} else if speak := s.mouth.interject(ctx, out); speak != nil {
		s.spawn("voice", speak)
	}
}

// giveUp ends the call for a reason that is not the conversation's own; an
// earlier reason stands.
func (s *Session) giveUp(reason string) {
	if s.reason == "" {
		s.reason = reason
	}
	s.hangup(telephony.CauseNormal)
}

// fail ends the call because a part of it broke.
func (s *Session) fail(err error) {
	s.broke = cmp.Or(s.broke, Public(err))
	s.failed(Public(err))
	s.giveUp("error")
}

// hangup ends the legs without holding the session up; the reader reports the
// end.
func (s *Session) hangup(cause telephony.Cause) {
	if s.stopWaiting == nil {
		s.stopWaiting = s.clock.AfterFunc(confirmTimeout, func() { s.inbox.postUrgent(abandoned{}) })
	}
	for _, p := range s.parties {
		s.spawn("hang-up", func() {
			s.commit() // a process that takes the call over must not go on with it
			ctx, cancel := withTimeout(s.clock, hangupTimeout)
			defer cancel()
			if err := p.leg.Hangup(ctx, cause); err != nil {
				s.log.Warn("hang up", slog.Any("error", err))
				s.unconfirmed(err)
			}
		})
	}
}

// due says that the clock's timer fired.
type due struct{}

// fire steps the machine with every timer that is due.
func (s *Session) fire(ctx context.Context) {
	for now := s.now(); ; {
		name, first, ok := s.earliest()
		if !ok || first.at > now {
			break
		}
		delete(s.timers, name)
		if name == conversation.TimerDuration {
			s.forgo(ctx)
			if s.handover.done { // nobody is there to say goodbye
				s.giveUp("max_duration")
				continue
			}
		}
		s.step(ctx, conversation.TimerFired{Name: name, Epoch: first.epoch})
	}
	s.rearm()
}

func (s *Session) earliest() (name conversation.Timer, first armed, ok bool) {
	for n, a := range s.timers {
		if !ok || a.at < first.at || a.at == first.at && n < name {
			name, first, ok = n, a, true
		}
	}
	return name, first, ok
}

// rearm sets the clock's timer to the earliest of the machine's.
func (s *Session) rearm() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	if _, first, ok := s.earliest(); ok {
		s.stop = s.clock.AfterFunc(max(0, first.at-s.now()), func() { s.inbox.post(due{}) })
	}
}
