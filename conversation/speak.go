package conversation

import (
	"time"
)

// kind says why the agent speaks.
type kind uint8

const (
	kindReply     kind = iota // the model's reply
	kindGreeting              // the first message
	kindPrompt                // a question of the machine, to which the caller may reply
	kindFarewell              // the last words
	kindCommanded             // what the API wants said
)

// pendingText is text that waits to be said.
type pendingText struct {
	text   string
	part   int
	cached bool
	// filler: it only tells the caller to wait.
	filler bool
	// claims are what it claims to have been done; open: its sentence is not complete; held: it
	// waits for the run of an action.
	claims     []claim
	open, held bool
}

// speech is one contribution of the agent: from the question to the model, over
// tools and further questions, to the last word played.
type speech struct {
	kind    kind
	parts   []part
	utts    []utterance
	pending []pendingText

	// model: a generation is running; texted: it has delivered something;
	// replied: at least one utterance of it.
	model, texted, replied bool
	// lost: the voice has failed at an utterance; voiceFailure is how it failed last.
	lost         bool
	voiceFailure string
	split        chunker
	protected    bool
	// hangup is the reason to hang up for when all was played.
	hangup string
	// endCall is the model's call that asked for it; quietCalls are those that begin once all
	// was said.
	endCall    ToolCall
	quietCalls []ToolCall
	// quietBefore is how many of them earlier generations made.
	quietBefore int
	// deferred are the calls that begin when the words so far were heard; triggered are
	// the actions that phrases have started.
	deferred  []deferred
	triggered []string
	// sequel is what is said when no tool runs any more; muted: one ran during which the
	// caller's words had to wait.
	sequel []string
	muted  bool
	// clause is the beginning, given to the voice, of a sentence that is not complete.
	clause string

	// fillers counts the fillers since the last words of the model; announced is when
	// the last filler was given to the voice, or was over.
	// continued counts how often the rest of an answer was asked for.
	steps, retries, fillers, continued int
	announced                          time.Duration
	// silent is since when nothing of it is heard.
	silent    time.Duration
	begun     bool
	audibleAt time.Duration
	figures   figures
	stopped   pause
}

// aheadLimit is how many utterances are with the session: the one that plays
// and the next, so that there is no gap and little to throw away.
const aheadLimit = 2

func (s *speech) gen() uint64 { return s.parts[len(s.parts)-1].gen }

// everAudible reports whether the caller has heard any of it.
func (s *speech) everAudible() bool { return s.begun }

// head is the utterance that plays or will play next.
func (s *speech) head() *utterance {
	for i := range s.utts {
		if !s.utts[i].played {
			return &s.utts[i]
		}
	}
	return nil
}

func (s *speech) sounding() bool {
	u := s.head()
	return u != nil && s.begun
}

func (s *speech) find(id uint64) *utterance {
	for i := range s.utts {
		if s.utts[i].id == id && !s.utts[i].played {
			return &s.utts[i]
		}
	}
	return nil
}

// sayable reports whether there is something to be said that waits for nothing.
func (s *speech) sayable() bool { return len(s.pending) > 0 && !s.pending[0].held }

// holds reports whether what is to be said next waits for the run of an action.
func (s *speech) holds() bool { return len(s.pending) > 0 && s.pending[0].held }

func (s *speech) add(cached bool, texts ...string) {
	for _, t := range texts {
		if spoken(t) != "" {
			s.pending = append(s.pending, pendingText{text: t, part: len(s.parts) - 1, cached: cached})
		}
	}
}

// begin starts a speech of given texts.
func (m *Machine) begin(k kind, hangup string, protected bool, texts ...string) {
	m.settleCut()
	m.cancelEarly()
	m.gen++
	s := &speech{kind: k, hangup: hangup, protected: protected, silent: m.now, parts: []part{{gen: m.gen, message: -1}}}
	if k != kindFarewell {
		m.disclose(s)
	}
	s.add(k != kindCommanded, texts...)
	m.speech = s
	if k == kindGreeting || k == kindCommanded {
		m.trigger(s)
	}
	m.issue()
	m.endIfDone()
}

// issue gives pending texts to the session, up to aheadLimit utterances at a time.
func (m *Machine) issue() {
	s := m.speech
	if s == nil {
		return
	}
	m.judgeClaims(s)
	if m.pause != nil || m.held || m.toolsOf(s) && m.quiet() {
		return
	}
	waiting := 0
	for i := range s.utts {
		if u := &s.utts[i]; !u.played && u.ahead == 0 {
			waiting++
		}
	}
	for ; waiting < aheadLimit && s.sayable(); waiting++ {
		l := s.pending[0]
		s.pending = s.pending[1:]
		s.utts = append(s.utts, utterance{part: l.part, text: l.text, cached: l.cached, filler: l.filler, due: m.now})
		m.say(&s.utts[len(s.utts)-1])
	}
}

// say gives an utterance to the session, under a new number.
func (m *Machine) say(u *utterance) {
	m.utt++
	*u = utterance{
		id: m.utt, part: u.part, text: u.text, cached: u.cached, filler: u.filler, ahead: u.ahead, retried: u.retried,
		heard: u.heard, due: u.due, waited: u.waited,
	}
	s := m.speech
	s.figures.said(m.now)
	if u.filler {
		s.announced = m.now
	}
	m.emit(Say{Utt: u.id, Gen: s.parts[u.part].gen, Text: u.text, Cached: u.cached, Ahead: u.ahead})
}

