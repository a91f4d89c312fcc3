package telephonytest

import (
	"context"
	"slices"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// Far is the far end of a MemoryLeg: the person on the phone. Its methods may
// be called concurrently.
type Far struct{ leg *MemoryLeg }

// Speak queues samples at the leg's rate behind what is still to be said and
// returns at once. A last incomplete frame is filled with silence. Nothing is
// said before the leg's Events run.
func (f *Far) Speak(pcm []int16) {
	f.leg.mu.Lock()
	defer f.leg.mu.Unlock()
	f.leg.speech = append(f.leg.speech, pcm...)
	if f.leg.spoken == nil && len(f.leg.speech) > 0 {
		f.leg.spoken = make(chan struct{})
	}
}

// Hush drops what was queued and not yet said.
func (f *Far) Hush() {
	f.leg.mu.Lock()
	defer f.leg.mu.Unlock()
	f.leg.speech = nil
	f.leg.finishSpeech()
}

// Spoken waits until everything queued was said. It returns ErrGone when the
// call ended before.
func (f *Far) Spoken(ctx context.Context) error {
	f.leg.mu.Lock()
	spoken := f.leg.spoken
	f.leg.mu.Unlock()
	if spoken == nil {
		return nil
	}
	select {
	case <-spoken:
		return nil
	case <-f.leg.gone:
		return telephony.ErrGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finishSpeech tells Spoken that the queue is empty; l.mu is held.
func (l *MemoryLeg) finishSpeech() {
	if len(l.speech) == 0 && l.spoken != nil {
		close(l.spoken)
		l.spoken = nil
	}
}

// Heard returns what was played to the far end so far, in order. A frame that
// was sent ahead and is not yet played is left out.
func (f *Far) Heard() []HeardFrame {
	now := time.Now()
	f.leg.mu.Lock()
	defer f.leg.mu.Unlock()
	n := len(f.leg.heard)
	for n > 0 && f.leg.heard[n-1].At.After(now) {
		n--
	}
	return slices.Clone(f.leg.heard[:n])
}

// Listen waits for the i-th frame (from 0) that the leg sends and returns it.
// It returns ErrGone when the call ends without it.
func (f *Far) Listen(ctx context.Context, i int) (HeardFrame, error) {
	for {
		f.leg.mu.Lock()
		if i < len(f.leg.heard) {
			defer f.leg.mu.Unlock()
			return f.leg.heard[i], nil
		}
		more := f.leg.newSound
		f.leg.mu.Unlock()
		select {
		case <-more:
		case <-f.leg.gone:
			return HeardFrame{}, telephony.ErrGone
		case <-ctx.Done():
			return HeardFrame{}, ctx.Err()
		}
	}
}

// Press sends one digit that was held for that long.
func (f *Far) Press(digit rune, held time.Duration) {
	f.control(telephony.Event{Kind: telephony.KindDigit, Digit: digit, Duration: held})
}

// Digits returns the digits that the leg sent.
func (f *Far) Digits() string {
	f.leg.mu.Lock()
	defer f.leg.mu.Unlock()
	var out []rune
	for _, d := range f.leg.digits {
		out = append(out, d.ev.Digit)
	}
	return string(out)
}

// Hold puts the leg on hold (true) or takes it back. A held far end says
// nothing; what it has queued waits.
func (f *Far) Hold(on bool) {
	f.leg.mu.Lock()
	changed := f.leg.held != on
	f.leg.held = on
	f.leg.mu.Unlock()
	switch {
	case !changed:
	case on:
		f.control(telephony.Event{Kind: telephony.KindHeld})
	default:
		f.control(telephony.Event{Kind: telephony.KindResumed})
	}
}

// Stall makes the far end stop reading (true): Send then returns ErrSlow.
func (f *Far) Stall(on bool) {
	f.leg.mu.Lock()
	defer f.leg.mu.Unlock()
	f.leg.stalled = on
}

// SetNetwork changes the line for what is said from now on; the skew stays as
// it was.
func (f *Far) SetNetwork(n Network) {
	f.leg.mu.Lock()
	defer f.leg.mu.Unlock()
	n.SkewPPM = f.leg.line.net.SkewPPM
	f.leg.line.net = n
}

// Hangup ends the call from the far end. What was said and is still on its way
// is not delivered.
func (f *Far) Hangup() {
	f.leg.end(telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseNormal, Remote: true}, telephony.Refusal{})
}

// Cancel gives up while the call still rings; after the answer it hangs up.
func (f *Far) Cancel() {
	f.leg.mu.Lock()
	cause := telephony.CauseCancelled
	if f.leg.accepted {
		cause = telephony.CauseNormal
	}
	f.leg.mu.Unlock()
	f.leg.end(telephony.Event{Kind: telephony.KindEnded, Cause: cause, Remote: true}, telephony.Refusal{Cause: cause})
}

// Fail ends the call with cause and err as a driver does for its own reasons,
// for example CauseFarEndGone.
func (f *Far) Fail(cause telephony.Cause, err error) {
	f.leg.end(telephony.Event{Kind: telephony.KindEnded, Cause: cause, Err: err}, telephony.Refusal{Cause: cause})
}

// Answered is closed when the leg was accepted.
func (f *Far) Answered() <-chan struct{} { return f.leg.answered }

// Gone is closed when the call is over.
func (f *Far) Gone() <-chan struct{} { return f.leg.gone }

// Ended returns the event the call ended with; its Kind is zero before.
func (f *Far) Ended() telephony.Event {
	f.leg.mu.Lock()
	defer f.leg.mu.Unlock()
	return f.leg.ended
}

// Refusal returns with what an unanswered call was refused.
func (f *Far) Refusal() telephony.Refusal {
	f.leg.mu.Lock()
	defer f.leg.mu.Unlock()
	return f.leg.refusal
}

// HangupHeaders returns what SetHeaders set for our hang-up.
func (f *Far) HangupHeaders() map[string]string {
	f.leg.mu.Lock()
	defer f.leg.mu.Unlock()
	return f.leg.headers
}

func (f *Far) control(ev telephony.Event) {
	f.leg.mu.Lock()
	defer f.leg.mu.Unlock()
	if f.leg.over {
		return
	}
	f.leg.control = append(f.leg.control, ev)
	f.leg.poke()
}
