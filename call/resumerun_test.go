package call_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
)

// slowTool takes its time, and counts how often it begins.
type slowTool struct{ began *atomic.Int32 }

func (s slowTool) Run(ctx context.Context, _ call.ToolCall) (call.ToolResult, error) {
	s.began.Add(1)
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
	}
	return call.ToolResult{Text: "booked for nine"}, nil
}

// A process that takes a call over tells what an action that ran has done when that was
// stored, and that nobody knows when it was not; it does it in no case again.
func TestACallGoesOnWithItsActions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state         sidetone.RunState
		result        string
		told, outcome string
	}{
		"nobody knows": {sidetone.RunBegun, "", conversation.FailedResult + "What is between", "unknown"},
		"done":         {sidetone.RunSucceeded, "booked for nine", "booked for nine", "succeeded"},
		"not done":     {sidetone.RunFailed, "full", conversation.FailedResult + "What is between", "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var began atomic.Int32
				book := call.Action{ID: "a1", Type: "action_external", Offer: llm.Tool{Name: "book"}, Rule: conversation.Action{Name: "book"}, Tool: slowTool{&began}, Once: true}
				rows := &keptRuns{}
				first := newWorld(t, func(w *world, c *call.Config) {
					w.snapshot.Agent.InitialMessage = "hello there"
					w.actions, c.Runs = []call.Action{book}, rows
					w.ears.Queue("I want an appointment")
					w.model.Queue(llmtest.Answer{Calls: []llm.ToolCall{{ID: "c1", Name: "book", Args: json.RawMessage(`{}`)}}}, llmtest.Say("never mind"))
				})
				defer first.stop()
				before := first.ring()
				time.Sleep(4 * time.Second)
				before.Speak(speech(800 * time.Millisecond))
				time.Sleep(2500 * time.Millisecond)
				if began.Load() != 1 || len(rows.all()) != 1 || rows.all()[0].State != sidetone.RunBegun {
					t.Fatalf("%d began, rows %+v", began.Load(), rows.all())
				}
				d, left := first.dies(0), rows.all()[0]
				before.Hangup()
				_, _ = first.result()

				left.State, left.Result = c.state, c.result
				w := newWorld(t, func(w *world, config *call.Config) {
					w.actions, config.Runs = []call.Action{book}, &keptRuns{rows: []sidetone.ActionRun{left}}
					w.model.Reply = func(llm.Request) llmtest.Answer { return llmtest.Say("so it is") }
				})
				w.t = t
				defer w.stop()
				far, err := w.resumes(d)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(8 * time.Second)
				far.Hangup()
				_, events := w.result()
				asked := w.model.Requests()
				told := ""
				for _, m := range asked[len(asked)-1].Messages {
					if m.Role == llm.ToolRole {
						told = m.Text
					}
				}
				if !strings.Contains(told, c.told) || c.result != "" && !strings.Contains(told, c.result) {
					t.Errorf("the model is told %q, want %q", told, c.told)
				}
				shown := 0
				for _, e := range events {
					var data struct{ Outcome, Key string }
					if e.Kind == sidetone.EventAction && json.Unmarshal(e.Data, &data) == nil {
						if shown++; data.Outcome != c.outcome || data.Key != left.ID {
							t.Errorf("the record says %s", e.Data)
						}
					}
				}
				if shown != 1 || began.Load() != 1 || !strings.Contains(heard(far), "so it is") {
					t.Errorf("%d times in the record, begun %d times; the caller heard %q", shown, began.Load(), heard(far))
				}
			})
		})
	}
}

