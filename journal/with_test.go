package journal_test

import (
	"strings"
	"testing"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
)

// TestWith finds where another dial changes the call, and that one does not.
func TestWith(t *testing.T) {
	t.Parallel()
	h, steps := sample()
	j, err := journal.Read(write(t, h, steps))
	if err != nil {
		t.Fatal(err)
	}
	cfg := h.Config
	if fork, err := j.With(cfg); fork != nil || err != nil {
		t.Errorf("the same: %+v, %v", fork, err)
	}
	cfg.IdleTime = 20_000_000_000
	fork, err := j.With(cfg)
	if err != nil || fork == nil {
		t.Fatalf("idle time: %+v, %v", fork, err)
	}
	if fork.Turn != 0 || len(fork.Played) != 3 || fork.Was != "Arm idle at 31.530001 epoch=6" || fork.Is != "Arm idle at 21.530001 epoch=6" || !strings.HasPrefix(fork.Input, "playout played") {
		t.Errorf("%+v", fork)
	}
	cfg = h.Config
	cfg.Endpoint = conversation.Relaxed
	if fork, err := j.With(cfg); err != nil || fork == nil || !strings.HasPrefix(fork.Input, "caller quiet") || fork.Output != 3 {
		t.Errorf("endpointing: %+v, %v", fork, err)
	}
}

// TestSetDial sets every dial by the name that agents have for it.
func TestSetDial(t *testing.T) {
	t.Parallel()
	var c conversation.Config
	for name, value := range map[string]any{
		"initial_message": "Hi.", "initial_message_delay": 250.0, "interrupt_sensitivity": "high", "endpointing_sensitivity": "relaxed", "language": "de",
		"enable_dynamic_turns": true, "wait_for_greeting": true, "ask_if_human_present_on_idle": true, "idle_time_seconds": 7.0, "call_duration_sec": 60.0,
		"max_idle_check_count": 3.0, "conversation_speed": 1.25,
	} {
		if known, err := journal.SetDial(&c, name, value); !known || err != nil {
			t.Errorf("%s: %t, %v", name, known, err)
		}
		if known, err := journal.SetDial(new(conversation.Config), name, []any{}); !known || err == nil {
			t.Errorf("%s takes a list", name)
		}
	}
	want := conversation.Config{Greeting: "Hi.", GreetingDelay: 250e6, Interrupt: "high", Endpoint: "relaxed", Language: "de", DynamicTurns: true, WaitForGreeting: true,
		AskOnIdle: true, IdleTime: 7e9, MaxDuration: 60e9, MaxIdleChecks: 3, Speed: 1250}
	got, err := journal.AppendHeader(nil, journal.Header{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	if wanted, _ := journal.AppendHeader(nil, journal.Header{Config: want}); string(got) != string(wanted) {
		t.Errorf("got %s, want %s", got, wanted)
	}
	if known, err := journal.SetDial(&c, "prompt", "x"); known || err != nil {
		t.Errorf("prompt: %t, %v", known, err)
	}
}
