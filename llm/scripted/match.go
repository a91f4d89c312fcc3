package scripted

import (
	"strings"
	"unicode"
)

// pattern is a list of phrases that must all be said, in any order; a phrase is
// a list of words that must follow each other.
type pattern [][]string

// words returns the words of text in lower case, without punctuation.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(strings.ReplaceAll(text, "’", "'")), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
	})
}

// score says how well the words said fit: 0 not at all, more for more words and
// for closer ones.
func (p pattern) score(said []string) int {
	total := 0
	for _, phrase := range p {
		best := 0
		for i := range said {
			best = max(best, phraseAt(phrase, said[i:]))
		}
		if best == 0 {
			return 0
		}
		total += best
	}
	return total
}

// phraseAt scores a phrase against the beginning of said. Recognisers differ in
// where they put spaces, so "good bye" is also "goodbye", and the other way.
func phraseAt(phrase, said []string) int {
	if len(phrase) > 1 && said[0] == strings.Join(phrase, "") {
		return exact * len(phrase)
	}
	if len(phrase) == 1 && len(said) > 1 && said[0]+said[1] == phrase[0] {
		return exact
	}
	if len(said) < len(phrase) {
		return 0
	}
	total := 0
	for i, word := range phrase {
		like := alike(word, said[i])
		if like == 0 {
			return 0
		}
		total += like
	}
	return total
}

// The closeness of two words.
const (
	exact   = 4
	sameEnd = 3 // the same but for its ending
	misread = 2 // a recogniser's slip
)

// alike compares a key word with a word said.
func alike(key, said string) int {
	switch {
	case key == said:
		return exact
	case stem(key) == stem(said):
		return sameEnd
	}
	allowed := 0
	switch n := len([]rune(key)); {
	case n >= 9:
		allowed = 2
	case n >= 5:
		allowed = 1
	}
	if allowed > 0 && key[0] == said[0] && distance(key, said) <= allowed {
		return misread
	}
	return 0
}

// stem cuts the endings that English puts on a word, as long as three letters
// are left.
func stem(word string) string {
	word = strings.TrimSuffix(word, "'s")
	for _, ending := range []string{"ings", "ing", "ed", "es", "s"} {
		cut := strings.TrimSuffix(word, ending)
		if cut != word && len(cut) >= 3 && !strings.HasSuffix(cut, "s") {
			word = cut
			break
		}
	}
	return strings.TrimSuffix(word, "e")
}

// distance counts the letters to add, drop or change between two words.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		corner := row[0]
		row[0] = i + 1
		for j, s := range to {
			change := corner
			if r != s {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
