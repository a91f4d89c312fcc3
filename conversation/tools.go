package conversation

import (
	"encoding/json"
	"slices"
	"time"
)

const (
	// FailedResult begins the result of a tool that failed, in history and notes, and of one
	// of which nobody knows whether it was done.
	FailedResult = "failed: "
	// PendingResult is the result of a tool in history while it runs.
	PendingResult = "in progress"
	// InterruptedResult, EndedResult and FailedBeforeResult are the results of calls that were
	// not begun: the caller interrupted what was to be heard before, the call ended, or an
	// action before the one that ends the call was not done.
	InterruptedResult  = "not done: the caller interrupted"
	EndedResult        = "not done: the call ended"
	FailedBeforeResult = "not done: another action failed"
	// RepeatedResult begins the note of a call that was not run because an equal one was: its
	// result is behind it.
	RepeatedResult = "not done again: "
	// KeysPressed is what comes before the keys that the caller pressed, in the words
	// of a turn.
	KeysPressed = "keys pressed: "
)

// tool is a tool call that is running.
type tool struct {
	id, name string
	// messages are the indexes of the history entries that get its result: its own, and
	// those of equal calls that came later.
	messages []int
	// gen is the generation that the speech had reached when it began; 0 when it belongs to
	// none.
	gen uint64
	// run is its index in Machine.runs.
	run int
}

// deferred is a call that begins when the words before it were heard.
type deferred struct {
	ToolCall
	// part is that of its answer; phrase says that the agent's words have started it.
	part   int
	phrase bool
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
	s.sentenceOver()
	m.issue()
	c := ToolCall{ID: in.ID, Name: in.Name, Args: in.Args}
	switch a := m.rule(in.Name); {
	case in.Name == endTool && !in.Unoffered:
		s.hangup, s.endCall = "goodbye", c
	case a.Quiet && !in.Unoffered:
		s.quietCalls = append(s.quietCalls, c)
		m.sayFirst(s, a, c)
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

// runTools starts the calls of the part that was just completed, but for those that begin
// when its words were heard.
func (m *Machine) runTools(s *speech) {
	i := len(s.parts) - 1
	p := &s.parts[i]
	if len(p.calls) == 0 {
		return
	}
	s.steps++
	var now []ToolCall
	for _, c := range p.calls {
		a := m.rule(c.Name)
		if !slices.Contains(p.unoffered, c) && (a.awaitsSpeech() || a.Muted && m.pause != nil) {
			s.deferred = append(s.deferred, deferred{ToolCall: c, part: i})
			m.sayFirst(s, a, c)
			continue
		}
		now = append(now, c)
	}
	m.start(s, i, now)
	m.goOnUnlessRunning(s)
}

// goOnUnlessRunning asks the model when no call of a speech is left to wait for: all have
// the results of earlier ones.
func (m *Machine) goOnUnlessRunning(s *speech) {
	if !m.toolsOf(s) && len(s.deferred) == 0 && s.hangup == "" {
		m.ask()
	}
}

// sayFirst says what comes before a call: what the model wrote for it, or what is
// configured.
func (m *Machine) sayFirst(s *speech, a *Action, c ToolCall) {
	var args struct {
		Text string `json:"user_message"`
	}
	if a.SaysFirst && json.Unmarshal([]byte(c.Args), &args) == nil && spoken(args.Text) != "" {
		k := chunker{abbreviations: m.lexicon.abbreviations}
		m.addReply(s, append(k.push(args.Text), k.flush()...))
		s.sentenceOver()
		return
	}
	if text := choose(a.OnSend, m.runsOf(a.Name)); text != "" {
		s.replied = true
		s.add(true, text)
	}
}

// start starts calls of a speech, behind what was said in their part.
func (m *Machine) start(s *speech, i int, calls []ToolCall) {
	if len(calls) == 0 {
		return
	}
	p := &s.parts[i]
	message := Message{Role: Assistant, Calls: slices.Clone(calls)}
	if p.message < 0 && !p.settled {
		p.message, message.Text = len(m.history), s.saidOf(i)
	}
	m.history = append(m.history, message)
	var begun []ToolCall
	for _, c := range calls {
		m.history = append(m.history, Message{Role: ToolRole, CallID: c.ID, Text: PendingResult})
		if r := m.earlier(c); r >= 0 {
			m.repeat(c, r)
			continue
		}
		m.run(c, s.gen(), slices.Contains(p.unoffered, c))
		begun = append(begun, c)
	}
	m.limitTools(begun)
}

// run runs a call whose result goes into the last message of history.
func (m *Machine) run(c ToolCall, gen uint64, unoffered bool) {
	m.tools = append(m.tools, tool{id: c.ID, name: c.Name, messages: []int{len(m.history) - 1}, gen: gen, run: len(m.runs)})
	m.runs = append(m.runs, run{name: c.Name, args: canonical(c.Args)})
	m.emit(RunTool{ID: c.ID, Name: c.Name, Args: c.Args, Unoffered: unoffered})
	if !unoffered {
		m.collect(c.Name)
	}
}

// repeat gives a call, whose result goes into the last message of history, that of an
// earlier run.
func (m *Machine) repeat(c ToolCall, earlier int) {
	r, last := &m.runs[earlier], len(m.history)-1
	if i := slices.IndexFunc(m.tools, func(t tool) bool { return t.run == earlier }); i >= 0 {
		m.tools[i].messages = append(m.tools[i].messages, last)
	} else {
		m.history[last].Text = r.result
	}
	m.emit(Note{Kind: NoteAction, Text: c.Name, Said: RepeatedResult + m.history[last].Text})
}

// limitTools bounds how long the results of calls are awaited.
func (m *Machine) limitTools(calls []ToolCall) {
	if len(calls) == 0 {
		return
	}
	at := m.timers.armed[timerTool].at
	for _, c := range calls {
		at = max(at, m.now+orDefault(m.rule(c.Name).Longest, toolOverdue))
	}
	m.arm(timerTool, at)
}

// startDeferred starts the calls of a speech that were to begin when its words were heard.
func (m *Machine) startDeferred(s *speech) {
	if len(s.pending) > 0 { // a claim that waits for what would come last
		for _, c := range s.quietCalls {
			s.deferred = append(s.deferred, deferred{ToolCall: c, part: len(s.parts) - 1})
		}
		s.quietCalls, s.steps = nil, max(1, s.steps)
	}
	if len(s.deferred) == 0 {
		return
	}
	all := s.deferred
	s.deferred = nil
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].part == all[0].part {
			n++
		}
		calls := make([]ToolCall, n)
		for k := range calls {
			calls[k] = all[k].ToolCall
		}
		m.start(s, all[0].part, calls)
		all = all[n:]
	}
	m.goOnUnlessRunning(s)
	m.fallSilent(s)
}

