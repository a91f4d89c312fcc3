package journal

import (
	"fmt"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/script"
)

// Fork is where a call goes another way with another configuration.
type Fork struct {
	// Played are the inputs at which both did the same, with their outputs.
	Played []Played
	// Turn is the caller's turn, At the time of the input, Line where it stands, Input its
	// text and Output the number of the first output that differs.
	Turn   int
	At     time.Duration
	Line   int
	Input  string
	Output int
	// Was is what the agent did, Is what it does now; "" for nothing.
	Was, Is string
}

// With runs the call with another configuration beside its own, up to the first
// difference; nil when there is none. What would follow cannot be told from the
// journal: the caller, the model and the voice would have done something else, too. It is
// an error when the call is not replayed exactly with its own configuration.
func (j *Journal) With(cfg conversation.Config) (*Fork, error) {
	played, err := j.Replay()
	if err != nil {
		return nil, err
	}
	m, turn := conversation.New(cfg), 0
	for i, p := range played {
		outs := m.Step(p.At, p.In)
		n, was, is, err := firstDifferent(p.Outputs, outs)
		if err != nil {
			return nil, err
		}
		if n >= 0 {
			return &Fork{Played: played[:i], Turn: turn, At: p.At, Line: p.Line, Input: p.Text, Output: n + 1, Was: was, Is: is}, nil
		}
		turn = p.Turn
	}
	return nil, nil
}

// firstDifferent returns the first output that differs and both texts; -1 for none.
func firstDifferent(was, is []conversation.Output) (n int, before, now string, err error) {
	for n := range max(len(was), len(is)) {
		if before, err = textAt(was, n); err != nil {
			return 0, "", "", err
		}
		if now, err = textAt(is, n); err != nil {
			return 0, "", "", err
		}
		if before != now {
			return n, before, now, nil
		}
	}
	return -1, "", "", nil
}

func textAt(outs []conversation.Output, n int) (string, error) {
	if n >= len(outs) {
		return "", nil
	}
	b, err := script.AppendOutput(nil, outs[n])
	return string(b), err
}

// SetDial sets what the machine knows by the name of a property of an agent, in the
// form of JSON: texts, numbers as float64, booleans. known is false for a property that
// the machine does not see, such as the prompt.
func SetDial(c *conversation.Config, name string, value any) (known bool, err error) {
	var ok bool
	set := func(p *string) { *p, ok = value.(string) }
	flag := func(p *bool) { *p, ok = value.(bool) }
	times := func(p *time.Duration, unit time.Duration) {
		var n float64
		if n, ok = value.(float64); ok {
			*p = time.Duration(n * float64(unit))
		}
	}
	switch name {
	case "initial_message":
		set(&c.Greeting)
	case "initial_message_delay":
		times(&c.GreetingDelay, time.Millisecond)
	case "interrupt_sensitivity":
		set((*string)(&c.Interrupt))
	case "endpointing_sensitivity":
		set((*string)(&c.Endpoint))
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
	case "max_idle_check_count", "conversation_speed":
		var n float64
		n, ok = value.(float64)
		if name == "conversation_speed" {
			c.Speed = int(1000*n + 0.5)
		} else {
			c.MaxIdleChecks = int(n)
		}
	default:
		return false, nil
	}
	if !ok {
		return true, fmt.Errorf("%s cannot be %v", name, value)
	}
	return true, nil
}
