package conversation

import (
	"strings"
	"time"
	"unicode"
)

// UnknownResult is the result of a tool that ran when the process died that held the call.
const UnknownResult = "the server was restarted while it ran: it is not known whether it was done"

// onResumed goes on where the call was when its process died: the agent says that it was
// away, and then what the caller has not heard.
func (m *Machine) onResumed(in Resumed) {
	fresh := !m.spoke && m.turns == 0 && m.turn.text() == "" && !m.turn.talking && len(m.keys) == 0
	m.resumed = m.now
	m.settleCut()
	m.early, m.correctable, m.away, m.understood = nil, "", false, false
	m.idle.since = m.now
	m.loseDigits()
	m.rearm()
	if m.speech != nil {
		m.creditUntil(m.speech, clamp(in.Until, 0, m.now))
		m.discloses(m.speech)
	}
	m.unpause()
	awaited := m.speech != nil && m.toolsOf(m.speech)
	m.loseTools()
	ended := m.regainTurn()
	sorry := m.started && !m.held && !fresh
	switch {
	case m.speech != nil:
		m.regain(m.speech, awaited, sorry)
	case ended:
		m.commitRegained(sorry)
	case !sorry || m.greet.waiting:
		if m.started {
			m.next()
		}
	case m.unseen && !m.turn.open && len(m.keys) == 0:
		m.reply(figures{})
		m.excuse()
	default:
		m.begin(kindPrompt, "", m.turn.open || len(m.keys) > 0, m.cfg.Phrases.Lost)
	}
	m.decideTurn()
}

// rearm arms the timers again that count on, under new numbers, and no others.
func (m *Machine) rearm() {
	for _, name := range timerNames() {
		a, ok := m.timers.armed[name]
		switch name {
		case timerGreeting, timerDigits, timerDuration:
			delete(m.timers.armed, name)
			if ok {
				m.arm(name, max(m.now, a.at))
			}
		default:
			m.disarm(name)
		}
	}
}

// creditUntil notes what was surely heard of a speech by a time.
func (m *Machine) creditUntil(s *speech, until time.Duration) {
	for i := range s.utts {
		u := &s.utts[i]
		if u.played || !u.audible || u.born {
			continue
		}
		at := u.position(until) - lag
		switch p := m.pause; {
		case p != nil && p.known && p.utt == u.id:
			at = p.at
		case p != nil || m.held:
			at = u.at - lag
		}
		u.credit(at)
		s.stopped = pause{utt: u.id, at: max(0, at)}
		if !hasWord(u.text[u.heard:]) {
			u.complete()
			continue
		}
		return
	}
}

