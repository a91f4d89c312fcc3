package conversation

import "strings"

// onYielded ends the turn at once: the caller ended it explicitly, or the
// recogniser knows that it is over. Only something that is read out may go on after
// a pause, whatever a recogniser believes.
func (m *Machine) onYielded() {
	t := &m.turn
	t.talking, t.flushes = false, 0
	m.disarm(timerStuck, timerConfirm)
	if !m.cfg.Carrier && m.pause == nil && decide(m.observe(), m.waits, &m.lexicon).rule == ruleDictation {
		t.open, t.last = true, max(t.last, t.from)
		m.decideTurn()
		return
	}
	if m.pause != nil {
		m.reconsider()
	}
	if m.pause == nil {
		m.yielded()
	}
}

// yielded commits the words so far, now or when the agent has stopped speaking.
func (m *Machine) yielded() {
	t := &m.turn
	if t.text() == "" {
		m.next()
		return
	}
	t.open, t.last = true, max(t.last, t.from)
	t.decision = decision{rule: ruleYielded, commit: true}
	m.decideYielded()
}

// decideYielded commits a turn that the caller ends explicitly rather than by a
// pause. The watchdog ends it when the caller forgets to.
func (m *Machine) decideYielded() {
	if m.turn.decision.commit && !m.blocked() {
		m.commit()
		return
	}
	m.arm(timerWatchdog, m.now+turnWatchdog)
}

// minCarrierText is how many characters of a modem interrupt the agent.
const minCarrierText = 2

// carrierHeard handles text from a modem: it interrupts from the second
// character on, and a final ends the turn.
func (m *Machine) carrierHeard(final bool) {
	t := &m.turn
	if t.text() == "" {
		return
	}
	if len([]rune(strings.Join(strings.Fields(t.text()), ""))) >= minCarrierText && m.interruptible() {
		m.suspend()
		m.confirm()
	}
	t.last = m.now
	switch {
	case final:
		t.talking, t.flushes = false, 0
		m.yielded()
	case !t.talking:
		t.open = true
		m.decideYielded()
	}
}

// carrierFell is called when the carrier is gone; the final text comes soon.
func (m *Machine) carrierFell() {
	if m.turn.text() == "" {
		m.next()
		return
	}
	m.turn.open = true
	m.decideYielded()
}
