package llmtest_test

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
)

func request() llm.Request {
	return llm.Request{
		Messages: []llm.Message{{Role: llm.User, Text: "hello there"}},
		Tools:    []llm.Tool{{Name: "end_conversation"}},
	}
}

func TestStubConforms(t *testing.T) {
	t.Parallel()
	llmtest.Run(t, func(*testing.T) llmtest.Harness {
		ask := request()
		ask.Seed = "call"
		return llmtest.Harness{
			Driver: &llmtest.Stub{Reply: func(r llm.Request) llmtest.Answer {
				a := llmtest.Words("Good morning to you.")
				if r.Seed == "call" {
					a.Calls = []llm.ToolCall{{ID: "1", Name: "end_conversation", Args: json.RawMessage(`{}`)}}
				}
				return a
			}},
			Request: request(), CallRequest: ask, Deterministic: true,
		}
	})
}

func TestStubDelaysAndGates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		stub := llmtest.NewStub(
			llmtest.Answer{Deltas: []string{"a", "b", "c"}, Delay: time.Second, Pace: 100 * time.Millisecond},
			llmtest.Answer{Deltas: []string{"late"}, Gate: gate},
		)
		start := time.Now()
		text, _, _, err := llmtest.Collect(t.Context(), t, stub, request())
		if took := time.Since(start); text != "abc" || err != nil || took != 1200*time.Millisecond {
			t.Errorf("got %q, %v after %v", text, err, took)
		}
		time.AfterFunc(5*time.Second, func() { close(gate) })
		start = time.Now()
		text, _, _, err = llmtest.Collect(t.Context(), t, stub, request())
		if took := time.Since(start); text != "late" || err != nil || took != 5*time.Second {
			t.Errorf("got %q, %v after %v", text, err, took)
		}
	})
}

func TestStubFailsOnCommand(t *testing.T) {
	t.Parallel()
	boom, cut := errors.New("boom"), errors.New("cut")
	stub := llmtest.NewStub(llmtest.Answer{Deltas: []string{"half"}, Err: cut})
	stub.FailAll(boom)
	if text, _, _, err := llmtest.Collect(t.Context(), t, stub, request()); text != "" || !errors.Is(err, boom) {
		t.Errorf("failing: %q, %v", text, err)
	}
	stub.FailAll(nil)
	if text, _, used, err := llmtest.Collect(t.Context(), t, stub, request()); text != "half" || used != nil || !errors.Is(err, cut) {
		t.Errorf("cut: %q, %v, %v", text, used, err)
	}
	if text, _, _, err := llmtest.Collect(t.Context(), t, stub, request()); text != "OK." || err != nil {
		t.Errorf("default: %q, %v", text, err)
	}
	if n := len(stub.Requests()); n != 3 || stub.Running() != 0 {
		t.Errorf("%d requests kept, %d running", n, stub.Running())
	}
}
