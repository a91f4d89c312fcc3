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
	if m.endsKeys(in.Key) && len(m.keys) > 0 {
		m.deliverKeys()
		return
	}
	m.keys = append(m.keys, in)
	if m.endsKeys(in.Key) || m.enoughKeys() {
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
	keys := m.keys
	if last := len(keys) - 1; last > 0 && keys[last].Key == endKey {
		keys = keys[:last]
	}
	m.keys = nil
	note, words := "", make([]string, 0, len(keys))
	for _, k := range keys {
		word := string(k.Key)
		if k.Ref != 0 {
			word = HiddenDigit(k.Ref)
			note = Covered
		} else if note != Covered {
			note += word
		}
		words = append(words, word)
	}
	m.emit(Note{Kind: NoteDigits, Text: note})
	m.turn.finals = append(m.turn.finals, KeysPressed+strings.Join(words, " "))
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