// toolsOf reports whether tools of the speech are running.
func (m *Machine) toolsOf(s *speech) bool {
	return slices.ContainsFunc(m.tools, func(t tool) bool { return t.gen == s.gen() })
}

// muted reports whether an action runs during which the caller's words wait.
func (m *Machine) muted() bool {
	return slices.ContainsFunc(m.tools, func(t tool) bool { return m.rule(t.name).Muted })
}

func (m *Machine) onToolDone(in ToolDone) {
	t, ok := m.record(in)
	if !ok {
		return
	}
	if len(m.tools) == 0 {
		m.disarm(timerTool)
	}
	m.takeSequel(t, in)
	s := m.speech
	if s != nil && t.gen == s.gen() && m.runs[t.run].outcome != succeeded {
		m.stay(s, t.name)
	}
	m.issue() // claims may be said now
	switch {
	case s == nil:
		m.next()
	case s.model || m.toolsOf(s) || s.steps == 0 || len(s.deferred) > 0 || s.hangup != "":
		m.endIfDone()
	default:
		m.follow(s)
	}
}

// stay keeps the agent from ending the call behind an action that was not done: the model
// has to tell the caller.
func (m *Machine) stay(s *speech, name string) {
	if _, known := m.rules[name]; !known || s.endCall.Name == "" || s.hangup != "goodbye" || m.rule(name).Silent {
		return
	}
	m.notDone(s.endCall, FailedBeforeResult)
	s.hangup, s.endCall = "", ToolCall{}
}

// takeSequel notes what comes of a result: an answer of the model's, a sentence, or nothing.
func (m *Machine) takeSequel(t tool, in ToolDone) {
	text, ask := m.sequel(t.name, in)
	s := m.speech
	own := s != nil && t.gen == s.gen() && !s.model
	switch {
	case ask:
		m.unseen = true
	case text == "":
	case own:
		s.sequel = append(s.sequel, text)
	default:
		m.queued = append(m.queued, text)
	}
	if own && m.rule(t.name).Muted {
		s.muted = true
	}
	if s == nil && !ask && len(m.tools) == 0 {
		m.idle.since = m.now
	}
}

// sequel is what follows a result: a sentence, or an answer of the model's, or neither.
func (m *Machine) sequel(name string, in ToolDone) (text string, ask bool) {
	a, nth := m.rule(name), m.runsOf(name)-1
	switch {
	case in.Say != "":
		return in.Say, false
	case in.Unknown, in.Misused:
		return "", true
	case in.Failed && len(a.OnFailure) > 0:
		return choose(a.OnFailure, nth), false
	case !in.Failed && len(a.OnDone) > 0:
		return choose(a.OnDone, nth), false
	default:
		return "", !a.Silent
	}
}

// follow goes on with a speech whose tools have all given their results.
func (m *Machine) follow(s *speech) {
	texts := s.sequel
	waits := s.muted && (m.turn.talking || m.turn.text() != "" || len(m.keys) > 0)
	s.sequel, s.muted = nil, false
	m.disarm(timerFiller)
	switch {
	case m.unseen && !waits, !waits && len(texts) == 0 && s.wordless():
		m.ask()
	case len(texts) > 0 && !m.unseen:
		m.gen++
		s.parts = append(s.parts, part{gen: m.gen, message: -1})
		s.fillers = 0
		s.add(true, texts...)
		m.issue()
		m.endIfDone()
	default:
		m.endIfDone() // what the caller has said meanwhile is answered together with the result
	}
}

