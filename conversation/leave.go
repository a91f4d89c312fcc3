package conversation

// leaveWith says the last phrases and hangs up. The sentence that plays is said to
// its end; the caller can no longer interrupt.
func (m *Machine) leaveWith(reason string, texts ...string) {
	s := m.speech
	if s != nil && s.hangup != "" && s.protected {
		return
	}
	m.flushTurn()
	m.queued = nil
	if s != nil {
		m.withdrawCalls(s, EndedResult)
	}
	if s == nil || !s.sounding() || m.pause != nil || m.held {
		m.abandon()
		m.held = false
		m.dropFrozen()
		m.begin(kindFarewell, reason, true, texts...)
		return
	}
	if s.model {
		m.emit(CancelModel{Gen: s.gen()})
	}
	s.model, s.pending = false, nil
	s.kind, s.hangup, s.protected = kindFarewell, reason, true
	m.gen++
	s.parts = append(s.parts, part{gen: m.gen, message: -1})
	s.add(true, texts...)
	m.disarm(timerHedge, timerFiller, timerGiveUp, timerGuard)
	m.issue()
	m.endIfDone()
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

// flushTurn records what the caller said in a turn that gets no reply.
func (m *Machine) flushTurn() {
	m.takeKeys()
	t := m.turn
	m.clearTurn()
	m.cancelEarly()
	text := joinWords(t.prefix, t.text())
	if text == "" {
		return
	}
	m.settleCut()
	m.history = append(m.history, Message{Role: User, Text: cover(text)})
	if t.text() != "" {
		m.emit(Note{Kind: NoteCaller, Text: t.text(), Continues: t.continues})
	}
}

// hangUp ends the call from our side.
func (m *Machine) hangUp(reason string) {
	m.close()
	out := Hangup{Reason: reason}
	if reason == "error" {
		out.Cause = m.failure
	}
	m.emit(out)
}

// close ends the conversation; the leg may still stand.
func (m *Machine) close() {
	m.closing = true
	m.abandon()
	m.settleCut()
	m.flushTurn()
	m.stopTimers()
}

// onHungUp ends the call and records what the caller heard of the last speech.
func (m *Machine) onHungUp(HungUp) {
	if m.ended {
		return
	}
	m.ended = true
	m.close()
}

func (m *Machine) stopTimers() {
	m.dropFrozen()
	for _, name := range timerNames() {
		m.disarm(name)
	}
}

func (m *Machine) onCommand(in Command) {
	switch in.Verb {
	case "end":
		m.leaveWith("api", in.Text)
	case "say":
		c := chunker{abbreviations: m.lexicon.abbreviations}
		m.queued = append(m.queued, append(c.push(in.Text), c.flush()...)...)
		if m.started {
			m.next()
		}
	}
}
