package call

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/transcriber"
)

// Answer takes one inbound call from ring to end. Drivers hand it every leg
// they receive; it returns when the call is over.
func (x *Exchange) Answer(ctx context.Context, leg telephony.Leg) {
	recorded := false
	err := x.safely(func() error { return x.answer(ctx, leg, func() { recorded = true }) })
	if err == nil {
		return
	}
	x.refuse(leg, err)
	if !recorded {
		x.refused.add(leg.Info(), err)
	}
}

// safely runs f; a panic in it is an error, so that it costs one call.
func (x *Exchange) safely(f func() error) (err error) {
	defer caught(x.c.Log, "call", &err)
	return f()
}

// refuse ends a call that was not answered.
func (x *Exchange) refuse(leg telephony.Leg, err error) {
	r := refusal(err)
	info := leg.Info()
	trunk, _ := x.c.Directory.Trunk(info.Trunk)
	x.c.Log.Info("call refused", slog.String("from", info.From), slog.String("to", info.To),
		slog.String("source", info.Source), slog.String("trunk", trunk), slog.String("cause", r.Cause.String()), slog.Any("error", err))
	ctx, cancel := withTimeout(x.c.Clock, hangupTimeout)
	defer cancel()
	if l, ok := leg.(telephony.Refuser); ok {
		err = l.Refuse(ctx, r)
	} else {
		err = leg.Hangup(ctx, r.Cause)
	}
	if err != nil && !errors.Is(err, telephony.ErrGone) {
		x.c.Log.Warn("refuse a call", slog.Any("error", err))
	}
}

