package conversation

// finishWith says the last lines and hangs up. The sentence that plays is
// finished; nothing may interrupt any more.
func (m *Machine) finishWith(reason string, lines ...string) {
	s := m.speech
	if s != nil && s.hangup != "" && s.protected {
		return
	}
	m.flushTurn()
	m.queued = nil
	if s == nil || !s.sounding() || m.pause != nil || m.held {
		m.abandon()
		m.held = false
		m.thawNothing()
		m.begin(kindFarewell, reason, true, lines...)
		return
	}
	if s.model {
		m.emit(CancelModel{Gen: s.gen()})
	}
	s.model, s.lines = false, nil
	s.kind, s.hangup, s.protected = kindFarewell, reason, true
	m.gen++
	s.parts = append(s.parts, part{gen: m.gen, message: -1})
	s.add(true, lines...)
	m.disarm(timerHedge, timerHolding, timerGiveUp, timerGuard)
	m.issue()
	m.finishIfDone()
}

// abandon ends the running speech, audible or not.
func (m *Machine) abandon() {
	s := m.speech
	if s != nil && s.model {
		m.emit(CancelModel{Gen: s.gen()})
		s.model = false
	}
	switch {
	case s == nil:
	case s.everAudible():
		m.cutOff()
	default:
		m.drop()
	}
}

// flushTurn writes down what the caller said in a turn that stays unanswered.
func (m *Machine) flushTurn() {
	t := m.turn
	m.clearTurn()
	text := joinWords(t.prefix, t.text())
	if text == "" {
		return
	}
	m.settleCut()
	m.history = append(m.history, Message{Role: User, Text: text})
	if t.text() != "" {
		m.emit(Note{Kind: NoteCaller, Text: t.text(), Continues: t.continues})
	}
}

// hangUp ends the call from our side.
func (m *Machine) hangUp(reason string) {
	m.closing = true
	m.abandon()
	m.settleCut()
	m.flushTurn()
	m.stopTimers()
	m.emit(Hangup{Reason: reason})
}

// onHungUp writes down what was heard last.
func (m *Machine) onHungUp(HungUp) {
	if m.ended {
		return
	}
	m.closing, m.ended = true, true
	m.abandon()
	m.settleCut()
	m.flushTurn()
	m.stopTimers()
}

func (m *Machine) stopTimers() {
	m.thawNothing()
	for _, name := range timerNames() {
		m.disarm(name)
	}
}

// thawNothing forgets what a hold has frozen.
func (m *Machine) thawNothing() {
	m.timers.frozen = false
	clear(m.timers.left)
}

func (m *Machine) onCommand(in Command) {
	switch in.Verb {
	case "end":
		m.finishWith("api", in.Text)
	case "say":
		c := chunker{abbreviations: m.lexicon.abbreviations}
		m.queued = append(m.queued, append(c.push(in.Text), c.flush()...)...)
		if m.started {
			m.next()
		}
	}
}

// onHeld stops everything while the far end holds us.
func (m *Machine) onHeld() {
	if m.held {
		return
	}
	if s := m.speech; s != nil {
		if u := s.head(); u != nil {
			u.at, u.since = u.position(m.now), m.now
			m.emit(StopPlayout{})
		}
	}
	m.pause = nil
	m.disarm(timerResume, timerConfirm, timerStuck)
	if m.turn.talking {
		m.turn.talking, m.turn.last = false, m.now
		m.turn.open = m.speech == nil
		m.decideTurn()
	}
	m.freeze()
	m.held = true
}

// onUnheld goes on; the sentence that was cut is said again.
func (m *Machine) onUnheld() {
	if !m.held {
		return
	}
	m.held = false
	m.idle.since = m.now
	m.thaw()
	if s := m.speech; s != nil {
		for i := range s.utts {
			s.utts[i].due, s.utts[i].waited = m.now, 0
		}
		m.sayAgain()
		m.issue()
		m.finishIfDone()
		return
	}
	m.next()
}
