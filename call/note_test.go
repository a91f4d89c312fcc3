package call

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
)

func TestFailedActionsAreErrorsOfTheCall(t *testing.T) {
	t.Parallel()
	notes := []conversation.Note{
		{Kind: conversation.NoteAction, Text: "book", Said: "failed: no table"},
		{Kind: conversation.NoteAction, Text: "book", Said: "table 7"},
		{Kind: conversation.NoteAgent, Text: "failed: x", Said: "failed: x"},
	}
	for _, c := range []struct {
		hipaa bool
		want  []string
	}{
		{false, []string{"action book: no table"}},
		{true, []string{"action book: failed"}}, // the reason may repeat what was said
	} {
		s := &Session{call: sidetone.Call{HIPAA: c.hipaa}}
		for _, n := range notes {
			s.countFailure(n)
		}
		if !slices.Equal(s.call.Errors, c.want) {
			t.Errorf("HIPAA %t: %q, want %q", c.hipaa, s.call.Errors, c.want)
		}
		s.countFailure(notes[0]) // each stands there once
		for i := range 2 * maxErrors {
			s.countFailure(conversation.Note{Kind: conversation.NoteAction, Text: fmt.Sprint("book", i), Said: notes[0].Said})
		}
		if len(s.call.Errors) != maxErrors {
			t.Errorf("%d errors, want at most %d", len(s.call.Errors), maxErrors)
		}
	}
}
