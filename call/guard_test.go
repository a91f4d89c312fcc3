package call_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/transcriber"
)

// bomb panics wherever it is asked for something.
type bomb struct{}

func (bomb) Open(context.Context, transcriber.Config) (transcriber.Stream, error) { panic("ears") }

func (bomb) Speak(context.Context, synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	return func(func(synthesizer.Chunk, error) bool) { panic("voice") }
}

func (bomb) Generate(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
	return func(func(llm.Delta, error) bool) { panic("model") }
}

func (bomb) Dial(context.Context, telephony.DialRequest, func()) (telephony.Leg, error) {
	panic("carrier")
}

func (bomb) Serve(context.Context, func(context.Context, telephony.Leg)) error { return nil }

func (bomb) Create(string, int) (call.Recorder, error) { return bomb{}, nil }
func (bomb) Resume(string, int) (call.Recorder, error) { return bomb{}, nil }
func (bomb) Caller(audio.Frame, time.Duration)         { panic("disk of the caller") }
func (bomb) Expect(time.Duration)                      {}
func (bomb) Agent([]int16, time.Duration)              { panic("disk of the agent") }
func (bomb) Close(time.Duration) error                 { return nil }
func (bomb) Discard() error                            { return nil }
func (bomb) Path() string                              { return "bomb.wav" }

// bombs plans panicking drivers for agents in Spanish.
type bombs struct{ *world }

func (b bombs) Plan(_ context.Context, c sidetone.Call, _ int) (call.Plan, error) {
	if c.Snapshot.Agent.Language == "none" {
		panic("plan")
	}
	return call.Plan{Recognisers: []call.Recogniser{{Driver: bomb{}}}, Voices: []call.Voice{{Driver: bomb{}}}, Models: []call.Model{{Driver: bomb{}}}}, nil
}

func TestPanicOfADriverCostsOneCall(t *testing.T) {
	t.Parallel()
	t.Run("speech and model", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(w *world, c *call.Config) {
				w.snapshot.Agent.InitialMessage = "hello"
				c.Planner, c.Phrases = bombs{w}, call.NewPhrases()
			})
			defer w.stop()
			far := w.ring()
			<-far.Answered()
			time.Sleep(10 * time.Minute)
			if r, _ := w.result(); r.Status != sidetone.CallError {
				t.Errorf("result: got %+v", r)
			}
		})
	})
	t.Run("recorder", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(w *world, c *call.Config) {
				w.snapshot.Agent.EnableRecording = true
				c.Recordings = bomb{}
			})
			defer w.stop()
			far := w.ring()
			<-far.Gone()
			r, events := w.result()
			if r.Status != sidetone.CallError || !strings.Contains(r.ErrorMessage, "disk of the") || !slices.Contains(r.Errors, r.ErrorMessage) ||
				!slices.Contains(told(events, sidetone.EventError), r.ErrorMessage) {
				t.Errorf("result: got %+v", r)
			}
		})
	})
	t.Run("plan", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(w *world, c *call.Config) {
				w.snapshot.Agent.Language = "none"
				c.Planner = bombs{w}
			})
			defer w.stop()
			far := w.ring()
			<-far.Gone()
			if got := far.Refusal().Cause; got != telephony.CauseFailure {
				t.Errorf("refused with %v", got)
			}
		})
	})
	t.Run("carrier", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(_ *world, c *call.Config) {
				c.Carriers = carriers{"bomb": bomb{}}
				c.Log = slog.New(slog.DiscardHandler)
			})
			defer w.stop()
			err := w.exchange.Dial(t.Context(), sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "bomb"})
			var failed *telephony.DialError
			if !errors.As(err, &failed) || !failed.Sent {
				t.Errorf("dial: got %v", err)
			}
			if r, _ := w.result(); r.Outcome != sidetone.OutcomeDidNotConnect {
				t.Errorf("result: got %+v", r)
			}
		})
	})
}

