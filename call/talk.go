package call

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/transcriber"
)

func endCommand() conversation.Input { return conversation.Command{Verb: "end"} }

// newSession prepares a call's parts; nothing runs yet.
func (x *Exchange) newSession(c sidetone.Call, leg telephony.Leg, plan Plan) (*Session, error) {
	s := &Session{
		call: c, plan: plan, clock: x.c.Clock, inbox: newInbox(), start: x.c.Clock.Now(),
		log: x.c.Log.With(slog.String("call", c.ID)), timers: map[conversation.Timer]armed{}, failures: map[string]bool{},
		journal: noJournal{},
	}
	s.record = func(e sidetone.Event) { x.scribe.add(e, s.commit) }
	s.turned, s.ledger, s.comfort = x.c.Turned, x.c.Ledger, x.c.Comfort
	s.lines = lines{dial: x.dialSecond, Handovers: x.c.Handovers}
	if s.lines.Handovers == nil {
		s.lines.Handovers = anyhow{}
	}
	s.rewrite = func() { x.keepDialogs(s) }
	caller, err := s.newParty(leg, x.c.Comfort)
	if err != nil {
		return nil, err
	}
	s.first = caller
	s.setParties(caller)
	if plan.Echo {
		join(caller, caller)
		return s, nil
	}
	x.equip(s)
	return s, nil
}

// equip makes the parts of a conversation; an echo has none of them.
func (x *Exchange) equip(s *Session) {
	s.secrets, s.fields = newSecrets(s.call.Snapshot.Agent.Language), newFields(s)
	s.mouth, s.ear, s.mind = x.newMouth(s, s.caller().player, s.inbox.post), x.newEar(s, s.caller().player.rate, s.inbox.post), x.newMind(s)
	s.tools = newToolRunner(s, x.c.Runs)
	s.lines.equip = x.equipOther
	if caller := s.caller(); len(s.plan.Recognisers) > 0 {
		caller.connect(&recognised{detector: caller.detector, conceal: audio.NewConcealer(caller.player.rate), write: s.ear.write})
	}
	s.machine = conversation.New(machineConfig(s.call, s.plan))
	s.mouth.prepared = s.machine.Prepared()
}

// equipOther makes what speaks to another party than the caller, and listens to it: those who
// serve the call do, and what they are used for counts as theirs. post takes what they tell.
func (x *Exchange) equipOther(s *Session, p *Player, post func(any)) (*mouth, *ear) {
	m, e := x.newMouth(s, p, post), x.newEar(s, p.rate, post)
	m.candidates.post, e.candidates.post = post, post
	m.candidates.meters, e.candidates.meters = s.mouth.candidates.meters, s.ear.candidates.meters
	return m, e
}

// candidates returns an empty list of those who serve a part of the call.
func (x *Exchange) candidates(s *Session, p part) *candidates {
	return &candidates{part: p, breakers: x.broken, refused: x.c.Refused, accepted: x.c.Accepted, private: s.call.HIPAA, post: s.inbox.post,
		call: Refused{EnvironmentID: s.call.EnvironmentID, AgentID: s.call.AgentID, CallID: s.call.ID}}
}

func (x *Exchange) newMind(s *Session) *mind {
	c := x.candidates(s, partModel)
	for _, m := range s.plan.Models {
		c.add(m.Source, m.Name)
	}
	return &mind{models: s.plan.Models, candidates: c, clock: s.clock, language: s.call.Snapshot.Agent.Language, seed: s.call.ID, temperature: s.call.Snapshot.Agent.Temperature,
		system: fillPlaceholders(s.call.Snapshot.Prompt.Content, s.call.Context) + callersWords(s.call.Signalling, s.call.Snapshot.Prompt.Content), tools: append(s.plan.offered(), s.fields.tools()...), outside: s.plan.outside(),
		post: s.inbox.post, log: s.log, thoughts: map[uint64]*thought{}}
}

