package conversation

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// claim is a word, or several in a row, that claims the effect of actions.
type claim struct {
	words []string
	// actions are the names of those that have it.
	actions []string
}

// claimsOf are the claims of a call's actions, each once.
func claimsOf(actions []Action) (all []claim) {
	for _, a := range actions {
		for _, text := range a.Claims {
			words := plainWords(text)
			i := slices.IndexFunc(all, func(c claim) bool { return slices.Equal(c.words, words) })
			switch {
			case len(words) == 0:
			case i < 0:
				all = append(all, claim{words, []string{a.Name}})
			default:
				all[i].actions = append(all[i].actions, a.Name)
			}
		}
	}
	return all
}

// addSentence adds a sentence of the model's, or a part of one, to what a speech says.
func (m *Machine) addSentence(s *speech, text string) {
	if len(m.claims) == 0 {
		s.add(false, text)
		return
	}
	if n := len(s.pending); n > 0 && s.pending[n-1].open {
		text = joinWords(s.pending[n-1].text, text)
		s.pending = s.pending[:n-1]
	}
	whole := joinWords(s.clause, text)
	goesOn := strings.ContainsAny(lastRune(text), ",;:、，；：")
	claims := m.lexicon.claimed(whole, len(whole)-len(text), m.claims)
	s.pending = append(s.pending, pendingText{text: text, part: len(s.parts) - 1, claims: claims, open: goesOn && len(claims) > 0})
	switch {
	case !goesOn:
		s.clause = ""
	case len(claims) == 0:
		s.clause = whole
	}
}

// sentenceOver says that nothing more comes of the last sentence.
func (s *speech) sentenceOver() {
	s.clause = ""
	if n := len(s.pending); n > 0 {
		s.pending[n-1].open = false
	}
}

// proof is what is known of a claim.
type proof uint8

const (
	proven   proof = iota
	awaited        // a run of its action is under way, or may come
	unproven       // no run has succeeded, and none is to come
)

// judgeClaims holds back what a speech claims too early, and replaces what is not true.
func (m *Machine) judgeClaims(s *speech) {
	if len(m.claims) == 0 || len(s.pending) == 0 {
		return
	}
	kept := make([]pendingText, 0, len(s.pending))
	var changed []int
	for _, l := range s.pending {
		by, p := m.proofOf(s, &l)
		if l.held = p == awaited; p != unproven {
			kept = append(kept, l)
			continue
		}
		m.emit(Note{Kind: NoteError, Text: "the model claimed what was not done: " + by})
		text := orDefault(m.rule(by).Otherwise, m.cfg.Phrases.Unconfirmed)
		if !s.repeats(text) && !slices.ContainsFunc(kept, func(k pendingText) bool { return k.text == text }) {
			kept = append(kept, pendingText{text: text, part: l.part, cached: true})
		}
		changed = append(changed, l.part)
	}
	s.pending = kept
	for _, i := range changed {
		m.retell(s, i)
	}
}

// retell puts into history what a part says now.
func (m *Machine) retell(s *speech, i int) {
	if p := &s.parts[i]; p.message >= 0 && !p.settled {
		m.history[p.message].Text = s.saidOf(i)
	}
}

// proofOf says whether a text may be said, and else which action it claims.
func (m *Machine) proofOf(s *speech, l *pendingText) (action string, p proof) {
	if l.open {
		p = awaited
	}
	for _, c := range l.claims {
		switch m.proofOfClaim(s, c) {
		case unproven:
			return c.actions[0], unproven
		case awaited:
			p = awaited
		case proven:
		}
	}
	return "", p
}

// proofOfClaim decides by the last result of each action that has the claim.
func (m *Machine) proofOfClaim(s *speech, c claim) proof {
	p := unproven
	if s.model {
		p = awaited // its call may come
	}
	for _, name := range c.actions {
		switch o, known := m.standing(name); {
		case s.willCall(name) || known && o == underway:
			p = awaited
		case known && o == succeeded:
			return proven
		}
	}
	return p
}

// willCall reports whether a speech has a call of a tool that has not begun.
func (s *speech) willCall(name string) bool {
	is := func(c ToolCall) bool { return c.Name == name }
	return slices.ContainsFunc(s.deferred, func(d deferred) bool { return d.Name == name }) || slices.ContainsFunc(s.quietCalls, is) ||
		s.model && slices.ContainsFunc(s.parts[len(s.parts)-1].calls, is)
}

