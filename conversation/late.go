package conversation

import (
	"slices"
	"time"
)

// What to do when sound of an utterance does not come, counted from when the
// caller began to wait for it. A slow synthesis is left to work: to begin anew
// would only make it later.
const (
	// soundOverdue is when the caller is told to wait, and how long sound that
	// has begun may stand still.
	soundOverdue = 3 * time.Second
	// soundLost is when a second synthesis is begun beside the first, which may be
	// lost; the one that has sound first is heard.
	soundLost = 6 * time.Second
	// soundDead is when the voice is given up.
	soundDead = 12 * time.Second
)

// awaited is the first utterance that waits for nothing: neither one that
// bridges the wait for it nor a second try.
func (s *speech) awaited() *utterance {
	for i := range s.utts {
		if u := &s.utts[i]; !u.played && u.ahead == 0 {
			return u
		}
	}
	return nil
}

// voiceDue returns when something is to be done about missing sound.
func (m *Machine) voiceDue() (time.Duration, bool) {
	s := m.speech
	if s == nil || m.pause != nil || m.held {
		return 0, false
	}
	u := s.head()
	switch {
	case u == nil:
		return 0, false
	case u.audible:
		return u.since + max(0, u.total-u.at) + soundOverdue, true
	}
	w := s.awaited()
	switch {
	case w == nil:
		return u.due + soundOverdue, true
	case u.total == 0 && !u.bridge() && s.announced > 0 && !s.hopeless():
		// who was told to wait is told again
		return max(m.now, min(w.limit(), max(w.due, s.announced+holdingEvery))), true
	default:
		return max(m.now, w.limit()), true
	}
}

// limit is when the next step is taken for want of its sound.
func (u *utterance) limit() time.Duration { return u.due + max(u.waited, soundOverdue) }

// dying reports whether so little of its time is left that the caller is not
// told to wait any more.
func (u *utterance) dying(now time.Duration) bool {
	return u.waited == soundDead && now >= u.limit()-soundOverdue
}

func (m *Machine) onVoiceTimer() {
	s := m.speech
	if s == nil || s.head() == nil {
		return
	}
	u, w := s.head(), s.awaited()
	switch {
	case u.audible || w == nil || s.hopeless():
		m.onVoiceFailed(u.id, "no sound in time")
	case m.now < w.limit() && !w.dying(m.now):
		m.holdAhead(s)
	case w.waited < soundLost:
		w.waited = soundLost
		m.holdAhead(s) // slow is no failure yet
	case w.waited < soundDead:
		w.waited = soundDead
		if !w.retried && w.total == 0 {
			w.retried = true
			m.emit(Note{Kind: NoteError, Text: "voice: no sound for long"})
			m.before(s, w, utterance{text: w.text, cached: w.cached, retried: true})
		}
	case s.hangup != "":
		m.skip(s, w)
	default:
		m.voiceDead(s)
	}
}

// hopeless reports whether the voice was given up already: its last words get
// no second chance.
func (s *speech) hopeless() bool { return s.hangup == "error" }

// voiceDead ends the call for want of a voice.
func (m *Machine) voiceDead(s *speech) {
	m.emit(StopPlayout{})
	for i := range s.utts {
		if u := &s.utts[i]; !u.played {
			u.leaveOut()
		}
	}
	m.giveUp("the voice is silent")
}

// holdAhead tells the caller to wait for the utterance whose sound does not
// come, while its synthesis goes on; unless that was said lately.
func (m *Machine) holdAhead(s *speech) {
	u := s.head()
	if u == nil || u.bridge() || u.audible || u.total > 0 {
		return
	}
	if s.announced > 0 && m.now < s.announced+holdingEvery {
		return
	}
	s.holds++
	m.before(s, u, utterance{text: m.cfg.Phrases.Holding, cached: true, hold: true})
}

// before says n before u, whose synthesis goes on.
func (m *Machine) before(s *speech, u *utterance, n utterance) {
	n.part, n.ahead, n.due = u.part, u.id, m.now
	i := slices.IndexFunc(s.utts, func(o utterance) bool { return o.id == u.id })
	s.utts = slices.Insert(s.utts, i, n)
	m.say(&s.utts[i])
}

// bridge reports whether u only bridges the wait for another utterance.
func (u *utterance) bridge() bool { return u.hold && u.ahead != 0 }