func TestEndGivesUpACallThatRings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		c := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "simulated", ToNumber: "+1", Snapshot: w.snapshot}
		dialled := make(chan error, 1)
		go func() { dialled <- w.exchange.Dial(context.Background(), c) }()
		ringing, err := w.driver.Dialled(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.exchange.End(t.Context(), "other", sidetone.Ending{CallID: "out"}); sidetone.CodeOf(err) != sidetone.NotFound {
			t.Errorf("end from another environment: got %v", err)
		}
		if err := w.exchange.End(t.Context(), "env", sidetone.Ending{CallID: "out"}); err != nil {
			t.Fatal(err)
		}
		<-ringing.Cancelled()
		if err := <-dialled; err == nil {
			t.Error("dial: got no error")
		}
		if r, _ := w.result(); r.EndReason != "api" || r.Status != sidetone.CallEnded || r.Outcome != sidetone.OutcomeDidNotConnect {
			t.Errorf("result: got %+v", r)
		}
		if w.exchange.Runs("out") {
			t.Error("the call is still run")
		}
	})
}

// stubborn is a leg that never ends.
type stubborn struct{ accepted chan struct{} }

func (stubborn) Info() telephony.Info {
	return telephony.Info{ID: "stubborn", From: "+12025550199", To: "+14155550100", Rate: 8000}
}
func (l stubborn) Accept(context.Context) error { close(l.accepted); return nil }
func (stubborn) Events(ctx context.Context) iter.Seq[telephony.Event] {
	return func(func(telephony.Event) bool) { <-ctx.Done() }
}
func (stubborn) Send(audio.Frame) error { return nil }
func (stubborn) Clear() error           { return nil }
func (stubborn) Hangup(ctx context.Context, _ telephony.Cause) error {
	<-ctx.Done()
	return ctx.Err()
}

// A call that we end is over soon, whatever the line says of it; so is one that
// is ended because the node stops, and its record is complete.
func TestCallThatTheLineDoesNotEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world){
		"api":      func(w *world) { _ = w.exchange.End(w.t.Context(), "env", sidetone.Ending{CallID: w.ledger.oneCall()}) },
		"shutdown": func(w *world) { w.exchange.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				defer w.stop()
				leg := stubborn{make(chan struct{})}
				over := make(chan struct{})
				go func() {
					defer close(over)
					w.exchange.Answer(t.Context(), leg)
				}()
				<-leg.accepted
				time.Sleep(time.Second)
				began := time.Now()
				end(w)
				r, _ := w.result()
				if took := time.Since(began); r.EndReason != name || took < 9*time.Second || took > 15*time.Second {
					t.Errorf("after %s: %+v", took, r)
				}
				if !strings.Contains(strings.Join(r.Errors, " "), "did not confirm") {
					t.Errorf("errors %q", r.Errors)
				}
				<-over
				if w.exchange.Live() != 0 {
					t.Error("the call is still live")
				}
			})
		})
	}
}

func TestCallEndedInTheRecordIsHungUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, c *call.Config) { c.Ledger = closed{w.ledger} })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		<-far.Gone()
		if far.Ended().Remote {
			t.Error("the caller hung up, want us to")
		}
	})
}

// closed is a ledger in which every call is over.
type closed struct{ *fakeLedger }

func (closed) MarkCall(context.Context, string, string, func(*sidetone.Call)) (sidetone.Call, error) {
	return sidetone.Call{}, sidetone.Errorf(sidetone.Conflict, "call is over")
}

func TestDrainRefusesCallersButPlacesWhatWasPromised(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		w.exchange.Drain(over)
		late := w.ring()
		<-late.Gone()
		if got := late.Refusal().Cause; got != telephony.CauseOverload {
			t.Errorf("a caller during the drain: got %v", got)
		}
		c := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "simulated", ToNumber: "+1", Snapshot: w.snapshot}
		dialled := make(chan error, 1)
		go func() { dialled <- w.exchange.Dial(context.Background(), c) }()
		ringing, err := w.driver.Dialled(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ringing.Answer()
		if err := <-dialled; err != nil {
			t.Errorf("a call that was promised: %v", err)
		}
		w.exchange.Close()
		for range 2 {
			if r, _ := w.result(); r.EndReason != "shutdown" || r.Status != sidetone.CallError {
				t.Errorf("result: got %+v", r)
			}
		}
		if err := w.exchange.Dial(t.Context(), c); err == nil {
			t.Error("a closed exchange dials")
		}
	})
}
