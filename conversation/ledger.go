package conversation

import "time"

// utterance is one Say and its progress.
type utterance struct {
	id     uint64
	part   int
	text   string
	cached bool

	words []Word
	total time.Duration
	done  bool

	// filler: it only tells the caller to wait. ahead is the utterance, still
	// without sound, that it was put before.
	filler bool
	ahead  uint64

	audible, played bool
	retried         bool
	// born: a model speaks it that cannot be stopped; its text comes later.
	born bool
	// due is when the caller began to wait for its sound; waited is how long
	// that may last until the next step is taken.
	due, waited time.Duration
	// Sound position at was reached at time since; it moves on from there
	// unless the playout is paused.
	at, since time.Duration
	// dry is how long it has waited in all for sound of a voice that is too slow.
	dry time.Duration
	// heard is how many bytes of text the caller has surely heard.
	heard int
}

// credit notes that the sound was heard up to at.
func (u *utterance) credit(at time.Duration) {
	u.heard = max(u.heard, u.heardUpTo(at))
}

// complete notes that all of it was heard.
func (u *utterance) complete() { u.played, u.audible, u.heard = true, true, len(u.text) }

// position estimates how much of the sound was played by now, never more than
// was delivered.
func (u *utterance) position(now time.Duration) time.Duration {
	if !u.audible {
		return 0
	}
	return min(u.at+now-u.since, u.total)
}

// end is when the sound that was delivered so far has been played.
func (u *utterance) end() time.Duration { return u.since + max(0, u.total-u.at) }

// heardUpTo returns how many bytes of the text were surely heard when the sound
// was heard up to at: whole words only, and too few rather than too many.
func (u *utterance) heardUpTo(at time.Duration) int {
	if at <= 0 {
		return 0
	}
	if len(u.words) > 0 {
		end := 0
		for _, w := range u.words {
			if w.To <= at && w.End <= len(u.text) {
				end = max(end, w.End)
			} else if part := u.within(w, at); part > 0 {
				end = max(end, w.Start+part)
			}
		}
		return end
	}
	if u.done && at >= u.total {
		return len(u.text)
	}
	return oneWordLess(u.text, int(int64(len(u.text))*at.Microseconds()/max(1, u.length().Microseconds())))
}

// within returns how many bytes were heard of a word that the sound is in: none, but of
// what a voice takes for one word because there are no blanks.
func (u *utterance) within(w Word, at time.Duration) int {
	if w.From >= at || w.To <= at || w.Start < 0 || w.Start > w.End || w.End > len(u.text) {
		return 0
	}
	text := u.text[w.Start:w.End]
	return oneWordLess(text, int(int64(len(text))*(at-w.From).Microseconds()/max(1, (w.To-w.From).Microseconds())))
}

// slowestByte is the time per byte of a very slow speaker, for sound whose length
// is not known yet.
const slowestByte = 110 * time.Millisecond

// length is the sound's length, or an upper guess while it is still delivered.
func (u *utterance) length() time.Duration {
	if u.done && u.total > 0 {
		return u.total
	}
	return max(u.total, time.Duration(len(u.text))*slowestByte)
}

// usualWord is about the time that a word takes.
const usualWord = 300 * time.Millisecond

// restart returns where to go on after a pause at a position: at the beginning
// of the last word that had begun, or where it stopped when all was said.
func (u *utterance) restart(at time.Duration) time.Duration {
	if len(u.words) == 0 {
		return max(0, at-usualWord)
	}
	if u.done && u.words[len(u.words)-1].To <= at {
		return at
	}
	from := time.Duration(0)
	for _, w := range u.words {
		if w.From < at && u.within(w, w.To-1) > 0 {
			from = max(from, w.From, at-usualWord) // a voice takes many for one
		} else if w.From < at {
			from = max(from, w.From)
		}
	}
	return min(from, at)
}

// part is what one generation contributes to a speech: at most one assistant
// message.
type part struct {
	gen uint64
	// message is the index of its history entry, or -1.
	message int
	calls   []ToolCall
	// unoffered are those of calls that the model was not offered.
	unoffered []ToolCall
	settled   bool
}

// heardOf and saidOf return what was heard and what was to be said of a part.
func (s *speech) heardOf(i int) string {
	return s.join(i, func(u *utterance) string { return u.text[:u.heard] })
}

func (s *speech) saidOf(i int) string {
	out := s.join(i, func(u *utterance) string {
		if u.bridge() {
			return u.text[:u.heard] // no part of what there was to say
		}
		return u.text
	})
	for _, l := range s.pending {
		if l.part == i {
			out = joinWords(out, l.text)
		}
	}
	return out
}

// heardFor is how much sound of a part was heard of a speech that was cut off.
func (s *speech) heardFor(i int) (sum time.Duration) {
	for k := range s.utts {
		switch u := &s.utts[k]; {
		case u.part != i:
		case u.played:
			sum += u.total
		case u.id == s.stopped.utt:
			sum += s.stopped.at
		}
	}
	return sum
}

func (s *speech) join(i int, text func(*utterance) string) string {
	out := ""
	for k := range s.utts {
		if s.utts[k].part == i {
			out = joinWords(out, text(&s.utts[k]))
		}
	}
	return out
}

// creditStop notes where the playout stopped: all before utterance id was
// heard. It reports whether id belongs to the speech.
func (s *speech) creditStop(id uint64, at time.Duration) bool {
	for i := range s.utts {
		if s.utts[i].id != id {
			continue
		}
		for k := range i {
			if !s.utts[k].played && s.utts[k].audible {
				s.utts[k].complete()
			}
		}
		s.utts[i].credit(at)
		return true
	}
	return false
}

// creditOver notes that nothing was playing when the playout stopped: what was
// audible and complete has been played, and its Played is on the way.
func (s *speech) creditOver() {
	if u := s.head(); u != nil && u.audible && u.done {
		u.complete()
	}
}

// lag is how far the far end may be behind our clock, when nothing better is
// known.
const lag = 200 * time.Millisecond

// settle writes into history and record what was heard of a part.
func (m *Machine) settle(s *speech, i int, cut bool) {
	p := &s.parts[i]
	if p.settled {
		return
	}
	p.settled = true
	heard, said := s.heardOf(i), s.saidOf(i)
	cut = cut && (heard != said || s.model && i == len(s.parts)-1)
	if p.message >= 0 {
		m.history[p.message].Text = heard
		m.history[p.message].Interrupted = cut
	} else if heard != "" {
		m.history = append(m.history, Message{Role: Assistant, Text: heard, Interrupted: cut})
		p.message = len(m.history) - 1
	}
	if cut && heard != "" {
		m.history[p.message].HeardFor = s.heardFor(i)
	}
	if heard != "" {
		m.asked = heard
		m.emit(Note{Kind: NoteAgent, Text: heard, Said: said, Interrupted: cut})
	}
}

// settleCut records the speech that was cut off, with what is known by now about
// how much of it was heard.
func (m *Machine) settleCut() {
	s := m.cut
	if s == nil {
		return
	}
	m.cut = nil
	if !s.stopped.known {
		s.creditStop(s.stopped.utt, s.stopped.at-lag)
	}
	m.discloses(s)
	for i := range s.parts {
		m.settle(s, i, true)
	}
	m.reportCancelled(s)
}