// sayAgain gives everything that was not played to the session once more, except
// fillers that were put before another utterance.
func (m *Machine) sayAgain() {
	for i := range m.speech.utts {
		switch u := &m.speech.utts[i]; {
		case u.played, u.born:
		case u.ahead != 0:
			u.leaveOut()
		default:
			m.say(u)
		}
	}
}

func (m *Machine) onVoiced(in Voiced) {
	s := m.speech
	if s == nil {
		if s = m.cut; s == nil {
			return
		}
	}
	u := s.find(in.Utt)
	if u == nil {
		return
	}
	if end := u.end(); u.audible && in.Total > u.total && m.pause == nil && !m.held && m.now > end {
		u.dry += m.now - end
		u.at, u.since = u.total, m.now
	}
	u.words = append(u.words, in.Words...)
	u.total = max(u.total, in.Total)
	u.done = u.done || in.Done
	if u.total > 0 && s == m.speech {
		m.overtaken(s, u)
	}
	if in.Done && in.Total == 0 && s == m.speech {
		m.onVoiceFailed(VoiceFailed{Utt: in.Utt, Reason: "no sound"})
	}
}

func (m *Machine) onAudible(in Audible) {
	s := m.speech
	if s == nil {
		return
	}
	u := s.find(in.Utt)
	if u == nil || u.audible {
		return
	}
	first := !s.begun
	s.begun, m.spoke = true, true
	u.audible, u.since = true, m.now
	if p := m.pause; p != nil {
		p.audible = true
	}
	m.disarm(timerFiller)
	if s.texted && !u.cached {
		m.disarm(timerGiveUp)
	}
	if first {
		s.audibleAt = m.now
		m.firstAudible(s)
	}
}

func (m *Machine) firstAudible(s *speech) {
	if s.kind == kindGreeting && !s.protected && !m.cfg.Carrier {
		m.arm(timerGuard, m.now+guardTime)
	}
	if s.figures.committed > 0 && s.figures.last >= m.resumed {
		m.emit(s.figures.asNote(m.now))
	}
}

func (m *Machine) onPlayed(in Played) {
	s := m.speech
	if s == nil {
		if m.cut != nil {
			if u := m.cut.find(in.Utt); u != nil {
				u.complete()
				m.discloses(m.cut)
			}
		}
		return
	}
	u := s.find(in.Utt)
	if u == nil {
		return
	}
	u.complete()
	m.discloses(s)
	s.silent = m.now
	if u.filler {
		s.announced = m.now
	}
	if next := s.head(); next != nil && (u.ahead == 0 || next.total > 0) {
		next.due, next.waited = m.now, 0
	}
	if s.lost && u.filler && s.hangup == "" && s.mute() {
		m.giveUp("the voice is silent", s.voiceFailure)
		return
	}
	m.advance()
}

// advance is called when an utterance is over: it says the next one, or ends the
// speech.
func (m *Machine) advance() {
	s := m.speech
	m.issue()
	for i := range s.parts {
		if m.partOver(s, i) && !s.untold() {
			m.settle(s, i, false)
		}
	}
	m.fallSilent(s)
	m.endIfDone()
}

// partOver reports whether all of a part was made and played.
func (m *Machine) partOver(s *speech, i int) bool {
	if s.model && i == len(s.parts)-1 {
		return false
	}
	for k := range s.utts {
		if s.utts[k].part == i && !s.utts[k].played {
			return false
		}
	}
	for _, l := range s.pending {
		if l.part == i {
			return false
		}
	}
	return true
}

// endIfDone ends the speech when nothing is left of it.
func (m *Machine) endIfDone() {
	s := m.speech
	if s == nil || s.untold() || s.model || s.sayable() || s.head() != nil || m.pause != nil || m.held {
		return
	}
	m.startDeferred(s)
	if s.model || len(s.pending) > 0 || m.toolsOf(s) {
		return
	}
	for i := range s.parts {
		m.settle(s, i, false)
	}
	m.speech = nil
	if s.endCall.Name != "" && s.hangup == "goodbye" {
		m.runEnd(s.endCall)
		return
	}
	if s.hangup != "" {
		m.hangUp(s.hangup)
		return
	}
	m.runQuiet(s)
	m.disarm(timerGuard, timerHedge, timerFiller, timerGiveUp)
	m.idle.since = m.now
	if m.turn.regained {
		m.turn.regained, m.turn.last = false, m.now // the caller gets time to go on
	}
	m.next()
}

// next starts what has waited for the agent to stop speaking.
func (m *Machine) next() {
	switch {
	case m.speech != nil || m.turn.talking || m.held || m.quiet():
	case m.turn.open:
		m.decideTurn()
	case len(m.keys) > 0:
	case m.greet.waiting:
		m.greetIfDue()
	case len(m.queued) > 0:
		texts := m.queued
		m.queued = nil
		m.begin(kindCommanded, "", false, texts...)
	case m.unseen:
		m.reply(figures{})
	}
}

// figures are the times of one turn.
type figures struct {
	last, wait         time.Duration
	rule               rule
	committed, flushed time.Duration
	texted, say        time.Duration
}

func (f *figures) said(now time.Duration) {
	if f.say == 0 {
		f.say = now
	}
}

func (f *figures) asNote(audible time.Duration) Note {
	v := map[Figure]time.Duration{FigureWait: f.wait}
	for _, p := range []struct {
		name Figure
		at   time.Duration
	}{
		{FigureFinal, f.flushed}, {FigureCommit, f.committed}, {FigureModelFirst, f.texted}, {FigureSay, f.say},
		{FigureGap, audible},
	} {
		if p.at > 0 {
			v[p.name] = p.at - f.last
		}
	}
	return Note{Kind: NoteTurn, Text: string(f.rule), Figures: v}
}
