package conversation

import (
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lexicon holds the word lists of one language. Phrases have their words
// separated by one space, in lower case.
type lexicon struct {
	// hums say nothing at all; backchannels also agree.
	hums, backchannels list
	// stops always interrupt; farewells never delay the agent's hang-up.
	stops, farewells list
	// hanging words hardly ever end a sentence. A word that may ("that",
	// "then") is not listed: it would cost every such sentence the long wait.
	hanging list
	// digits are spoken digits and the words that separate them.
	digits list
	// dictated are things that callers give digit by digit or letter by letter.
	dictated list
	// abbreviations end in a full stop without ending a sentence.
	abbreviations list
	// denials before a word such as "booked" deny it, wish for it or put it into the future,
	// with nothing but links between; ifs do at the beginning of a clause, and so do whens when a
	// link is before the word ("once your table is booked", but not "once you called I booked").
	denials, links, ifs, whens list
	// wishes are denials unless one of finites is between ("you want it booked", but not "the table
	// you want is booked").
	wishes, finites list
	// joints begin another clause without a mark.
	joints list
	// askers begin questions; askEnds end those that need no question mark.
	askers, askEnds list
}

// list holds words or phrases, with a | between them. It is searched as it is: each call has
// a machine, and would keep slices of its own.
type list string

// all yields what is in the list; an empty one has nothing.
func (l list) all() iter.Seq[string] {
	if l == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(string(l), "|")
}

// any reports whether something in the list is as wanted.
func (l list) any(wanted func(string) bool) bool {
	for s := range l.all() {
		if wanted(s) {
			return true
		}
	}
	return false
}

// has reports whether s is in the list.
func (l list) has(s string) bool { return l.any(func(of string) bool { return of == s }) }

// wordsOf splits text into lower-case words without punctuation. A hyphen
// separates words, an apostrophe does not.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && !unicode.IsMark(r)
	})
}

// sameWords reports whether a and b differ in case and punctuation only.
func sameWords(a, b string) bool { return slices.Equal(wordsOf(a), wordsOf(b)) }

// madeOf reports whether words consist of nothing but phrases of the lists.
func madeOf(words []string, lists ...list) bool {
	for len(words) > 0 {
		n := longestPhrase(words, lists...)
		if n == 0 {
			return false
		}
		words = words[n:]
	}
	return true
}

// contains reports whether words contain a phrase of the list.
func contains(words []string, phrases list) bool {
	for i, w := range words {
		inside := func(phrase string) bool { return wide(phrase) && strings.Contains(w, phrase) }
		if longestPhrase(words[i:], phrases) > 0 || phrases.any(inside) {
			return true
		}
	}
	return false
}

// attached reports whether a phrase is of a language that attaches particles to words:
// it is then looked for inside them.
func attached(phrase string) bool {
	r, _ := utf8.DecodeRuneInString(phrase)
	return unblanked(r) || unicode.Is(unicode.Hangul, r)
}

// longestPhrase returns how many leading words form a phrase of the lists.
func longestPhrase(words []string, lists ...list) int {
	for n := min(4, len(words)); n > 0; n-- {
		phrase := strings.Join(words[:n], " ")
		for _, l := range lists {
			if l.has(phrase) {
				return n
			}
		}
	}
	return 0
}

// dictation counts the spoken digits and single letters that end words.
func (l *lexicon) dictation(words []string) int {
	count := 0
	for i := len(words) - 1; i >= 0; i-- {
		w := words[i]
		switch {
		case strings.IndexFunc(w, func(r rune) bool { return !unicode.IsDigit(r) }) < 0:
			count += utf8.RuneCountInString(w)
		case len([]rune(w)) == 1 || l.digits.has(w) || hiddenDigit(w):
			count++
		default:
			return count
		}
	}
	return count
}

// asksForDictation reports whether the agent's last sentence asks for something
// that is given digit by digit.
func (l *lexicon) asksForDictation(agent string) bool {
	inside := func(phrase string) bool { return attached(phrase) && strings.Contains(agent, phrase) }
	return contains(wordsOf(agent), l.dictated) || l.dictated.any(inside) || strings.Contains(strings.ToLower(agent), "e-mail")
}
