package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/telephony"
)

// Interrupted is an answered call whose process has died.
type Interrupted struct {
	// Call is its row with its secrets and its legs. This node has taken it over.
	Call sidetone.Call
	// Events are those of the call that are stored, in their order.
	Events []sidetone.Event
	// Alive is until when its process is known to have run; zero: by its journal only.
	Alive time.Time
}

// Parted says that a call is not gone on with because its agent was hanging up.
type Parted struct{ Reason string }

// Error says it with the reason.
func (p *Parted) Error() string { return "the agent was hanging up: " + p.Reason }

// Resume goes on with a call whose process died; lines takes up its leg. It returns once
// the call goes on. An error, which may be a *Parted, says why it does not: the far end
// may still have it then.
func (x *Exchange) Resume(ctx context.Context, i Interrupted, lines telephony.Resumer) error {
	c := i.Call
	if x.c.Journals == nil || len(c.Dialogs) == 0 {
		return errors.New("what it takes was not kept")
	}
	past, j, err := x.c.Journals.Resume(ctx, c.EnvironmentID, c.ID)
	if err != nil {
		return err
	}
	if j == nil {
		j = noJournal{}
	}
	s, err := x.resume(ctx, i, past, j, lines)
	if err != nil {
		j.Comment(past.Until, "not resumed: "+Public(err))
		j.End(past.Until)
		return err
	}
	x.addLive(s)
	x.wg.Go(func() {
		defer x.leaveResumed(c)
		defer s.plan.end()
		defer x.removeLive(s)
		if err := x.safely(func() error { x.carry(s, x.goOn); return nil }); err != nil {
			x.refuse(s.caller().leg, err)
		}
	})
	return nil
}

// resume makes the session.
func (x *Exchange) resume(ctx context.Context, i Interrupted, past journal.Past, j Journal, lines telephony.Resumer) (_ *Session, err error) {
	if reason, parting := leaving(past); parting {
		return nil, &Parted{reason}
	}
	leg, err := lines.Resume(ctx, i.Call.Dialogs[0])
	if err != nil {
		return nil, err
	}
	info := leg.Info()
	if x.c.Signalling != nil {
		x.c.Signalling.Belongs(info.Signalling, i.Call.ID)
	}
	plan, err := x.c.Planner.Plan(ctx, i.Call, info.Rate)
	if err != nil {
		return nil, errors.Join(err, leg.Hangup(ctx, telephony.CauseFailure))
	}
	s, err := x.newSession(i.Call, leg, plan)
	if err == nil && !x.admitResumed(i.Call) {
		err = errors.New("the server is being stopped")
	}
	if err != nil {
		plan.end()
		return nil, errors.Join(err, leg.Hangup(ctx, telephony.CauseFailure))
	}
	s.journal = j
	s.recallRuns()
	s.recall(past, i)
	x.regain(ctx, s, lines, i.Call.Dialogs[1:])
	x.resumeRecording(s, past.Header.Recorded)
	return s, nil
}

// leaving tells whether the machine was hanging up, and why.
func leaving(past journal.Past) (reason string, parting bool) {
	switch past.Machine.Snapshot().Agent {
	case conversation.Leaving, conversation.Over:
	default:
		return "", false
	}
	reason = "goodbye" // of a tool that hangs up
	for _, p := range past.Played {
		for _, out := range p.Outputs {
			if h, ok := out.(conversation.Hangup); ok {
				reason = h.Reason
			}
		}
	}
	return reason, true
}

// admitResumed makes room for a call that this node has already promised to run.
func (x *Exchange) admitResumed(c sidetone.Call) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closing {
		return false
	}
	x.admitted++
	if c.Outgoing {
		x.placed[c.EnvironmentID]++
	}
	return true
}

func (x *Exchange) leaveResumed(c sidetone.Call) {
	if c.Outgoing {
		x.leavePlaced(c.EnvironmentID)
		return
	}
	x.leave()
}

// recall brings the session to where the process before it was.
func (s *Session) recall(past journal.Past, i Interrupted) {
	now, events := s.clock.Now(), i.Events
	s.start = now.Add(-max(now.Sub(past.Header.Began), past.Until)) // the clock may have been set back
	s.machine, s.resumed = past.Machine, true
	s.known = max(past.Until, min(i.Alive.Sub(s.start), now.Sub(s.start))) // nothing happens to the machine while the agent speaks on
	s.answered, s.talked = past.Header.Answered, true
	switch i.Call.Stage {
	case sidetone.StageTransferStarted, sidetone.StageTransferSuccessful:
		s.handover.stage = i.Call.Stage
	}
	s.meter.Begin(s.answered)
	s.call.Errors = append(s.call.Errors, s.plan.Notices...)
	s.wished = map[string]string{}
	known := storedEvents{events: events}
	for _, e := range events {
		s.sequence = max(s.sequence, e.Sequence)
		if spokenOf(e.Kind) {
			s.spoken = append(s.spoken, e)
		}
		s.recallEvent(e)
	}
	for _, p := range past.Played {
		if _, ok := p.In.(conversation.MediaStarted); ok {
			s.flowing = true
		}
		done, _ := p.In.(conversation.ToolDone)
		s.settling = done.ID
		for _, out := range p.Outputs {
			s.recallOutput(p.At, out, &known)
		}
		if turn, over := s.meter.Step(p.At, p.In, p.Outputs); over && !known.has(sidetone.EventMeasured, string(longest(&turn))) {
			s.turnOver(turn)
		}
	}
}