// wordless reports whether a speech says nothing but fillers.
func (s *speech) wordless() bool {
	return !slices.ContainsFunc(s.utts, func(u utterance) bool { return !u.filler }) &&
		!slices.ContainsFunc(s.pending, func(l pendingText) bool { return !l.filler })
}

// record puts a result into history. It reports false for a result that no
// running call awaits: unknown, late, or a second one.
func (m *Machine) record(in ToolDone) (tool, bool) {
	i := slices.IndexFunc(m.tools, func(t tool) bool { return t.id == in.ID })
	if i < 0 {
		return tool{}, false
	}
	t := m.tools[i]
	m.tools = slices.Delete(m.tools, i, i+1)
	r := &m.runs[t.run]
	r.outcome, r.result, r.over = succeeded, in.Result, m.now
	switch {
	case in.Unknown:
		r.outcome, r.result = unknown, FailedResult+orDefault(in.Result, "it is not known whether it was done")
	case in.Failed:
		r.outcome, r.result = failed, FailedResult+in.Result
	}
	m.results[t.name] = r.outcome
	for _, at := range t.messages {
		m.history[at].Text = r.result
	}
	m.emit(Note{Kind: NoteAction, Text: t.name, Said: r.result})
	return t, true
}

// runEnd runs the tool that ends the call: nothing is said any more.
func (m *Machine) runEnd(c ToolCall) {
	m.close()
	m.runAfter(c)
}

// runAfter runs a tool whose turn comes after the words of its answer.
func (m *Machine) runAfter(c ToolCall) {
	m.history = append(m.history, Message{Role: Assistant, Calls: []ToolCall{c}},
		Message{Role: ToolRole, CallID: c.ID, Text: PendingResult})
	m.run(c, 0, false)
}

// runQuiet runs the calls of a speech during which nothing can be said.
func (m *Machine) runQuiet(s *speech) {
	for _, c := range s.quietCalls {
		m.runAfter(c)
		m.limitTools([]ToolCall{c})
	}
}

// quiet reports whether a tool runs during which what is said is lost.
func (m *Machine) quiet() bool {
	return slices.ContainsFunc(m.tools, func(t tool) bool { return m.rule(t.name).Quiet })
}

// onLateTool records a result that comes after the conversation. A call that
// could not be ended by its tool is hung up all the same.
func (m *Machine) onLateTool(in ToolDone) {
	t, ok := m.record(in)
	if ok && t.name == endTool && (in.Failed || in.Unknown) && !m.ended {
		m.emit(Hangup{Reason: "goodbye"})
	}
}

// onToolTimer ends the wait for tools that gave no result in time.
func (m *Machine) onToolTimer() {
	for len(m.tools) > 0 {
		t, result := m.tools[0], "no result in time"
		if _, known := m.rules[t.name]; known {
			result += ": it is not known whether it was done"
		}
		m.onToolDone(ToolDone{ID: t.id, Result: result, Failed: true, Unknown: true})
	}
}

// reportCancelled tells the model what was not done because the caller interrupted.
func (m *Machine) reportCancelled(s *speech) {
	if m.closing {
		m.withdrawCalls(s, EndedResult)
		return
	}
	m.withdrawCalls(s, InterruptedResult)
	calls := s.quietCalls
	if s.hangup != "" && s.endCall.Name != "" {
		calls = append(calls, s.endCall)
	}
	for _, c := range calls {
		m.notDone(c, InterruptedResult)
	}
}

// Waits reports whether the result of the tool call with that id is awaited.
func (m *Machine) Waits(id string) bool {
	return slices.ContainsFunc(m.tools, func(t tool) bool { return t.id == id })
}

// withdrawCalls gives the calls of a speech that have not begun the result that they are not
// done, and why.
func (m *Machine) withdrawCalls(s *speech, why string) {
	calls := s.deferred
	s.deferred = nil
	for _, d := range calls {
		if d.phrase || m.closing {
			m.emit(Note{Kind: NoteAction, Text: d.Name, Said: why})
			continue
		}
		m.notDone(d.ToolCall, why)
	}
}

// discardCalls drops the calls of an answer that is made anew, as the caller has gone on.
func (m *Machine) discardCalls(s *speech) {
	for _, d := range s.deferred {
		m.emit(Note{Kind: NoteAction, Text: d.Name, Said: InterruptedResult})
	}
	s.deferred = nil
}

// notDone puts into history and record that a call was not begun.
func (m *Machine) notDone(c ToolCall, why string) {
	m.history = append(m.history, Message{Role: Assistant, Calls: []ToolCall{c}}, Message{Role: ToolRole, CallID: c.ID, Text: why})
	m.emit(Note{Kind: NoteAction, Text: c.Name, Said: why})
}
