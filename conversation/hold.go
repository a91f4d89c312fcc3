package conversation

// onHeld stops everything while the far end has the call on hold.
func (m *Machine) onHeld() {
	if m.held {
		return
	}
	if s := m.speech; s != nil {
		if u := s.head(); u != nil && !u.born {
			u.at, u.since = u.position(m.now), m.now
			m.emit(StopPlayout{})
		}
	}
	m.cancelEarly()
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

// onUnheld continues the call; the sentence that was cut off is said again.
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
		m.endIfDone()
		return
	}
	m.next()
}

// dropFrozen discards the timers that were frozen when the call was put on hold.
func (m *Machine) dropFrozen() {
	m.timers.frozen = false
	clear(m.timers.left)
}
