package conversation

import (
	"strings"
	"time"
)

// turn is what the caller says until it is committed.
type turn struct {
	// talking: a burst is running, which began at from.
	talking bool
	from    time.Duration
	// last is the last voiced sample; voiced the sum of all bursts.
	last, voiced time.Duration
	finals       []string
	partial      string
	// open: the caller fell silent, and the end of the turn is being decided.
	open bool
	// unvoiced: words came without the voice detector noticing.
	unvoiced bool
	// interrupted: speech alone, without a word, has cut off the agent.
	interrupted bool
	// regained: the caller spoke when the process died that held the call.
	regained bool
	// flushes counts finals that were asked for and have not come.
	flushes               int
	flushAsked, flushedAt time.Duration
	// prefix is the committed text that this turn continues.
	prefix    string
	continues bool
	decision  decision
	// early counts the generations that were started before the turn's end.
	early int
}

func (t *turn) text() string { return joinWords(joinWords(t.finals...), t.partial) }

const (
	turnWatchdog = 3 * time.Second
	noTextGrace  = time.Second
	// audibleSpeech is how much speech without words makes the agent ask the caller
	// to repeat it; firstSpeech while the recogniser has not understood anything yet.
	audibleSpeech, firstSpeech = 700 * time.Millisecond, 400 * time.Millisecond
	stuckAfter                 = 15 * time.Second
	// repeats is how often in a row the caller is asked to say it again, before the
	// agent gives up.
	repeats = 4
)

func (m *Machine) onSpeechStarted(in SpeechStarted) {
	if m.held || m.turn.talking {
		return
	}
	m.untoldOver()
	t := &m.turn
	from := m.now - in.Ago
	if t.open && t.text() != "" {
		m.habits.learnPause(from-t.last, false)
	}
	t.talking, t.from, t.open, t.unvoiced = true, from, false, false
	m.correctable = ""
	m.disarm(timerEndpoint, timerFinal, timerWatchdog, timerResume)
	if m.cfg.Carrier {
		return
	}
	m.arm(timerStuck, m.now+stuckAfter)
	if m.interruptible() {
		m.suspend()
		m.armConfirm()
	}
}

func (m *Machine) onSpeechEnded(in SpeechEnded) {
	t := &m.turn
	if m.held || !t.talking {
		return
	}
	t.talking = false
	t.last = max(m.now-in.Ago, t.from)
	t.voiced += in.Length
	m.disarm(timerStuck, timerConfirm)
	if m.cfg.Carrier {
		m.carrierFell()
		return
	}
	m.finalize()
	m.fellSilent()
}

// finalize asks the recogniser for its final; earlier ones that are overdue are
// lost.
func (m *Machine) finalize() {
	t := &m.turn
	if m.now-t.flushAsked > m.cfg.FinalWait {
		t.flushes = 0
	}
	t.flushes++
	t.flushAsked = m.now
	m.emit(FinalizeSpeech{})
}

// fellSilent is called after a burst: the agent resumes, or the end of the turn is
// decided.
func (m *Machine) fellSilent() {
	if m.pause != nil {
		m.reconsider()
		return
	}
	m.turn.open = true
	m.decideTurn()
}

func (m *Machine) onHeard(in Heard) {
	t := &m.turn
	if in.Flushed && t.flushes > 0 {
		if t.flushes--; t.flushes == 0 {
			t.flushedAt = m.now
		}
	}
	text := strings.TrimSpace(in.Text)
	if text != "" && in.Final && m.corrected(text) {
		return
	}
	if text != "" {
		m.understood = true
		m.addWords(text, in)
	} else if in.Final {
		t.partial = ""
	}
	switch {
	case m.cfg.Carrier:
		m.carrierHeard(in.Final)
	case m.pause != nil:
		m.reconsider()
	case text != "" && m.interruptible() && !t.open:
		m.wordsOverAgent(in)
	case text != "" || in.Flushed:
		m.wordsWhileListening(in, text != "")
	}
}

// addWords adds a result's words to the turn.
func (m *Machine) addWords(text string, in Heard) {
	t := &m.turn
	if in.Final {
		t.finals, t.partial = append(t.finals, text), ""
		m.idle.heard(m.now)
	} else {
		t.partial = text
	}
	m.cancelOutdated()
	if t.talking && !m.cfg.Carrier {
		m.arm(timerStuck, m.now+stuckAfter)
	}
}

// corrected handles the late final text of a turn that was committed with unstable
// text. It reports whether the final says nothing new.
func (m *Machine) corrected(final string) bool {
	unstable := m.correctable
	if unstable == "" {
		return false
	}
	m.correctable = ""
	if sameWords(final, unstable) {
		return true
	}
	if m.reopen() {
		m.turn.prefix = strings.TrimSpace(strings.TrimSuffix(m.turn.prefix, unstable))
	}
	return false
}

func (m *Machine) wordsWhileListening(in Heard, words bool) {
	t := &m.turn
	if t.talking {
		return
	}
	if words && (!t.open || t.unvoiced) {
		t.open, t.unvoiced, t.last = true, true, m.now-in.Ago
	}
	if t.open {
		m.decideTurn()
	}
}

// observe gathers what decide needs.
func (m *Machine) observe() observation {
	t := &m.turn
	return observation{
		text: joinWords(t.prefix, t.text()), asked: m.asked, final: t.flushes == 0 && t.partial == "",
		silence: m.now - t.last, unvoiced: t.unvoiced,
		speed: m.habits.speed(m.cfg.Speed, m.cfg.DynamicTurns), learned: m.habits.pause,
	}
}