// refusal says what a caller is told for err.
func refusal(err error) telephony.Refusal {
	var r *telephony.Refusal
	switch {
	case errors.As(err, &r):
		return *r
	case errors.Is(err, transcriber.ErrBusy):
		return telephony.Refusal{Cause: telephony.CauseBusy, Reason: "no free recogniser"}
	case sidetone.CodeOf(err) == sidetone.NotFound:
		return telephony.Refusal{Cause: telephony.CauseUnknownNumber, Reason: "nobody has this number"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return telephony.Refusal{Cause: telephony.CauseOverload, Reason: "the records are not available"}
	}
	return telephony.Refusal{Cause: telephony.CauseFailure, Reason: "internal failure"}
}

// answer calls recorded once the call has a row.
func (x *Exchange) answer(ctx context.Context, leg telephony.Leg, recorded func()) error {
	if err := x.admit(); err != nil {
		return err
	}
	defer x.leave()
	s, most, rang, err := x.prepare(ctx, leg)
	if err != nil {
		return err
	}
	defer s.plan.end()
	return x.ring(ctx, s, most, max(0, x.c.AnswerAfter-rang), recorded)
}

// prepare makes the session of an inbound call and tells how many calls its
// number takes, and for how long it has rung. What it handles are large values; in a function of its own they
// do not stay on the stack for as long as the call lasts.
func (x *Exchange) prepare(ctx context.Context, leg telephony.Leg) (s *Session, most int, rang time.Duration, err error) {
	info := leg.Info()
	route, err := x.route(info)
	if err != nil {
		return nil, 0, 0, err
	}
	c := x.inboundCall(info, route)
	c.Dialogs = dialogs(leg)
	rang, failure := x.askContext(ctx, leg, &c)
	plan, err := x.c.Planner.Plan(ctx, c, info.Rate)
	if err != nil {
		return nil, 0, 0, err
	}
	if failure != "" {
		plan.Notices = append(plan.Notices, failure)
	}
	if plan.Voice != nil {
		c.Snapshot.Voice = *plan.Voice
	}
	s, err = x.newSession(c, leg, plan)
	if err != nil {
		plan.end()
		return nil, 0, 0, err
	}
	return s, route.Number.MaxCalls, rang, nil
}

// route finds who answers.
func (x *Exchange) route(info telephony.Info) (Route, error) {
	r, err := x.find(info)
	switch {
	case err != nil:
		return r, err
	case r.Number.OutboundOnly:
		return r, &telephony.Refusal{Cause: telephony.CauseUnavailable, Reason: "the number takes no calls (outbound only)"}
	case !r.Number.Active:
		return r, &telephony.Refusal{Cause: telephony.CauseUnavailable, Reason: "the number is inactive"}
	case !r.HasAgent:
		return r, &telephony.Refusal{Cause: telephony.CauseUnavailable, Reason: "the number has no agent"}
	}
	return r, nil
}

// find finds whose number was called, within the time a caller notices nothing of.
func (x *Exchange) find(info telephony.Info) (Route, error) {
	ctx, cancel := withTimeout(x.c.Clock, routeTimeout)
	defer cancel()
	r, err := x.c.Directory.Route(ctx, info.From, info.To, info.Trunk)
	switch {
	case sidetone.CodeOf(err) == sidetone.NotFound:
		return r, err
	case err != nil:
		x.c.Log.Error("find who answers", slog.Any("error", err))
		return r, &telephony.Refusal{Cause: telephony.CauseOverload, Reason: "the records are not available"}
	case r.Trunks != nil && !slices.Contains(r.Trunks, info.Trunk):
		return r, &UnknownNumber{Tried: []string{r.Number.Number}, Why: x.whyNot(r.Number, info.Trunk)}
	}
	return r, nil
}

// whyNot says why a number does not ring through a trunk. What another environment has is
// not told.
func (x *Exchange) whyNot(n sidetone.Number, trunk string) string {
	name, owner := x.c.Directory.Trunk(trunk)
	switch {
	case trunk == "":
		return "the number rings through trunks only, and the call came by none"
	case owner != "" && owner != n.EnvironmentID:
		return NotBought
	}
	return "the number does not ring through the trunk " + strconv.Quote(name)
}

// NotBought is why a number that an environment's own trunk lists rings nobody there.
const NotBought = "the trunk's environment does not have the number: it has to be bought first (telephony_provider sip)"

func (x *Exchange) inboundCall(info telephony.Info, r Route) sidetone.Call {
	now, id := x.c.Clock.Now(), x.c.IDs.New()
	if x.c.Signalling != nil {
		x.c.Signalling.Belongs(info.Signalling, id)
	}
	return sidetone.Call{
		ID: id, EnvironmentID: r.Number.EnvironmentID, Status: sidetone.CallNotStarted, Stage: sidetone.StageCreated,
		FromNumber: r.From, ToNumber: r.Number.Number, AgentNumber: r.Number.Number, AgentID: r.Snapshot.Agent.ID,
		Provider: r.Number.Provider, ConnectionID: r.Number.ConnectionID, CarrierID: info.ID, Snapshot: r.Snapshot,
		Context: contextOf(info), Signalling: signallingOf(info), Params: []byte("{}"), OnNoHuman: "continue", RunDoNotCall: r.Snapshot.Agent.RunDoNotCall,
		Created: now, Node: x.c.Node, Lease: now.Add(LeaseLength),
	}
}

// ring lets the call ring for the rest of its time, answers it and runs it, unless its number
// has most calls already. An error means that it was not answered.
func (x *Exchange) ring(ctx context.Context, s *Session, most int, rest time.Duration, recorded func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.caller().drop = cancel
	s.wg.Go(func() { s.caller().read(ctx) })
	defer s.wg.Wait()
	defer cancel()
	if err := x.started(s, most); err != nil {
		s.discardRecording()
		return err
	}
	recorded()
	s.warm(ctx)
	x.addLive(s)
	defer x.removeLive(s)
	if r, ok := s.caller().leg.(telephony.Ringer); ok && rest > 0 {
		_ = r.Ring(ctx) // a caller who gave up is noticed next
	}
	if !s.waitRinging(rest) {
		x.storeEnd(s)
		return nil
	}
	x.openRecording(s)
	if err := s.caller().leg.Accept(ctx); err != nil {
		s.cause = telephony.CauseCancelled
		if errors.Is(err, telephony.ErrGone) {
			x.storeEnd(s)
			return nil
		}
		s.reason, s.broke = "error", "answer: "+Public(err)
		s.failed(s.broke)
		x.storeEnd(s)
		return err
	}
	x.talk(s)
	return nil
}

// started commits the call's row before anything is promised to the caller; most
// is how many calls the number takes.
func (x *Exchange) started(s *Session, most int) error {
	ctx, cancel := withTimeout(x.c.Clock, storeTimeout)
	defer cancel()
	err := x.c.Ledger.StartCall(ctx, s.call, most)
	switch {
	case sidetone.CodeOf(err) == sidetone.Limited:
		return &telephony.Refusal{Cause: telephony.CauseBusy, Reason: sidetone.MessageOf(err)}
	case err != nil:
		return &telephony.Refusal{Cause: telephony.CauseOverload, Reason: "the records are not available: " + sidetone.MessageOf(err)}
	}
	return nil
}

// waitRinging waits d; false when the caller gave up meanwhile.
func (s *Session) waitRinging(d time.Duration) bool {
	if d > 0 {
		s.clock.Sleep(d, s.caller().ended)
	}
	select {
	case <-s.caller().ended:
		s.cause = telephony.CauseCancelled
		return false
	default:
		return true
	}
}
