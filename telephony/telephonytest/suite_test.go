package telephonytest

import (
	"context"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

func TestMemoryDriver(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) Harness {
		d := NewMemoryDriver(MemoryConfig{Suppress: true})
		return Harness{
			Driver:  d,
			Request: telephony.DialRequest{From: "+12125550100", To: "+12125550199", Trunk: "carrier"},
			Call: func(ctx context.Context, number string) (FarEnd, error) {
				far, err := d.Call(ctx, MemoryConfig{To: number, Suppress: true})
				if err != nil {
					return nil, err
				}
				select {
				case <-far.Answered():
					return memoryEnd{far}, nil
				case <-far.Gone():
					return nil, &telephony.DialError{Cause: far.Refusal().Cause, Sent: true}
				case <-ctx.Done():
					far.Cancel()
					return nil, ctx.Err()
				}
			},
			Incoming: func(ctx context.Context) (FarCall, error) {
				r, err := d.Dialled(ctx)
				return memoryCall{r}, err
			},
		}
	})
}

// memoryEnd is a Far as the suite wants it.
type memoryEnd struct{ far *Far }

func (e memoryEnd) Speak(ctx context.Context, pcm []int16) error {
	e.far.Speak(pcm)
	return e.far.Spoken(ctx)
}

func (e memoryEnd) Heard() (out []int16) {
	for _, f := range e.far.Heard() {
		out = append(out, f.PCM...)
	}
	return out
}

func (e memoryEnd) Digits(_ context.Context, digits string) error {
	for _, d := range digits {
		e.far.Press(d, 100*time.Millisecond)
	}
	return nil
}

func (e memoryEnd) Pressed() string { return e.far.Digits() }

func (e memoryEnd) Hold(_ context.Context, on bool) error {
	e.far.Hold(on)
	return nil
}

func (e memoryEnd) Hangup(context.Context) error {
	e.far.Hangup()
	return nil
}

// memoryCall is a Ringing as the suite wants it.
type memoryCall struct{ r *Ringing }

func (c memoryCall) Ring(context.Context) error {
	c.r.Ring()
	return nil
}

func (c memoryCall) Answer(context.Context) (FarEnd, error) { return memoryEnd{c.r.Answer()}, nil }

func (c memoryCall) Refuse(_ context.Context, cause telephony.Cause) error {
	c.r.Refuse(cause, 0)
	return nil
}

func (c memoryCall) Cancelled(ctx context.Context) error {
	select {
	case <-c.r.Cancelled():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
