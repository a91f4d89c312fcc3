package call

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/transcriber"
)

// placing is a call that is being placed.
type placing struct {
	environmentID string
	cancel        context.CancelCauseFunc
}

// errEnded is why a call is not placed that somebody ended.
const errEnded = telephony.Error("the call was ended before it was answered")

// ended is errEnded with how the call is hung up if the answer came first.
type ended struct{ how sidetone.Ending }

// Error is errEnded's.
func (ended) Error() string { return errEnded.Error() }

// Is says that it is errEnded.
func (ended) Is(target error) bool { return target == errEnded }

// ErrNoRoom says that the node, or its recogniser, has no place for a call that
// was to be placed: nobody was rung, nothing was stored, and there may be room
// later.
const ErrNoRoom = telephony.Error("no room for another call")

// Dial places the call once and returns when it was answered or failed; either
// outcome is stored by then. An answered call runs on and the error is nil; a
// *telephony.DialError tells why there was no answer. ErrNoRoom leaves
// everything as it was.
func (x *Exchange) Dial(ctx context.Context, c sidetone.Call) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x.mu.Lock()
	x.dialling[c.ID] = placing{c.EnvironmentID, cancel}
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		delete(x.dialling, c.ID)
		x.mu.Unlock()
	}()
	if !x.admitPlaced(c.EnvironmentID) {
		return ErrNoRoom
	}
	answered := false
	defer func() {
		if !answered {
			x.leavePlaced(c.EnvironmentID)
		}
	}()
	driver, err := x.c.Carriers.For(ctx, c)
	if err != nil {
		return x.unanswered(c, err)
	}
	plan, err := x.c.Planner.Plan(ctx, c, wideband) // before anybody is rung
	switch {
	case errors.Is(err, transcriber.ErrBusy):
		return ErrNoRoom
	case err != nil:
		return x.unanswered(c, err)
	}
	defer func() {
		if !answered {
			plan.end()
		}
	}()
	leg, err := x.place(ctx, driver, c)
	switch {
	case err != nil && errors.Is(context.Cause(ctx), errEnded):
		return x.unanswered(c, errors.Join(errEnded, err)) // which has where it was tried
	case err != nil:
		return x.unanswered(c, err)
	}
	c.CarrierID = leg.Info().ID
	s, err := x.adopt(ctx, c, leg, &plan)
	if err != nil {
		x.refuse(leg, err)
		return x.unanswered(c, err)
	}
	x.openRecording(s)
	answered = true
	x.addLive(s)
	if early := (ended{}); errors.As(context.Cause(ctx), &early) { // the answer came first
		s.end(early.how)
	}
	x.wg.Go(func() {
		defer x.leavePlaced(c.EnvironmentID)
		defer plan.end()
		defer x.removeLive(s)
		if err := x.safely(func() error { x.carry(s, x.talk); return nil }); err != nil {
			x.refuse(leg, err)
		}
	})
	return nil
}

// wideband is the best a leg can be, and what is planned for until it is known.
const wideband = 16000

// adopt makes the session of an answered leg, with another plan when the line
// is not what was planned for.
func (x *Exchange) adopt(ctx context.Context, c sidetone.Call, leg telephony.Leg, plan *Plan) (*Session, error) {
	if rate := leg.Info().Rate; rate != wideband {
		other, err := x.c.Planner.Plan(ctx, c, rate)
		if err != nil {
			return nil, err
		}
		plan.end() // after: what the call has already must not go to another one meanwhile
		*plan = other
	}
	return x.newSession(c, leg, *plan)
}

// place hands the call to the carrier. After a panic nobody knows how far it
// came.
func (x *Exchange) place(ctx context.Context, d telephony.Driver, c sidetone.Call) (leg telephony.Leg, err error) {
	panicked := x.safely(func() error {
		req := telephony.DialRequest{CallID: c.ID, From: c.FromNumber, To: c.ToNumber, Ours: c.AgentNumber, Trunk: c.ConnectionID, Headers: c.HeadersOut}
		if x.c.Numbers != nil {
			req.Redirect = func(ctx context.Context, number string) (string, error) {
				return x.c.Numbers.Callable(ctx, c.EnvironmentID, number)
			}
		}
		leg, err = d.Dial(ctx, req, nil)
		return nil
	})
	if panicked != nil {
		return nil, &telephony.DialError{Cause: telephony.CauseFailure, Sent: true, Err: panicked}
	}
	return leg, err
}

// carry runs a call whose leg was answered when it came to us.
func (x *Exchange) carry(s *Session, talk func(*Session)) {
	ctx, cancel := context.WithCancel(x.ctx)
	s.caller().drop = cancel
	defer s.wg.Wait()
	defer cancel()
	s.wg.Go(func() { s.caller().read(ctx) })
	s.warm(ctx)
	talk(s)
}

// unanswered stores that a call did not connect, and returns why.
func (x *Exchange) unanswered(c sidetone.Call, why error) error {
	x.c.Log.Info("call not connected", slog.String("call", c.ID), slog.Any("error", why))
	s := &Session{call: c, clock: x.c.Clock, start: x.c.Clock.Now()}
	r := sidetone.CallResult{Status: sidetone.CallEnded, Outcome: sidetone.OutcomeDidNotConnect,
		EndReason: "not_connected", ErrorMessage: Public(why), Errors: []string{Public(why)}, Ended: x.c.Clock.Now()}
	var d *telephony.DialError
	refused := errors.As(why, &d)
	switch {
	case errors.Is(why, errEnded):
		r.EndReason, r.ErrorMessage, r.Errors = "api", "", []string{}
	case refused && (d.Sent || d.Cause != telephony.CauseFailure):
		r.EndReason = d.Cause.String()
		if d.Cause == telephony.CauseNoAnswer {
			r.Outcome = sidetone.OutcomeHumanUnanswered
		}
	default: // our side cannot place it
		r.Status = sidetone.CallError
	}
	data := map[string]any{"outcome": r.Outcome, "status": r.Status}
	if refused && len(d.Tries) > 0 {
		data["targets"] = targets(d.Tries)
	}
	if refused && d.RedirectedTo != "" {
		data["to"], data["redirected_to"] = c.ToNumber, d.RedirectedTo
	}
	err := x.scribe.storeEnd(x.ctx, c, r, s.newEvent(s.now(), sidetone.EventEnded, r.EndReason, data))
	if err != nil {
		x.c.Log.Error("store that a call did not connect", slog.String("call", c.ID), slog.Any("error", err))
	}
	return why
}
