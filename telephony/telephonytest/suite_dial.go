package telephonytest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// dialled is the outcome of Dial.
type dialled struct {
	leg telephony.Leg
	err error
}

// dial starts Dial and returns the call as it rings at the far end.
func (s *scene) dial(ctx context.Context, req telephony.DialRequest, ringing func()) (FarCall, chan dialled) {
	s.t.Helper()
	out := make(chan dialled, 1)
	go func() {
		leg, err := s.Driver.Dial(ctx, req, ringing)
		out <- dialled{leg, err}
	}()
	call, err := s.Incoming(s.ctx)
	if err != nil {
		s.t.Fatalf("the call did not reach the far end: %v", err)
	}
	return call, out
}

func dialIsAnswered(t *testing.T, s *scene) {
	var rings atomic.Int32
	rang := make(chan struct{}, 8)
	call, out := s.dial(s.ctx, s.Request, func() { rings.Add(1); rang <- struct{}{} })
	for range 2 {
		if err := call.Ring(s.ctx); err != nil {
			t.Errorf("ring: %v", err)
		}
	}
	<-rang
	far, err := call.Answer(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	d := <-out
	if d.err != nil {
		t.Fatalf("Dial: %v", d.err)
	}
	if n := rings.Load(); n != 1 {
		t.Errorf("ringing was called %d times", n)
	}
	if info := d.leg.Info(); info.To != s.Request.To || info.From != s.Request.From || info.Trunk != s.Request.Trunk {
		t.Errorf("Info is %+v", info)
	}
	sound := tone(d.leg.Info().Rate, 300*time.Millisecond)
	if err := speak(s.ctx, d.leg, sound); err != nil {
		t.Errorf("Send: %v", err)
	}
	s.until("our sound at the far end", func() bool { return loud(far.Heard()) > loud(sound)*8/10 })
	go func() { _ = far.Hangup(s.ctx) }() // the call is over either way
	if ev := s.ended(s.watch(d.leg, nil)); !ev.Remote {
		t.Errorf("ended with %+v", ev)
	}
}

func dialIsRefused(t *testing.T, s *scene) {
	for _, cause := range []telephony.Cause{telephony.CauseBusy, telephony.CauseUnknownNumber, telephony.CauseDeclined} {
		call, out := s.dial(s.ctx, s.Request, nil)
		if err := call.Refuse(s.ctx, cause); err != nil {
			t.Errorf("refuse: %v", err)
		}
		var got *telephony.DialError
		if d := <-out; !errors.As(d.err, &got) || got.Cause != cause || !got.Sent {
			t.Errorf("refused with %s, Dial returned %v", cause, d.err)
		}
	}
}

func dialIsCancelled(t *testing.T, s *scene) {
	ctx, cancel := context.WithCancel(s.ctx)
	call, out := s.dial(ctx, s.Request, nil)
	if err := call.Ring(s.ctx); err != nil {
		t.Error(err)
	}
	cancel()
	if err := call.Cancelled(s.ctx); err != nil {
		t.Errorf("the far end still rings: %v", err)
	}
	var got *telephony.DialError
	if d := <-out; !errors.As(d.err, &got) || got.Cause != telephony.CauseCancelled || !errors.Is(d.err, context.Canceled) {
		t.Errorf("Dial returned %v", d.err)
	}
}

func dialRingsTooLong(t *testing.T, s *scene) {
	req := s.Request
	req.RingFor = 150 * time.Millisecond
	call, out := s.dial(s.ctx, req, nil)
	if err := call.Cancelled(s.ctx); err != nil {
		t.Errorf("the far end still rings: %v", err)
	}
	var got *telephony.DialError
	if d := <-out; !errors.As(d.err, &got) || got.Cause != telephony.CauseNoAnswer {
		t.Errorf("Dial returned %v", d.err)
	}
}
