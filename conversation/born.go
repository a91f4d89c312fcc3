package conversation

// onBorn begins a speech that the machine has not asked for: sound of a model that
// speaks itself. Nobody can stop it, so that the caller's words wait for its end.
func (m *Machine) onBorn(in Born) {
	if m.speech != nil {
		m.abandon()
	}
	m.settleCut()
	m.cancelEarly()
	m.gen++
	m.speech = &speech{kind: kindReply, protected: true, begun: true, audibleAt: m.now,
		parts: []part{{gen: m.gen, message: -1}},
		utts:  []utterance{{id: in.Utt, born: true, audible: true, since: m.now, due: m.now}}}
	m.greet, m.spoke = greeting{}, true
}

// onWorded adds text to an utterance that was born.
func (m *Machine) onWorded(in Worded) {
	s := m.speech
	if s == nil || len(s.utts) == 0 || s.utts[0].id != in.Utt || !s.utts[0].born || s.utts[0].done {
		return
	}
	u := &s.utts[0]
	u.text, u.done = joinWords(u.text, in.Text), in.Done
	if u.played {
		u.complete()
	}
	m.advance()
}

// untold reports whether text of a speech is still to come whose sound is over.
func (s *speech) untold() bool {
	return len(s.utts) > 0 && s.utts[0].born && s.utts[0].played && !s.utts[0].done
}

// untoldOver ends a speech whose text did not come before the caller spoke.
func (m *Machine) untoldOver() {
	if s := m.speech; s != nil && s.untold() {
		s.utts[0].done = true
		m.advance()
	}
}
