package conversation

import (
	"cmp"
	"slices"
	"time"
)

const (
	hedgeAfter  = 2500 * time.Millisecond
	fillerAfter = 3 * time.Second
	fillerEvery = 8 * time.Second
	giveUpAfter = 12 * time.Second
	// fillerRetry is when to try again while the caller is speaking.
	fillerRetry = 500 * time.Millisecond
	// toolFillerAfter is when the caller is told to wait for a running tool.
	toolFillerAfter = 1500 * time.Millisecond
	modelTries      = 2
)

// NoAnswer is the Cause of a Hangup for which the model has only been waited for: nobody
// has reported a failure.
const NoAnswer = "model: no answer in time"

// reply begins the agent's reply to the history.
func (m *Machine) reply(f figures) {
	m.settleCut()
	m.speech = &speech{kind: kindReply, figures: f, silent: m.now}
	m.disclose(m.speech)
	if !m.adoptEarly() {
		m.ask()
	}
	if m.speech != nil && m.mustDisclose() {
		m.issue()
	}
}

// ask starts a generation for the next part of the speech.
func (m *Machine) ask() {
	s := m.speech
	m.gen++
	s.parts = append(s.parts, part{gen: m.gen, message: -1})
	s.retries, s.continued = 0, 0
	m.request(s)
	m.await(s)
}

// await arms the timers of a generation.
func (m *Machine) await(s *speech) {
	m.arm(timerHedge, m.now+hedgeAfter)
	m.disarm(timerFiller, timerGiveUp)
	m.fallSilent(s)
}

// think notes that a generation is under way.
func (m *Machine) think(s *speech) {
	s.model, s.texted, s.replied, s.quietBefore = true, false, false, len(s.quietCalls)
	s.split = chunker{abbreviations: m.lexicon.abbreviations}
	s.clause = ""
	m.unseen = false
}

func (m *Machine) request(s *speech) {
	m.think(s)
	m.emit(AskModel{Gen: s.gen(), Messages: slices.Clone(m.history), NoTools: s.steps >= maxSteps})
}

// fallSilent arms the timers for the case that model or tools take long while
// nothing is said.
func (m *Machine) fallSilent(s *speech) {
	working := m.working(s)
	if m.toolsOf(s) && m.quiet() {
		m.disarm(timerFiller) // it would not be heard
		return
	}
	if s.head() != nil || !s.model && !working {
		return
	}
	first, latest := fillerAfter, fillerAfter
	if working {
		first = m.waitingAfter(s)
	}
	if s.fillers > 0 {
		first, latest = fillerEvery, fillerEvery
	}
	at := m.now + first
	if len(m.cfg.Actions) > 0 { // calls from before there were rules are replayed as they went
		at = min(at, max(m.now, s.silent+latest)) // however many tools and questions follow each other
	}
	m.arm(timerFiller, at)
	if s.model && !m.armed(timerGiveUp) {
		m.arm(timerGiveUp, m.now+giveUpAfter)
	}
}

// working reports whether a speech waits for tools, of its own or for what it holds back.
func (m *Machine) working(s *speech) bool { return m.toolsOf(s) || s.holds() }

// waitingAfter is when the caller is told to wait for the tools of a speech.
func (m *Machine) waitingAfter(s *speech) time.Duration {
	for _, t := range m.tools {
		if after := t.rule.WaitingAfter; t.gen == s.gen() && after > 0 {
			return min(after, longestWaiting)
		}
	}
	return toolFillerAfter
}

// filler is what the caller is told while a speech waits.
func (m *Machine) filler(s *speech) string {
	for _, t := range m.tools {
		if text := choose(t.rule.Waiting, s.fillers); t.gen == s.gen() && text != "" {
			return text
		}
	}
	return m.cfg.Phrases.Filler
}

// current reports whether gen is the running generation.
func (m *Machine) current(gen uint64) bool {
	return m.speech != nil && m.speech.model && m.speech.gen() == gen
}

func (m *Machine) onModelText(in ModelText) {
	if !m.current(in.Gen) || in.Text == "" {
		return
	}
	s := m.speech
	m.disarm(timerHedge)
	s.texted, s.protected = true, s.protected || in.Protected
	if s.figures.texted == 0 {
		s.figures.texted = max(s.figures.committed, m.now-in.Held)
	}
	m.addReply(s, s.split.push(in.Text))
	m.issue()
}

func (m *Machine) onModelWaits() {
	m.unseen = true
	switch {
	case !m.started || m.speech != nil || m.turn.talking || m.held:
	case len(m.keys) > 0:
		m.deliverKeys()
	default:
		m.next()
	}
}

func (m *Machine) addReply(s *speech, texts []string) {
	if s.continued > 0 {
		texts = slices.DeleteFunc(texts, s.repeats)
	}
	for _, text := range texts {
		s.replied, s.fillers = true, 0
		m.addSentence(s, text)
	}
}

// repeats reports whether a text was said already, or is about to be.
func (s *speech) repeats(text string) bool {
	return slices.ContainsFunc(s.utts, func(u utterance) bool { return u.text == text }) ||
		slices.ContainsFunc(s.pending, func(p pendingText) bool { return p.text == text })
}

