package handover

import (
	"strings"
	"time"
	"unicode"
)

// window is how long the person has to decide once everything was said to them. A recording
// that answered lets it pass.
const window = 15 * time.Second

// longestAnswer is how many words a yes or a no has at most: what is longer is a recording,
// or says something else.
const longestAnswer = 5

// Config is how a caller is handed over.
type Config struct {
	// Language is that of the sentences and words, such as "en".
	Language string
	// Caller is the number that calls, E.164; what is none is not told.
	Caller string
}

// state is how far it has come.
type state uint8

const (
	waiting  state = iota // nothing has begun
	ringing               // the person's phone does
	briefing              // the person is being told
	deciding              // the person's turn
	parting               // the person is told why nobody comes
	over
)

// Machine hands one caller over. The zero value is not usable; call New. It is not safe for
// concurrent use.
type Machine struct {
	cfg   Config
	texts texts

	now   time.Duration
	out   []Output
	state state
	epoch uint64
	armed bool
	// answered says that the person's line was; summary is what they are to be told, and
	// known that it has come.
	answered, known bool
	summary         string
	// asked is how often an unclear answer was asked about.
	asked int
	// outcome is that of a parting.
	outcome Outcome
}

// New returns the machine of a handing over that has not begun.
func New(c Config) *Machine { return &Machine{cfg: c, texts: textsOf(c.Language)} }

// Step takes one input and returns what is to be done. The slice is valid until the next Step.
func (m *Machine) Step(now time.Duration, in Input) []Output {
	m.out = m.out[:0]
	m.now = max(m.now, now)
	if m.state == over {
		return m.out
	}
	switch in := in.(type) {
	case Began:
		m.begin()
	case Summary:
		m.summary, m.known = in.Text, true
		m.brief()
	case Answered:
		m.answered = true
		m.brief()
	case Refused:
		m.refused(in.Outcome)
	case Said:
		m.said()
	case Unsaid:
		m.unsaid()
	case Heard:
		m.heard(in.Text)
	case Digit:
		m.pressed(in.Key)
	case PersonLeft:
		m.personLeft()
	case CallerLeft:
		m.callerLeft()
	case Fired:
		if m.armed && in.Epoch == m.epoch {
			m.armed = false
			m.timeUp()
		}
	}
	return m.out
}

// Over reports whether nothing is to be done any more.
func (m *Machine) Over() bool { return m.state == over }

func (m *Machine) emit(out ...Output) { m.out = append(m.out, out...) }

func (m *Machine) begin() {
	if m.state == waiting {
		m.state = ringing
		m.emit(Dial{})
	}
}

// brief tells the person who calls and why, once both are there.
func (m *Machine) brief() {
	if m.state != ringing || !m.answered || !m.known {
		return
	}
	m.state = briefing
	m.emit(Say{joined(m.texts.onHold, m.caller(), m.summary, m.texts.question)})
}

// caller is the sentence that says who calls.
func (m *Machine) caller() string {
	digits, ok := strings.CutPrefix(m.cfg.Caller, "+")
	if !ok {
		return ""
	}
	return strings.ReplaceAll(m.texts.callFrom, "%s", strings.Join(strings.Split(digits, ""), " "))
}

// joined puts sentences behind each other, each with an end.
func joined(sentences ...string) string {
	var out []string
	for _, s := range sentences {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		if !strings.ContainsAny(s[len(s)-1:], ".!?") && !strings.HasSuffix(s, "。") && !strings.HasSuffix(s, "।") {
			s += "."
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func (m *Machine) refused(o Outcome) {
	if m.state == ringing && !m.answered {
		m.end(o)
	}
}

// said is told when the person has heard everything.
func (m *Machine) said() {
	switch m.state {
	case briefing:
		m.state = deciding
		m.arm(window)
	case parting:
		m.emit(HangUp{})
		m.end(m.outcome)
	}
}

// unsaid hangs up: who cannot be told anything cannot take the caller.
func (m *Machine) unsaid() {
	switch m.state {
	case briefing, deciding:
		m.disarm()
		m.emit(HangUp{})
		m.end(TrunkError)
	case parting:
		m.emit(HangUp{})
		m.end(m.outcome)
	}
}

// heard judges words. While the person is being told something they are no answer: a greeting,
// or what a recording says.
func (m *Machine) heard(text string) {
	if m.state != deciding {
		return
	}
	switch words := wordsOf(text); {
	case len(words) == 0:
	case len(words) > longestAnswer:
	case has(words, m.texts.no):
		m.decline()
	case has(words, m.texts.yes):
		m.accept()
	case m.asked == 0:
		m.asked++
		m.disarm()
		m.state = briefing
		m.emit(Say{m.texts.question})
	}
}

// pressed takes a key as an answer at any time.
func (m *Machine) pressed(key rune) {
	if m.state != briefing && m.state != deciding {
		return
	}
	switch key {
	case '1':
		m.accept()
	case '2':
		m.decline()
	}
}

func (m *Machine) accept() {
	m.disarm()
	if m.state == briefing {
		m.emit(Hush{})
	}
	m.emit(Join{})
	m.end(Connected)
}

func (m *Machine) decline() {
	m.part(Declined, m.texts.thanks)
}

// part tells the person something last.
func (m *Machine) part(o Outcome, text string) {
	m.disarm()
	if m.state == briefing {
		m.emit(Hush{})
	}
	m.state, m.outcome = parting, o
	m.emit(Say{text})
}

func (m *Machine) personLeft() {
	switch m.state {
	case ringing: // between the answer and the summary
		m.end(Declined)
	case briefing, deciding:
		m.disarm()
		m.end(Declined)
	case parting:
		m.end(m.outcome)
	}
}

func (m *Machine) callerLeft() {
	switch {
	case m.state == waiting:
		m.end(LeftBefore)
	case m.state == ringing && !m.answered:
		m.emit(CancelDial{})
		m.end(LeftBefore)
	case m.state == parting:
		m.outcome = LeftBefore
	default:
		m.part(LeftBefore, m.texts.gone)
	}
}

// timeUp ends the person's time to decide: nobody does, or nobody is there.
func (m *Machine) timeUp() {
	if m.state == deciding {
		m.emit(HangUp{})
		m.end(Voicemail)
	}
}

func (m *Machine) end(o Outcome) {
	m.state = over
	m.emit(Over{o})
}

func (m *Machine) arm(d time.Duration) {
	m.epoch++
	m.armed = true
	m.emit(Arm{m.epoch, m.now + d})
}

func (m *Machine) disarm() {
	if m.armed {
		m.armed = false
		m.emit(Disarm{})
	}
}

// wordsOf are the words of a text in lower case. Text without blanks is one word.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) })
}

// has reports whether one of some words is among others.
func has(words, of []string) bool {
	for _, w := range words {
		for _, one := range of {
			if w == one {
				return true
			}
		}
	}
	return false
}
