package conversation

// DisclosureOf is the sentence in which an agent of a language says that it is a machine; an
// unknown language gets the English one.
func DisclosureOf(language string) string {
	all := map[string]string{
		"de": "Sie sprechen mit einem KI-Assistenten.",
		"es": "Está hablando con un asistente de inteligencia artificial.",
		"fr": "Vous parlez avec un assistant à intelligence artificielle.",
		"hi": "आप एक एआई सहायक से बात कर रहे हैं।",
		"id": "Anda berbicara dengan asisten kecerdasan buatan.",
		"it": "Sta parlando con un assistente di intelligenza artificiale.",
		"ja": "このお電話にはAIアシスタントがお答えしています。",
		"ko": "인공지능 상담원과 통화하고 계십니다.",
		"nl": "U spreekt met een AI-assistent.",
		"pt": "Está a falar com um assistente de inteligência artificial.",
	}
	if text, ok := all[mainPart(language)]; ok {
		return text
	}
	return "You are speaking with an AI assistant."
}

// mustDisclose reports whether the caller has yet to hear that the agent is a machine.
func (m *Machine) mustDisclose() bool { return spoken(m.cfg.Disclosure) != "" && !m.disclosed }

// disclose puts the disclosure in front of a speech that begins.
func (m *Machine) disclose(s *speech) {
	if m.mustDisclose() {
		s.pending = append(s.pending, pendingText{text: m.cfg.Disclosure, part: max(0, len(s.parts)-1), cached: true})
	}
}

// discloses notes whether the disclosure is among what was heard of a speech, to its last
// word.
func (m *Machine) discloses(s *speech) {
	if !m.mustDisclose() {
		return
	}
	for i := range s.utts {
		if u := &s.utts[i]; u.text == m.cfg.Disclosure && u.heard >= len(u.text) {
			m.disclosed = true
			m.emit(Note{Kind: NoteDisclosed, Text: u.text})
			return
		}
	}
}