func (x *Exchange) newMouth(s *Session, p *Player, post func(any)) *mouth {
	c := x.candidates(s, partVoice)
	for _, v := range s.plan.Voices {
		c.add(v.Source, v.Name)
	}
	return &mouth{voices: s.plan.Voices, candidates: c, clock: s.clock, language: s.call.Snapshot.Agent.Language, player: p,
		phrases: x.c.Phrases, post: post, log: s.log, pace: make([]tempo, len(s.plan.Voices)),
		under: map[uint64]context.CancelFunc{}, ready: make(chan struct{}, 1)}
}

func (x *Exchange) newEar(s *Session, rate int, post func(any)) *ear {
	c := x.candidates(s, partRecogniser)
	for _, r := range s.plan.Recognisers {
		c.add(r.Source, "")
	}
	return &ear{recognisers: s.plan.Recognisers, candidates: c, clock: s.clock, post: post, log: s.log, rate: rate,
		config: transcriber.Config{Rate: rate, Language: s.call.Snapshot.Agent.Language}}
}

// newParty makes the party behind a leg.
func (s *Session) newParty(leg telephony.Leg, comfort bool) (*party, error) {
	p := &party{leg: leg, inbox: s.inbox, clock: s.clock, log: s.log, ended: make(chan struct{})}
	p.player = newPlayer(leg, comfort, s.inbox.post)
	if s.plan.recogniser().Carrier {
		return p, nil
	}
	d, err := newDetector(p.player.rate, s.call.Snapshot.Agent.NoiseSuppression, s.inbox.post)
	if err != nil {
		return nil, err
	}
	p.detector = d // an echo has it, too: it shows what a call takes
	if !s.plan.Echo {
		p.player.sent = d.sent
	}
	return p, nil
}

// records says that a call is to be recorded.
func (x *Exchange) records(s *Session) bool {
	return x.c.Recordings != nil && s.call.Snapshot.Agent.EnableRecording && !s.call.HIPAA
}

// openRecording starts the recorder; a call goes on without one when the disk
// refuses.
func (x *Exchange) openRecording(s *Session) {
	if !x.records(s) {
		return
	}
	rec, err := x.c.Recordings.Create(s.call.ID, s.caller().player.rate)
	if err != nil {
		s.log.Error("call is not recorded", slog.Any("error", err))
		s.call.Errors = append(s.call.Errors, "recording: "+Public(err))
		return
	}
	s.rec = rec
	s.caller().recordTo(rec)
	x.openTape(s)
}

// openTape keeps the packets of a call that is recorded.
func (x *Exchange) openTape(s *Session) {
	if x.c.Tapes == nil {
		return
	}
	s.tapeTo(x.c.Tapes.Record)
}

// tapeTo keeps the packets of the call on a tape that is made.
func (s *Session) tapeTo(make func(callID string) (Tape, error)) {
	leg, ok := s.caller().leg.(telephony.Tapped)
	if !ok {
		return
	}
	tape, err := make(s.call.ID)
	if err != nil {
		s.log.Error("the packets of a call are not kept", slog.Any("error", err))
		s.call.Errors = append(s.call.Errors, "packets: "+Public(err))
		return
	}
	s.tape = tape
	leg.Tap(gate{tape, &s.caller().quiet})
}

// discardRecording closes the recording of a call that never came to be.
func (s *Session) discardRecording() {
	if s.rec == nil {
		return
	}
	if err := s.rec.Discard(); err != nil {
		s.log.Warn("discard the recording", slog.Any("error", err))
	}
	if s.tape == nil {
		return
	}
	if err := s.tape.Discard(); err != nil {
		s.log.Warn("discard the packets", slog.Any("error", err))
	}
}

