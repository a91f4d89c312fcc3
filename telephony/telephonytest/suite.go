package telephonytest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// patience is how long the suite waits for anything.
const patience = 10 * time.Second

// Run checks that a driver fulfils the contract of package telephony. newHarness
// is called for every test and releases what it made with t.Cleanup. Tests run
// in parallel and in real time.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(*testing.T, *scene)
	}{
		{"sound both ways", soundBothWays},
		{"far end hangs up", farEndHangsUp},
		{"we hang up", weHangUp},
		{"refusals", refusals},
		{"caller cancels", callerCancels},
		{"nobody answers", nobodyAnswers},
		{"digits both ways", digitsBothWays},
		{"hold and resume", holdAndResume},
		{"transfer is refused", transferIsRefused},
		{"events end with the context", eventsEndWithContext},
		{"silence keeps time", silenceKeepsTime},
		{"wrong frames", wrongFrames},
		{"dial is answered", dialIsAnswered},
		{"dial is refused", dialIsRefused},
		{"dial is cancelled", dialIsCancelled},
		{"dial rings too long", dialRingsTooLong},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, newScene(t, newHarness(t)))
		})
	}
}

// scene is one test's driver with Serve running.
type scene struct {
	Harness
	t    *testing.T
	ctx  context.Context
	legs chan telephony.Leg
	quit chan struct{}
	once sync.Once
}

// leave lets the application return from the calls that it was handed.
func (s *scene) leave() { s.once.Do(func() { close(s.quit) }) }

func newScene(t *testing.T, h Harness) *scene {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	s := &scene{Harness: h, t: t, ctx: ctx, legs: make(chan telephony.Leg, 8), quit: make(chan struct{})}
	served := make(chan error, 1)
	serving, stop := context.WithCancel(context.Background())
	go func() {
		served <- h.Driver.Serve(serving, func(ctx context.Context, leg telephony.Leg) {
			s.legs <- leg
			<-s.quit
		})
	}()
	t.Cleanup(func() {
		s.leave()
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		cancel()
	})
	return s
}

// called is the outcome of a call that the far end placed.
type called struct {
	end FarEnd
	err error
}

// call places a call and returns the driver's leg, unanswered. Serve runs on a
// goroutine that may not have had its turn yet, which refuses calls as overload;
// they are placed again.
func (s *scene) call(ctx context.Context) (telephony.Leg, chan called) {
	s.t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		out := make(chan called, 1)
		go func() {
			end, err := s.Call(ctx, "+12125550123")
			out <- called{end, err}
		}()
		select {
		case leg := <-s.legs:
			return leg, out
		case c := <-out:
			var refused *telephony.DialError
			if !errors.As(c.err, &refused) || refused.Cause != telephony.CauseOverload {
				s.t.Fatalf("the call did not arrive: %v", c.err)
			}
		case <-s.ctx.Done():
			s.t.Fatal("the call did not arrive")
		}
		select {
		case <-again.C:
		case <-s.ctx.Done():
			s.t.Fatal("calls are refused as overload")
		}
	}
}

// talk returns both ends of an answered call.
func (s *scene) talk() (telephony.Leg, FarEnd) {
	s.t.Helper()
	leg, out := s.call(s.ctx)
	if err := leg.Accept(s.ctx); err != nil {
		s.t.Fatalf("Accept: %v", err)
	}
	c := <-out
	if c.err != nil {
		s.t.Fatalf("the far end did not see the answer: %v", c.err)
	}
	return leg, c.end
}

// watch collects events until the call ends, or enough says so.
func (s *scene) watch(leg telephony.Leg, enough func(telephony.Event) bool) []telephony.Event {
	s.t.Helper()
	var out []telephony.Event
	next := int64(-1)
	for ev := range leg.Events(s.ctx) {
		if ev.Kind == telephony.KindAudio {
			if next >= 0 && ev.Audio.Offset != next {
				s.t.Errorf("frame at %d, want %d: frames have no gaps", ev.Audio.Offset, next)
			}
			next = ev.Audio.Offset + int64(len(ev.Audio.PCM))
			ev.Audio.PCM = append([]int16(nil), ev.Audio.PCM...)
		}
		out = append(out, ev)
		if enough != nil && enough(ev) {
			return out
		}
	}
	if s.ctx.Err() != nil {
		s.t.Fatalf("waited in vain; %d events came", len(out))
	}
	return out
}

