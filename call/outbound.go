package call

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// Dial places the call once and returns when it was answered or failed; either
// outcome is stored by then. An answered call runs on. The error is nil unless
// the outcome could not be stored.
func (x *Exchange) Dial(ctx context.Context, c sidetone.Call) error {
	if !x.admit() {
		return x.unanswered(c, &telephony.DialError{Cause: telephony.CauseOverload})
	}
	answered := false
	defer func() {
		if !answered {
			x.leave()
		}
	}()
	driver, ok := x.c.Drivers[c.Provider]
	if !ok {
		return x.unanswered(c, sidetone.Errorf(sidetone.Invalid, "no carrier named %q is configured", c.Provider))
	}
	leg, err := driver.Dial(ctx, telephony.DialRequest{CallID: c.ID, From: c.FromNumber, To: c.ToNumber, Trunk: c.ConnectionID}, nil)
	if err != nil {
		return x.unanswered(c, err)
	}
	c.CarrierID = leg.Info().ID
	s, err := x.newSession(c, leg)
	if err != nil {
		x.refuse(leg, err)
		return x.unanswered(c, err)
	}
	answered = true
	x.remember(s)
	x.wg.Go(func() {
		defer x.leave()
		defer x.forget(s)
		defer s.wg.Wait()
		s.wg.Go(func() { s.read(x.ctx) })
		x.talk(s)
	})
	return nil
}

// unanswered stores that a call did not connect.
func (x *Exchange) unanswered(c sidetone.Call, why error) error {
	x.c.Log.Info("call not connected", slog.String("call", c.ID), slog.Any("error", why))
	s := &Session{call: c, clock: x.c.Clock, start: x.c.Clock.Now()}
	r := sidetone.CallResult{Status: sidetone.CallEnded, Outcome: sidetone.OutcomeDidNotConnect,
		EndReason: "not_connected", ErrorMessage: why.Error(), Errors: []string{why.Error()}, Ended: x.c.Clock.Now()}
	var d *telephony.DialError
	if errors.As(why, &d) {
		r.EndReason = d.Cause.String()
		if d.Cause == telephony.CauseNoAnswer {
			r.Outcome = sidetone.OutcomeHumanUnanswered
		}
	}
	return x.scribe.finish(x.ctx, c, r, s.newEvent(sidetone.EventEnded, r.EndReason, map[string]any{"outcome": r.Outcome, "status": r.Status}))
}