// decideTurn commits the open turn or arms the timers at which to look again.
func (m *Machine) decideTurn() {
	t := &m.turn
	if !t.open || t.talking {
		return
	}
	if m.cfg.Carrier {
		m.decideYielded()
		return
	}
	o := m.observe()
	t.decision = decide(o, m.waits, &m.lexicon)
	words := o.text != ""
	if t.decision.commit && !m.blocked() {
		m.commit()
		return
	}
	if o.final && t.decision.rule != ruleUnfinished && t.decision.rule != ruleDictation {
		m.askEarly()
	}
	over := t.last + t.decision.wait
	m.want(timerEndpoint, over > m.now, over)
	final := t.last + m.cfg.FinalWait
	m.want(timerFinal, !o.final && final > m.now, final)
	m.arm(timerWatchdog, max(m.watchdogAt(over, words), m.now))
}

// watchdogAt returns when the open turn must be decided, whose wait is over at
// over.
func (m *Machine) watchdogAt(over time.Duration, words bool) time.Duration {
	t := &m.turn
	final := t.last + m.cfg.FinalWait
	switch {
	case words:
		return over + turnWatchdog
	case t.flushes > 0:
		return min(over+turnWatchdog, final+noTextGrace)
	case m.worthAsking():
		return max(over, final)
	default:
		return over
	}
}

// worthAsking reports whether the agent asks about a turn without words.
func (m *Machine) worthAsking() bool {
	least := audibleSpeech
	if !m.understood && !m.greet.waiting {
		least = firstSpeech
	}
	return m.turn.voiced >= least || m.turn.interrupted
}

// blocked reports whether a reply must wait: the agent speaks, the call is on
// hold, or keys are being collected.
func (m *Machine) blocked() bool { return m.speech != nil || m.held || len(m.keys) > 0 }

func (m *Machine) onTurnTimer(name Timer) {
	switch name {
	case timerStuck:
		m.onStuck()
	case timerWatchdog:
		m.onWatchdog()
	default:
		m.decideTurn()
	}
}

// onWatchdog decides the turn with what there is.
func (m *Machine) onWatchdog() {
	t := &m.turn
	if !t.open || t.talking {
		return
	}
	t.flushes = 0
	switch words := joinWords(t.prefix, t.text()) != ""; {
	case m.blocked() && words:
	case words:
		m.commit()
	default:
		m.nothingHeard()
	}
}

// nothingHeard closes a turn that has no words.
func (m *Machine) nothingHeard() {
	ask := m.worthAsking()
	m.clearTurn()
	switch {
	case m.speech != nil || m.held:
	case m.greet.waiting:
		m.greetIfDue()
	case ask && m.away:
		m.begin(kindPrompt, "", false, m.cfg.Phrases.BadLine)
	case ask && m.idle.repeats < repeats:
		m.idle.repeats++
		m.begin(kindPrompt, "", false, m.cfg.Phrases.Repeat)
	case ask:
		m.giveUp("the caller is not understood", "")
	default:
		m.next()
	}
}

func (m *Machine) clearTurn() {
	t := &m.turn
	m.turn = turn{talking: t.talking, from: t.from, last: t.last, flushes: t.flushes, flushAsked: t.flushAsked}
	m.disarm(timerEndpoint, timerFinal, timerWatchdog)
}

// onStuck ends a burst that has brought no word for very long: music on hold, or
// a line that hums.
func (m *Machine) onStuck() {
	t := &m.turn
	if !t.talking {
		return
	}
	m.emit(ResetDetector{})
	t.talking, t.last = false, m.now
	m.finalize()
	m.disarm(timerConfirm)
	if m.pause != nil && t.text() == "" {
		m.resume()
		return
	}
	m.fellSilent()
}

// commit ends the caller's turn and replies to it.
func (m *Machine) commit() {
	t := m.turn
	text := t.text()
	m.correctable = t.partial
	m.habits.learnPace(countWords(text), t.voiced)
	m.clearTurn()
	f := figures{last: t.last, wait: t.decision.wait, rule: t.decision.rule, committed: m.now, flushed: t.flushedAt}
	m.userTurn(&t, f)
}

// userTurn puts a user message into history and replies to it.
func (m *Machine) userTurn(t *turn, f figures) {
	text := t.text()
	m.settleCut()
	m.turns++
	m.idle.reset(m.now)
	m.history = append(m.history, Message{Role: User, Text: m.closeTurn(joinWords(t.prefix, text))})
	if text != "" {
		m.emit(Note{Kind: NoteCaller, Text: text, Continues: t.continues})
	}
	if m.greetsBack(text) {
		m.greetNow()
		m.speech.figures = f
		return
	}
	m.greet = greeting{}
	m.disarm(timerGreeting)
	m.reply(f)
}

// reopen removes the last user message from history, when the reply to it was
// not audible yet, so that more words can be added to it. It reports whether there
// was such a message.
func (m *Machine) reopen() bool {
	s := m.speech
	last := len(m.history) - 1
	if s == nil || s.kind != kindReply || s.everAudible() || last < 0 || m.history[last].Role != User {
		return false
	}
	m.turn.prefix, m.turn.continues = m.takeBack(last, m.history[last].Text), true
	m.history = m.history[:last]
	m.turns--
	m.turn.last = max(m.turn.last, s.figures.last)
	m.habits.learnPause(m.turn.from-s.figures.last, true)
	m.turn.open = true
	m.discardCalls(s)
	m.drop()
	return true
}
