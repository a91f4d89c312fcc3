package conversation

import "time"

// pause is a suspected interruption: the playout is stopped, nothing is lost.
type pause struct {
	// sent: the session was asked to pause; otherwise nothing was queued.
	sent bool
	// audible: sound of the agent was cut.
	audible bool
	// utt and at are where the playout stopped; known says that the session
	// reported it, otherwise it is our clock's estimate.
	utt   uint64
	at    time.Duration
	known bool
}

// verdict is what the words over the agent's speech mean.
type verdict uint8

const (
	undecided verdict = iota
	backchannel
	interruption
)

const (
	shortBurst    = 400 * time.Millisecond
	latestResume  = time.Second
	soonestResume = 300 * time.Millisecond
	silenceResume = 2 * time.Second
	longSpeech    = 500 * time.Millisecond
	// nearEnd is how close to its end a speech must be for "yes" to be a reply to it.
	nearEnd = time.Second
)

// judge decides from the words alone. ending says that the agent was about to
// end, so that a "yes" is a reply.
func judge(text string, s Sensitivity, ending, leaving bool, l *lexicon) verdict {
	words := wordsOf(text)
	switch {
	case len(words) == 0:
		return undecided
	case leaving && madeOf(words, l.farewells, l.hums, l.backchannels):
		return backchannel
	case s == High || contains(words, l.stops):
		return interruption
	case madeOf(words, l.hums):
		return backchannel
	case madeOf(words, l.hums, l.backchannels) && !ending:
		return backchannel
	default:
		return interruption
	}
}

// interruptible reports whether the caller may stop what the agent says or is
// about to say.
func (m *Machine) interruptible() bool {
	s := m.speech
	if s == nil || s.protected || m.held || m.muted() {
		return false
	}
	if s.kind == kindGreeting && s.everAudible() && !m.cfg.Carrier {
		return m.now >= s.audibleAt+guardTime
	}
	return true
}

// suspend stops the playout without losing anything.
func (m *Machine) suspend() {
	if m.pause != nil {
		return
	}
	s := m.speech
	p := &pause{audible: s.sounding()}
	if u := s.head(); u != nil {
		p.sent, p.utt, p.at = true, u.id, u.position(m.now)
		u.at, u.since = p.at, m.now
		m.emit(PausePlayout{})
	}
	m.pause = p
	if p.audible {
		m.emit(Note{Kind: NotePaused})
	}
}

// armConfirm lets speech alone interrupt audible words when the agent is highly
// sensitive.
func (m *Machine) armConfirm() {
	if m.cfg.Interrupt == High && m.pause.audible {
		m.arm(timerConfirm, m.turn.from+longSpeech)
	}
}

func (m *Machine) onConfirmTimer() {
	if m.pause != nil && m.turn.talking {
		m.turn.interrupted = true
		m.confirm()
	}
}

// wordsOverAgent handles words that the voice detector has not announced.
func (m *Machine) wordsOverAgent(in Heard) {
	if !m.turn.talking {
		m.turn.last = m.now - in.Ago
		m.turn.from = m.turn.last
	}
	if in.Final && !m.turn.talking && m.verdict() == backchannel {
		m.ignoreWords()
		return
	}
	m.suspend()
	m.reconsider()
}

// verdict judges what was heard over the speech so far.
func (m *Machine) verdict() verdict {
	return judge(m.turn.text(), m.cfg.Interrupt, m.ending(), m.speech.hangup != "", &m.lexicon)
}

// ignoreWords records and drops what the caller said over the speech.
func (m *Machine) ignoreWords() {
	if text := m.turn.text(); text != "" {
		m.emit(Note{Kind: NoteIgnored, Text: text})
	}
	m.clearTurn()
}

// reconsider judges a pause anew: something was heard, or the caller fell
// silent.
func (m *Machine) reconsider() {
	t := &m.turn
	switch v := m.verdict(); {
	case v == interruption:
		m.confirm()
	case t.talking:
		m.disarm(timerResume)
	case m.spokeLong():
		t.interrupted = true
		m.confirm()
	case v == backchannel && t.flushes == 0 && t.partial == "":
		m.resume()
	default:
		m.armResume()
	}
}

// spokeLong reports whether the length of the burst alone interrupts a highly
// sensitive agent.
func (m *Machine) spokeLong() bool {
	return m.cfg.Interrupt == High && m.pause.audible && m.turn.last-m.turn.from >= longSpeech
}

func (m *Machine) armResume() {
	t := &m.turn
	after := resumeAfter(t.last-t.from, t.flushes > 0, m.cfg)
	if !m.pause.audible && t.flushes == 0 {
		// No sound was cut off and there were no words, so there is nothing to wait for.
		after = soonestResume
	}
	at := t.last + after
	if at <= m.now {
		m.resume()
		return
	}
	m.arm(timerResume, at)
}

