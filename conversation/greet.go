package conversation

import "time"

// greeting is the first message before it is said.
type greeting struct {
	// waiting: not said yet. due: its time has come, but the caller speaks.
	waiting, due bool
}

const (
	calleeFirst = 2500 * time.Millisecond
	// guardTime is how long a greeting cannot be interrupted, so that a caller's
	// "hello?" does not cut it off.
	guardTime = time.Second
	// helloWords is how many words may be met with the greeting instead of a reply.
	helloWords = 3
)

func (m *Machine) onMediaStarted() {
	if m.started {
		return
	}
	m.started = true
	m.idle.since = m.now
	m.arm(timerDuration, m.now+m.cfg.MaxDuration)
	if spoken(m.cfg.Greeting) == "" && !m.mustDisclose() || m.turns > 0 {
		if m.unseen {
			m.next()
		}
		return
	}
	m.greet.waiting = true
	delay := m.cfg.GreetingDelay
	if m.cfg.Outbound && m.cfg.WaitForGreeting {
		delay = max(delay, calleeFirst)
	}
	if delay > 0 {
		m.arm(timerGreeting, m.now+delay)
		return
	}
	m.greet.due = true
	m.greetIfDue()
}

func (m *Machine) onGreetingTimer(name Timer) {
	if name == timerGuard {
		if m.turn.talking && m.interruptible() {
			m.suspend()
		}
		return
	}
	m.greet.due = true
	m.greetIfDue()
}

// greetIfDue greets unless the caller is in the middle of something.
func (m *Machine) greetIfDue() {
	if m.greet.waiting && m.greet.due && !m.turn.talking && !m.turn.open && len(m.keys) == 0 && m.speech == nil {
		m.greetNow()
	}
}

func (m *Machine) greetNow() {
	m.disarm(timerGreeting)
	m.greet = greeting{}
	m.begin(kindGreeting, "", m.cfg.ProtectGreeting, m.cfg.Greeting)
}

// greetsBack reports whether the greeting is the reply to the caller's first
// words: always on a call we placed, else when they are only a "hello?".
func (m *Machine) greetsBack(text string) bool {
	return m.greet.waiting && spoken(m.cfg.Greeting) != "" && (m.cfg.Outbound || countWords(text) <= helloWords)
}
