package journal

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sidetone/sidetone/conversation"
)

// Golden returns the journal of the same call without what it says of people, as a test:
// digits are nines, spoken ones others of the same length, addresses of e-mail and what
// Header.Private names are letters x, and comments, agent and build are left out. Every
// text keeps its length, so that the times of words stay right. It is an error when the
// machine does something else with the masked call, or does not give the journal's
// outputs.
func (j *Journal) Golden() ([]byte, error) {
	played, err := j.Replay()
	if err != nil {
		return nil, err
	}
	m := newMasker(j.Header)
	m.learn(j.Steps)
	h := Header{Call: "golden", Tables: conversation.TablesVersion(), Config: j.Header.Config}
	h.Config.Greeting, h.Config.Disclosure = m.text(h.Config.Greeting), m.text(h.Config.Disclosure)
	h.Config.Actions = m.actions(h.Config.Actions)
	out, err := AppendHeader(nil, h)
	if err != nil {
		return nil, err
	}
	var w Writer
	var scratch []byte
	machine := conversation.New(h.Config)
	for i, p := range played {
		in := m.input(i, p.In)
		if out, err = w.Input(out, p.At, in); err != nil {
			return nil, err
		}
		outs := machine.Step(p.At, in)
		if !alike(p.Outputs, outs) {
			return nil, fmt.Errorf("turn %d, at %.6f s: without what it says of people the call goes another way at the input of line %d", p.Turn, p.At.Seconds(), p.Line)
		}
		if out, scratch, err = w.Outputs(out, scratch, outs); err != nil {
			return nil, err
		}
	}
	return w.End(out, j.Ended), nil
}

// alike reports whether outputs are the same but for their texts.
func alike(a, b []conversation.Output) bool {
	return slices.EqualFunc(a, b, func(x, y conversation.Output) bool {
		if fmt.Sprintf("%T", x) != fmt.Sprintf("%T", y) {
			return false
		}
		switch x := x.(type) {
		case conversation.Arm, conversation.Disarm, conversation.ResumePlayout:
			return x == y
		case conversation.Note:
			return x.Kind == y.(conversation.Note).Kind
		}
		return true
	})
}

// masker replaces what texts say of people.
type masker struct {
	// words are the parts of names, in lower case, and digits what spoken digits become.
	words  map[string]bool
	digits map[string]string
	// parts are the masked texts of inputs that are parts of longer ones.
	parts map[int]string
}

func newMasker(h Header) *masker {
	m := &masker{words: map[string]bool{}, digits: map[string]string{}, parts: map[int]string{}}
	for _, p := range h.Private {
		for word := range strings.FieldsFuncSeq(strings.ToLower(p), notLetter) {
			if utf8.RuneCountInString(word) > 1 {
				m.words[word] = true
			}
		}
	}
	all := conversation.DigitWords(h.Config.Language)
	for _, word := range all {
		i := slices.IndexFunc(all, func(other string) bool { return len(other) == len(word) })
		m.digits[word] = all[i]
	}
	return m
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }

// learn masks texts that come in parts as a whole: a number or a name may be cut
// anywhere.
func (m *masker) learn(steps []Step) {
	type stream struct {
		born bool
		id   uint64
	}
	whole, members := map[stream]string{}, map[stream][]int{}
	for i, s := range steps {
		switch in := s.In.(type) {
		case conversation.ModelText:
			k := stream{id: in.Gen}
			whole[k], members[k] = whole[k]+in.Text, append(members[k], i)
		case conversation.Worded:
			k := stream{born: true, id: in.Utt}
			whole[k], members[k] = whole[k]+in.Text, append(members[k], i)
		}
	}
	for k, text := range whole {
		masked, at := m.text(text), 0
		for _, i := range members[k] {
			n := 0
			switch in := steps[i].In.(type) {
			case conversation.ModelText:
				n = len(in.Text)
			case conversation.Worded:
				n = len(in.Text)
			}
			m.parts[i] = masked[at : at+n]
			at += n
		}
	}
}

// input masks the texts of the input of step i.
func (m *masker) input(i int, in conversation.Input) conversation.Input {
	switch in := in.(type) {
	case conversation.ModelText:
		in.Text = m.parts[i]
		return in
	case conversation.Worded:
		in.Text = m.parts[i]
		return in
	case conversation.Heard:
		in.Text = m.text(in.Text)
		return in
	case conversation.Digit:
		if unicode.IsDigit(in.Key) {
			in.Key = '9'
		}
		return in
	case conversation.Command:
		in.Text = m.text(in.Text)
		return in
	case conversation.ModelCall:
		in.Args = m.text(in.Args)
		return in
	case conversation.ToolDone:
		in.Result, in.Say = m.text(in.Result), m.text(in.Say)
		return in
	case conversation.ModelFailed:
		in.Reason = m.text(in.Reason)
		return in
	case conversation.VoiceFailed:
		in.Reason = m.text(in.Reason)
		return in
	case conversation.RecogniserLost:
		in.Reason = m.text(in.Reason)
		return in
	default:
		return in
	}
}

// actions masks the sentences of actions, and the words that are looked for in the agent's.
func (m *masker) actions(all []conversation.Action) []conversation.Action {
	all = slices.Clone(all)
	for i := range all {
		a := &all[i]
		a.Otherwise = m.text(a.Otherwise)
		for _, list := range []*[]string{&a.OnSend, &a.Waiting, &a.OnDone, &a.OnFailure, &a.Claims, &a.Phrases} {
			*list = slices.Clone(*list)
			for k := range *list {
				(*list)[k] = m.text((*list)[k])
			}
		}
	}
	return all
}

// text returns a text of the same length, in bytes, without what it says of people.
func (m *masker) text(s string) string {
	out := []byte(s)
	for i, c := range out {
		if c >= '0' && c <= '9' && !strings.HasSuffix(strings.TrimRight(s[:i], "0123456789"), conversation.HiddenWord) {
			out[i] = '9'
		}
	}
	m.addresses(out)
	for at := 0; at < len(s); {
		start := at + strings.IndexFunc(s[at:], func(r rune) bool { return !notLetter(r) })
		if start < at {
			break
		}
		end := len(s)
		if n := strings.IndexFunc(s[start:], notLetter); n >= 0 {
			end = start + n
		}
		word := strings.ToLower(s[start:end])
		if other, ok := m.digits[word]; ok && len(word) == end-start {
			copy(out[start:end], other)
		}
		if m.words[word] {
			blank(out[start:end])
		}
		at = end
	}
	return string(out)
}

// addresses blanks addresses of e-mail: everything around an @ up to a blank or a quote.
func (m *masker) addresses(out []byte) {
	const ends = " \t\n\"'<>(),;"
	for i, c := range out {
		if c != '@' {
			continue
		}
		start := bytes.LastIndexAny(out[:i], ends) + 1
		end := len(out)
		if n := bytes.IndexAny(out[i:], ends); n >= 0 {
			end = i + n
		}
		blank(out[start:end])
	}
}

// blank makes each letter one that says nothing and has as many bytes.
func blank(b []byte) {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case !unicode.IsLetter(r) && !unicode.IsMark(r):
		case n == 1 && unicode.IsUpper(r):
			b[i] = 'X'
		default:
			copy(b[i:], [...]string{"", "x", "é", "あ", "𠀀"}[n])
		}
		i += n
	}
}
