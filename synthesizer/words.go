package synthesizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// SplitWords returns the words of text with their byte offsets, in order and
// without times. A word is a run without white space that has a letter or a
// digit in it; punctuation that stands alone belongs to the word before it, or
// to the first word when none is before it. Text without a word gives nil.
func SplitWords(text string) []Word {
	var words []Word
	pending := -1 // start of punctuation before the first word
	for start, end := range runs(text) {
		if strings.IndexFunc(text[start:end], spoken) < 0 {
			switch {
			case len(words) > 0:
				words[len(words)-1].End = end
			case pending < 0:
				pending = start
			}
			continue
		}
		if pending >= 0 {
			start, pending = pending, -1
		}
		words = append(words, Word{Start: start, End: end})
	}
	return words
}

func spoken(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// runs yields the bounds of the runs of text without white space.
func runs(text string) func(yield func(start, end int) bool) {
	return func(yield func(start, end int) bool) {
		start := -1
		for i := 0; i < len(text); {
			r, size := utf8.DecodeRuneInString(text[i:])
			switch {
			case unicode.IsSpace(r):
				if start >= 0 && !yield(start, i) {
					return
				}
				start = -1
			case start < 0:
				start = i
			}
			i += size
		}
		if start >= 0 {
			yield(start, len(text))
		}
	}
}
