package call_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// redirecting is a carrier that redirects every call; the other number answers, or is
// busy.
type redirecting struct {
	telephony.Driver
	leg telephony.Leg // nil: busy
}

// Dial implements telephony.Driver.
func (r redirecting) Dial(ctx context.Context, req telephony.DialRequest, _ func()) (telephony.Leg, error) {
	to, err := req.Redirect(ctx, "0202 555 0142")
	switch {
	case err != nil:
		return nil, err
	case r.leg == nil:
		return nil, &telephony.DialError{Cause: telephony.CauseBusy, Status: 486, Sent: true, RedirectedTo: to}
	}
	return redirectedLeg{r.leg, to}, nil
}

// redirectedLeg is a leg that says to whom it was redirected.
type redirectedLeg struct {
	telephony.Leg
	to string
}

// Info implements telephony.Leg.
func (l redirectedLeg) Info() telephony.Info {
	info := l.Leg.Info()
	info.RedirectedTo = l.to
	return info
}

// book is what may be called.
type book struct{ asked chan string }

// Callable implements call.Numbers.
func (b book) Callable(_ context.Context, environmentID, text string) (string, error) {
	b.asked <- environmentID + ": " + text
	return "+12025550142", nil
}

// A redirected call's number is asked for in its environment, and the record names
// both.
func TestRedirectedCallsNameBothNumbers(t *testing.T) {
	t.Parallel()
	for _, answered := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b, r := book{make(chan string, 1)}, redirecting{}
			var far *telephonytest.Far
			if answered {
				r.leg, far = telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{Outbound: true})
			}
			w := newWorld(t, func(_ *world, c *call.Config) { c.Carriers, c.Numbers = carriers{"redirecting": r}, b })
			defer w.stop()
			c := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "redirecting", ToNumber: "+12125550101", Snapshot: w.snapshot}
			if err := w.exchange.Dial(t.Context(), c); (err == nil) != answered {
				t.Errorf("Dial: %v", err)
			}
			if far != nil {
				far.Hangup()
				synctest.Wait()
			}
			if got := <-b.asked; got != "env: 0202 555 0142" {
				t.Errorf("asked for %q", got)
			}
			_, events := w.result()
			kind := sidetone.EventEnded
			if answered {
				kind = sidetone.EventConnected
			}
			named := false
			for _, e := range events {
				data := string(e.Data)
				named = named || e.Kind == kind && strings.Contains(data, `"redirected_to":"+12025550142"`) && strings.Contains(data, `"to":"+12125550101"`)
			}
			if !named {
				t.Errorf("answered %v: no event names both numbers: %+v", answered, events)
			}
		})
	}
}
