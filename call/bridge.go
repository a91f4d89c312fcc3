package call

import (
	"context"
	"log/slog"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/handover"
	"github.com/sidetone/sidetone/telephony"
)

// handing, ringing, answered and handedBack are what a session learns of somebody who is
// to take the agent's place, in this order.
type (
	handing struct {
		by      any // who hands over, and nobody else at the same time
		to, way string
		cancel  context.CancelFunc
	}
	ringing  struct{ by any }
	answered struct {
		by       any
		leg      telephony.Leg
		recorded bool // also when no agent is on the line
	}
	handedBack struct {
		by      any
		outcome string
		why     error
	}
)

// ofOther is an event of a party that is not the caller.
type ofOther struct{ v any }

// handingOver is what a session knows of the handing over of its caller.
type handingOver struct {
	// under is what was begun; nil when the caller is the agent's, or has been handed over.
	under *handing
	// forgone says that it is not to be any more.
	forgone bool
	// done says that the agent has left: the caller talks to somebody else.
	done bool
	// lineHeld says that the far end has the call on hold.
	lineHeld bool
	// stage is how far the carrier's side has come because of it.
	stage sidetone.CallStage
}

// held is told that the far end put the call on hold, or took it back. The machine has it
// on hold, too, while somebody is being fetched.
func (s *Session) held(ctx context.Context, on bool) {
	s.handover.lineHeld = on
	if s.handover.under == nil && !s.handover.done {
		s.hold(ctx, on)
	}
}

// hold stops the machine, or lets it go on.
func (s *Session) hold(ctx context.Context, on bool) {
	if on {
		s.step(ctx, conversation.Held{})
	} else {
		s.step(ctx, conversation.Unheld{})
	}
}

// handOver begins to hand the caller over: the agent falls silent.
func (s *Session) handOver(ctx context.Context, h handing) {
	if s.handover.under != nil || s.handover.done {
		h.cancel() // one at a time
		return
	}
	s.handover.under, s.handover.forgone = &h, false
	s.toStage(sidetone.StageTransferStarted)
	s.event(sidetone.EventTransfer, "started", map[string]any{"to": h.to, "way": h.way})
	if !s.handover.lineHeld {
		s.hold(ctx, true)
	}
}

// rings lets the caller hear that it rings.
func (s *Session) rings(r ringing) {
	if h := s.handover.under; h != nil && h.by == r.by && s.reason == "" {
		s.event(sidetone.EventTransfer, "ringing", map[string]any{"to": h.to, "way": h.way})
		if h.way != wayWarm { // else there is music
			s.caller().player.play(ringBack(s.caller().player.rate, h.to))
		}
	}
}

// handBack gives the caller back to the agent.
func (s *Session) handBack(ctx context.Context, b handedBack) {
	h := s.handover.under
	if h == nil || h.by != b.by {
		return
	}
	s.handover.under = nil
	s.caller().player.play(nil)
	s.event(sidetone.EventTransfer, b.outcome, map[string]any{"to": h.to, "way": h.way, "error": Public(b.why)})
	if !s.handover.lineHeld {
		s.hold(ctx, false)
	}
}

// forgo gives up handing the caller over: they left, or the call is to end.
func (s *Session) forgo(ctx context.Context) {
	if f := s.fetching; f != nil {
		s.fetchStep(ctx, f, handover.CallerLeft{})
	}
	if h := s.handover.under; h != nil {
		s.handover.forgone = true
		h.cancel()
		s.caller().player.play(nil)
	}
}

// meet joins the caller with who has answered, and lets the agent go. A call that is ending
// meets nobody.
func (s *Session) meet(ctx context.Context, a answered) {
	h := s.handover.under
	if h == nil || h.by != a.by || s.handover.forgone || s.reason != "" {
		s.turnAway(a.leg)
		return
	}
	s.joinWith(ctx, a)
	s.toStage(sidetone.StageTransferSuccessful)
	s.event(sidetone.EventTransfer, transferConnected, map[string]any{"to": h.to, "way": transferBridge})
}