// A run whose end the process before had heard of, and not put into the record, is put
// there with all that is known of it.
func TestARunThatTheRecordLacks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var began atomic.Int32
		book := call.Action{ID: "a1", Type: "action_external", Offer: llm.Tool{Name: "book"}, Rule: conversation.Action{Name: "book"}, Tool: slowTool{&began}, Once: true}
		rows := &keptRuns{}
		first := newWorld(t, func(w *world, c *call.Config) {
			w.snapshot.Agent.InitialMessage = "hello there"
			w.actions, c.Runs = []call.Action{book}, rows
			w.ears.Queue("I want an appointment")
			w.model.Queue(llmtest.Answer{Calls: []llm.ToolCall{{ID: "c1", Name: "book", Args: json.RawMessage(`{"day":"Friday"}`)}}}, llmtest.Say("it is done"))
		})
		defer first.stop()
		before := first.ring()
		time.Sleep(4 * time.Second)
		before.Speak(speech(800 * time.Millisecond))
		time.Sleep(12 * time.Second)
		d := first.dies(0)
		before.Hangup()
		_, _ = first.result()
		for i, e := range d.Events {
			if e.Kind == sidetone.EventAction {
				d.Events = d.Events[:i]
				break
			}
		}
		w := newWorld(t, func(w *world, config *call.Config) { w.actions, config.Runs = []call.Action{book}, rows })
		w.t = t
		defer w.stop()
		far, err := w.resumes(d)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		far.Hangup()
		_, events := w.result()
		var shown []string
		for _, e := range events {
			if e.Kind == sidetone.EventAction {
				shown = append(shown, string(e.Data))
			}
		}
		key := rows.all()[0].ID
		want := `{"action_id":"a1","action_type":"action_external","key":"` + key + `","outcome":"succeeded","parameters":{"day":"Friday"},"said":"booked for nine"}`
		if len(shown) != 1 || shown[0] != want || began.Load() != 1 {
			t.Errorf("the record has %q, want %s", shown, want)
		}
	})
}

// A model that gives two runs the same name is not told the result of the first in the place
// of the second's, of which nobody knows.
func TestRunsOfOneNameAreToldApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var began atomic.Int32
		book := call.Action{ID: "a1", Type: "action_external", Offer: llm.Tool{Name: "book"}, Rule: conversation.Action{Name: "book"}, Tool: slowTool{&began}, Once: true}
		rows := &keptRuns{}
		wants := func(day string) llmtest.Answer {
			return llmtest.Answer{Calls: []llm.ToolCall{{ID: "c1", Name: "book", Args: json.RawMessage(`{"day":"` + day + `"}`)}}}
		}
		first := newWorld(t, func(w *world, c *call.Config) {
			w.snapshot.Agent.InitialMessage = "hello there"
			w.actions, c.Runs = []call.Action{book}, rows
			w.ears.Queue("on Monday please")
			w.model.Queue(wants("Monday"), llmtest.Say("it is done"), wants("Friday"), llmtest.Say("never mind"))
		})
		defer first.stop()
		before := first.ring()
		time.Sleep(4 * time.Second)
		before.Speak(speech(800 * time.Millisecond))
		time.Sleep(12 * time.Second)
		first.ears.Queue("and on Friday")
		before.Speak(speech(800 * time.Millisecond))
		time.Sleep(2500 * time.Millisecond)
		if left := rows.all(); began.Load() != 2 || len(left) != 2 || left[0].State != sidetone.RunSucceeded || left[1].State != sidetone.RunBegun {
			t.Fatalf("%d began, rows %+v", began.Load(), left)
		}
		d, left := first.dies(0), rows.all()
		before.Hangup()
		_, _ = first.result()

		w := newWorld(t, func(w *world, config *call.Config) {
			w.actions, config.Runs = []call.Action{book}, &keptRuns{rows: left}
			w.model.Reply = func(llm.Request) llmtest.Answer { return llmtest.Say("so it is") }
		})
		w.t = t
		defer w.stop()
		far, err := w.resumes(d)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second)
		far.Hangup()
		w.result()
		asked := w.model.Requests()
		told := ""
		for _, m := range asked[len(asked)-1].Messages {
			if m.Role == llm.ToolRole {
				told = m.Text
			}
		}
		if !strings.HasPrefix(told, conversation.FailedResult) || !strings.Contains(told, conversation.UnknownResult) {
			t.Errorf("the model is told %q of the second run", told)
		}
	})
}
