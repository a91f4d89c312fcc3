package conversation

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// trigger takes in the actions that start because the agent says one of their phrases. They
// begin when all of the agent's turn was heard.
func (m *Machine) trigger(s *speech) {
	said := ""
	for i := range m.cfg.Actions {
		a := &m.cfg.Actions[i]
		if len(a.Phrases) == 0 || s.hangup != "" || slices.Contains(s.triggered, a.Name) || s.callsFor(a.Name) {
			continue
		}
		if said == "" {
			said = compared(s.words())
		}
		if !slices.ContainsFunc(a.Phrases, func(p string) bool { return isIn(compared(p), said) }) {
			continue
		}
		s.triggered = append(s.triggered, a.Name)
		m.startBy(s, a)
	}
}

func isIn(phrase, said string) bool { return phrase != "" && strings.Contains(said, phrase) }

// startBy has a speech call an action without the model.
func (m *Machine) startBy(s *speech, a *Action) {
	m.phrased++
	c := ToolCall{ID: fmt.Sprint("phrase_", m.phrased), Name: a.Name, Args: "{}"}
	switch {
	case a.Name == endTool:
		s.hangup, s.endCall = "goodbye", c
	case m.earlier(c) >= 0:
	case a.Quiet:
		s.quietCalls = append(s.quietCalls, c)
		m.sayFirst(s, a, c)
	default:
		s.steps = max(1, s.steps)
		s.deferred = append(s.deferred, deferred{ToolCall: c, part: len(s.parts) - 1, phrase: true})
		m.sayFirst(s, a, c)
	}
}

// words are all that a speech says but fillers.
func (s *speech) words() string {
	out := ""
	for i := range s.utts {
		if !s.utts[i].filler {
			out = joinWords(out, s.utts[i].text)
		}
	}
	for _, l := range s.pending {
		if !l.filler {
			out = joinWords(out, l.text)
		}
	}
	return out
}

// callsFor reports whether an answer of a speech has called a tool.
func (s *speech) callsFor(name string) bool {
	is := func(c ToolCall) bool { return c.Name == name }
	return slices.ContainsFunc(s.parts, func(p part) bool { return slices.ContainsFunc(p.calls, is) }) || slices.ContainsFunc(s.quietCalls, is)
}

// compared is a text without what is only written: case, marks and apostrophes.
func compared(text string) string {
	return strings.ReplaceAll(strings.Join(plainWords(text), " "), "'", "")
}

// plainWords is wordsOf for text that a model or a person has written: typographic
// apostrophes are plain ones, and marks that nobody sees are no part of it.
func plainWords(text string) []string {
	return wordsOf(strings.Map(func(r rune) rune {
		switch {
		case r == '’' || r == 'ʼ' || r == '‘':
			return '\''
		case unicode.Is(unicode.Cf, r):
			return -1
		default:
			return r
		}
	}, text))
}
