package conversation

import "time"

// idle measures how long both sides have been silent.
type idle struct {
	// since is when the last word of either side ended.
	since time.Duration
	// checks counts the questions since the caller's last words, repeats the
	// requests to say it again.
	checks, repeats int
}

const absoluteSilence = 120 * time.Second

func idleTime(ask bool) time.Duration {
	if ask {
		return 15 * time.Second
	}
	return 30 * time.Second
}

func (i *idle) heard(now time.Duration) { i.since, i.checks, i.repeats = now, 0, 0 }

func (i *idle) reset(now time.Duration) { i.heard(now) }

// armStateTimers arms the timers that depend on the state alone.
func (m *Machine) armStateTimers() {
	due, waiting := m.voiceDue()
	m.want(timerVoice, waiting && !m.closing, due)
	silent := m.started && m.speech == nil && !m.held && !m.closing && !m.greet.waiting &&
		len(m.tools) == 0 && len(m.keys) == 0
	m.wantFrom(timerSilence, silent, max(absoluteSilence, m.cfg.IdleTime))
	m.wantFrom(timerIdle, silent && !m.turn.talking && !m.turn.open, m.cfg.IdleTime)
}

func (m *Machine) wantFrom(name Timer, on bool, after time.Duration) {
	if m.held {
		return
	}
	if a, ok := m.timers.armed[name]; ok && on && a.at == max(m.now, m.idle.since+after) {
		return
	}
	m.want(name, on, max(m.now, m.idle.since+after))
}

// onIdle asks whether anyone is there, or says goodbye.
func (m *Machine) onIdle(name Timer) {
	if m.speech != nil {
		return
	}
	if name == timerSilence && m.turn.talking {
		m.emit(ResetDetector{})
		m.turn.talking = false
		m.disarm(timerStuck)
	}
	m.clearTurn()
	m.idle.since = m.now
	if m.cfg.AskOnIdle && m.idle.checks < m.cfg.MaxIdleChecks {
		question := m.cfg.Phrases.Idle[m.idle.checks%len(m.cfg.Phrases.Idle)]
		m.idle.checks++
		m.begin(kindPrompt, "", false, question)
		return
	}
	m.begin(kindFarewell, "idle", false, m.cfg.Phrases.Goodbye)
}
