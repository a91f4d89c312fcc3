package demo

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/client"
)

// watched is what the server's event stream told about a call.
type watched struct {
	callerTurns int
	answers     []string  // the agent's words after each caller turn, in lower case
	interrupted bool      // an answer was cut off
	gaps        []float64 // ms, as the server measured them
	problems    []error
}

// take adds an event and returns what to print of it, "" for nothing.
func (w *watched) take(e client.Event) string {
	at := fmt.Sprintf("%6.2fs", float64(e.OffsetMS)/1000)
	switch e.Type {
	case "connected":
		return fmt.Sprintf("%s  connected, %v\n", at, e.Data["codec"])
	case "caller":
		w.callerTurns++
		w.answers = append(w.answers, "")
		return fmt.Sprintf("%s  CALLER  %s\n", at, e.Text)
	case "agent":
		return fmt.Sprintf("%s  AGENT   %s\n", at, e.Text) + w.answer(e)
	case "paused":
		return fmt.Sprintf("%s  ...     the agent stops: the caller speaks\n", at)
	case "resumed":
		return fmt.Sprintf("%s  ...     a false alarm: the agent goes on\n", at)
	case "turn":
		if gap, ok := e.Data["gap_ms"].(float64); ok {
			w.gaps = append(w.gaps, gap)
			return fmt.Sprintf("%s          gap by the server: %.0f ms\n", at, gap)
		}
	case "error":
		w.problems = append(w.problems, errors.New(e.Text))
		return fmt.Sprintf("%s  ERROR   %s\n", at, e.Text)
	case "ended":
		return fmt.Sprintf("%s  ended: %s\n", at, e.Text)
	}
	return ""
}

// answer adds what the agent was heard saying to the answer of the last caller
// turn, and returns a line about what was not heard of it.
func (w *watched) answer(e client.Event) string {
	if n := len(w.answers); n > 0 {
		w.answers[n-1] += " " + strings.ToLower(e.Text)
	}
	said, ok := e.Data["said"].(string)
	if !ok || e.Data["interrupted"] != true {
		return ""
	}
	w.interrupted = true
	return fmt.Sprintf("         cut off here; never heard: %q\n", strings.TrimSpace(strings.TrimPrefix(said, e.Text)))
}

// line returns what to print of an event of the caller's process, "" for
// nothing.
func (e phoneEvent) line() string {
	switch e.Kind {
	case "gap":
		return fmt.Sprintf("                 gap by the caller: %.0f ms\n", e.Took)
	case "stopped":
		return fmt.Sprintf("                 the agent fell silent %.0f ms after the caller's first voiced sample\n", e.Took)
	}
	return ""
}

// interrupts reports whether one of the caller's lines interrupts the agent.
func (s story) interrupts() bool {
	for _, l := range s.lines {
		if strings.HasPrefix(l, "@") {
			return true
		}
	}
	return false
}

// judge returns in what the caller's call, as the server told it and as the
// caller's process summed it up, did not go as the story wants.
func (s story) judge(w watched, caller phoneEvent) []error {
	wrong := slices.Clone(w.problems)
	if want := len(s.lines); w.callerTurns < want {
		wrong = append(wrong, fmt.Errorf("%d of the caller's %d turns were recognised", w.callerTurns, want))
	}
	for i, word := range s.expect {
		if i >= len(w.answers) || !strings.Contains(w.answers[i], word) {
			wrong = append(wrong, fmt.Errorf("the answer to %q was not about %q", s.lines[i], word))
		}
	}
	if s.interrupts() && !w.interrupted {
		wrong = append(wrong, errors.New("the interruption was not heard"))
	}
	if len(w.gaps) == 0 || len(caller.Gaps) == 0 {
		wrong = append(wrong, errors.New("no gap was measured"))
	}
	return wrong
}
