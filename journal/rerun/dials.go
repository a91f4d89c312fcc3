package rerun

import (
	"fmt"
	"slices"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// Dials are the names that SetDial knows.
func Dials() []string {
	return []string{
		"initial_message", "initial_message_delay", "interrupt_sensitivity", "endpointing_sensitivity", "language", "enable_dynamic_turns",
		"wait_for_greeting", "ask_if_human_present_on_idle", "idle_time_seconds", "call_duration_sec", "max_idle_check_count", "conversation_speed",
	}
}

// SetDial sets what the machine knows by the name of a property of an agent, in the
// form of JSON: texts, numbers as float64, booleans. known is false for a property that
// the machine does not see, such as the prompt.
func SetDial(c *conversation.Config, name string, value any) (known bool, err error) {
	var ok bool
	set := func(p *string, choices ...string) {
		if *p, ok = value.(string); len(choices) > 0 {
			ok = slices.Contains(choices, *p)
		}
	}
	flag := func(p *bool) { *p, ok = value.(bool) }
	number := func(least, most float64) float64 {
		n, is := value.(float64)
		ok = is && n >= least && n <= most
		return n
	}
	times := func(p *time.Duration, unit time.Duration) {
		*p = time.Duration(number(0, float64(24*time.Hour/unit)) * float64(unit))
	}
	switch name {
	case "initial_message":
		set(&c.Greeting)
	case "initial_message_delay":
		times(&c.GreetingDelay, time.Millisecond)
	case "interrupt_sensitivity":
		set((*string)(&c.Interrupt), string(conversation.Low), string(conversation.High))
	case "endpointing_sensitivity":
		set((*string)(&c.Endpoint), string(conversation.Auto), string(conversation.Relaxed), string(conversation.Sensitive))
	case "language":
		set(&c.Language)
	case "enable_dynamic_turns":
		flag(&c.DynamicTurns)
	case "wait_for_greeting":
		flag(&c.WaitForGreeting)
	case "ask_if_human_present_on_idle":
		flag(&c.AskOnIdle)
	case "idle_time_seconds":
		times(&c.IdleTime, time.Second)
	case "call_duration_sec":
		times(&c.MaxDuration, time.Second)
	case "max_idle_check_count":
		c.MaxIdleChecks = int(number(0, 1000))
	case "conversation_speed":
		c.Speed = int(1000*number(0.5, 2) + 0.5)
	default:
		return false, nil
	}
	if !ok {
		return true, fmt.Errorf("%s cannot be %v", name, value)
	}
	return true, nil
}
