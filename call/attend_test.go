package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
)

// companion is a model that follows the call: it says what waits when it is asked.
type companion struct {
	attend func(c *companion, wake func(error))
	press  func(c *companion, key rune)

	mu      sync.Mutex
	wake    func(error)
	waiting [][]llm.Delta
	cut     []string
	asked   int
}

// Attend implements llm.Attendant.
func (c *companion) Attend(wake func(error)) {
	c.mu.Lock()
	c.wake = wake
	c.mu.Unlock()
	if c.attend != nil {
		c.attend(c, wake)
	}
}

// Press implements llm.Attendant.
func (c *companion) Press(key rune) {
	if c.press != nil {
		c.press(c, key)
	}
}

// Interrupted implements llm.Attendant.
func (c *companion) Interrupted(text string, length time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = append(c.cut, fmt.Sprintf("%s, %v", text, length.Round(100*time.Millisecond)))
}

// say gives it something to say.
func (c *companion) say(deltas ...llm.Delta) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, deltas)
	c.wake(nil)
}

// next takes what waits.
func (c *companion) next() (deltas []llm.Delta) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if len(c.waiting) > 0 {
		deltas, c.waiting = c.waiting[0], c.waiting[1:]
	}
	return deltas
}

// seen returns how often it was asked, and what it heard of interruptions.
func (c *companion) seen() (asked int, cut []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked, slices.Clone(c.cut)
}

// Generate implements llm.Driver.
func (c *companion) Generate(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		silent := true
		for _, d := range c.next() {
			silent = silent && d.Text == ""
			if !yield(d, nil) {
				return
			}
		}
		yield(llm.Delta{Done: &llm.Usage{}, Silent: silent}, nil)
	}
}

func keysOf(digits string) llm.Delta {
	return llm.Delta{Call: &llm.ToolCall{ID: "d", Name: "send_digits", Args: json.RawMessage(`{"digits":"` + digits + `"}`)}}
}

// A model that follows the call speaks first, answers a key at once, presses keys
// after its words, says what it did not get, and hangs up without a word of ours.
func TestModelFollowsTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &companion{attend: func(c *companion, _ func(error)) { c.say(llm.Delta{Text: "hello there"}) },
			press: func(c *companion, key rune) {
				c.say(llm.Delta{Note: &llm.Note{Action: "lookup", Text: "failed: no such key"}}, llm.Delta{Note: &llm.Note{Text: "play is not done"}},
					llm.Delta{Text: "this is what I heard you press, and then I press two myself: " + string(key)}, keysOf("5w6"))
			}}
		w := newWorld(t, func(w *world, _ *call.Config) { w.thinker = c })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(4 * time.Second)
		if got := heard(far); got != "hello there" {
			t.Errorf("first: %q", got)
		}
		far.Press('1', 100*time.Millisecond)
		time.Sleep(1500 * time.Millisecond)
		if got := far.Digits(); got != "" {
			t.Errorf("pressed %q before the words were heard", got)
		}
		time.Sleep(8 * time.Second)
		if got := heard(far); !strings.HasSuffix(got, "myself 1") || far.Digits() != "56" {
			t.Errorf("upon a key: %q, pressed %q", got, far.Digits())
		}
		c.say(llm.Delta{Call: &llm.ToolCall{ID: "e", Name: "end_conversation", Args: json.RawMessage(`{}`)}})
		<-far.Gone()
		r, events := w.result()
		if r.EndReason != "goodbye" || !strings.HasSuffix(heard(far), "myself 1") {
			t.Errorf("ended with %q, heard %q", r.EndReason, heard(far))
		}
		if got := strings.Join(told(events, sidetone.EventAction), "; "); got != "lookup; send_digits; end_conversation" {
			t.Errorf("actions %q", got)
		}
		if got := strings.Join(r.Errors, "; "); got != "action lookup: no such key; play is not done" {
			t.Errorf("errors %q", got)
		}
	})
}

// A model that follows the call is told of an interruption when it is one, with what
// was heard.
func TestModelHearsOfInterruptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &companion{attend: func(c *companion, _ func(error)) {
			c.say(llm.Delta{Text: "there is a lot to say about this and it takes me quite a while to come to its end"})
		}}
		w := newWorld(t, func(w *world, _ *call.Config) { w.thinker = c })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(3 * time.Second)
		far.Press('1', 100*time.Millisecond)
		time.Sleep(100 * time.Millisecond)
		_, cut := c.seen()
		if len(cut) != 1 || !strings.HasPrefix(cut[0], "there is") || strings.Contains(cut[0], "end") {
			t.Fatalf("cut %q", cut)
		}
		far.Hangup()
		_, events := w.result()
		if got := told(events, sidetone.EventAgent); len(got) != 1 || !strings.HasPrefix(cut[0], got[0]+", ") {
			t.Errorf("cut %q, the record says %q", cut, got)
		}
	})
}

// A model that cannot follow the call is asked, and so found out, when nothing else
// would be said first.
func TestModelThatCannotFollowTheCall(t *testing.T) {
	t.Parallel()
	for greeting, want := range map[string]int{"": 1, "Welcome.": 0} {
		synctest.Test(t, func(t *testing.T) {
			c := &companion{attend: func(_ *companion, wake func(error)) { wake(errors.New("refused")) }}
			w := newWorld(t, func(w *world, _ *call.Config) { w.thinker, w.snapshot.Agent.InitialMessage = c, greeting })
			defer w.stop()
			far := w.ring()
			<-far.Answered()
			time.Sleep(4 * time.Second)
			far.Hangup()
			w.result()
			if asked, _ := c.seen(); asked != want {
				t.Errorf("with the greeting %q it was asked %d times, want %d", greeting, asked, want)
			}
		})
	}
}
