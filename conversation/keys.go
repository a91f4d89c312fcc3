package conversation

import (
	"strings"
	"time"
)

const (
	keyWait = 3 * time.Second
	endKey  = '#'
)

// onDigit collects keys. The first one interrupts the agent.
func (m *Machine) onDigit(in Digit) {
	if m.held {
		return
	}
	m.idle.heard(m.now)
	if len(m.keys) == 0 && m.interruptible() {
		m.takeFloor()
	}
	if in.Key == endKey && len(m.keys) > 0 {
		m.deliverKeys()
		return
	}
	m.keys = append(m.keys, in.Key)
	if in.Key == endKey {
		m.deliverKeys()
		return
	}
	m.arm(timerDigits, m.now+keyWait)
}

// takeKeys makes the collected keys words of the caller's turn.
func (m *Machine) takeKeys() {
	if len(m.keys) == 0 {
		return
	}
	m.disarm(timerDigits)
	keys := string(m.keys)
	if len(m.keys) > 1 {
		keys = strings.TrimSuffix(keys, string(endKey))
	}
	m.keys = nil
	m.emit(Note{Kind: NoteDigits, Text: keys})
	m.turn.finals = append(m.turn.finals, KeysPressed+strings.Join(strings.Split(keys, ""), " "))
}

// takeFloor interrupts the agent for a pressed key.
func (m *Machine) takeFloor() {
	s := m.speech
	switch {
	case s.everAudible():
		m.emit(Note{Kind: NoteInterrupted})
		m.cutOff()
	case m.reopen():
	default:
		m.drop()
	}
}

// deliverKeys sends the collected keys to the model as the caller's words.
func (m *Machine) deliverKeys() {
	m.takeKeys()
	t := &m.turn
	if m.interruptible() || m.pause != nil {
		m.takeFloor()
	}
	t.open = !t.talking
	if m.speech != nil || t.talking {
		return
	}
	t.last = m.now
	t.decision = decision{rule: ruleKeys, commit: true}
	m.commit()
}
