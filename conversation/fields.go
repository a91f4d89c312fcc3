package conversation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Field is a number that the agent asks the caller for, which is pressed or said.
type Field struct {
	// Name is the field's; the tool CollectTool + Name begins to collect it.
	Name string
	// Min and Max are how many digits it has: at least Min, and at most Max unless that is 0.
	Min, Max int
	// Terminator is a key that ends it, beside "#"; 0 for none.
	Terminator rune
	// Secret fields are given to the machine as hidden digits only: see HiddenDigit.
	Secret bool
}

const (
	// CollectTool begins the names of the tools that collect a Field.
	CollectTool = "collect_"
	// Covered stands in history and notes for what is hidden.
	Covered = "****"
	// HiddenWord begins the words that stand for what is hidden.
	HiddenWord = "hidden"
)

// HiddenDigit is the word that stands for the digit number ref that the session keeps for
// itself, counted from 1; HiddenDigit(0) stands for words that are no digits.
func HiddenDigit(ref uint64) string { return HiddenWord + strconv.FormatUint(ref, 10) }

// hiddenDigit reports whether a word stands for a digit that is hidden.
func hiddenDigit(word string) bool { return isHidden(word) && word != HiddenDigit(0) }

func isHidden(word string) bool {
	rest, ok := strings.CutPrefix(word, HiddenWord)
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}

// cover replaces what is hidden in a text by Covered, once for all that stands together.
func cover(text string) string {
	if !strings.Contains(text, HiddenWord) {
		return text
	}
	var out []string
	for _, word := range strings.Fields(text) {
		if isHidden(strings.Trim(word, ".,;:!?")) {
			word = Covered
		}
		if word != Covered || len(out) == 0 || out[len(out)-1] != Covered {
			out = append(out, word)
		}
	}
	return strings.Join(out, " ")
}

// CollectReference is how the model names the value of a secret field that was given.
func CollectReference(field string) string { return "{{" + field + "}}" }

// collection is a field that the caller is being asked for.
type collection struct {
	Field
	// digits are those of earlier turns: hidden words of a secret field.
	digits []string
}

// fieldTurn is how a turn changed a collection, so that the turn can be taken back.
type fieldTurn struct {
	before collection
	// raw is the turn's text, and message its place in history.
	raw     string
	message int
}

// collect begins to collect the field that a tool is for, if it is for one.
func (m *Machine) collect(tool string) {
	name, ok := strings.CutPrefix(tool, CollectTool)
	i := slices.IndexFunc(m.cfg.Fields, func(f Field) bool { return f.Name == name })
	if !ok || i < 0 {
		return
	}
	m.field, m.given = &collection{Field: m.cfg.Fields[i]}, nil
	if m.field.Secret && !m.covered {
		m.covered, m.hides = true, true
		m.emit(Cover{})
	}
}

// endsKeys reports whether a key ends what is being pressed.
func (m *Machine) endsKeys(key rune) bool {
	return key == endKey || m.field != nil && m.field.Terminator != 0 && key == m.field.Terminator
}

// enoughKeys reports whether a field that is collected needs no further key.
func (m *Machine) enoughKeys() bool {
	f := m.field
	return f != nil && f.Max > 0 && len(f.digits)+len(m.keys) >= f.Max
}

// closeTurn looks for the field that is collected in the text of a turn that is over, and
// returns what history has of the turn.
func (m *Machine) closeTurn(text string) string {
	f := m.field
	if f == nil {
		return cover(text)
	}
	if !f.Secret {
		if m.lexicon.dictation(wordsOf(text)) > 0 {
			m.field = nil
		}
		return cover(text)
	}
	m.given = &fieldTurn{before: *f, raw: text, message: len(m.history)}
	digits, mixed := hiddenDigits(wordsOf(text))
	return cover(text) + " (" + m.takeDigits(digits, mixed) + ")"
}

// hiddenDigits are the digits at the end of a turn's words; mixed says that there are other
// hidden words among them or before, such as "twenty", which may have been part of the number.
func hiddenDigits(words []string) (digits []string, mixed bool) {
	for _, word := range words {
		switch {
		case hiddenDigit(word):
			digits = append(digits, word)
		case isHidden(word):
			digits, mixed = nil, true
		}
	}
	return digits, mixed
}

// takeDigits adds the digits of a turn to a secret field, and says in words for the model
// what became of it. Digits among other words count only if they are the whole number.
func (m *Machine) takeDigits(digits []string, mixed bool) string {
	f := m.field
	all := digits
	if !mixed {
		all = slices.Concat(f.digits, digits)
	}
	switch {
	case len(digits) == 0 || mixed && len(all) < f.Min:
		m.field = nil
		return f.Name + " was not given. What the caller said is not shown, because the field is secret."
	case len(all) < f.Min:
		m.field = &collection{Field: f.Field, digits: all}
		return fmt.Sprintf("%d digits of %s so far, of at least %d: ask for the rest", len(all), f.Name, f.Min)
	case f.Max > 0 && len(all) > f.Max:
		m.field = &collection{Field: f.Field}
		return fmt.Sprintf("%d digits are too many for %s, which has at most %d: ask for all of it again", len(all), f.Name, f.Max)
	default:
		m.field = nil
		m.emit(Collected{Field: f.Name, Digits: strings.Join(all, " ")})
		m.outdate(f.Name)
		return f.Name + " was given: " + CollectReference(f.Name) + " stands for it in the arguments of actions"
	}
}

// takeBack undoes what the last user message did to a field, and returns that message as
// it was given.
func (m *Machine) takeBack(message int, text string) string {
	g := m.given
	if g == nil || g.message != message {
		return text
	}
	before := g.before
	if m.field == nil {
		m.emit(Collected{Field: before.Name})
	}
	m.field, m.given = &before, nil
	return g.raw
}

// uncover shows the caller's words again once the agent speaks on, and nothing is left of
// what the field's value was given in.
func (m *Machine) uncover() {
	s, t := m.speech, &m.turn
	secret := m.field != nil && m.field.Secret
	if m.covered && !secret && s != nil && s.begun && !t.talking && t.text() == "" && len(m.keys) == 0 {
		m.covered, m.given = false, nil
		m.emit(Uncover{})
	}
}

// loseDigits forgets the digits that the process knew that died.
func (m *Machine) loseDigits() {
	m.given = nil
	if m.field != nil && m.field.Secret {
		m.field.digits, m.keys = nil, nil
		m.disarm(timerDigits)
	}
	t := &m.turn
	for i, text := range t.finals {
		t.finals[i] = forget(text)
	}
	t.partial, t.prefix = forget(t.partial), forget(t.prefix)
}

// forget makes the hidden digits of a text hidden words.
func forget(text string) string {
	if !strings.Contains(text, HiddenWord) {
		return text
	}
	words := strings.Fields(text)
	for i, word := range words {
		if hiddenDigit(word) {
			words[i] = HiddenDigit(0)
		}
	}
	return strings.Join(words, " ")
}