// machineConfig translates the agent's dials.
func machineConfig(c sidetone.Call, p Plan) conversation.Config {
	a := c.Snapshot.Agent
	m := conversation.Config{
		Greeting: fillPlaceholders(a.InitialMessage, c.Context), GreetingDelay: a.InitialMessageDelay,
		Outbound: c.Outgoing, WaitForGreeting: a.WaitForGreeting,
		Interrupt: conversation.Sensitivity(a.InterruptSensitivity), Endpoint: conversation.Endpointing(a.EndpointingSensitivity),
		DynamicTurns: a.EnableDynamicTurns, Speed: int(math.Round(1000 * a.ConversationSpeed)), Language: a.Language,
		AskOnIdle: a.AskIfHumanPresentOnIdle && a.MaxIdleChecks > 0, MaxIdleChecks: a.MaxIdleChecks, IdleTime: a.IdleTime,
		MaxDuration: a.CallDuration, FinalWait: p.recogniser().FinalWait, FirstTextWait: p.recogniser().FirstTextWait,
		Carrier: p.recogniser().Carrier, Eager: p.model().Eager, Actions: p.rules(), Fields: machineFields(c.Snapshot.Prompt.Fields()),
		Disclosure: fillPlaceholders(disclosing(c).Text, c.Context),
	}
	if m.IdleTime == 0 && a.IVRNavigationMode == "default" {
		m.IdleTime = ivrIdle
	}
	return m
}

// talk runs an answered call to its end and stores how it ended.
func (x *Exchange) talk(s *Session) {
	x.begin(s)
	x.run(s)
}

// begin notes that a call is answered. What it handles are large values; in a function of
// its own they do not stay on the stack for as long as the call lasts.
func (x *Exchange) begin(s *Session) {
	s.answered, s.talked = s.now(), true
	s.meter.Begin(s.answered)
	x.beginJournal(s)
	s.spawn("journal", s.commit) // from now on the call survives this process
	x.markAnswered(s)
	s.log.Info("call answered", slog.String("from", s.call.FromNumber), slog.String("to", s.call.ToNumber),
		slog.String("codec", s.caller().leg.Info().Codec))
	s.connected()
	names := unfilled(s.call.Context, s.call.Snapshot.Prompt.Content, s.call.Snapshot.Agent.InitialMessage)
	if len(names) > 0 && !s.plan.Echo { // an echo has no use for its prompt
		s.event(sidetone.EventError, "the call's context fills no placeholder named "+strings.Join(names, ", "), nil)
	}
}

// run runs a call that is answered, and known to be, to its end and stores that.
func (x *Exchange) run(s *Session) {
	s.converse(x.ctx, x.wheel())
	s.lastTurn()
	s.journal.End(s.now())
	x.measured(s)
	x.storeEnd(s)
}

// connected is the call's first event. What the call has to do without is said
// in it and in the call's errors.
func (s *Session) connected() {
	info := s.caller().leg.Info()
	data := map[string]any{"codec": info.Codec, "from": s.call.FromNumber, "to": s.call.ToNumber}
	if len(info.Tries) > 0 {
		data["targets"] = targets(info.Tries)
	}
	if info.RedirectedTo != "" {
		data["redirected_to"] = info.RedirectedTo
	}
	s.addServing(data)
	if d := disclosing(s.call); (d.Waived || d.Text != "") && !s.plan.Echo {
		data["ai_disclosure"] = map[string]any{"country": d.Country, "text": d.Text, "waived": d.Waived}
	}
	if len(s.plan.Notices) > 0 {
		s.log.Warn("call is limited", slog.Any("notices", s.plan.Notices))
		data["limits"] = s.plan.Notices
		s.call.Errors = append(s.call.Errors, s.plan.Notices...)
	}
	s.event(sidetone.EventConnected, "", data)
}

// targets says in a call's events where it was tried.
func targets(tries []telephony.Try) []map[string]string {
	var out []map[string]string
	for _, t := range tries {
		one := map[string]string{"target": t.Target}
		if t.Left != "" {
			one["left"] = t.Left
		}
		out = append(out, one)
	}
	return out
}