func (m *Machine) onModelDone(in ModelDone) {
	if !m.current(in.Gen) {
		return
	}
	s := m.speech
	m.disarm(timerHedge)
	m.addReply(s, s.split.flush())
	s.sentenceOver()
	p := &s.parts[len(s.parts)-1]
	acts := len(p.calls) > 0 || len(s.quietCalls) > s.quietBefore || s.hangup != ""
	if !acts && !s.replied && !in.Silent && s.continued == 0 {
		m.modelFailed(s, ModelFailed{Reason: "empty answer"})
		return
	}
	if in.Silent && len(p.calls) == 0 {
		m.history = append(m.history, Message{Role: Assistant}) // what the caller said before it has had its reply
	}
	s.model = false
	m.disarm(timerGiveUp)
	if s.hangup != "" && !s.replied && !in.Silent {
		s.add(true, m.cfg.Phrases.Goodbye)
	}
	m.runTools(s)
	m.trigger(s)
	m.issue()
	m.advance()
}

func (m *Machine) onModelFailed(in ModelFailed) {
	if m.current(in.Gen) {
		m.modelFailed(m.speech, in)
	}
}

// modelFailed says the sentences that are complete and asks for the rest. Without
// any it asks the model once more, unless that is hopeless, then ends the call.
func (m *Machine) modelFailed(s *speech, in ModelFailed) {
	m.emit(Note{Kind: NoteError, Text: "model: " + in.Reason})
	m.disarm(timerHedge)
	last := len(s.parts) - 1
	m.addReply(s, s.split.whole())
	s.sentenceOver()
	if s.replied || s.continued > 0 {
		s.parts[last].calls = nil
		m.goOn(s)
		return
	}
	if s.retries++; s.retries >= modelTries || in.Hopeless {
		s.model, s.hangup = false, ""
		m.giveUp("the model does not answer", "model: "+in.Reason)
		return
	}
	m.gen++
	s.parts[last].gen, s.parts[last].calls = m.gen, nil
	s.hangup = ""
	m.request(s)
	m.arm(timerHedge, m.now+hedgeAfter)
}

// goOn asks for the rest of an answer that broke off in the middle. After a second
// failure what was said is the answer.
func (m *Machine) goOn(s *speech) {
	if s.continued >= modelTries || s.hangup != "" {
		s.model = false
		m.disarm(timerGiveUp)
		m.issue()
		m.advance()
		return
	}
	m.askRest(s, m.withAnswer(s))
}

// withAnswer returns the history with what of an answer was given to the voice, or is
// about to be.
func (m *Machine) withAnswer(s *speech) []Message {
	said := ""
	for i := range s.parts {
		if p := &s.parts[i]; p.message < 0 && !p.settled {
			said = joinWords(said, s.saidOf(i))
		}
	}
	messages := slices.Clone(m.history)
	if said != "" {
		messages = append(messages, Message{Role: Assistant, Text: said})
	}
	return messages
}

// askRest asks for the rest of an answer, whose beginning is the last of messages.
func (m *Machine) askRest(s *speech, messages []Message) {
	s.continued++
	m.gen++
	s.parts = append(s.parts, part{gen: m.gen, message: -1})
	m.think(s)
	s.split.cut = true // the beginning was heard: whole sentences from now on
	m.emit(AskModel{Gen: m.gen, Messages: messages, Continue: true, NoTools: s.steps >= maxSteps})
	m.issue()
	m.await(s)
}

func (m *Machine) onModelTimer(name Timer) {
	s := m.speech
	if s == nil {
		return
	}
	switch name {
	case timerHedge:
		if s.model && !s.texted {
			m.emit(AskModel{Gen: s.gen(), Messages: slices.Clone(m.history), Hedge: true, NoTools: s.steps >= maxSteps})
		}
	case timerFiller:
		m.sayFiller(s)
	case timerGiveUp:
		m.onGiveUpTimer(s)
	}
}

func (m *Machine) onGiveUpTimer(s *speech) {
	switch {
	case !s.model || s.replied && s.head() != nil:
	case m.pause != nil || m.turn.talking:
		m.arm(timerGiveUp, m.now+fillerRetry)
	default:
		m.giveUp(NoAnswer, "")
	}
}

// sayFiller tells the caller to wait.
func (m *Machine) sayFiller(s *speech) {
	if m.pause != nil || m.turn.talking {
		m.arm(timerFiller, m.now+fillerRetry)
		return
	}
	u := s.head()
	switch {
	case u == nil && !s.sayable() && (s.model || m.working(s)):
		f := pendingText{text: m.filler(s), part: len(s.parts) - 1, cached: true, filler: true}
		if s.holds() {
			f.part = s.pending[0].part // the order of parts is that of what is said
		}
		s.pending = slices.Insert(s.pending, 0, f)
		s.fillers++
		m.issue()
	case u != nil:
		m.sayFillerAhead(s)
	}
}

// giveUp ends the call with an apology. cause is what is behind the reason, ""
// when that says all.
func (m *Machine) giveUp(reason, cause string) {
	m.emit(Note{Kind: NoteError, Text: reason})
	m.failure = cmp.Or(m.failure, cause, reason)
	m.leaveWith("error", m.cfg.Phrases.Apology, m.cfg.Phrases.Goodbye)
}
