package turns

import (
	"maps"
	"slices"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// take notes what went into the machine.
func (m *Meter) take(in conversation.Input) {
	switch in := in.(type) {
	case conversation.Resumed:
		m.resumed(max(m.before, min(in.Until, m.now)))
	case conversation.SpeechStarted, conversation.SpeechEnded, conversation.Held, conversation.Unheld:
		m.takeLine(in)
	case conversation.Born, conversation.Voiced, conversation.Audible, conversation.Played, conversation.Stopped, conversation.VoiceFailed:
		m.takeVoice(in)
	case conversation.ModelDone:
		m.answered(in.Gen)
	case conversation.ModelFailed:
		if m.answered(in.Gen) {
			m.Failed(m.now, Model)
		}
	case conversation.ToolDone:
		m.tools = max(0, m.tools-1)
	case conversation.RecogniserAway:
		m.away = true
	case conversation.RecogniserReplaced, conversation.RecogniserLost:
		m.away = false
	case conversation.TimerFired:
		if in.Name == conversation.TimerWatchdog {
			m.open = false
		}
	}
}

// resumed notes that nothing is known of the time since until, and that nothing goes on.
func (m *Meter) resumed(until time.Duration) {
	if len(m.utts) > 0 && !m.paused && m.utts[0].audible && (m.utts[0].done || m.utts[0].end() > until) {
		m.quiet = until
	}
	m.interrupt(until)
	m.talking, m.open, m.away, m.paused, m.cut, m.asking, m.tools, m.utts = false, false, false, false, false, false, 0, nil
	if !m.held {
		m.stage = Restart
	}
}

// answered notes that a generation is over; false: it is not the one that is awaited.
func (m *Meter) answered(gen uint64) bool {
	if !m.asking || m.gen != gen {
		return false
	}
	m.asking = false
	return true
}

// takeLine notes what the caller's line did.
func (m *Meter) takeLine(in conversation.Input) {
	switch in := in.(type) {
	case conversation.SpeechStarted:
		if m.held || m.talking {
			return
		}
		m.talking, m.open, m.burst = true, false, m.now-in.Ago
		m.interrupt(m.burst)
	case conversation.SpeechEnded:
		m.fellSilent(in.Ago)
	case conversation.Held:
		m.held, m.talking = true, false
	case conversation.Unheld:
		m.held = false
	}
}

// fellSilent notes that the caller has been silent for a while. That while is waiting:
// only after it the detector is sure.
func (m *Meter) fellSilent(ago time.Duration) {
	if !m.talking {
		return
	}
	m.talking = false
	if m.stage == none && !m.sounding() {
		m.stage, m.since = Wait, max(m.since, m.now-ago)
	}
}

// takeVoice notes what became of the agent's sound.
func (m *Meter) takeVoice(in conversation.Input) {
	switch in := in.(type) {
	case conversation.Born:
		m.utts = []utterance{{id: in.Utt, done: true, audible: true, began: m.now}}
		m.spoken = true
	case conversation.Voiced:
		m.voiced(in)
	case conversation.Audible:
		if u := m.find(in.Utt); u != nil && !u.audible {
			// What follows in the same packet begins where the utterance before it ended.
			u.audible, u.began = true, max(m.now, m.quiet)
			m.spoken = true
		}
	case conversation.Played:
		m.played(in.Utt)
	case conversation.Stopped:
		if u := m.find(in.Utt); u != nil && u.audible && m.cut {
			m.quiet = m.lasts(u.began + in.At)
			m.since = max(m.since, m.quiet)
		}
	case conversation.VoiceFailed:
		m.forget(in.Utt)
		m.Failed(m.now, Voice)
	}
}

// voiced notes that sound was delivered. What comes after the sound before it was over is
// heard at once.
func (m *Meter) voiced(in conversation.Voiced) {
	u := m.find(in.Utt)
	if u == nil {
		return
	}
	if u.audible && in.Total > u.total && u.end() < m.now && !m.paused {
		u.began = m.now - u.total
	}
	u.total, u.done = max(u.total, in.Total), u.done || in.Done
}

// played notes that an utterance was heard to its end.
func (m *Meter) played(id uint64) {
	u := m.find(id)
	if u == nil {
		return
	}
	if u.audible {
		m.quiet = m.lasts(u.end())
		if m.stage == none && !m.talking {
			m.since = max(m.since, m.quiet)
		}
	}
	m.forget(id)
}

// lasts is when a sound is over that should be over at a time, and whose last packet was
// sent just now.
func (m *Meter) lasts(end time.Duration) time.Duration {
	return min(max(end, m.now), m.now+frame)
}

func (m *Meter) find(id uint64) *utterance {
	i := slices.IndexFunc(m.utts, func(u utterance) bool { return u.id == id })
	if i < 0 {
		return nil
	}
	return &m.utts[i]
}

func (m *Meter) forget(id uint64) {
	m.utts = slices.DeleteFunc(m.utts, func(u utterance) bool { return u.id == id })
}

// obey notes what the machine wants done.
func (m *Meter) obey(out conversation.Output) {
	switch out := out.(type) {
	case conversation.AskModel:
		m.asking, m.gen = true, out.Gen
	case conversation.CancelModel:
		m.answered(out.Gen)
	case conversation.FinalizeSpeech:
		m.finalised = m.now
	case conversation.ResetDetector:
		m.talking = false
	case conversation.RunTool:
		m.tools++
	case conversation.Arm:
		m.armed(out)
	case conversation.Disarm:
		if out.Name == conversation.TimerWatchdog {
			m.open = false
		}
	default:
		m.obeyVoice(out)
	}
}

func (m *Meter) armed(out conversation.Arm) {
	switch out.Name {
	case conversation.TimerEndpoint:
		m.endpoint = out.At
	case conversation.TimerWatchdog:
		m.open = true
	}
}

// obeyVoice notes what is to be said, and what is not.
func (m *Meter) obeyVoice(out conversation.Output) {
	switch out := out.(type) {
	case conversation.Say:
		m.say(out)
	case conversation.Unsay:
		m.forget(out.Utt)
	case conversation.PausePlayout:
		m.silence()
		m.paused = true
	case conversation.ResumePlayout:
		m.resume(out)
	case conversation.StopPlayout:
		m.silence()
		m.utts, m.paused = nil, false
	}
}

// say notes an utterance, behind the others or before one.
func (m *Meter) say(out conversation.Say) {
	i := len(m.utts)
	if out.Ahead != 0 {
		if k := slices.IndexFunc(m.utts, func(u utterance) bool { return u.id == out.Ahead }); k >= 0 {
			i = k
		}
	}
	m.utts = slices.Insert(m.utts, i, utterance{id: out.Utt})
}

// silence notes that the agent's sound is cut off now.
func (m *Meter) silence() {
	if !m.sounding() {
		return
	}
	m.cut, m.bargeIn = true, 0
	if m.talking {
		m.bargeIn = m.now - m.burst
	}
	// The last packet was sent by now and has a frame of sound.
	m.quiet = m.lasts(m.now + frame/2)
}

// resume notes that the agent goes on after a pause.
func (m *Meter) resume(out conversation.ResumePlayout) {
	m.paused, m.cut = false, false
	if u := m.find(out.Utt); u != nil && u.audible {
		u.began = m.now - out.At
	}
}

// note takes what the machine records.
func (m *Meter) note(n conversation.Note) {
	switch n.Kind {
	case conversation.NoteTurn:
		m.turn.Rule, m.turn.Figures = n.Text, maps.Clone(n.Figures)
		m.divide()
	case conversation.NoteInterrupted:
		m.turn.Interrupted = true
		if m.cut {
			m.turn.BargeIn = m.bargeIn
		}
	}
}

// divide divides what was waited before the turn was over, now that the wait is known: what
// went beyond it was waiting for the recogniser.
func (m *Meter) divide() {
	f := m.turn.Figures
	last := m.now - f[conversation.FigureGap]
	over := max(last+f[conversation.FigureWait], min(m.finalised, last+f[conversation.FigureCommit]))
	m.split(m.now)
	var all []Piece
	for _, p := range m.turn.Pieces {
		if p.Stage != Wait && p.Stage != Recogniser || p.To <= last || f[conversation.FigureGap] == 0 {
			all = append(all, p)
			continue
		}
		if before := min(p.To, over); before > p.From {
			all = append(all, Piece{Wait, p.From, before})
		}
		if after := max(p.From, over); after < p.To {
			all = append(all, Piece{Recogniser, after, p.To})
		}
	}
	m.turn.Pieces = all
}