// turnAway hangs up a leg that nobody needs any more.
func (s *Session) turnAway(leg telephony.Leg) {
	s.spawn("hang-up", func() {
		ctx, cancel := withTimeout(s.clock, hangupTimeout)
		defer cancel()
		if err := leg.Hangup(ctx, telephony.CauseNormal); err != nil {
			s.log.Warn("hang up", slog.Any("error", err))
			s.unconfirmed(err)
		}
	})
}

// joinWith makes a party of a leg and lets the caller and it hear each other, without the
// agent.
func (s *Session) joinWith(ctx context.Context, a answered) {
	other := s.newOther(a.leg)
	s.receive(ctx, other)
	s.letGo(a.recorded)
	join(s.caller(), other)
	s.rewrite()
}

// receive makes a leg's party one of the call.
func (s *Session) receive(ctx context.Context, p *party) {
	s.setParties(s.caller(), p)
	s.seat(p)
	reading, stop := context.WithCancel(ctx)
	p.drop = stop
	s.spawn("second leg", func() {
		defer stop()
		p.read(reading)
	})
	s.rewrite()
}

// newOther makes a party of a leg whose words nobody but the caller listens to.
func (s *Session) newOther(leg telephony.Leg) *party {
	p := &party{leg: leg, inbox: s.inbox, clock: s.clock, log: s.log, ended: make(chan struct{}), second: true}
	p.player = newPlayer(leg, s.comfort, s.inbox.post)
	return p
}

// letGo lets the agent go: nothing listens, thinks or speaks for this call any more. What
// the caller hears is recorded from here on only where the environment wants it.
func (s *Session) letGo(recorded bool) {
	s.handover.under, s.handover.done = nil, true
	s.caller().deaf.Store(true)
	s.stopSpeech()
	s.mouth.hush()
	s.mind.stop()
	s.caller().player.handOver(recorded)
	if s.plan.Release != nil {
		s.plan.Release()
	}
}

// otherTold takes an event of a party that is not the caller.
func (s *Session) otherTold(ctx context.Context, o ofOther) {
	switch v := o.v.(type) {
	case conversation.Digit:
		if f := s.fetching; f != nil {
			s.fetchStep(ctx, f, handover.Digit{Key: v.Key})
			return
		}
		s.passKey(s.caller(), v.Key)
	case legEnded:
		if f := s.fetching; f != nil {
			s.fetchStep(ctx, f, handover.PersonLeft{})
			return
		}
		if v.ev.Err != nil {
			s.log.Warn("the second leg is over", slog.Any("error", v.ev.Err))
		}
		s.parted(v)
	}
}

// parted ends the call of a caller who is alone: the one that they were handed to is gone.
func (s *Session) parted(ended legEnded) {
	if s.handover.done && s.reason == "" {
		s.event(sidetone.EventTransfer, "over", map[string]any{"cause": ended.ev.Cause.String()})
		s.giveUp(endTransferred)
	}
}

// endTransferred is the reason of a call whose caller was handed to somebody who hung up.
const endTransferred = "transfer_over"

// passKey presses a key of the one party's for the other.
func (s *Session) passKey(p *party, key rune) {
	line, ok := p.leg.(telephony.DigitSender)
	if !ok {
		return
	}
	s.spawn("key", func() {
		ctx, cancel := withTimeout(s.clock, hangupTimeout)
		defer cancel()
		if err := line.SendDigits(ctx, string(key)); err != nil {
			s.log.Warn("pass a key on", slog.Any("error", err))
		}
	})
}

