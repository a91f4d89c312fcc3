package harness_test

import (
	"testing"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/harness"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/provider"
)

// The customer's program gets the conversation with each request, whenever its socket
// was opened.
func TestIsMetered(t *testing.T) {
	t.Parallel()
	p := serve(t, harness.ConversationRelay, map[string][]string{`"prompt"`: {`{"type":"text","token":"Sure.","last":true}`}})
	for i := range 2 {
		meter := &provider.Meter{}
		r := llm.Request{Seed: "call-1", Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}
		if i > 0 {
			r.Messages = append(r.Messages, llm.Message{Role: llm.Assistant, Text: "Sure."}, llm.Message{Role: llm.User, Text: "bye"})
		}
		if text, _, _, err := llmtest.Collect(provider.WithMeter(t.Context(), meter), t, p.driver, r); err != nil || text != "Sure." {
			t.Fatalf("got %q, %v", text, err)
		}
		if total := meter.Total(); total.Requests != 1 || len(total.Hosts) != 1 || total.Hosts[0] != "127.0.0.1" {
			t.Errorf("request %d: %+v", i, total)
		}
	}
}