func hasWord(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

// unpause ends a suspected interruption: words that confirm one have done so when they
// were heard, and no more come.
func (m *Machine) unpause() {
	p := m.pause
	if p == nil {
		return
	}
	m.pause = nil
	m.ignoreWords()
	if p.audible {
		m.emit(Note{Kind: NoteResumed})
	}
}

// loseTools gives each running tool the result that its outcome is not known.
func (m *Machine) loseTools() {
	for len(m.tools) > 0 {
		m.record(ToolDone{ID: m.tools[0].id, Result: UnknownResult, Failed: true, Unknown: true})
		m.unseen = true
	}
}

// regainTurn keeps what the caller has said, and reports whether that was all: the caller
// was silent, and nobody else speaks.
func (m *Machine) regainTurn() (ended bool) {
	t := &m.turn
	talking := t.talking
	t.talking, t.flushes, t.interrupted = false, 0, false
	if t.partial != "" {
		t.finals, t.partial = append(t.finals, t.partial), "" // its recogniser is gone
	}
	if a, ok := m.timers.armed[timerDigits]; ok && a.at <= m.now {
		m.takeKeys()
	}
	if joinWords(t.prefix, t.text()) == "" {
		m.clearTurn()
		return false
	}
	t.open, t.regained = true, talking
	if talking {
		t.last = m.now
	}
	return !talking && !m.blocked()
}

// commitRegained ends a turn in which the caller fell silent before the process died. Its
// times say nothing about who serves the call.
func (m *Machine) commitRegained(sorry bool) {
	t := m.turn
	m.habits.learnPace(countWords(t.text()), t.voiced)
	m.clearTurn()
	m.userTurn(&t, figures{})
	if sorry && m.speech.kind == kindReply {
		m.excuse()
	}
}

// excuse says before an answer why it is late.
func (m *Machine) excuse() {
	m.speech.add(true, m.cfg.Phrases.Lost)
	m.issue()
}

// regain goes on with a speech from the sentence that was cut. awaited says that it was
// waiting for tools.
func (m *Machine) regain(s *speech, awaited, sorry bool) {
	ask := (awaited && s.hangup == "" || m.unanswered(s)) && !s.model
	goOn := false
	if s.model {
		ask, goOn = m.breakOff(s)
	}
	rest := m.unheardOf(s)
	said := m.withAnswer(s)
	for i := range s.parts {
		m.settle(s, i, true)
	}
	for i := range s.utts {
		s.utts[i].leaveOut()
	}
	*s = speech{
		kind: s.kind, parts: s.parts, utts: s.utts, hangup: s.hangup, endCall: s.endCall, quietCalls: s.quietCalls, deferred: s.deferred, triggered: s.triggered,
		protected: s.protected || m.turn.open || len(m.keys) > 0, steps: s.steps, voiceFailure: s.voiceFailure, silent: m.now,
	}
	if ask {
		m.ask()
	} else {
		m.gen++
		s.parts = append(s.parts, part{gen: m.gen, message: -1})
	}
	leaves := !ask && (s.kind == kindFarewell || len(rest) == 0 && (s.hangup != "" || len(s.quietCalls) > 0))
	if sorry && !leaves && (s.kind != kindGreeting || m.spoke) {
		s.add(true, m.cfg.Phrases.Lost)
	}
	if !leaves {
		m.disclose(s)
	}
	for _, l := range rest {
		if spoken(l.text) != "" {
			l.part = len(s.parts) - 1
			s.pending = append(s.pending, l)
		}
	}
	if goOn {
		m.askRest(s, said)
	}
	m.issue()
	m.endIfDone()
}

// unanswered reports whether a speech was sound of a model that speaks itself, of which
// nothing can be said again.
func (m *Machine) unanswered(s *speech) bool {
	last := len(m.history) - 1
	return len(s.utts) > 0 && s.utts[0].born && !s.utts[0].played && last >= 0 && m.history[last].Role == User
}

// breakOff ends the generation of a speech, and reports whether the model is to be asked
// again, or for the rest of what it has said. Its calls were not begun.
func (m *Machine) breakOff(s *speech) (ask, goOn bool) {
	m.addReply(s, s.split.whole())
	s.sentenceOver()
	p := &s.parts[len(s.parts)-1]
	p.calls, p.unoffered = nil, nil
	if s.replied || s.continued > 0 {
		return false, s.hangup == ""
	}
	s.hangup, s.endCall, s.quietCalls = "", ToolCall{}, s.quietCalls[:s.quietBefore]
	return true, false
}

// unheardOf returns what is left to be said of a speech, from the beginning of the
// sentence that was cut on. A question of the machine is not repeated: the caller is
// spoken to anyway.
func (m *Machine) unheardOf(s *speech) (rest []pendingText) {
	if s.kind == kindPrompt {
		return nil
	}
	lost := m.cfg.Phrases.Lost
	for i := range s.utts {
		u := &s.utts[i]
		if u.played || u.born || u.filler || u.ahead != 0 || u.text == lost || u.text == m.cfg.Disclosure {
			continue
		}
		text := u.text
		if len(rest) == 0 {
			text = m.fromSentence(s.sentenceBefore(i), u)
		}
		rest = append(rest, pendingText{text: text, cached: u.cached && text == u.text})
	}
	for _, l := range s.pending {
		if !l.filler && l.text != lost && l.text != m.cfg.Disclosure {
			rest = append(rest, l)
		}
	}
	return rest
}

// sentenceBefore returns what was heard of the sentence that utterance i goes on with.
func (s *speech) sentenceBefore(i int) (text string) {
	// A rest that is tried a second time goes on with the sentence, a clause does anyway.
	part, goesOn := s.utts[i].part, s.utts[i].retried
	for i--; i >= 0; i-- {
		u := &s.utts[i]
		if u.filler || u.ahead != 0 {
			continue
		}
		if u.part != part || !goesOn && !strings.ContainsAny(lastRune(u.text), ",;:、，；：") {
			break
		}
		text, goesOn = joinWords(u.text, text), false
	}
	return text
}

// fromSentence returns what is left of an utterance, from the beginning of the sentence
// that was cut on. before is what was heard of that sentence in other utterances.
func (m *Machine) fromSentence(before string, u *utterance) string {
	text := joinWords(before, u.text)
	heard := max(0, len(text)-len(u.text)) + u.heard
	c := chunker{abbreviations: m.lexicon.abbreviations, rest: text}
	for start := 0; ; {
		end := c.boundary(start, true)
		if end < 0 || end > heard && hasWord(text[min(heard, end):end]) {
			return strings.TrimLeft(text[start:], " ")
		}
		start = end
	}
}
