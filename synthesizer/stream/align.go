package stream

import (
	"strings"
	"time"
	"unicode"

	"github.com/sidetone/sidetone/synthesizer"
)

// span is when a word sounds, in the vendor's sound.
type span struct{ from, to time.Duration }

// aligner finds the words of a text in what a vendor says it spoke, which may be
// cut, joined or written otherwise. What it cannot find lies between what it
// found.
type aligner struct {
	words []synthesizer.Word // of the text
	keys  []string           // their letters and digits
	spans []span             // of words[:next], and of a word that is half spoken
	next  int                // the word to come
	used  int                // bytes of its key that were spoken
	last  time.Duration      // end of what was spoken
}

func newAligner(text string) *aligner {
	a := &aligner{words: synthesizer.SplitWords(text)}
	a.keys, a.spans = make([]string, len(a.words)), make([]span, len(a.words))
	for i, w := range a.words {
		a.keys[i] = letters(text[w.Start:w.End])
	}
	return a
}

// letters are the letters and digits of a text, in lower case.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, strings.ToValidUTF8(text, ""))
}

// longest bounds the times that a vendor may claim.
const longest = time.Hour

// ahead is how many words of a text may have been written otherwise in a row.
const ahead = 8

// spoken takes a word, or a part of one, that the vendor spoke.
func (a *aligner) spoken(said string, from, to time.Duration) {
	key := letters(said)
	from = max(min(from, longest), a.last)
	to = max(min(to, longest), from)
	for key != "" && a.next < len(a.keys) {
		rest := a.keys[a.next][a.used:]
		switch {
		case strings.HasPrefix(rest, key):
			a.consume(len(key), from, to)
			return
		case strings.HasPrefix(key, rest):
			part := from + (to-from)*time.Duration(len(rest))/time.Duration(len(key))
			a.consume(len(rest), from, part)
			from, key = part, key[len(rest):]
		default:
			found := a.find(key)
			if found < 0 {
				return
			}
			a.skip(found, from)
		}
	}
}

// consume says that n bytes of the word to come were spoken.
func (a *aligner) consume(n int, from, to time.Duration) {
	s := &a.spans[a.next]
	if a.used == 0 {
		s.from = from
	}
	s.to, a.last = to, to
	if a.used += n; a.used == len(a.keys[a.next]) {
		a.next, a.used = a.next+1, 0
	}
}

// find returns the word further on that was spoken; -1 for none.
func (a *aligner) find(key string) int {
	for i := a.next + 1; i < min(a.next+1+ahead, len(a.keys)); i++ {
		if a.keys[i] == key || len(key) > 2 && strings.HasPrefix(a.keys[i], key) {
			return i
		}
	}
	return -1
}

// skip shares the time up to until among the words before found.
func (a *aligner) skip(found int, until time.Duration) {
	begin := a.last
	if a.used > 0 {
		begin = a.spans[a.next].from
	}
	n := time.Duration(found - a.next)
	for i := range n {
		a.spans[a.next+int(i)] = span{begin + (until-begin)*i/n, begin + (until-begin)*(i+1)/n}
	}
	a.next, a.used, a.last = found, 0, max(a.last, until)
}

// end shares what is left of the sound among the words that were not found; there
// are none when the vendor gave no times at all.
func (a *aligner) end(total time.Duration) {
	if a.last > 0 && a.next < len(a.keys) {
		a.skip(len(a.keys), max(total, a.last))
	}
}
