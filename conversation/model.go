package conversation

import (
	"slices"
	"time"
)

const (
	hedgeAfter   = 2500 * time.Millisecond
	holdingAfter = 3 * time.Second
	holdingEvery = 8 * time.Second
	giveUpAfter  = 12 * time.Second
	// holdingLater is when to look again while the caller is speaking.
	holdingLater = 500 * time.Millisecond
	// toolHolding is when a running tool is announced.
	toolHolding = 1500 * time.Millisecond
	modelTries  = 2
)

// answer begins the agent's answer to the history.
func (m *Machine) answer(f figures) {
	m.settleCut()
	m.speech = &speech{kind: kindAnswer, figures: f}
	m.ask()
}

// ask starts a generation for the next part of the speech.
func (m *Machine) ask() {
	s := m.speech
	m.gen++
	s.parts = append(s.parts, part{gen: m.gen, message: -1})
	s.retries = 0
	m.request(s)
	m.arm(timerHedge, m.now+hedgeAfter)
	m.disarm(timerHolding, timerGiveUp)
	m.fallSilent(s)
}

func (m *Machine) request(s *speech) {
	s.model, s.texted, s.answered = true, false, false
	s.split = chunker{abbreviations: m.lexicon.abbreviations}
	m.unseen = false
	m.emit(AskModel{Gen: s.gen(), Messages: slices.Clone(m.history), NoTools: s.steps >= maxSteps})
}

// fallSilent arms what happens when model or tools leave the caller in silence.
func (m *Machine) fallSilent(s *speech) {
	tools := m.toolsOf(s)
	if s.head() != nil || !s.model && !tools {
		return
	}
	first := holdingAfter
	if tools {
		first = toolHolding
	}
	if s.holds > 0 {
		first = holdingEvery
	}
	m.arm(timerHolding, m.now+first)
	if s.model && !m.armed(timerGiveUp) {
		m.arm(timerGiveUp, m.now+giveUpAfter)
	}
}

// current reports whether gen is the running generation.
func (m *Machine) current(gen uint64) bool {
	return m.speech != nil && m.speech.model && m.speech.gen() == gen
}

func (m *Machine) onModelText(in ModelText) {
	if !m.current(in.Gen) || in.Text == "" {
		return
	}
	s := m.speech
	m.disarm(timerHedge)
	s.texted = true
	if s.figures.texted == 0 {
		s.figures.texted = m.now
	}
	m.addAnswer(s, s.split.push(in.Text))
	m.issue()
}

func (m *Machine) addAnswer(s *speech, texts []string) {
	if len(texts) > 0 {
		s.answered, s.holds = true, 0
		s.add(false, texts...)
	}
}

func (m *Machine) onModelDone(in ModelDone) {
	if !m.current(in.Gen) {
		return
	}
	s := m.speech
	m.disarm(timerHedge)
	m.addAnswer(s, s.split.flush())
	p := &s.parts[len(s.parts)-1]
	if len(p.calls) == 0 && s.hangup == "" && !s.answered {
		m.modelFailed(s, "empty answer")
		return
	}
	s.model = false
	m.disarm(timerGiveUp)
	if s.hangup != "" && !s.answered {
		s.add(true, m.cfg.Phrases.Goodbye)
	}
	m.runTools(s)
	m.issue()
	m.advance()
}

func (m *Machine) onModelFailed(in ModelFailed) {
	if m.current(in.Gen) {
		m.modelFailed(m.speech, in.Reason)
	}
}

// modelFailed says the sentences that are complete; without any it asks once
// more, then gives up.
func (m *Machine) modelFailed(s *speech, reason string) {
	m.emit(Note{Kind: NoteError, Text: "model: " + reason})
	m.disarm(timerHedge)
	last := len(s.parts) - 1
	m.addAnswer(s, s.split.whole())
	if s.answered {
		s.model = false
		s.parts[last].calls = nil
		m.disarm(timerGiveUp)
		m.issue()
		m.advance()
		return
	}
	if s.retries++; s.retries >= modelTries {
		s.model = false
		m.giveUp("the model does not answer")
		return
	}
	m.gen++
	s.parts[last].gen, s.parts[last].calls = m.gen, nil
	s.hangup = ""
	m.request(s)
}

func (m *Machine) onModelTimer(name Timer) {
	s := m.speech
	if s == nil {
		return
	}
	switch name {
	case timerHedge:
		if s.model && !s.texted {
			m.emit(AskModel{Gen: s.gen(), Messages: slices.Clone(m.history), Hedge: true, NoTools: s.steps >= maxSteps})
		}
	case timerHolding:
		m.hold(s)
	case timerGiveUp:
		m.onGiveUpTimer(s)
	}
}

func (m *Machine) onGiveUpTimer(s *speech) {
	switch {
	case !s.model || s.answered && s.head() != nil:
	case m.pause != nil || m.turn.talking:
		m.arm(timerGiveUp, m.now+holdingLater)
	default:
		m.giveUp("no answer in time")
	}
}

// hold tells the caller that it takes longer.
func (m *Machine) hold(s *speech) {
	if m.pause != nil || m.turn.talking {
		m.arm(timerHolding, m.now+holdingLater)
		return
	}
	u := s.head()
	switch {
	case u == nil && len(s.lines) == 0 && (s.model || m.toolsOf(s)):
		s.lines = append(s.lines, line{text: m.cfg.Phrases.Holding, part: len(s.parts) - 1, cached: true, hold: true})
		s.holds++
		m.issue()
	case u != nil:
		m.holdAhead(s)
	}
}

// giveUp ends the call with an apology.
func (m *Machine) giveUp(reason string) {
	m.emit(Note{Kind: NoteError, Text: reason})
	m.finishWith("error", m.cfg.Phrases.Apology, m.cfg.Phrases.Goodbye)
}
