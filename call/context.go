package call

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// Contexts asks the endpoints of customers for the contexts of calls.
type Contexts interface {
	// Context returns a JSON object from an endpoint: what is known of who calls. It
	// returns soon after ctx ends. The text of an error reaches the call's record.
	Context(ctx context.Context, endpoint string, c sidetone.Call) ([]byte, error)
}

// contextTimeout is how long a call rings at most for its context.
const contextTimeout = 2 * time.Second

// contextEndpoint is where the context of a call that came in is asked for; "" for
// nowhere.
func contextEndpoint(s sidetone.Snapshot) string {
	return cmp.Or(s.Agent.ContextEndpoint, s.Prompt.ContextEndpoint)
}

// askContext adds to the call what its endpoint knows, while the leg rings, and returns for
// how long it rang. failure says why nothing was added.
func (x *Exchange) askContext(ctx context.Context, leg telephony.Leg, c *sidetone.Call) (rang time.Duration, failure string) {
	endpoint := contextEndpoint(c.Snapshot)
	if endpoint == "" || x.c.Contexts == nil {
		return 0, ""
	}
	began := x.c.Clock.Now()
	if r, ok := leg.(telephony.Ringer); ok {
		_ = r.Ring(ctx) // a caller who gave up is noticed later
	}
	limited, cancel := withTimeout(x.c.Clock, contextTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	given, err := x.c.Contexts.Context(limited, endpoint, *c)
	if errors.Is(context.Cause(limited), context.DeadlineExceeded) {
		err = telephony.Error("no answer within 2 s")
	}
	if err != nil {
		return x.c.Clock.Now().Sub(began), "context_endpoint: " + Public(err) + ": what it was to fill stays empty"
	}
	c.Context = sidetone.MergeJSON(c.Context, given)
	return x.c.Clock.Now().Sub(began), ""
}
