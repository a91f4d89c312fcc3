package call_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/llm/scripted"
)

const booking = `playbook: booking

when caller says: table
  do book_table day=Friday
  otherwise: i could not book
  say: you are booked
`

// An action that the agent does not have is a failure: the agent says so, and the
// call's record has it.
func TestActionThatCannotRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.recorded = true
			w.snapshot.Prompt.Content = booking
			w.ears.Queue("a table please")
			w.model.Reply = followPlaybook(t)
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(8 * time.Second)
		if got := heard(far); got != "i could not book" {
			t.Errorf("the caller heard %q", got)
		}
		far.Hangup()
		r, events := w.result()
		if want := []string{"action book_table: unknown action: book_table"}; !slices.Equal(r.Errors, want) {
			t.Errorf("errors: %q, want %q", r.Errors, want)
		}
		if got := told(events, sidetone.EventAction); !slices.Equal(got, []string{"book_table"}) {
			t.Errorf("actions: %q", got)
		}
	})
}

// A reply that is empty, because nothing fills its placeholder, is silence: the call
// goes on and names the placeholder.
func TestPlaceholderThatNothingFills(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const prompt = "playbook: x\nwhen caller says: morning\n  say: ${nope}\nwhen caller says: table\n  say: we have one"
		book, _, err := scripted.InPrompt(prompt)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Prompt.Content = prompt
			w.thinker = scripted.New(book, call.Values(nil))
			w.ears.Queue("good morning", "a table please")
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		for range 2 {
			time.Sleep(time.Second)
			far.Speak(speech(800 * time.Millisecond))
			time.Sleep(8 * time.Second)
		}
		if got := heard(far); got != "we have one" {
			t.Errorf("the caller heard %q", got)
		}
		far.Hangup()
		r, events := w.result()
		if got := told(events, sidetone.EventError); r.Status != sidetone.CallEnded || !slices.Equal(got, []string{"the call's context fills no placeholder named nope"}) {
			t.Errorf("status %s, errors among the events: %q", r.Status, got)
		}
	})
}

// followPlaybook lets the stub reply as the scripted model does.
func followPlaybook(t *testing.T) func(llm.Request) llmtest.Answer {
	book, _, err := scripted.InPrompt(booking)
	if err != nil {
		t.Fatal(err)
	}
	driver := scripted.New(book, nil)
	return func(r llm.Request) llmtest.Answer {
		var text strings.Builder
		var calls []llm.ToolCall
		for d, err := range driver.Generate(t.Context(), r) {
			switch {
			case err != nil:
				t.Error(err)
			case d.Call != nil:
				calls = append(calls, *d.Call)
			default:
				text.WriteString(d.Text)
			}
		}
		a := llmtest.Say(text.String())
		a.Calls = calls
		return a
	}
}

// The models read results as the machine writes them.
func TestResultsMeanTheSameToMachineAndModels(t *testing.T) {
	t.Parallel()
	if conversation.FailedResult != llm.FailedResult || conversation.PendingResult != llm.PendingResult || conversation.KeysPressed != llm.KeysPressed {
		t.Errorf("machine: %q, %q; models: %q, %q",
			conversation.FailedResult, conversation.PendingResult, llm.FailedResult, llm.PendingResult)
	}
}