// recallEvent takes in what was stored of the call.
func (s *Session) recallEvent(e sidetone.Event) {
	switch e.Kind {
	case sidetone.EventError:
		s.addError(e.Text)
	case sidetone.EventCollected:
		var data struct{ Value string }
		_ = json.Unmarshal(e.Data, &data) // ours
		s.fields.values[e.Text] = data.Value
	case sidetone.EventRecordingPaused, sidetone.EventRecordingResumed:
		s.paused = e.Kind == sidetone.EventRecordingPaused
		s.quieten()
	}
}

// recallOutput takes in what the machine wished of the process before: what was to be
// done at once is done or lost.
func (s *Session) recallOutput(at time.Duration, out conversation.Output, known *storedEvents) {
	switch out := out.(type) {
	case conversation.Arm:
		s.timers[out.Name] = armed{out.Epoch, out.At}
	case conversation.Disarm:
		delete(s.timers, out.Name)
	case conversation.RunTool:
		c := s.tools.next(out)
		s.wished[c.ID] = c.Key
		s.recallRun(c, out.Unoffered)
	case conversation.Cover:
		s.hide(true)
	case conversation.Uncover:
		s.hide(false)
	case conversation.Note:
		kind, ok := eventKind(out.Kind)
		switch {
		case !ok:
		case known.has(kind, out.Text):
			s.runOf(out) // which the record shows
			s.countFailure(out)
		default:
			s.noteRun(at, out)
		}
	}
}

// storedEvents tells which events were stored before the process died; they are asked
// for in their order.
type storedEvents struct{ events []sidetone.Event }

func (k *storedEvents) has(kind sidetone.EventKind, text string) bool {
	for i, e := range k.events {
		if e.Kind == kind && e.Text == text {
			k.events = k.events[i+1:]
			return true
		}
	}
	return false
}

// resumeRecording goes on with the recording of the process before; began is its zero.
func (x *Exchange) resumeRecording(s *Session, began *time.Duration) {
	if !x.records(s) || began == nil {
		return
	}
	rec, err := x.c.Recordings.Resume(s.call.ID, s.caller().player.rate)
	if err != nil {
		s.log.Error("call is recorded no longer", slog.Any("error", err))
		s.addError("recording: " + Public(err))
		return
	}
	s.rec = rec
	s.caller().recordFrom(rec, s.start.Add(*began))
	if x.c.Tapes != nil {
		s.tapeTo(x.c.Tapes.Resume)
	}
}

// goOn runs a call that the process before has answered.
func (x *Exchange) goOn(s *Session) {
	away := s.now() - s.known
	s.log.Info("call resumed", slog.String("from", s.call.FromNumber), slog.String("to", s.call.ToNumber), slog.Duration("away", away))
	data := map[string]any{"away_ms": milliseconds(away), "deaths": s.call.Deaths}
	s.addServing(data)
	const text = "the server died during the call and went on with it"
	s.event(sidetone.EventRestarted, fmt.Sprintf("%s after %.1f s", text, away.Seconds()), data)
	s.addError(text + "; what was used and how the line was counts from then on")
	s.rewrite() // what the next process would need is other than what this one had
	x.run(s)
}

// takeUp tells the machine of a call that another process had that it goes on.
func (s *Session) takeUp(ctx context.Context) {
	if !s.resumed {
		return
	}
	if s.regained != nil {
		s.joinWith(ctx, *s.regained)
		s.rearm() // the machine is told nothing any more, and the call may have a longest duration
		return
	}
	if s.handover.stage != "" { // nobody takes the agent's place any more
		s.hold(ctx, false)
	}
	s.regainRuns(ctx)
	s.step(ctx, conversation.Resumed{Until: s.known})
	if len(s.plan.Recognisers) > 0 {
		first := s.plan.recogniser()
		s.step(ctx, conversation.RecogniserReplaced{FinalWait: first.FinalWait, FirstTextWait: first.FirstTextWait})
	}
}
