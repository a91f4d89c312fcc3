package call

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/sidetone/sidetone/conversation"
)

// secrets has the values of a call's secret fields. While one is asked for it hides what
// the caller says and presses: the machine, and with it the journal, the record and the
// model, get conversation.HiddenDigit instead. It belongs to the session's goroutine. What
// it knows dies with the process.
type secrets struct {
	spoken map[string]rune // which digit a word is
	on     bool
	// awaited counts the finals that were asked for while on: they are hidden, too, when
	// they come late.
	awaited int
	// digits are all that were hidden, the first with the number 1.
	digits []rune
	// unstable are the digits of words that are not final.
	unstable []uint64
	values   map[string]string // by field
}

func newSecrets(language string) *secrets {
	return &secrets{spoken: conversation.SpokenDigits(language), values: map[string]string{}}
}

// press hides a digit that was pressed; other keys say nothing.
func (s *secrets) press(in conversation.Digit) conversation.Digit {
	if !s.on || in.Key < '0' || in.Key > '9' {
		return in
	}
	return conversation.Digit{Key: conversation.HiddenKey, Ref: s.hide(in.Key)}
}

func (s *secrets) hide(digit rune) uint64 {
	s.digits = append(s.digits, digit)
	return uint64(len(s.digits))
}

// finalizes notes that the recogniser is asked for a final.
func (s *secrets) finalizes() {
	if s.on {
		s.awaited++
	}
}

// speaks notes that the caller says something new.
func (s *secrets) speaks() {
	if !s.on {
		s.awaited = 0
	}
}

// hear hides what was heard: a digit keeps its number when its words are heard again.
func (s *secrets) hear(in conversation.Heard) conversation.Heard {
	hides := s.on || s.awaited > 0
	if in.Flushed && s.awaited > 0 {
		s.awaited--
	}
	if !hides || strings.TrimSpace(in.Text) == "" {
		return in
	}
	var words []string
	var refs []uint64
	for _, word := range spokenWords(in.Text) {
		digits := s.digitsOf(word)
		if digits == "" && (len(words) == 0 || words[len(words)-1] != conversation.HiddenDigit(0)) {
			words = append(words, conversation.HiddenDigit(0))
		}
		for _, digit := range digits {
			ref := s.again(len(refs), digit)
			refs, words = append(refs, ref), append(words, conversation.HiddenDigit(ref))
		}
	}
	s.unstable = refs
	if in.Final {
		s.unstable = nil
	}
	in.Text = strings.Join(words, " ")
	return in
}

// spokenWords are the words of a text in small letters, without marks.
func spokenWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '\''
	})
}

// digitsOf are the digits that a word is; "" for a word that is none.
func (s *secrets) digitsOf(word string) string {
	if digit, ok := s.spoken[word]; ok {
		return string(digit)
	}
	if strings.Trim(word, "0123456789") == "" {
		return word
	}
	return ""
}

// again is the number of the digit at place i of what is being said.
func (s *secrets) again(i int, digit rune) uint64 {
	if i < len(s.unstable) && s.digits[s.unstable[i]-1] == digit {
		return s.unstable[i]
	}
	return s.hide(digit)
}

// collected keeps the value of a field, or forgets it when there are no digits.
func (s *secrets) collected(c conversation.Collected) {
	delete(s.values, c.Field)
	var value strings.Builder
	for _, word := range strings.Fields(c.Digits) {
		ref, err := strconv.ParseUint(strings.TrimPrefix(word, conversation.HiddenWord), 10, 64)
		if err != nil || ref == 0 || ref > uint64(len(s.digits)) {
			return // of a process that died: nobody knows it
		}
		value.WriteRune(s.digits[ref-1])
	}
	if value.Len() > 0 {
		s.values[c.Field] = value.String()
	}
}

// in are the values of the fields that arguments of an action refer to, by reference; nil
// for none. An error names a field that has none.
func (s *secrets) in(args string, fields []string) (values map[string]string, err error) {
	for _, field := range fields {
		ref := conversation.CollectReference(field)
		if !strings.Contains(args, ref) {
			continue
		}
		value, ok := s.values[field]
		if !ok {
			return nil, fmt.Errorf("%s has no value: ask the caller for it", field)
		}
		if values == nil {
			values = map[string]string{}
		}
		values[ref] = value
	}
	return values, nil
}

// reveal puts values in the place of their references. They are digits, and so JSON stays
// what it is.
func reveal(args json.RawMessage, values map[string]string) json.RawMessage {
	for ref, value := range values {
		args = bytes.ReplaceAll(args, []byte(ref), []byte(value))
	}
	return args
}

// withhold replaces secret values in what an action returns.
func withhold(text string, values map[string]string) string {
	for _, value := range values {
		text = strings.ReplaceAll(text, value, conversation.Covered)
	}
	return text
}

// withheld is what came of a run without the secret values that its tool was given.
func withheld(result ToolResult, err error, values map[string]string) (ToolResult, error) {
	if len(values) == 0 {
		return result, err
	}
	result.Text, result.Say = withhold(result.Text, values), withhold(result.Say, values)
	if result.JSON != nil {
		result.JSON = json.RawMessage(withhold(string(result.JSON), values))
		if !json.Valid(result.JSON) {
			result.JSON = nil // a number that was a value
		}
	}
	var misused *Misused
	var unknown *Uncertain
	switch {
	case err == nil:
	case errors.As(err, &misused):
		err = &Misused{withhold(misused.Reason, values)}
	case errors.As(err, &unknown):
		err = &Uncertain{withhold(unknown.Reason, values)}
	default:
		err = errors.New(withhold(Public(err), values))
	}
	return result, err
}
