package telephonytest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// Harness connects a driver under test with a far end.
type Harness struct {
	// Driver is the driver under test.
	Driver telephony.Driver
	// Call places a call that arrives at Driver.Serve. It returns when the call
	// was answered, or with a *telephony.DialError whose Cause is the one the
	// driver refused with. When ctx ends it gives up the call.
	Call func(ctx context.Context, number string) (FarEnd, error)
	// Request is what Dial is called with to reach the far end.
	Request telephony.DialRequest
	// Incoming waits for the next call that Dial places with Request.
	Incoming func(ctx context.Context) (FarCall, error)
}

// FarEnd is the other party of an answered call.
type FarEnd interface {
	// Speak says samples in real time and returns when they were said.
	Speak(ctx context.Context, pcm []int16) error
	// Heard returns all samples heard so far.
	Heard() []int16
	// Digits sends digits; Pressed returns the ones that came.
	Digits(ctx context.Context, digits string) error
	// Pressed returns the digits received so far.
	Pressed() string
	// Hold puts the driver's leg on hold or takes it back.
	Hold(ctx context.Context, on bool) error
	// Hangup ends the call.
	Hangup(ctx context.Context) error
}

// FarCall is a call that rings at the far end.
type FarCall interface {
	// Ring lets the caller hear ringing.
	Ring(ctx context.Context) error
	// Answer answers.
	Answer(ctx context.Context) (FarEnd, error)
	// Refuse refuses with a cause.
	Refuse(ctx context.Context, cause telephony.Cause) error
	// Cancelled waits until the caller gave up.
	Cancelled(ctx context.Context) error
}

// legEnd is a FarEnd that is a leg of another driver.
type legEnd struct {
	leg    telephony.Leg
	done   chan struct{}
	mu     sync.Mutex
	heard  []int16
	digits []rune
}

// FarLeg makes an answered leg of another driver, or of the same one, a
// FarEnd. It reads the leg's events until the call ends, which it makes sure
// of when the test does.
func FarLeg(t testing.TB, leg telephony.Leg) FarEnd {
	e := &legEnd{leg: leg, done: make(chan struct{})}
	go e.listen()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = leg.Hangup(ctx, telephony.CauseNormal) // the call is over either way
		<-e.done
	})
	return e
}

func (e *legEnd) listen() {
	defer close(e.done)
	for ev := range e.leg.Events(context.Background()) {
		e.mu.Lock()
		switch {
		case ev.Kind == telephony.KindDigit:
			e.digits = append(e.digits, ev.Digit)
		case ev.Kind == telephony.KindAudio && !ev.Audio.Missing:
			e.heard = append(e.heard, ev.Audio.PCM...)
		}
		e.mu.Unlock()
	}
}

// Speak implements FarEnd.
func (e *legEnd) Speak(ctx context.Context, pcm []int16) error { return speak(ctx, e.leg, pcm) }

// speak sends samples in frames of 20 ms, one every 20 ms.
func speak(ctx context.Context, leg telephony.Leg, pcm []int16) error {
	rate := leg.Info().Rate
	tick := time.NewTicker(audio.FrameDuration)
	defer tick.Stop()
	for n := rate / 50; len(pcm) >= n; pcm = pcm[n:] {
		if err := leg.Send(audio.Frame{PCM: pcm[:n], Rate: rate}); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Heard implements FarEnd.
func (e *legEnd) Heard() []int16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]int16(nil), e.heard...)
}

// Digits implements FarEnd.
func (e *legEnd) Digits(ctx context.Context, digits string) error {
	return e.leg.(telephony.DigitSender).SendDigits(ctx, digits)
}

// Pressed implements FarEnd.
func (e *legEnd) Pressed() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return string(e.digits)
}

// Hold implements FarEnd.
func (e *legEnd) Hold(ctx context.Context, on bool) error {
	return e.leg.(telephony.Holder).Hold(ctx, on)
}

// Hangup implements FarEnd.
func (e *legEnd) Hangup(ctx context.Context) error {
	return e.leg.Hangup(ctx, telephony.CauseNormal)
}

// LegCall makes a leg that a driver received a FarCall.
func LegCall(t testing.TB, leg telephony.Leg) FarCall { return &legCall{t: t, leg: leg} }

// legCall is a FarCall that is an unanswered leg.
type legCall struct {
	t   testing.TB
	leg telephony.Leg
}

// Ring implements FarCall.
func (c *legCall) Ring(ctx context.Context) error { return c.leg.(telephony.Ringer).Ring(ctx) }

// Answer implements FarCall.
func (c *legCall) Answer(ctx context.Context) (FarEnd, error) {
	if err := c.leg.Accept(ctx); err != nil {
		return nil, err
	}
	return FarLeg(c.t, c.leg), nil
}

// Refuse implements FarCall.
func (c *legCall) Refuse(ctx context.Context, cause telephony.Cause) error {
	return c.leg.Hangup(ctx, cause)
}

// Cancelled implements FarCall.
func (c *legCall) Cancelled(ctx context.Context) error {
	for ev := range c.leg.Events(ctx) {
		if ev.Kind == telephony.KindEnded {
			return nil
		}
	}
	return ctx.Err()
}
