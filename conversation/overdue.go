package conversation

import (
	"slices"
	"strings"
	"time"
)

// The steps when the sound of an utterance does not come, counted from when the
// caller began to wait for it. A slow synthesis is not restarted: that would only
// make it later.
const (
	// soundOverdue is when the caller is told to wait, and how long a gap in sound
	// that has begun may be.
	soundOverdue = 3 * time.Second
	// mostDry is how many times as long as the sound all its gaps together may be: to
	// interrupt a slow voice only makes it slower.
	mostDry = 2
	// soundLost is when a second synthesis is started while the first goes on; the
	// one that has sound first is heard.
	soundLost = 6 * time.Second
	// soundDead is when the machine stops waiting for the voice.
	soundDead = 12 * time.Second
)

// awaited is the first utterance that the caller waits for: neither a filler put
// before another one nor a second try.
func (s *speech) awaited() *utterance {
	for i := range s.utts {
		if u := &s.utts[i]; !u.played && u.ahead == 0 {
			return u
		}
	}
	return nil
}

// voiceDue returns when the next step about missing sound is due.
func (m *Machine) voiceDue() (time.Duration, bool) {
	s := m.speech
	if s == nil || m.pause != nil || m.held {
		return 0, false
	}
	u := s.head()
	switch {
	case u == nil, u.born:
		return 0, false
	case u.audible:
		return max(m.now, u.end()+clamp(soundOverdue+mostDry*u.total-u.dry, 0, soundOverdue)), true
	}
	w := s.awaited()
	switch {
	case w == nil:
		return u.due + soundOverdue, true
	case u.total == 0 && !u.bridge() && s.announced > 0 && !s.voiceGivenUp():
		// the caller was told to wait, and is told so again
		return max(m.now, min(w.limit(), max(w.due, s.announced+fillerEvery))), true
	default:
		return max(m.now, w.limit()), true
	}
}

// limit is when the next step is taken if no sound of u has come.
func (u *utterance) limit() time.Duration { return u.due + max(u.waited, soundOverdue) }

// nearlyOver reports whether the machine will stop waiting for u so soon that the
// caller is not told to wait any more.
func (u *utterance) nearlyOver(now time.Duration) bool {
	return u.waited == soundDead && now >= u.limit()-soundOverdue
}

func (m *Machine) onVoiceTimer() {
	s := m.speech
	if s == nil || s.head() == nil {
		return
	}
	u, w := s.head(), s.awaited()
	switch {
	case u.audible || w == nil || s.voiceGivenUp():
		m.onVoiceFailed(VoiceFailed{Utt: u.id, Reason: "no sound in time"})
	case m.now < w.limit() && !w.nearlyOver(m.now):
		m.sayFillerAhead(s)
	case w.waited < soundLost:
		w.waited = soundLost
		m.sayFillerAhead(s) // slow is no failure yet
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
		m.giveUpVoice(s)
	}
}

// voiceGivenUp reports whether the machine has given up on the voice; what is said
// then is not tried a second time.
func (s *speech) voiceGivenUp() bool { return s.hangup == "error" }

// giveUpVoice ends the call because the voice delivers no sound.
func (m *Machine) giveUpVoice(s *speech) {
	m.emit(StopPlayout{})
	for i := range s.utts {
		if u := &s.utts[i]; !u.played {
			u.leaveOut()
		}
	}
	m.giveUp("the voice is silent", s.voiceFailure)
}

// sayFillerAhead says a filler before the utterance whose sound does not come,
// while its synthesis goes on; unless one was said within fillerEvery.
func (m *Machine) sayFillerAhead(s *speech) {
	u := s.head()
	if u == nil || u.bridge() || u.audible || u.total > 0 {
		return
	}
	if s.announced > 0 && m.now < s.announced+fillerEvery {
		return
	}
	s.fillers++
	m.before(s, u, utterance{text: m.cfg.Phrases.Filler, cached: true, filler: true})
}