// claimed returns what a text states to have been done, of what ends behind a byte of it.
// Questions, denials, wishes and what is yet to come state nothing.
func (l *lexicon) claimed(text string, from int, claims []claim) (stated []claim) {
	k := chunker{abbreviations: l.abbreviations, rest: text}
	for start := 0; start < len(text); {
		end := k.boundary(start, true)
		if end < 0 {
			end = len(text)
		}
		if end > from {
			stated = l.claimedIn(text[start:end], from-start, claims, stated)
		}
		start = end
	}
	return stated
}

// claimedIn adds to stated what a single sentence states.
func (l *lexicon) claimedIn(sentence string, from int, claims, stated []claim) []claim {
	clauses := l.clausesOf(sentence)
	asks := l.asks(sentence)
	for i, c := range clauses {
		asked := asks && (i == 0 || i == len(clauses)-1) && l.isAsked(c.words, i == len(clauses)-1)
		if c.end <= from || asked {
			continue
		}
		for _, w := range claims {
			known := slices.ContainsFunc(stated, func(s claim) bool { return slices.Equal(s.words, w.words) })
			if !known && l.states(c.words, w.words) {
				stated = append(stated, w)
			}
		}
	}
	return stated
}

// clause is a part of a sentence that ends at a byte of it.
type clause struct {
	words []string
	end   int
}

// clausesOf cuts a sentence at marks, and at words that join clauses.
func (l *lexicon) clausesOf(sentence string) (all []clause) {
	start := 0
	add := func(end int) {
		words := plainWords(sentence[start:end])
		for n := 0; n < len(words); {
			if k := longestPhrase(words[n:], l.joints); k > 0 {
				all = append(all, clause{words[:n], end})
				words, n = words[n+k:], 0
				continue
			}
			n++
		}
		all = append(all, clause{words, end})
		start = end
	}
	for i, r := range sentence {
		end := i + utf8.RuneLen(r)
		mark := strings.ContainsRune(",;:", r) && strings.HasPrefix(sentence[end:], " ")
		if mark || strings.ContainsRune("、，；：–—(", r) {
			add(end)
		}
	}
	if start < len(sentence) {
		add(len(sentence))
	}
	return slices.DeleteFunc(all, func(c clause) bool { return len(c.words) == 0 })
}

// asks reports whether a sentence is a question.
func (l *lexicon) asks(sentence string) bool {
	text := strings.TrimRight(sentence, enclosing+" 」』）”")
	if strings.ContainsAny(lastRune(text), "?？") {
		return true
	}
	text = strings.TrimRight(text, ".。!！")
	return l.askEnds.any(func(end string) bool { return strings.HasSuffix(text, end) })
}

// isAsked reports whether a clause of a question asks, rather than states something before
// it. last says that the question mark is behind it. In a language without a list of words
// that begin questions the last clause does.
func (l *lexicon) isAsked(clause []string, last bool) bool {
	first := clause[0]
	asker := l.askers.has(first) || strings.HasSuffix(first, "n't")
	if !last {
		return asker && !l.links.has(first) // "is booked, anything else?"
	}
	return asker || l.askers == ""
}

// states reports whether a clause has a claim that nothing before it takes back.
func (l *lexicon) states(clause, claim []string) bool {
	for i := range clause {
		inside := len(claim) == 1 && attached(claim[0]) && strings.Contains(clause[i], claim[0])
		if (inside || startsWith(clause[i:], claim)) && !l.takenBack(clause[:i]) {
			return true
		}
	}
	return false
}

func startsWith(words, phrase []string) bool {
	return len(words) >= len(phrase) && slices.Equal(words[:len(phrase)], phrase)
}

// takenBack reports whether the words of a clause before a claim deny it, wish for it or
// put it into the future: with nothing but links between, or at the clause's beginning.
func (l *lexicon) takenBack(before []string) bool {
	linked := len(before) > 0 && l.links.has(before[len(before)-1])
	if longestPhrase(before, l.ifs) > 0 || linked && longestPhrase(before, l.whens) > 0 {
		return true
	}
	finite := false
	for n := len(before); n > 0; n-- {
		w := before[n-1]
		switch {
		case endsInPhrase(before[:n], l.denials), !finite && endsInPhrase(before[:n], l.wishes), strings.HasSuffix(w, "n't"), strings.HasSuffix(w, "'ll"):
			return true
		case !l.links.has(w):
			return false
		}
		finite = finite || l.finites.has(w)
	}
	return false
}

// endsInPhrase reports whether words end in a phrase of a list.
func endsInPhrase(words []string, phrases list) bool {
	for n := min(3, len(words)); n > 0; n-- {
		if phrases.has(strings.Join(words[len(words)-n:], " ")) {
			return true
		}
	}
	return false
}
