package conversation_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal/rerun"
)

// rerunCall runs a golden call with its own configuration, which changes nothing, and with
// one in which nothing but the call's longest duration differs: all but the first input is
// simulated then, and comes out as it was.
func rerunCall(t *testing.T, c *goldenCall) {
	t.Helper()
	j := c.written()
	if r, err := rerun.Run(j, c.cfg, rerun.Options{}); r != nil || err != nil {
		t.Errorf("the same configuration: %+v, %v", r, err)
	}
	cfg := c.cfg
	cfg.MaxDuration += 3 * time.Hour
	if c.cfg.MaxDuration > 0 {
		return // the call ends by it
	}
	r, err := rerun.Run(j, cfg, rerun.Options{})
	if err != nil || r == nil || r.Fork.Output == 0 {
		t.Fatalf("another duration: %+v, %v", r, err)
	}
	if again, err := rerun.Run(j, cfg, rerun.Options{}); err != nil || !cmp.Equal(r, again, cmpopts.IgnoreUnexported(rerun.Turn{})) {
		t.Errorf("a second run differs: %v", err)
	}
	if r.Born {
		return // what a model that speaks itself would have said is not known
	}
	for i, b := range r.Blocks {
		asItWas(t, b, i == len(r.Blocks)-1, c.clock)
	}
}

// rerunOtherwise runs a golden call with other dials, without a model and with one: whatever
// comes of it, all that the caller did comes, unless the call is over before.
func rerunOtherwise(t *testing.T, c *goldenCall) {
	t.Helper()
	j := c.written()
	echo := func(ask conversation.AskModel) (rerun.Answer, error) {
		return rerun.Answer{Text: "You said: " + ask.Messages[len(ask.Messages)-1].Text + ". Is that right?"}, nil
	}
	for name, change := range map[string]func(*conversation.Config){
		"relaxed":   func(cfg *conversation.Config) { cfg.Endpoint = conversation.Relaxed },
		"sensitive": func(cfg *conversation.Config) { cfg.Endpoint = conversation.Sensitive },
		"high":      func(cfg *conversation.Config) { cfg.Interrupt = conversation.High },
		"turns":     func(cfg *conversation.Config) { cfg.DynamicTurns = !cfg.DynamicTurns },
		"slow":      func(cfg *conversation.Config) { cfg.Speed = 500 },
		"greeting":  func(cfg *conversation.Config) { cfg.Greeting = "Good morning, how can I help you today?" },
		"delay":     func(cfg *conversation.Config) { cfg.GreetingDelay += time.Second },
		"idle":      func(cfg *conversation.Config) { cfg.IdleTime, cfg.AskOnIdle = 4*time.Second, true },
		"short":     func(cfg *conversation.Config) { cfg.MaxDuration = 3 * time.Second },
	} {
		for _, model := range []func(conversation.AskModel) (rerun.Answer, error){nil, echo} {
			cfg := c.cfg
			change(&cfg)
			r, err := rerun.Run(j, cfg, rerun.Options{Model: model})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if r == nil || r.Born {
				continue
			}
			if r.Unheard > 0 && !slices.ContainsFunc(r.Blocks, isOver) {
				t.Errorf("%s: %d inputs did not come: %+v", name, r.Unheard, r.Blocks)
			}
		}
	}
}

// isOver reports whether the line is closed in a simulated piece of a call.
func isOver(b rerun.Block) bool {
	return slices.ContainsFunc(b.Is, func(turn rerun.Turn) bool {
		return slices.ContainsFunc(turn.Events, func(e rerun.Event) bool { return e.Who == rerun.Line })
	})
}

// asItWas checks that a simulated piece of a call has what was in the call, when it was.
// What the script leaves open at its end may follow.
func asItWas(t *testing.T, b rerun.Block, last bool, end time.Duration) {
	t.Helper()
	tolerance := 50 * time.Millisecond
	if strings.HasSuffix(t.Name(), "/recogniser_lost") || strings.HasSuffix(t.Name(), "/end_goodbye_bye") {
		tolerance = 500 * time.Millisecond // their sound is not over when its length says
	}
	var is []rerun.Event
	for _, turn := range b.Is {
		for _, e := range turn.Events {
			if e.Who != rerun.Remark {
				is = append(is, e)
			}
		}
	}
	for _, turn := range b.Was {
		for _, e := range turn.Events {
			n := slices.IndexFunc(is, func(o rerun.Event) bool {
				return o.Who == e.Who && o.Text == e.Text && o.Said == e.Said && o.Interrupted == e.Interrupted
			})
			if n < 0 || n > 0 && !last {
				t.Fatalf("%+v is not what comes next of\n%+v", e, is)
			}
			if late := is[n].At - e.At; late.Abs() > tolerance {
				t.Errorf("%s late: %+v", late, e)
			}
			is = slices.Delete(is, n, n+1)
		}
	}
	for _, e := range is {
		if !last || e.Who == rerun.Caller && e.At < end {
			t.Errorf("this was not in the call: %+v", e)
		}
	}
}
