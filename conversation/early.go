package conversation

import (
	"slices"
	"time"
)

// early is a generation that was started before the caller's turn was over. Only
// the model works on it; nothing of it is said before.
type early struct {
	gen uint64
	// text is the caller's turn that it answers; behind is how long the history was.
	text   string
	behind int
	// results are what came of it so far.
	results []Input
}

const (
	// earlyTries is how often in a turn the model is asked early.
	earlyTries = 3
	// longTurn is how much speech makes a turn that is not answered early.
	longTurn = 10 * time.Second
)

// askEarly asks the model although the turn may go on.
func (m *Machine) askEarly() {
	t := &m.turn
	text := joinWords(t.prefix, t.text())
	switch {
	case !m.cfg.Eager || m.cfg.Carrier || m.covered || text == "" || m.blocked() || m.greet.waiting || m.cut != nil || len(m.tools) > 0,
		t.early >= earlyTries, t.voiced > longTurn,
		m.early != nil && m.early.text == text:
		return
	}
	m.cancelEarly()
	t.early++
	m.gen++
	m.early = &early{gen: m.gen, text: text, behind: len(m.history)}
	messages := append(slices.Clone(m.history), Message{Role: User, Text: text})
	m.emit(AskModel{Gen: m.gen, Messages: messages})
}

// cancelEarly stops the early generation.
func (m *Machine) cancelEarly() {
	if m.early != nil {
		m.emit(CancelModel{Gen: m.early.gen})
		m.early = nil
	}
}

// cancelOutdated stops the early generation when the caller has said something
// else than what it answers.
func (m *Machine) cancelOutdated() {
	if m.early != nil && m.early.text != joinWords(m.turn.prefix, m.turn.text()) {
		m.cancelEarly()
	}
}

// keep stores what comes of the early generation; false when in is of another one.
func (e *early) keep(m *Machine, in Input) bool {
	switch in := in.(type) {
	case ModelText:
		if in.Gen != e.gen {
			return false
		}
	case ModelCall:
		if in.Gen != e.gen {
			return false
		}
	case ModelDone:
		if in.Gen != e.gen {
			return false
		}
	case ModelFailed:
		if in.Gen != e.gen {
			return false
		}
		m.early = nil // the turn's end asks anew
		m.emit(Note{Kind: NoteError, Text: "model: " + in.Reason})
		return true
	default:
		return false
	}
	e.results = append(e.results, in)
	return true
}

// adoptEarly makes the early generation the reply to the history, if it answers
// just that.
func (m *Machine) adoptEarly() bool {
	e, last := m.early, len(m.history)-1
	if e == nil {
		return false
	}
	if last != e.behind || m.history[last].Role != User || m.history[last].Text != e.text {
		m.cancelEarly()
		return false
	}
	m.early = nil
	s := m.speech
	s.parts = append(s.parts, part{gen: e.gen, message: -1})
	m.think(s)
	m.await(s)
	for _, in := range e.results {
		m.takeModel(in)
	}
	return true
}