// resumeAfter is how long after a burst the agent goes on when no word comes.
// awaiting says that the recogniser's result is still to come.
func resumeAfter(burst time.Duration, awaiting bool, c Config) time.Duration {
	switch {
	case burst < shortBurst && !awaiting:
		return soonestResume
	case burst < shortBurst:
		return min(max(c.FirstTextWait, soonestResume), latestResume)
	case awaiting:
		return max(silenceResume, c.FinalWait)
	default:
		return silenceResume
	}
}

// ending reports whether little of the speech is left to be said.
func (m *Machine) ending() bool {
	s := m.speech
	if s.model || len(s.pending) > 0 || len(s.deferred) > 0 || !s.sounding() {
		return false // an action that waits needs no further yes
	}
	left := time.Duration(0)
	for i := range s.utts {
		u := &s.utts[i]
		if u.played {
			continue
		}
		if !u.done {
			return false
		}
		at := u.at
		if m.pause == nil {
			at = u.position(m.now)
		}
		left += u.total - at
	}
	return left <= nearEnd
}

func (m *Machine) onResumeTimer() {
	if m.pause != nil && !m.turn.talking {
		m.resume()
	}
}

// resume continues the speech from the beginning of the last word.
func (m *Machine) resume() {
	p, s := m.pause, m.speech
	m.pause = nil
	m.disarm(timerResume, timerConfirm)
	m.ignoreWords()
	if p.sent {
		m.emit(m.resumption(s, p))
	}
	if p.audible {
		m.emit(Note{Kind: NoteResumed})
	}
	m.issue()
	m.endIfDone()
}

func (m *Machine) resumption(s *speech, p *pause) ResumePlayout {
	u := s.head()
	if u == nil {
		return ResumePlayout{}
	}
	u.due = m.now
	if w := s.awaited(); w != nil {
		w.due, w.waited = m.now, 0
	}
	if u.id == p.utt {
		at := p.at
		if !p.known {
			at = max(0, at-lag)
		}
		u.at = u.restart(at)
	}
	u.since = m.now
	return ResumePlayout{Utt: u.id, At: u.at}
}

// confirm treats the caller's speech as an interruption: the agent stops.
func (m *Machine) confirm() {
	s := m.speech
	t := &m.turn
	switch {
	case s.everAudible():
		m.emit(Note{Kind: NoteInterrupted, Text: t.text()})
		m.cutOff()
	case m.reopen():
	case s.kind == kindGreeting:
		m.greet = greeting{waiting: true, due: true}
		m.drop()
	default:
		m.drop()
	}
	t.open = !t.talking && !m.cfg.Carrier
	if t.open {
		m.decideTurn()
	}
}

// drop discards a speech of which nothing was audible.
func (m *Machine) drop() {
	s := m.speech
	m.silence(s)
	m.speech, m.pause = nil, nil
	for i := range s.parts {
		if s.parts[i].message >= 0 {
			m.settle(s, i, true)
		}
	}
	m.reportCancelled(s)
}

// cutOff ends a speech of which something was audible. How much of it was heard
// is recorded as soon as the session reports where it stopped.
func (m *Machine) cutOff() {
	s, p := m.speech, m.pause
	m.settleCut()
	if p == nil {
		if u := s.head(); u != nil {
			p = &pause{utt: u.id, at: u.position(m.now)}
		} else {
			p = &pause{known: true}
		}
	}
	m.silence(s)
	m.speech, m.pause, m.cut = nil, nil, s
	s.stopped = *p
	m.idle.since = m.now
	if p.known {
		m.settleCut()
	}
}

// silence stops the generation, the playout and the timers of a speech.
func (m *Machine) silence(s *speech) {
	if s.model {
		m.emit(CancelModel{Gen: s.gen()})
	}
	if u := s.head(); u != nil && !u.born {
		m.emit(StopPlayout{})
	}
	m.disarm(timerResume, timerConfirm, timerHedge, timerFiller, timerGiveUp, timerGuard, timerVoice)
}

func (m *Machine) onStopped(in Stopped) {
	if s := m.cut; s != nil {
		if in.Utt == 0 {
			s.creditOver()
		}
		if in.Utt == 0 || s.creditStop(in.Utt, in.At) {
			s.stopped.known = true
			m.settleCut()
		}
		return
	}
	s := m.speech
	if s == nil || !s.creditStop(in.Utt, in.At) {
		return
	}
	if p := m.pause; p != nil && p.sent {
		p.utt, p.at, p.known = in.Utt, in.At, true
		if u := s.head(); u != nil && u.id == in.Utt {
			u.at, u.since = in.At, m.now
		}
	}
}