// until polls a condition.
func (s *scene) until(what string, done func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// ended checks that the last event is the only Ended one and returns it.
func (s *scene) ended(events []telephony.Event) telephony.Event {
	s.t.Helper()
	for i, ev := range events {
		if (ev.Kind == telephony.KindEnded) != (i == len(events)-1) {
			s.t.Fatalf("event %d of %d has kind %d", i+1, len(events), ev.Kind)
		}
	}
	if len(events) == 0 {
		s.t.Fatal("Events ended without an event")
	}
	return events[len(events)-1]
}

// loud counts samples that are no silence.
func loud(pcm []int16) (n int) {
	for _, v := range pcm {
		if v > 1000 || v < -1000 {
			n++
		}
	}
	return n
}

// tone is d of a sound that no codec takes for silence.
func tone(rate int, d time.Duration) []int16 {
	return audio.Sine(rate, int(audio.Samples(d, rate)), 440, -12)
}

func soundBothWays(t *testing.T, s *scene) {
	leg, far := s.talk()
	info := leg.Info()
	if info.To != "+12125550123" || info.ID == "" || (info.Rate != 8000 && info.Rate != 16000) {
		t.Errorf("Info is %+v", info)
	}
	sound := tone(info.Rate, 400*time.Millisecond)
	go func() { _ = far.Speak(s.ctx, sound) }()
	go func() { _ = speak(s.ctx, leg, sound) }()
	heard := 0
	s.watch(leg, func(ev telephony.Event) bool {
		heard += loud(ev.Audio.PCM)
		if ev.Kind == telephony.KindAudio && !ev.Audio.Missing && ev.Arrived.IsZero() {
			t.Error("a received frame without its arrival time")
		}
		return heard > loud(sound)*8/10
	})
	s.until("our sound at the far end", func() bool { return loud(far.Heard()) > loud(sound)*8/10 })
}

func farEndHangsUp(t *testing.T, s *scene) {
	leg, far := s.talk()
	go func() { _ = far.Hangup(s.ctx) }() // the call is over either way
	ev := s.ended(s.watch(leg, nil))
	if ev.Cause != telephony.CauseNormal || !ev.Remote {
		t.Errorf("ended with %s, remote %v", ev.Cause, ev.Remote)
	}
	if err := leg.Send(audio.Frame{PCM: make([]int16, leg.Info().Rate/50), Rate: leg.Info().Rate}); !errors.Is(err, telephony.ErrGone) {
		t.Errorf("Send after the end: %v", err)
	}
	if err := leg.Hangup(s.ctx, telephony.CauseNormal); err != nil {
		t.Errorf("Hangup after the end: %v", err)
	}
}

func weHangUp(t *testing.T, s *scene) {
	leg, _ := s.talk()
	if err := leg.Accept(s.ctx); err == nil {
		t.Error("a second Accept succeeded")
	}
	for range 2 {
		if err := leg.Hangup(s.ctx, telephony.CauseNormal); err != nil {
			t.Errorf("Hangup: %v", err)
		}
	}
	if ev := s.ended(s.watch(leg, nil)); ev.Cause != telephony.CauseNormal || ev.Remote {
		t.Errorf("ended with %s, remote %v", ev.Cause, ev.Remote)
	}
}

func refusals(t *testing.T, s *scene) {
	for _, cause := range []telephony.Cause{telephony.CauseUnknownNumber, telephony.CauseUnavailable,
		telephony.CauseBusy, telephony.CauseOverload, telephony.CauseDeclined} {
		leg, out := s.call(s.ctx)
		if err := leg.Hangup(s.ctx, cause); err != nil {
			t.Errorf("refuse with %s: %v", cause, err)
		}
		var got *telephony.DialError
		if c := <-out; !errors.As(c.err, &got) || got.Cause != cause {
			t.Errorf("refused with %s, the caller got %v", cause, c.err)
		}
		if err := leg.Accept(s.ctx); !errors.Is(err, telephony.ErrGone) {
			t.Errorf("Accept after a refusal: %v", err)
		}
	}
}

func callerCancels(t *testing.T, s *scene) {
	ctx, cancel := context.WithCancel(s.ctx)
	leg, out := s.call(ctx)
	cancel()
	if ev := s.ended(s.watch(leg, nil)); ev.Cause != telephony.CauseCancelled || !ev.Remote {
		t.Errorf("ended with %s, remote %v", ev.Cause, ev.Remote)
	}
	if err := leg.Accept(s.ctx); !errors.Is(err, telephony.ErrGone) {
		t.Errorf("Accept after the caller gave up: %v", err)
	}
	if c := <-out; c.err == nil {
		t.Error("the cancelled call was answered")
	}
}

func nobodyAnswers(t *testing.T, s *scene) {
	_, out := s.call(s.ctx)
	s.leave()
	var got *telephony.DialError
	if c := <-out; !errors.As(c.err, &got) || got.Cause != telephony.CauseFailure {
		t.Errorf("the caller got %v", c.err)
	}
}

func digitsBothWays(t *testing.T, s *scene) {
	leg, far := s.talk()
	sender, ok := leg.(telephony.DigitSender)
	if !ok {
		t.Fatal("the leg sends no digits")
	}
	go func() { _ = far.Digits(s.ctx, "15*#") }()
	var got []rune
	s.watch(leg, func(ev telephony.Event) bool {
		if ev.Kind == telephony.KindDigit {
			got = append(got, ev.Digit)
		}
		return len(got) == 4
	})
	if string(got) != "15*#" {
		t.Errorf("received %q", string(got))
	}
	if err := sender.SendDigits(s.ctx, "90D"); err != nil {
		t.Errorf("SendDigits: %v", err)
	}
	s.until("our digits", func() bool { return far.Pressed() == "90D" })
}

func holdAndResume(t *testing.T, s *scene) {
	leg, far := s.talk()
	agreed := make(chan struct{})
	go func() {
		defer close(agreed)
		for _, on := range []bool{true, false} {
			if err := far.Hold(s.ctx, on); err != nil {
				t.Errorf("hold %v: %v", on, err)
			}
		}
	}()
	var kinds []telephony.EventKind
	s.watch(leg, func(ev telephony.Event) bool {
		if ev.Kind == telephony.KindHeld || ev.Kind == telephony.KindResumed {
			kinds = append(kinds, ev.Kind)
		}
		return len(kinds) == 2
	})
	if kinds[0] != telephony.KindHeld || kinds[1] != telephony.KindResumed {
		t.Errorf("events %v", kinds)
	}
	<-agreed
}

// The far ends of the suite transfer no calls: the leg says so, and goes on.
func transferIsRefused(t *testing.T, s *scene) {
	leg, far := s.talk()
	transferer, ok := leg.(telephony.Transferer)
	if !ok {
		t.Skip("the leg transfers no calls")
	}
	req := telephony.TransferRequest{To: "+12025550142", Within: 5 * time.Second, Progress: func(int) { t.Error("progress of a refused transfer") }}
	var refused *telephony.TransferError
	if err := transferer.Transfer(s.ctx, req); !errors.As(err, &refused) || refused.Accepted || refused.Status < 300 {
		t.Errorf("a refused transfer: %v", err)
	}
	go func() { _ = far.Digits(s.ctx, "1") }()
	heard := false
	s.watch(leg, func(ev telephony.Event) bool { heard = ev.Kind == telephony.KindDigit; return heard })
	if !heard {
		t.Error("the call is over")
	}
	if err := leg.Hangup(s.ctx, telephony.CauseNormal); err != nil {
		t.Errorf("Hangup: %v", err)
	}
	if err := transferer.Transfer(s.ctx, req); !errors.Is(err, telephony.ErrGone) {
		t.Errorf("a transfer after the end: %v", err)
	}
}

func eventsEndWithContext(t *testing.T, s *scene) {
	leg, _ := s.talk()
	ctx, cancel := context.WithTimeout(s.ctx, 100*time.Millisecond)
	defer cancel()
	for ev := range leg.Events(ctx) {
		if ev.Kind == telephony.KindEnded {
			t.Error("the call ended")
		}
	}
	if ctx.Err() == nil {
		t.Error("Events ended before its context")
	}
}

func silenceKeepsTime(t *testing.T, s *scene) {
	leg, _ := s.talk()
	start, samples := time.Now(), int64(0)
	s.watch(leg, func(ev telephony.Event) bool {
		samples += int64(len(ev.Audio.PCM))
		return time.Since(start) > 800*time.Millisecond
	})
	if got := audio.Span(samples, leg.Info().Rate); got < 500*time.Millisecond || got > time.Second {
		t.Errorf("%s of media in 0.8 s of silence", got)
	}
}

func wrongFrames(t *testing.T, s *scene) {
	leg, _ := s.talk()
	rate := leg.Info().Rate
	if err := leg.Send(audio.Frame{PCM: make([]int16, rate), Rate: rate}); err == nil {
		t.Error("a frame of one second was sent")
	}
	if err := leg.Send(audio.Frame{PCM: make([]int16, 220), Rate: 11025}); err == nil {
		t.Error("a frame of another rate was sent")
	}
	if err := leg.Clear(); err != nil {
		t.Errorf("Clear: %v", err)
	}
}
