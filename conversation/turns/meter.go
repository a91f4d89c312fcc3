package turns

import (
	"slices"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// frame is how much sound a packet has: what is sent last sounds that much longer.
const frame = 20 * time.Millisecond

// utterance is what the agent says, as far as it was not heard to its end.
type utterance struct {
	id    uint64
	total time.Duration // of the sound that was delivered
	done  bool          // no more will come
	// audible: its first packet was sent. Position p of its sound is heard at began+p.
	audible bool
	began   time.Duration
}

// end is when the sound that was delivered will have been heard.
func (u *utterance) end() time.Duration { return u.began + u.total }

// Meter measures the turns of one call. It is not safe for concurrent use. The zero value
// begins at the call's beginning.
type Meter struct {
	now    time.Duration
	before time.Duration // now, at the step before
	turn   Turn
	number int
	over   bool

	// stage is what goes on since since; none while somebody makes a sound.
	stage Stage
	since time.Duration

	talking, held, away bool
	burst               time.Duration // when the caller began to speak; the last time
	// open: the caller has fallen silent and the turn is not decided; endpoint is when the
	// wait is over.
	open      bool
	endpoint  time.Duration
	finalised time.Duration // when the recogniser was asked for its last words
	committed bool          // the caller has said something in this turn
	next      bool          // what cut the agent off is over, and belongs to the next turn
	asking    bool          // a model was asked, maybe before the turn was over
	gen       uint64
	tools     int
	utts      []utterance
	paused    bool
	spoken    bool          // the agent has made a sound in this turn
	quiet     time.Duration // when the agent's last sound was over
	// cut: the agent was silenced in the middle; bargeIn is how long after the caller
	// began to speak, zero when that did not do it.
	cut     bool
	bargeIn time.Duration
}

// none is the stage of times in which somebody makes a sound, or that do not count.
const none Stage = ""

// Begin says that the call was answered: what was before does not count.
func (m *Meter) Begin(now time.Duration) {
	*m = Meter{now: now, since: now, turn: Turn{From: now}, stage: Caller}
}

// Step takes what went into the machine at a time and what came out of it, and returns
// the turn that is over by that, if one is. Times do not go back.
func (m *Meter) Step(now time.Duration, in conversation.Input, outs []conversation.Output) (Turn, bool) {
	if m.over {
		return Turn{}, false
	}
	m.before, m.now = m.now, max(m.now, now)
	m.ranDry()
	m.take(in)
	interrupted, ends := m.heed(outs)
	if _, hungUp := in.(conversation.HungUp); hungUp || ends {
		return m.End(m.now)
	}
	if !m.spoken || !interrupted && m.busy() {
		m.committed, m.next = m.committed || m.next, false
		m.enter(m.current(), m.now)
		return Turn{}, false
	}
	t := m.finish(m.quiet)
	m.committed, m.next = m.next, false
	m.since = max(m.since, t.To)
	m.enter(m.current(), m.now)
	return t, true
}

// heed notes what came out of the machine, and reports whether the agent was interrupted
// and whether the call is to end.
func (m *Meter) heed(outs []conversation.Output) (interrupted, ends bool) {
	for _, out := range outs {
		switch out := out.(type) {
		case conversation.Note:
			interrupted = interrupted || out.Kind == conversation.NoteInterrupted
			if said := out.Kind == conversation.NoteCaller || out.Kind == conversation.NoteDigits; said && interrupted {
				m.next = true
			} else if said {
				m.committed = true
			}
			m.note(out)
		case conversation.Hangup:
			ends = true
		default:
			m.obey(out)
		}
	}
	return interrupted, ends
}

// End ends the measuring and returns what is left, if that is something.
func (m *Meter) End(now time.Duration) (Turn, bool) {
	if m.over {
		return Turn{}, false
	}
	m.now = max(m.now, now)
	m.enter(none, m.now)
	m.over = true
	t := m.finish(max(m.now, m.turn.From))
	return t, t.Silence() >= frame || t.Kind != Unanswered
}

// Failed says that somebody who serves the call failed, also when another one took over:
// the waiting for that stage in this turn was in vain.
func (m *Meter) Failed(now time.Duration, s Stage) {
	if m.over {
		return
	}
	m.now = max(m.now, now)
	m.split(m.now)
	for i := range m.turn.Pieces {
		if p := &m.turn.Pieces[i]; p.Stage == s {
			p.Stage = Failure
		}
	}
}

// finish returns the turn, which ends at a time, and begins the next one with what was
// after it.
func (m *Meter) finish(at time.Duration) Turn {
	t := m.turn
	m.number++
	t.Number, t.To = m.number, max(at, t.From)
	switch {
	case !m.spoken:
		t.Kind = Unanswered
	case m.committed:
		t.Kind = Reply
	default:
		t.Kind = Unasked
	}
	n := slices.IndexFunc(t.Pieces, func(p Piece) bool { return p.From >= t.To })
	m.turn = Turn{From: t.To}
	if n >= 0 {
		t.Pieces, m.turn.Pieces = t.Pieces[:n:n], slices.Clone(t.Pieces[n:])
	}
	m.spoken, m.committed, m.cut = false, false, false
	return t
}

// busy reports whether the agent has something to say or is working on it.
func (m *Meter) busy() bool {
	return len(m.utts) > 0 || m.asking || m.tools > 0 || m.paused || m.held
}

// current is what the call waits for.
func (m *Meter) current() Stage {
	switch {
	case m.held || m.talking || m.sounding():
		return none
	case m.paused:
		return Wait
	case m.away && (m.open || len(m.utts) > 0):
		return Failure
	case len(m.utts) > 0:
		if u := &m.utts[0]; u.total > 0 && !u.audible {
			return Playout
		}
		return Voice
	case m.open && m.now < m.endpoint:
		return Wait
	case m.open:
		return Recogniser
	case m.asking:
		return Model
	case m.tools > 0:
		return Action
	}
	return Caller
}

// sounding reports whether the agent makes a sound.
func (m *Meter) sounding() bool {
	if m.paused || len(m.utts) == 0 {
		return false
	}
	u := &m.utts[0]
	return u.audible && (u.done || u.end() > m.now)
}

// ranDry notes that the sound of a voice that is too slow was over before now.
func (m *Meter) ranDry() {
	if m.paused || len(m.utts) == 0 || m.held {
		return
	}
	if u := &m.utts[0]; u.audible && !u.done && u.end() < m.now && m.stage == none && !m.talking {
		m.enter(Voice, u.end())
	}
}

// enter begins a stage at a time, or when what was noted already is over.
func (m *Meter) enter(s Stage, at time.Duration) {
	if s == m.stage {
		return
	}
	m.split(at)
	m.stage = s
}

// split notes what goes on up to a time.
func (m *Meter) split(at time.Duration) {
	if at <= m.since {
		return
	}
	if m.stage != none {
		m.turn.Pieces = append(m.turn.Pieces, Piece{m.stage, m.since, at})
	}
	m.since = at
}

// interrupt begins a sound at a time that is past, and takes back the silence since.
func (m *Meter) interrupt(at time.Duration) {
	at = max(at, m.turn.From)
	m.split(m.now)
	for i := range m.turn.Pieces {
		p := &m.turn.Pieces[i]
		p.To = max(p.From, min(p.To, at))
	}
	m.turn.Pieces = slices.DeleteFunc(m.turn.Pieces, func(p Piece) bool { return p.To <= p.From })
	m.stage, m.since = none, at
}
