package telephonytest

import (
	"context"
	"sync"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// MemoryDriver is a telephony.Driver without a network: a test places calls to
// it with Call and answers the ones it places with Dialled. Create it with
// NewMemoryDriver.
type MemoryDriver struct {
	inbound  chan *MemoryLeg
	outbound chan *Ringing
	config   MemoryConfig
}

// NewMemoryDriver returns a driver whose dialled legs are like c; From, To and
// Trunk come from the request. Inside a synctest bubble it must be called in
// the bubble.
func NewMemoryDriver(c MemoryConfig) *MemoryDriver {
	return &MemoryDriver{inbound: make(chan *MemoryLeg), outbound: make(chan *Ringing), config: c}
}

// Call places a call that arrives at Serve and returns its far end once Serve
// took it.
func (d *MemoryDriver) Call(ctx context.Context, c MemoryConfig) (*Far, error) {
	leg, far := NewMemoryLeg(c)
	select {
	case d.inbound <- leg:
		return far, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Dialled waits for the next call that Dial places.
func (d *MemoryDriver) Dialled(ctx context.Context) (*Ringing, error) {
	select {
	case r := <-d.outbound:
		return r, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Serve implements telephony.Driver.
func (d *MemoryDriver) Serve(ctx context.Context, answer func(context.Context, telephony.Leg)) error {
	var calls sync.WaitGroup
	defer calls.Wait()
	for {
		select {
		case leg := <-d.inbound:
			calls.Go(func() {
				answer(ctx, leg)
				leg.abandon()
			})
		case <-ctx.Done():
			return nil
		}
	}
}

// abandon refuses a call that nobody answered or refused.
func (l *MemoryLeg) abandon() {
	l.mu.Lock()
	accepted := l.accepted
	l.mu.Unlock()
	if !accepted {
		l.end(telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseFailure},
			telephony.Refusal{Cause: telephony.CauseFailure, Reason: "not answered by the application"})
	}
}

// Dial implements telephony.Driver.
func (d *MemoryDriver) Dial(ctx context.Context, req telephony.DialRequest, ringing func()) (telephony.Leg, error) {
	if req.RingFor == 0 {
		req.RingFor = 45 * time.Second
	}
	call := &Ringing{req: req, config: d.config, steps: make(chan step), over: make(chan struct{})}
	defer close(call.over)
	limit := time.NewTimer(req.RingFor)
	defer limit.Stop()
	select {
	case d.outbound <- call:
	case <-limit.C:
		return nil, &telephony.DialError{Cause: telephony.CauseNoAnswer}
	case <-ctx.Done():
		return nil, &telephony.DialError{Cause: telephony.CauseCancelled, Err: ctx.Err()}
	}
	for {
		select {
		case s := <-call.steps:
			switch {
			case s.leg != nil:
				return s.leg, nil
			case s.refused:
				return nil, &telephony.DialError{Cause: s.cause, Status: s.status, Sent: true}
			case ringing != nil:
				ringing()
				ringing = nil
			}
		case <-limit.C:
			return nil, &telephony.DialError{Cause: telephony.CauseNoAnswer, Sent: true}
		case <-ctx.Done():
			return nil, &telephony.DialError{Cause: telephony.CauseCancelled, Sent: true, Err: ctx.Err()}
		}
	}
}

// Ringing is a call that Dial placed, seen from the called party. Its methods
// do nothing once Dial returned.
type Ringing struct {
	req    telephony.DialRequest
	config MemoryConfig
	steps  chan step
	over   chan struct{}
}

// step is what the called party does.
type step struct {
	leg     *MemoryLeg
	refused bool
	cause   telephony.Cause
	status  int
}

// Request returns what Dial was asked.
func (r *Ringing) Request() telephony.DialRequest { return r.req }

// Ring lets the caller hear that it rings.
func (r *Ringing) Ring() { r.do(step{}) }

// Answer picks up and returns the far end, or nil when the caller gave up.
func (r *Ringing) Answer() *Far {
	c := r.config
	c.From, c.To, c.Trunk, c.Outbound = r.req.From, r.req.To, r.req.Trunk, true
	leg, far := NewMemoryLeg(c)
	if !r.do(step{leg: leg}) {
		return nil
	}
	return far
}

// Refuse refuses with cause; status is the carrier's code, 0 for none.
func (r *Ringing) Refuse(cause telephony.Cause, status int) {
	r.do(step{refused: true, cause: cause, status: status})
}

// Cancelled is closed when Dial returned: after Answer or Refuse, or because
// the caller gave up.
func (r *Ringing) Cancelled() <-chan struct{} { return r.over }

func (r *Ringing) do(s step) bool {
	select {
	case r.steps <- s:
		return true
	case <-r.over:
		return false
	}
}