// bridged takes what happens on the caller's side once the agent has left, and reports
// whether the machine needs not hear of it.
func (s *Session) bridged(in conversation.Input) bool {
	switch in := in.(type) {
	case conversation.HungUp, conversation.ToolDone:
		return false
	case conversation.Digit:
		for _, p := range s.parties[1:] {
			s.passKey(p, in.Key)
		}
	case conversation.Command:
		if in.Verb == "end" {
			s.giveUp("api")
		}
	}
	return true
}

// toStage notes how far the carrier's side has come.
func (s *Session) toStage(stage sidetone.CallStage) {
	s.handover.stage = stage
	s.spawn("record", func() {
		ctx, cancel := withTimeout(s.clock, storeTimeout)
		defer cancel()
		// The end of the call stores it anyway.
		_, err := s.ledger.MarkCall(ctx, s.call.EnvironmentID, s.call.ID, func(c *sidetone.Call) { c.Stage = later(c.Stage, stage) })
		if err != nil && sidetone.CodeOf(err) != sidetone.Conflict {
			s.log.Warn("store the stage of the call", slog.Any("error", err))
		}
	})
}

// later is the one of two stages that comes after the other.
func later(a, b sidetone.CallStage) sidetone.CallStage {
	if a == sidetone.StageTransferSuccessful {
		return a
	}
	return b
}

// outcome is that of a call, given how its conversation ended.
func (s *Session) outcome(otherwise sidetone.StageOutcome) sidetone.StageOutcome {
	switch {
	case s.away.Load() != nil, s.handover.done:
		return sidetone.OutcomeTransferDisconnected
	case s.handover.under != nil:
		return sidetone.OutcomeTransferUnanswered
	}
	return otherwise
}

// regain takes up the second leg of a call that had one when its process died, if the
// caller was talking to it; else hangs it up: the agent goes on. closer hangs up what is not
// taken up.
func (x *Exchange) regain(ctx context.Context, s *Session, lines telephony.Resumer, dialogs []string) {
	if len(dialogs) == 0 {
		return
	}
	if s.call.Stage == sidetone.StageTransferSuccessful {
		leg, err := lines.Resume(ctx, dialogs[0])
		if err == nil {
			s.regained = &answered{nil, leg, s.lines.Recorded(ctx, s.call.EnvironmentID)}
			return
		}
		s.log.Warn("take up the second leg", slog.Any("error", err))
	}
	closer, ok := lines.(telephony.DialogCloser)
	if !ok {
		return
	}
	s.spawn("hang-up", func() {
		ctx, cancel := withTimeout(s.clock, hangupTimeout)
		defer cancel()
		if err := closer.CloseDialog(ctx, dialogs[0]); err != nil {
			s.log.Warn("hang up the second leg", slog.Any("error", err))
			s.unconfirmed(err)
		}
	})
}

// unrescued says that nobody else could take a call that nobody here serves any more.
type unrescued struct{ out conversation.Hangup }

// rescue hands a caller over whom the agent cannot serve any more, to whom its configuration
// names for that; false when there is nobody.
func (s *Session) rescue(out conversation.Hangup) bool {
	number := s.call.Snapshot.Agent.TransferOnFailure()
	if out.Reason != "error" || number == "" || s.rescued {
		return false
	}
	s.rescued = true
	s.failed(s.explained(out.Cause))
	t := s.transferTo(Transfer{Number: number})
	s.spawn("transfer", func() {
		ctx, cancel := withTimeout(s.clock, TransferTimeout)
		defer cancel()
		if _, err := t.Run(ctx, ToolCall{}); err != nil {
			s.inbox.post(unrescued{out})
		}
	})
	return true
}

// noteAway notes that the far end went on with somebody else.
func (s *Session) noteAway() {
	h := s.away.Load()
	if h == nil {
		return
	}
	data := map[string]any{"to": h.to, "way": h.way}
	if s.handover.under == nil { // the line was faster than the session
		s.event(sidetone.EventTransfer, "started", data)
	}
	s.handover.stage = sidetone.StageTransferSuccessful
	s.event(sidetone.EventTransfer, transferredAway, data)
}
