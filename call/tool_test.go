package call

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// toolFunc is a Tool made of a function.
type toolFunc func(context.Context, ToolCall) (ToolResult, error)

func (f toolFunc) Run(ctx context.Context, c ToolCall) (ToolResult, error) { return f(ctx, c) }

// lasting returns a tool that takes d, and gives up when its context ends.
func lasting(d time.Duration) Tool {
	return toolFunc(func(ctx context.Context, c ToolCall) (ToolResult, error) {
		wait := time.NewTimer(d)
		defer wait.Stop()
		select {
		case <-wait.C:
			return ToolResult{Text: c.Name + " done"}, nil
		case <-ctx.Done():
			return ToolResult{}, ctx.Err()
		}
	})
}

func TestToolsRunBesideEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var posts collector
		var mu sync.Mutex
		var seen []ToolCall
		r := &toolRunner{clock: testClock(), post: posts.post, commit: func() {}, call: ToolCall{EnvironmentID: "env", CallID: "call"},
			tools: map[string]Tool{"slow": lasting(3 * time.Second), "quick": lasting(time.Second), "endless": lasting(time.Hour),
				"broken": toolFunc(func(context.Context, ToolCall) (ToolResult, error) { return ToolResult{}, errors.New("no such order") }),
				"bomb":   toolFunc(func(context.Context, ToolCall) (ToolResult, error) { panic("boom") }),
				"note": toolFunc(func(_ context.Context, c ToolCall) (ToolResult, error) {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, c)
					return ToolResult{Text: "noted"}, nil
				})}}
		for i, name := range []string{"slow", "quick", "endless", "broken", "bomb", "unknown", "note", "note"} {
			r.run(conversation.RunTool{ID: string(rune('a' + i)), Name: name, Args: `{"n":1}`})
		}
		began := time.Now()
		r.wait()
		if took := time.Since(began); took != toolTimeout {
			t.Errorf("all were over after %s, want %s", took, toolTimeout)
		}
		var got []string
		for _, p := range posts.take() {
			d := p.(conversation.ToolDone)
			got = append(got, d.ID+" "+d.Result)
			if d.Failed != strings.Contains("cdef", d.ID) {
				t.Errorf("%s: failed %v", d.ID, d.Failed)
			}
		}
		if n := len(got); n < 3 || got[n-3] != "b quick done" || got[n-2] != "a slow done" {
			t.Errorf("order: %q", got)
		}
		slices.Sort(got)
		want := []string{"a slow done", "b quick done", "c no result within 10s", "d no such order", "e panic in the tool bomb: boom",
			"f unknown action: unknown", "g noted", "h noted"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		slices.SortFunc(seen, func(a, b ToolCall) int { return strings.Compare(a.Key, b.Key) })
		wantSeen := []ToolCall{
			{Key: "call:7", EnvironmentID: "env", CallID: "call", ID: "g", Name: "note", Args: json.RawMessage(`{"n":1}`)},
			{Key: "call:8", EnvironmentID: "env", CallID: "call", ID: "h", Name: "note", Args: json.RawMessage(`{"n":1}`)},
		}
		if diff := cmp.Diff(wantSeen, seen); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

// toolSession runs a session whose model calls order when a key is pressed.
func toolSession(t *testing.T, order Tool, during func(*telephonytest.Far)) (events []sidetone.Event, history []conversation.Message) {
	t.Helper()
	leg, far := telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{Outbound: true})
	model := llmtest.NewStub(llmtest.Answer{Calls: []llm.ToolCall{{ID: "c1", Name: "order", Args: json.RawMessage(`{}`)}}}, llmtest.Say("it is ordered"))
	x := &Exchange{c: Config{Clock: testClock(), Log: slog.New(slog.DiscardHandler)}}
	s, err := x.newSession(sidetone.Call{ID: "call", EnvironmentID: "env"}, leg, Plan{Models: []Model{{Driver: model}}, Voices: []Voice{{Driver: &synthesizertest.Stub{}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.record = func(e sidetone.Event) { events = append(events, e) }
	s.tools.tools["order"] = order
	s.mind.tools = append(s.mind.tools, llm.Tool{Name: "order"})
	wheel := NewWheel(testClock())
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	s.caller().drop = cancel
	var wg sync.WaitGroup
	wg.Go(func() { wheel.Run(done) })
	wg.Go(func() { s.caller().read(ctx) })
	wg.Go(func() { during(far) })
	s.converse(ctx, wheel)
	cancel()
	close(done)
	wg.Wait()
	return events, s.machine.History()
}

// actions are the results of actions, as recorded.
func actions(events []sidetone.Event) (all []string) {
	for _, e := range events {
		if e.Kind == sidetone.EventAction {
			all = append(all, e.Text+" "+string(e.Data))
		}
	}
	return all
}

// A tool does not hold the conversation up, and what came of it is recorded
// whether the call still stands or not.
func TestToolResultReachesTheHistory(t *testing.T) {
	t.Parallel()
	for name, hangUpAfter := range map[string]time.Duration{"during the call": 20 * time.Second, "after the call": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				events, history := toolSession(t, lasting(5*time.Second), func(far *telephonytest.Far) {
					time.Sleep(2 * time.Second)
					far.Press('1', 100*time.Millisecond)
					far.Press('#', 100*time.Millisecond)
					time.Sleep(hangUpAfter)
					far.Hangup()
				})
				if got := actions(events); len(got) != 1 || !strings.Contains(got[0], "order done") {
					t.Errorf("recorded actions: %q", got)
				}
				i := slices.IndexFunc(history, func(m conversation.Message) bool { return m.Role == conversation.ToolRole })
				if i < 0 || history[i].Text != "order done" {
					t.Errorf("history: %+v", history)
				}
			})
		})
	}
}
