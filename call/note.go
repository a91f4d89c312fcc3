package call

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/turns"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/provider"
)

// noteRun turns an entry of the machine into an event of the call; that of an action shows
// the run, too.
func (s *Session) noteRun(at time.Duration, n conversation.Note) {
	s.run = s.runOf(n)
	s.note(at, n)
	s.run = nil
}

// runOf returns the run that an entry of the machine is about, once; nil when it is about
// none, as that of a call that was withdrawn.
func (s *Session) runOf(n conversation.Note) *detail {
	if n.Kind != conversation.NoteAction || s.settling == "" && !strings.HasPrefix(n.Said, conversation.FailedResult) {
		return nil
	}
	return s.tools.details.take(s.settling, n.Text)
}

// note turns an entry of the machine, made at a time, into an event of the call.
func (s *Session) note(at time.Duration, n conversation.Note) {
	kind, ok := eventKind(n.Kind)
	if !ok {
		return
	}
	s.countFailure(n)
	if n.Kind == conversation.NoteAgent && n.Interrupted {
		s.mind.interrupted(s.machine.History())
	}
	data := map[string]any{}
	switch blame := s.blame; {
	case n.Kind != conversation.NoteError:
	case blame != nil:
		s.blame, data = nil, blame.data()
		s.addFailure(*blame)
	default:
		s.addError(n.Text)
	}
	if s.call.HIPAA && kind != sidetone.EventError {
		s.eventAt(at, kind, "", nil) // what happened and when, but nothing of what was said
		return
	}
	for f, d := range n.Figures {
		data[string(f)+"_ms"] = float64(d) / float64(time.Millisecond)
	}
	if n.Said != "" && n.Said != n.Text {
		data["said"] = n.Said
	}
	if s.run != nil {
		s.run.data(data)
	}
	if n.Interrupted {
		data["interrupted"] = true
	}
	if n.Continues {
		data["continues"] = true
	}
	s.eventAt(at, kind, n.Text, data)
}

// noted records what a model did by itself, or wanted and did not get.
func (s *Session) noted(n llm.Note) {
	if n.Action != "" {
		s.note(s.now(), conversation.Note{Kind: conversation.NoteAction, Text: n.Action, Said: n.Text})
		return
	}
	s.note(s.now(), conversation.Note{Kind: conversation.NoteError, Text: n.Text})
}

// maxErrors bounds the errors of a call; a caller can make an action fail many
// times.
const maxErrors = 100

// countFailure puts an action that failed into the call's errors: whatever the
// agent says, it was not done.
func (s *Session) countFailure(n conversation.Note) {
	why, failed := strings.CutPrefix(n.Said, conversation.FailedResult)
	if n.Kind != conversation.NoteAction || !failed {
		return
	}
	if s.call.HIPAA {
		why = "failed" // the reason may repeat what was said
	}
	s.addError("action " + n.Text + ": " + why)
}

// failed puts a failure into the call's events and its errors.
func (s *Session) failed(text string) {
	s.event(sidetone.EventError, text, nil)
	s.addError(text)
}

// blamed puts the failure of somebody who serves the call into its record, and
// tells the machine of it when nobody takes over.
func (s *Session) blamed(ctx context.Context, f failure) {
	s.meter.Failed(s.now(), turns.Stage(f.part))
	if f.in != nil {
		s.blame = &f // for the machine's own note of it
		s.tell(ctx, f.in)
		s.blame = nil
		return
	}
	s.event(sidetone.EventError, f.text(), f.data())
	s.addFailure(f)
}

// passedOver puts into the call's record why somebody who was to serve it does not. The
// errors have it once already when it has failed in this call.
func (s *Session) passedOver(p passed) {
	s.event(sidetone.EventError, p.text(), p.data())
	if !s.failures[kindOfFailure(p.part, &p.why.cause)] {
		s.addError(p.text())
	}
}

// explained is the cause of our own hang-up, in the words of the model that was waited
// for in vain when it is known how it failed.
func (s *Session) explained(cause string) string {
	if cause == conversation.NoAnswer {
		return cmp.Or(s.thinking, cause)
	}
	return cause
}

// kindOfFailure is what the failures of a vendor in a part of the call have in common.
func kindOfFailure(p part, f *provider.Failure) string {
	return string(p) + " " + f.Vendor + " " + f.Kind.String()
}

// addFailure adds a failure to the call's errors, one of each kind.
func (s *Session) addFailure(f failure) {
	kind := f.text()
	if f.part == partModel {
		s.thinking = kind
	}
	if v := asFailure(f.err); v.Vendor != "" {
		kind = kindOfFailure(f.part, v)
	}
	if !s.failures[kind] {
		s.failures[kind] = true
		s.addError(f.text())
	}
}

// addError adds to the call's errors what is not among them yet.
func (s *Session) addError(text string) {
	if len(s.call.Errors) < maxErrors && !slices.Contains(s.call.Errors, text) {
		s.call.Errors = append(s.call.Errors, text)
	}
}

// event adds an entry to the call's record.
func (s *Session) event(kind sidetone.EventKind, text string, data map[string]any) {
	s.eventAt(s.now(), kind, text, data)
}

func (s *Session) eventAt(at time.Duration, kind sidetone.EventKind, text string, data map[string]any) {
	e := s.newEvent(at, kind, text, data)
	if spokenOf(kind) {
		s.spoken = append(s.spoken, e)
	}
	switch kind {
	case sidetone.EventConnected, sidetone.EventRestarted, sidetone.EventError:
		s.comment(string(kind) + " " + strconv.Quote(e.Text) + " " + string(e.Data))
	}
	s.record(e)
}

// spokenOf says that the transcript is made of events of a kind.
func spokenOf(kind sidetone.EventKind) bool {
	switch kind {
	case sidetone.EventCaller, sidetone.EventAgent, sidetone.EventDigits, sidetone.EventIgnored, sidetone.EventAction:
		return true
	}
	return false
}

func (s *Session) newEvent(at time.Duration, kind sidetone.EventKind, text string, data map[string]any) sidetone.Event {
	s.sequence++
	data = s.addNews(data)
	encoded, err := json.Marshal(data)
	if err != nil || len(data) == 0 {
		encoded = []byte("{}")
	}
	return sidetone.Event{
		CallID: s.call.ID, EnvironmentID: s.call.EnvironmentID, Sequence: s.sequence,
		Kind: kind, At: s.start.Add(at), Offset: at - s.answered, Text: text, Data: encoded,
	}
}

func eventKind(k conversation.NoteKind) (sidetone.EventKind, bool) {
	switch k {
	case conversation.NoteCaller:
		return sidetone.EventCaller, true
	case conversation.NoteAgent:
		return sidetone.EventAgent, true
	case conversation.NoteIgnored:
		return sidetone.EventIgnored, true
	case conversation.NotePaused:
		return sidetone.EventPaused, true
	case conversation.NoteResumed:
		return sidetone.EventResumed, true
	case conversation.NoteInterrupted:
		return sidetone.EventInterrupted, true
	case conversation.NoteTurn:
		return sidetone.EventTurn, true
	case conversation.NoteAction:
		return sidetone.EventAction, true
	case conversation.NoteDigits:
		return sidetone.EventDigits, true
	case conversation.NoteDisclosed:
		return sidetone.EventDisclosed, true
	case conversation.NoteError:
		return sidetone.EventError, true
	}
	return "", false
}
