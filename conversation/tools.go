package conversation

import (
	"slices"
	"time"
)

const (
	// FailedResult begins the result of a tool that failed, in history and notes.
	FailedResult = "failed: "
	// PendingResult is the result of a tool in history while it runs.
	PendingResult = "in progress"
	// KeysPressed is what comes before the keys that the caller pressed, in the words
	// of a turn.
	KeysPressed = "keys pressed: "
)

// tool is a tool call that is running.
type tool struct {
	id, name string
	// message is the index of its result's history entry.
	message int
	// gen is the generation that made the call.
	gen uint64
}

const (
	maxSteps = 3
	// maxEqualCalls is how often one tool is called in a turn with the same arguments.
	maxEqualCalls = 5
	toolOverdue   = 30 * time.Second
	// endTool is the tool that runs when what the agent says was heard, and ends
	// the call.
	endTool = "end_conversation"
	// digitsTool is the tool that presses keys when what the agent says was heard.
	digitsTool = "send_digits"
)

func (m *Machine) onModelCall(in ModelCall) {
	if !m.current(in.Gen) {
		return
	}
	s := m.speech
	m.disarm(timerHedge)
	s.texted = true
	m.addReply(s, s.split.flush())
	m.issue()
	c := ToolCall{ID: in.ID, Name: in.Name, Args: in.Args}
	switch {
	case in.Name == endTool && !in.Unoffered:
		s.hangup, s.endCall = "goodbye", c
	case in.Name == digitsTool && !in.Unoffered:
		s.digitCalls = append(s.digitCalls, c)
	case s.equalCalls(c) >= maxEqualCalls:
		s.steps = maxSteps // what comes next must be an answer
		m.emit(Note{Kind: NoteError, Text: "the same tool call again and again: " + in.Name})
	case s.steps < maxSteps:
		p := &s.parts[len(s.parts)-1]
		p.calls = append(p.calls, c)
		if in.Unoffered {
			p.unoffered = append(p.unoffered, c)
		}
	default:
		m.emit(Note{Kind: NoteError, Text: "too many tool calls in a row: " + in.Name})
	}
}

// equalCalls counts the calls of the speech that are the same as c.
func (s *speech) equalCalls(c ToolCall) int {
	n := 0
	for i := range s.parts {
		for _, made := range s.parts[i].calls {
			if made.Name == c.Name && made.Args == c.Args {
				n++
			}
		}
	}
	return n
}

// runTools starts the calls of the part that was just completed.
func (m *Machine) runTools(s *speech) {
	i := len(s.parts) - 1
	p := &s.parts[i]
	if len(p.calls) == 0 {
		return
	}
	s.steps++
	p.message = len(m.history)
	m.history = append(m.history, Message{Role: Assistant, Text: s.saidOf(i), Calls: slices.Clone(p.calls)})
	for _, c := range p.calls {
		m.tools = append(m.tools, tool{id: c.ID, name: c.Name, message: len(m.history), gen: p.gen})
		m.history = append(m.history, Message{Role: ToolRole, CallID: c.ID, Text: PendingResult})
		m.emit(RunTool{ID: c.ID, Name: c.Name, Args: c.Args, Unoffered: slices.Contains(p.unoffered, c)})
	}
	m.arm(timerTool, m.now+toolOverdue)
}

// toolsOf reports whether tools of the speech are running.
func (m *Machine) toolsOf(s *speech) bool {
	return slices.ContainsFunc(m.tools, func(t tool) bool { return t.gen == s.gen() })
}

func (m *Machine) onToolDone(in ToolDone) {
	if !m.record(in) {
		return
	}
	if len(m.tools) == 0 {
		m.disarm(timerTool)
	}
	m.unseen = true
	s := m.speech
	switch {
	case s == nil:
		m.next()
	case s.model || m.toolsOf(s) || s.steps == 0:
	case s.hangup != "":
		m.endIfDone()
	default:
		m.disarm(timerFiller)
		m.ask()
	}
}

// record puts a result into history. It reports false for a result that no
// running call awaits: unknown, late, or a second one.
func (m *Machine) record(in ToolDone) bool {
	i := slices.IndexFunc(m.tools, func(t tool) bool { return t.id == in.ID })
	if i < 0 {
		return false
	}
	t := m.tools[i]
	m.tools = slices.Delete(m.tools, i, i+1)
	result := in.Result
	if in.Failed {
		result = FailedResult + result
	}
	m.history[t.message].Text = result
	m.emit(Note{Kind: NoteAction, Text: t.name, Said: result})
	return true
}

// runEnd runs the tool that ends the call: nothing is said any more.
func (m *Machine) runEnd(c ToolCall) {
	m.close()
	m.runAfter(c)
}

// runAfter runs a tool whose turn comes after the words of its answer.
func (m *Machine) runAfter(c ToolCall) {
	m.tools = append(m.tools, tool{id: c.ID, name: c.Name, message: len(m.history) + 1})
	m.history = append(m.history, Message{Role: Assistant, Calls: []ToolCall{c}},
		Message{Role: ToolRole, CallID: c.ID, Text: PendingResult})
	m.emit(RunTool{ID: c.ID, Name: c.Name, Args: c.Args})
}

// pressDigits runs the calls of a speech that press keys.
func (m *Machine) pressDigits(s *speech) {
	for _, c := range s.digitCalls {
		m.runAfter(c)
		m.arm(timerTool, m.now+toolOverdue)
	}
}

// pressing reports whether keys are being pressed: what is said meanwhile is lost.
func (m *Machine) pressing() bool {
	return slices.ContainsFunc(m.tools, func(t tool) bool { return t.name == digitsTool })
}

// onLateTool records a result that comes after the conversation. A call that
// could not be ended by its tool is hung up all the same.
func (m *Machine) onLateTool(in ToolDone) {
	i := slices.IndexFunc(m.tools, func(t tool) bool { return t.id == in.ID })
	ends := i >= 0 && m.tools[i].name == endTool
	if m.record(in) && ends && in.Failed && !m.ended {
		m.emit(Hangup{Reason: "goodbye"})
	}
}

// onToolTimer fails the tools that gave no result in time.
func (m *Machine) onToolTimer() {
	for len(m.tools) > 0 {
		m.onToolDone(ToolDone{ID: m.tools[0].id, Result: "no result in time", Failed: true})
	}
}

// reportCancelled tells the model what was not done because the caller interrupted.
func (m *Machine) reportCancelled(s *speech) {
	if m.closing {
		return
	}
	calls := s.digitCalls
	if s.hangup != "" && s.endCall.Name != "" {
		calls = append(calls, s.endCall)
	}
	const result = "not done: the caller interrupted"
	for _, c := range calls {
		m.history = append(m.history, Message{Role: Assistant, Calls: []ToolCall{c}}, Message{Role: ToolRole, CallID: c.ID, Text: result})
		m.emit(Note{Kind: NoteAction, Text: c.Name, Said: result})
	}
}

// Waits reports whether the result of the tool call with that id is awaited.
func (m *Machine) Waits(id string) bool {
	return slices.ContainsFunc(m.tools, func(t tool) bool { return t.id == id })
}
