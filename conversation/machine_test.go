package conversation

import (
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := withDefaults(Config{Speed: 9000})
	if c.Speed != 2000 || c.Interrupt != Low || c.Endpoint != Auto || c.MaxDuration != 2*time.Hour || c.IdleTime != 30*time.Second {
		t.Errorf("defaults: %+v", c)
	}
	if got := withDefaults(Config{AskOnIdle: true}); got.IdleTime != 15*time.Second || got.MaxIdleChecks != 2 || len(got.Phrases.Idle) == 0 {
		t.Errorf("defaults with asking: %+v", got)
	}
}

// A clock that goes back counts as standing still.
func TestStepKeepsTimeMonotonic(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	m.Step(5*time.Second, MediaStarted{})
	out := m.Step(time.Second, SpeechStarted{})
	if at := armedAt(out, timerStuck); at != 20*time.Second {
		t.Errorf("stuck timer at %v, want 20s", at)
	}
}

// Decisions depend on whole microseconds only, so that a journal can hold all of
// the time; a timer of a time between two of them is not early.
func TestStepCountsMicroseconds(t *testing.T) {
	t.Parallel()
	m := New(Config{Greeting: "Hello there."})
	m.Step(0, MediaStarted{})
	m.Step(0, Voiced{Utt: 1, Total: 1000001, Done: true})
	out := m.Step(1999, Audible{Utt: 1})
	if at := armedAt(out, timerVoice); at != 3*time.Second+1002*time.Microsecond {
		t.Errorf("voice timer at %d ns, want a whole microsecond after 1.000001 ms of sound and 3 s", at)
	}
	if m.now != time.Microsecond {
		t.Errorf("the machine's time is %d ns, want 1000", m.now)
	}
}

func TestHistoryIsACopy(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	m.Step(0, MediaStarted{})
	m.Step(0, Heard{Text: "hello", Final: true})
	m.Step(0, TurnYielded{})
	h := m.History()
	if len(h) != 1 || h[0].Text != "hello" || h[0].Role != User {
		t.Fatalf("history: %+v", h)
	}
	h[0].Text = "changed"
	if m.History()[0].Text != "hello" {
		t.Error("the caller of History can change it")
	}
}

func TestNothingAfterTheEnd(t *testing.T) {
	t.Parallel()
	m := New(Config{Greeting: "Hello there."})
	m.Step(0, MediaStarted{})
	m.Step(time.Second, HungUp{Remote: true})
	if !m.Ended() || m.Snapshot().Agent != Over {
		t.Fatalf("not over: %+v", m.Snapshot())
	}
	for _, in := range []Input{
		SpeechStarted{}, Heard{Text: "hello", Final: true}, TurnYielded{}, Audible{Utt: 1}, Played{Utt: 1},
		Command{Verb: "say", Text: "Hello"}, Held{}, Unheld{}, Digit{Key: '1'}, HungUp{},
		TimerFired{Name: timerIdle, Epoch: 1}, ToolDone{ID: "x"}, Stopped{},
	} {
		if out := m.Step(2*time.Second, in); len(out) != 0 {
			t.Errorf("%#v after the end caused %v", in, out)
		}
	}
}

func TestHangUpBeforeMedia(t *testing.T) {
	t.Parallel()
	m := New(Config{Greeting: "Hello there."})
	if m.Snapshot().Agent != Starting {
		t.Fatalf("state %s", m.Snapshot().Agent)
	}
	m.Step(0, HungUp{Remote: true})
	if !m.Ended() || len(m.History()) != 0 {
		t.Errorf("ended %t, history %v", m.Ended(), m.History())
	}
}

func TestUnknownCommandIsIgnored(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	m.Step(0, MediaStarted{})
	if out := m.Step(0, Command{Verb: "dance"}); len(out) != 0 {
		t.Errorf("outputs %v", out)
	}
}
