package call_test

import (
	"context"
	"encoding/json"
	"strings"
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
type slowTool struct{ began *int }

func (s slowTool) Run(ctx context.Context, _ call.ToolCall) (call.ToolResult, error) {
	*s.began++
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
				began := 0
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
				if began != 1 || len(rows.all()) != 1 || rows.all()[0].State != sidetone.RunBegun {
					t.Fatalf("%d began, rows %+v", began, rows.all())
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
				if shown != 1 || began != 1 || !strings.Contains(heard(far), "so it is") {
					t.Errorf("%d times in the record, begun %d times; the caller heard %q", shown, began, heard(far))
				}
			})
		})
	}
}