// before queues n before u, whose synthesis goes on.
func (m *Machine) before(s *speech, u *utterance, n utterance) {
	n.part, n.ahead, n.due = u.part, u.id, m.now
	i := slices.IndexFunc(s.utts, func(o utterance) bool { return o.id == u.id })
	s.utts = slices.Insert(s.utts, i, n)
	m.say(&s.utts[i])
}

// bridge reports whether u is a filler before another utterance.
func (u *utterance) bridge() bool { return u.filler && u.ahead != 0 }

// overtaken withdraws what is not needed once u has sound: the filler before it,
// and the other try.
func (m *Machine) overtaken(s *speech, u *utterance) {
	if u.bridge() {
		return
	}
	switch w := s.awaited(); {
	case u.ahead != 0 && w != nil:
		u.ahead = 0
		u.heard, w.heard = max(u.heard, w.heard), 0 // both have the same text
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

// withdraw cancels an utterance that is not audible.
func (m *Machine) withdraw(u *utterance) {
	if !u.played && !u.audible {
		u.leaveOut()
		m.emit(Unsay{Utt: u.id})
	}
}

// secondTry is the second try of u that is under way, or nil.
func (s *speech) secondTry(u *utterance) *utterance {
	for i := range s.utts {
		if o := &s.utts[i]; !o.played && !o.filler && o.ahead == u.id {
			return o
		}
	}
	return nil
}

// onVoiceFailed says the utterance once more, unless that is hopeless; after a second
// failure it is left out.
func (m *Machine) onVoiceFailed(in VoiceFailed) {
	s := m.speech
	if s == nil {
		return
	}
	u := s.find(in.Utt)
	if u == nil {
		return
	}
	s.voiceFailure = "voice: " + in.Reason
	m.emit(Note{Kind: NoteError, Text: s.voiceFailure})
	u.credit(u.position(m.now) - lag)
	switch other := s.secondTry(u); {
	case u.ahead != 0:
		m.skipBridge(s, u)
	case other != nil:
		other.due, other.waited, other.ahead = u.due, u.waited, 0
		u.leaveOut()
	case !in.Hopeless && !u.retried && s.hangup == "" && u.heard < len(u.text):
		stalled := u.audible
		u = s.unheard(u)
		u.retried = true
		m.retryVoice(s, u, stalled)
	default:
		m.skip(s, u)
	}
}

// skipBridge leaves out a filler before another utterance, or a second try.
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

// skip leaves out an utterance.
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
		m.giveUp("the voice is silent", s.voiceFailure)
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

// leaveOut ends an utterance of which no more will be heard. Its text becomes what
// was heard of it.
func (u *utterance) leaveOut() {
	u.played, u.done = true, true
	u.text = u.text[:u.heard]
}

// unheard parts what was heard of u from the rest, and returns the rest.
func (s *speech) unheard(u *utterance) *utterance {
	if u.heard == 0 {
		return u
	}
	rest := utterance{part: u.part, text: strings.TrimLeft(u.text[u.heard:], " "), cached: u.cached, filler: u.filler, due: u.due, waited: u.waited}
	u.leaveOut()
	i := slices.IndexFunc(s.utts, func(o utterance) bool { return o.id == u.id })
	s.utts = slices.Insert(s.utts, i+1, rest)
	return &s.utts[i+1]
}

// retryVoice says u again, without letting what is queued behind it play first.
func (m *Machine) retryVoice(s *speech, u *utterance, stalled bool) {
	if s.awaited() != u || s.head() != u && u == &s.utts[len(s.utts)-1] {
		m.say(u)
		return
	}
	if stalled {
		u.due, u.waited = m.now, soundLost
	}
	m.emit(StopPlayout{})
	m.sayAgain()
	if stalled && m.pause == nil {
		m.sayFillerAhead(s)
	}
	m.pauseAgain(s)
}

// pauseAgain pauses utterances that were queued again during a pause.
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

// mute reports whether nothing is left of the speech and nothing but fillers was
// heard of it.
func (s *speech) mute() bool {
	for i := range s.utts {
		if u := &s.utts[i]; !u.played || u.heard > 0 && !u.filler {
			return false
		}
	}
	return len(s.pending) == 0 && !s.model
}
