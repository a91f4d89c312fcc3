package rerun_test

import (
	"testing"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/journal/rerun"
)

// TestSetDial sets every dial by the name that agents have for it.
func TestSetDial(t *testing.T) {
	t.Parallel()
	var c conversation.Config
	for name, value := range map[string]any{
		"initial_message": "Hi.", "initial_message_delay": 250.0, "interrupt_sensitivity": "high", "endpointing_sensitivity": "relaxed", "language": "de",
		"enable_dynamic_turns": true, "wait_for_greeting": true, "ask_if_human_present_on_idle": true, "idle_time_seconds": 7.0, "call_duration_sec": 60.0,
		"max_idle_check_count": 3.0, "conversation_speed": 1.25,
	} {
		if known, err := rerun.SetDial(&c, name, value); !known || err != nil {
			t.Errorf("%s: %t, %v", name, known, err)
		}
		if known, err := rerun.SetDial(new(conversation.Config), name, []any{}); !known || err == nil {
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
	for name, value := range map[string]any{"endpointing_sensitivity": "eager", "interrupt_sensitivity": "medium", "conversation_speed": 3.0, "idle_time_seconds": -1.0} {
		if known, err := rerun.SetDial(new(conversation.Config), name, value); !known || err == nil {
			t.Errorf("%s takes %v", name, value)
		}
	}
	for _, name := range rerun.Dials() {
		if known, _ := rerun.SetDial(new(conversation.Config), name, nil); !known {
			t.Errorf("%s is listed and not known", name)
		}
	}
	if known, err := rerun.SetDial(&c, "prompt", "x"); known || err != nil {
		t.Errorf("prompt: %t, %v", known, err)
	}
}
