// Package llmtest holds the conformance suite that every driver of a language
// model passes, and a stub driver for tests of whatever uses one.
package llmtest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/llm"
)

// Harness is one driver under test.
type Harness struct {
	// Driver is the driver.
	Driver llm.Driver
	// Request is a request that the driver answers with at least two words.
	Request llm.Request
	// CallRequest, when it has messages, is a request that the driver answers
	// with at least one tool call to one of its tools.
	CallRequest llm.Request
	// Deterministic says that equal requests get equal answers.
	Deterministic bool
}

// Run checks that the driver of each harness that make returns keeps the
// promises of llm.Driver.
func Run(t *testing.T, make func(t *testing.T) Harness) {
	t.Helper()
	t.Run("answers and ends with Done", func(t *testing.T) { answers(t, make(t)) })
	t.Run("leaving the loop stops it", func(t *testing.T) { leaves(t, make(t)) })
	t.Run("ended context is an error", func(t *testing.T) { cancelled(t, make(t)) })
	t.Run("tool calls are complete", func(t *testing.T) { calls(t, make(t)) })
	t.Run("concurrent requests do not mix", func(t *testing.T) { concurrent(t, make(t)) })
}

// Collect reads one whole answer: its text, its tool calls, the usage (nil when
// there was none) and the error that ended it. It fails the test on anything
// that follows the end.
func Collect(ctx context.Context, t *testing.T, d llm.Driver, r llm.Request) (text string, made []llm.ToolCall, used *llm.Usage, err error) {
	t.Helper()
	var b strings.Builder
	ended := false
	for delta, e := range d.Generate(ctx, r) {
		if ended {
			t.Errorf("delta %+v, error %v after the end of the answer", delta, e)
			break
		}
		if e != nil {
			ended, err = true, e
			continue
		}
		b.WriteString(delta.Text)
		if delta.Call != nil {
			made = append(made, *delta.Call)
		}
		if delta.Done != nil {
			ended, used = true, delta.Done
		}
	}
	return b.String(), made, used, err
}

func answers(t *testing.T, h Harness) {
	text, _, used, err := Collect(t.Context(), t, h.Driver, h.Request)
	if err != nil {
		t.Fatalf("generate: %v", err)
	}
	if used == nil {
		t.Fatal("the answer ended without Done")
	}
	if used.In <= 0 || used.Out <= 0 || used.Cached < 0 || used.Cached > used.In {
		t.Errorf("usage = %+v, want positive counts and at most In cached", *used)
	}
	if len(strings.Fields(text)) < 2 {
		t.Errorf("answer %q has fewer than two words", text)
	}
	if !h.Deterministic {
		return
	}
	again, _, _, err := Collect(t.Context(), t, h.Driver, h.Request)
	if err != nil || again != text {
		t.Errorf("the same request gave %q (%v), before %q", again, err, text)
	}
}

func leaves(t *testing.T, h Harness) {
	n := 0
	for _, err := range h.Driver.Generate(t.Context(), h.Request) {
		if err != nil {
			t.Fatalf("generate: %v", err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("got %d deltas, want 1", n)
	}
}

func cancelled(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, used, err := Collect(ctx, t, h.Driver, h.Request)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
	if used != nil {
		t.Error("a cancelled answer ended with Done")
	}
}

func calls(t *testing.T, h Harness) {
	if len(h.CallRequest.Messages) == 0 {
		return
	}
	_, made, used, err := Collect(t.Context(), t, h.Driver, h.CallRequest)
	if err != nil || used == nil {
		t.Fatalf("generate: error %v, usage %v", err, used)
	}
	if len(made) == 0 {
		t.Fatal("no tool call was made")
	}
	known := map[string]bool{}
	for _, tool := range h.CallRequest.Tools {
		known[tool.Name] = true
	}
	seen := map[string]bool{}
	for _, call := range made {
		if !known[call.Name] {
			t.Errorf("call to %q, which the request does not offer", call.Name)
		}
		if call.ID == "" || seen[call.ID] {
			t.Errorf("call id %q is empty or used twice", call.ID)
		}
		seen[call.ID] = true
		var args map[string]any
		if err := json.Unmarshal(call.Args, &args); err != nil {
			t.Errorf("arguments %q of %s: %v", call.Args, call.Name, err)
		}
	}
}

func concurrent(t *testing.T, h Harness) {
	type result struct {
		text string
		err  error
	}
	const n = 4
	results := make(chan result, n)
	for range n {
		go func() {
			text, _, _, err := Collect(t.Context(), t, h.Driver, h.Request)
			results <- result{text, err}
		}()
	}
	first := result{}
	for i := range n {
		r := <-results
		if r.err != nil {
			t.Errorf("generate: %v", r.err)
		}
		if i == 0 {
			first = r
		}
		if h.Deterministic && r.text != first.text {
			t.Errorf("concurrent answers differ: %q and %q", r.text, first.text)
		}
	}
}
