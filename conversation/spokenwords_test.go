package conversation

import (
	"strings"
	"time"
)

// evenWords gives every word of text the same share of the sound.
func evenWords(text string, total time.Duration) []Word {
	fields := strings.Fields(text)
	var words []Word
	at := 0
	for i, w := range fields {
		start := strings.Index(text[at:], w) + at
		at = start + len(w)
		n := time.Duration(len(fields))
		words = append(words, Word{
			Start: start, End: at, From: total * time.Duration(i) / n, To: total * time.Duration(i+1) / n,
		})
	}
	return words
}