// markAnswered marks the row, however often it takes; the call does not wait for
// it.
func (x *Exchange) markAnswered(s *Session) {
	started := x.c.Clock.Now()
	s.spawn("record", func() {
		for {
			err := x.mark(s, started)
			switch {
			case err == nil:
				return
			case sidetone.CodeOf(err) == sidetone.Conflict: // it was ended while it was being placed
				s.inbox.postUrgent(endCommand())
				return
			}
			s.log.Warn("mark the call as answered", slog.Any("error", err))
			s.clock.Sleep(scribeRetry, s.caller().ended)
			select {
			case <-s.caller().ended:
				return
			default:
			}
		}
	})
}

func (x *Exchange) mark(s *Session, started time.Time) error {
	ctx, cancel := withTimeout(x.c.Clock, storeTimeout)
	defer cancel()
	_, err := x.c.Ledger.MarkCall(ctx, s.call.EnvironmentID, s.call.ID, func(c *sidetone.Call) {
		c.Status, c.Stage, c.Started = sidetone.CallInProgress, sidetone.StagePickedUp, started
		c.CarrierID, c.Node, c.Lease = s.call.CarrierID, x.c.Node, x.c.Clock.Now().Add(LeaseLength)
		c.Dialogs = s.dialogs()
	})
	return err
}

// storeEnd closes the recording and stores the end of the call with its last
// events.
func (x *Exchange) storeEnd(s *Session) {
	r := s.result()
	if !s.talked {
		s.discardRecording()
	} else if s.rec != nil {
		if err := s.rec.Close(s.clock.Now().Sub(s.caller().start)); err != nil {
			s.log.Error("close the recording", slog.Any("error", err))
			r.Errors = append(r.Errors, "recording: "+Public(err))
		}
		r.RecordingPath = s.rec.Path()
		if s.tape != nil {
			if err := s.tape.Close(); err != nil {
				s.log.Error("close the packets", slog.Any("error", err))
				r.Errors = append(r.Errors, "packets: "+Public(err))
			}
		}
	}
	err := x.scribe.storeEnd(x.ctx, s.call, r, s.newEvent(s.now(), sidetone.EventEnded, r.EndReason, map[string]any{"outcome": r.Outcome, "status": r.Status}))
	s.log.Info("call ended", slog.String("reason", r.EndReason), slog.String("outcome", string(r.Outcome)),
		slog.Duration("length", s.now()), slog.Any("error", err))
}

// transcript is what is kept of the conversation: nothing on calls that must
// leave no trace of it.
func transcript(s *Session) string {
	if s.call.HIPAA {
		return ""
	}
	return sidetone.Transcript(s.spoken)
}

// result says how the call ended.
func (s *Session) result() sidetone.CallResult {
	r := sidetone.CallResult{Status: sidetone.CallEnded, Ended: s.clock.Now(), Errors: s.call.Errors, EndReason: s.reason,
		Transcript: transcript(s), Used: s.used(), Line: s.line, Outcome: sidetone.OutcomeBotDisconnected}
	switch {
	case s.away.Load() != nil:
		r.EndReason = transferredAway
	case s.reason != "":
	case s.remote && s.cause == telephony.CauseNormal:
		r.EndReason, r.Outcome = "hangup", sidetone.OutcomeHumanDisconnected
	case s.cause == telephony.CauseCancelled:
		r.EndReason, r.Outcome = "cancelled", sidetone.OutcomeDidNotConnect
	default:
		r.Status, r.EndReason, r.Outcome = sidetone.CallError, s.cause.String(), sidetone.OutcomeHumanDisconnected
		r.ErrorMessage = "the line was lost: " + s.cause.String()
		if s.err != nil {
			r.Errors = append(r.Errors, Public(s.err))
		}
	}
	if s.reason == "error" || s.reason == "shutdown" {
		r.Status, r.ErrorMessage = sidetone.CallError, cmp.Or(s.broke, "the call was ended: "+s.reason)
	}
	r.Outcome, r.Stage = s.outcome(r.Outcome), s.handover.stage
	return r
}
