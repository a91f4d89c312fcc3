package rerun

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sidetone/sidetone/conversation"
)

const (
	// usualRune and usualFirst are how long a character and the wait for the first sound
	// take, when the call does not tell.
	usualRune  = 65 * time.Millisecond
	usualFirst = 200 * time.Millisecond
)

// pace is how a voice spoke in a call.
type pace struct {
	perRune, first time.Duration
	// words: it tells when words are spoken.
	words bool
}

// speak returns the sound of a text that the voice has not spoken.
func (p pace) speak(text string) conversation.Voiced {
	total := max(200*time.Millisecond, time.Duration(utf8.RuneCountInString(text))*p.perRune).Truncate(time.Microsecond)
	v := conversation.Voiced{Total: total, Done: true}
	if p.words {
		v.Words = wordsOf(text, total)
	}
	return v
}

// wordsOf gives the words of a text shares of its sound by their length.
func wordsOf(text string, total time.Duration) []conversation.Word {
	var out []conversation.Word
	at, size := 0, max(1, len(text))
	for word := range strings.FieldsSeq(text) {
		start := at + strings.Index(text[at:], word)
		at = start + len(word)
		out = append(out, conversation.Word{Start: start, End: at,
			From: (total * time.Duration(start) / time.Duration(size)).Truncate(time.Microsecond),
			To:   (total * time.Duration(at) / time.Duration(size)).Truncate(time.Microsecond)})
	}
	return out
}

// synthesis is the making of an utterance's sound.
type synthesis struct {
	utt  uint64
	left []reply // what is still to come of it
	// It began at a time; begun: it has.
	begun bool
	began time.Duration
}

// voice makes the sound of utterances, one after the other, but for those that are to
// come before another one.
type voice struct {
	queue  []*synthesis
	beside []*synthesis
}

func (v *voice) say(now time.Duration, utt uint64, r *recording, ahead bool) {
	s := &synthesis{utt: utt, left: r.replies}
	switch {
	case ahead:
		s.begun, s.began = true, now
		v.beside = append(v.beside, s)
	default:
		v.queue = append(v.queue, s)
		v.start(now)
	}
}

// follow is say in the exact part of a call: the journal tells when it began.
func (v *voice) follow(utt uint64, r *recording, ahead bool) {
	s := &synthesis{utt: utt, left: r.replies, begun: true, began: r.at}
	if ahead {
		v.beside = append(v.beside, s)
	} else {
		v.queue = append(v.queue, s)
	}
}

// start begins the first synthesis of the queue.
func (v *voice) start(now time.Duration) {
	if len(v.queue) > 0 && !v.queue[0].begun {
		v.queue[0].begun, v.queue[0].began = true, now
	}
}

func (v *voice) drop(now time.Duration, utt uint64) {
	is := func(s *synthesis) bool { return s.utt == utt }
	v.queue, v.beside = slices.DeleteFunc(v.queue, is), slices.DeleteFunc(v.beside, is)
	v.start(now)
}

func (v *voice) hush() { v.queue, v.beside = nil, nil }

// first is the synthesis of which something comes next.
func (v *voice) first() *synthesis {
	var first *synthesis
	if len(v.queue) > 0 {
		first = v.queue[0]
	}
	for _, s := range v.beside {
		if first == nil || s.next() < first.next() {
			first = s
		}
	}
	return first
}

func (s *synthesis) next() time.Duration { return s.began + s.left[0].after }

// due returns when something comes next.
func (v *voice) due() (time.Duration, bool) {
	if s := v.first(); s != nil {
		return s.next(), true
	}
	return 0, false
}

// take returns what comes next.
func (v *voice) take() reply {
	s := v.first()
	r := s.left[0]
	at := s.next()
	if s.left = s.left[1:]; len(s.left) == 0 {
		v.drop(at, s.utt)
	}
	r.in = ofUtterance(r.in, s.utt)
	return r
}

// forget drops what has come up to a step of the call.
func (v *voice) forget(now time.Duration, step int) {
	for _, all := range []*[]*synthesis{&v.queue, &v.beside} {
		for _, s := range *all {
			s.begun = s.began <= now
			s.left = slices.DeleteFunc(slices.Clone(s.left), func(r reply) bool { return r.step <= step && r.step >= 0 })
		}
		*all = slices.DeleteFunc(*all, func(s *synthesis) bool { return len(s.left) == 0 })
	}
	v.start(now)
}

// ofUtterance gives an input of a voice another number.
func ofUtterance(in conversation.Input, utt uint64) conversation.Input {
	switch in := in.(type) {
	case conversation.Voiced:
		in.Utt = utt
		return in
	case conversation.VoiceFailed:
		in.Utt = utt
		return in
	default:
		return in
	}
}