// overtaken takes back, once u has sound, what that makes superfluous: the
// phrase that was to bridge the wait for it, and the other try.
func (m *Machine) overtaken(s *speech, u *utterance) {
	if u.bridge() {
		return
	}
	switch w := s.awaited(); {
	case u.ahead != 0 && w != nil:
		u.ahead = 0
		m.withdraw(w)
	case u != w:
		return
	}
	for i := range s.utts {
		if o := &s.utts[i]; !o.played && o.ahead != 0 && o.total == 0 {
			m.withdraw(o)
		}
	}
}

// withdraw takes back an utterance that is not audible.
func (m *Machine) withdraw(u *utterance) {
	if !u.played && !u.audible {
		u.leaveOut()
		m.emit(Unsay{Utt: u.id})
	}
}

// secondTry is the second try of u that is under way, or nil.
func (s *speech) secondTry(u *utterance) *utterance {
	for i := range s.utts {
		if o := &s.utts[i]; !o.played && !o.hold && o.ahead == u.id {
			return o
		}
	}
	return nil
}

// onVoiceFailed says the utterance once more, then goes on without it.
func (m *Machine) onVoiceFailed(id uint64, reason string) {
	s := m.speech
	if s == nil {
		return
	}
	u := s.find(id)
	if u == nil {
		return
	}
	m.emit(Note{Kind: NoteError, Text: "voice: " + reason})
	u.credit(u.position(m.now) - lag)
	switch other := s.secondTry(u); {
	case u.ahead != 0:
		m.skipBridge(s, u)
	case other != nil:
		other.due, other.waited, other.ahead = u.due, u.waited, 0
		u.leaveOut()
	case !u.retried && s.hangup == "":
		u.retried = true
		m.retryVoice(s, u)
	default:
		m.skip(s, u)
	}
}

// skipBridge goes on without a phrase that was to bridge a wait, or without a
// second try.
func (m *Machine) skipBridge(s *speech, u *utterance) {
	if u.audible {
		m.emit(StopPlayout{})
		m.sayAgain()
		m.pauseAgain(s)
	} else {
		m.withdraw(u)
	}
	m.advance()
}

// skip goes on without an utterance.
func (m *Machine) skip(s *speech, u *utterance) {
	for i := range s.utts {
		if o := &s.utts[i]; o.ahead != 0 && o != u {
			m.withdraw(o)
		}
	}
	stopped := s.head() == u
	if stopped {
		m.emit(StopPlayout{})
	}
	u.leaveOut()
	s.lost = true
	if s.hangup == "" && s.mute() {
		m.giveUp("the voice is silent")
		return
	}
	if next := s.head(); next != nil {
		next.due, next.waited = m.now, 0
	}
	if stopped {
		m.sayAgain()
		m.pauseAgain(s)
	}
	m.advance()
}

// leaveOut ends an utterance of which no more will be heard: what made no sound
// was never said.
func (u *utterance) leaveOut() {
	u.played, u.done = true, true
	u.text = u.text[:u.heard]
}

// retryVoice says u again; what is queued behind it must not overtake it.
func (m *Machine) retryVoice(s *speech, u *utterance) {
	if s.awaited() != u || s.head() != u && u == &s.utts[len(s.utts)-1] {
		m.say(u)
		return
	}
	stalled := u.audible
	if stalled {
		u.due, u.waited = m.now, soundLost
	}
	m.emit(StopPlayout{})
	m.sayAgain()
	if stalled && m.pause == nil {
		m.holdAhead(s)
	}
	m.pauseAgain(s)
}

// pauseAgain pauses what was queued anew during a pause.
func (m *Machine) pauseAgain(s *speech) {
	p, u := m.pause, s.head()
	if p == nil {
		return
	}
	p.sent = u != nil
	if p.sent {
		p.utt, p.at, p.known = u.id, 0, false
		m.emit(PausePlayout{})
	}
}

// mute reports whether nothing is left of the speech and nothing was heard of
// it but that the caller should wait.
func (s *speech) mute() bool {
	for i := range s.utts {
		if u := &s.utts[i]; !u.played || u.heard > 0 && !u.hold {
			return false
		}
	}
	return len(s.lines) == 0 && !s.model
}
