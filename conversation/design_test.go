package conversation_test

import (
	"os"
	"strings"
	"testing"
)

// The tests of tools that the design numbers, by what happens in golden calls. D27, signatures
// and keys, is of the runner.
func TestDesignOfTools(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, call string
		// once are lines that happen exactly once, never such that do not, in any form.
		once, never []string
	}{
		{"D21 barge-in during a tool", "action_begun_interrupted",
			[]string{"RunTool c1 book", `Note action "book" of "table 7"`, `tool "table 7" for c1`, `tool "in progress" for c1`}, []string{`of "table 8"`}},
		{"D21 barge-in before a tool", "action_after_speech_interrupted",
			[]string{"RunTool c2 book", `Note action "book" of "not done: the caller interrupted"`}, []string{"RunTool c1"}},
		{"D22 hang-up during a tool", "action_hungup_running", []string{"RunTool c1 book", `Note action "book" of "table 7"`}, []string{"Say"}},
		{"D22 hang-up before a tool", "action_hungup", []string{`Note action "book" of "not done: the call ended"`}, []string{"RunTool"}},
		{"D23 a result after the time-out", "action_too_late", []string{"RunTool c1 book", "timer tool"}, []string{`of "table 7"`, `Say 1 gen=3 "It is booked."`}},
		{"D24 an unknown tool", "action_unoffered", []string{"RunTool c1 book {} unoffered", `tool "failed: unknown action: book" for c1`}, nil},
		{"D25 the end after the goodbye", "end_goodbye", []string{"RunTool c1 end_conversation"}, []string{"not done"}},
		{"D25 the caller interjects", "end_goodbye_interrupted", []string{`Note action "end_conversation" of "not done: the caller interrupted"`}, []string{"RunTool"}},
		{"D26 a phrase with marks and capitals", "action_phrase", []string{"RunTool phrase_1 ticket"}, nil},
		{"D26 a phrase that ends the call", "action_phrase_end", []string{"RunTool phrase_1 end_conversation"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile("testdata/" + c.call + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			happened := playScript(t, string(raw)).shown.String()
			for _, line := range c.once {
				if n := strings.Count(happened, "  "+line); n != 1 && !strings.HasPrefix(line, "timer") {
					t.Errorf("%q happens %d times", line, n)
				}
			}
			for _, line := range c.never {
				if strings.Contains(happened, line) {
					t.Errorf("%q happens", line)
				}
			}
		})
	}
}
