package conversation

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// charactersAWord is how many characters of a script without blanks count as one word:
// about as long as Japanese and Chinese words are.
const charactersAWord = 2

// unblanked reports whether r is of a script that puts no blanks between words.
func unblanked(r rune) bool {
	return r >= 0x0E00 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) || r == 'ー')
}

// wideMark reports whether r is a mark of such a script, which needs no blank either.
func wideMark(r rune) bool { return r >= 0x3000 && r <= 0x303F || r >= 0xFF00 && r <= 0xFF65 }

// countWords is how many words a text has.
func countWords(text string) int {
	count, run, inside := 0, 0, false
	for _, r := range text {
		if unblanked(r) {
			run, inside = run+1, false
			continue
		}
		count, run = count+(run+charactersAWord-1)/charactersAWord, 0
		if unicode.IsSpace(r) || wideMark(r) {
			inside = false
			continue
		}
		if !inside {
			count, inside = count+1, true
		}
	}
	return count + (run+charactersAWord-1)/charactersAWord
}

// lastWord returns where the last word of a text begins; behind its end when it ends in
// a blank.
func lastWord(text string) int {
	run, other := 0, false
	for i := len(text); i > 0; {
		r, size := utf8.DecodeLastRuneInString(text[:i])
		switch {
		case r == ' ', run > 0 && !unblanked(r), other && unblanked(r):
			return i
		case unblanked(r):
			if run++; run == charactersAWord {
				return i - size
			}
		default:
			other = other || !wideMark(r)
		}
		i -= size
	}
	return 0
}

// toRune moves a position in a text back to the beginning of a character.
func toRune(text string, at int) int {
	at = max(0, min(at, len(text)))
	for at > 0 && at < len(text) && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}

// WordBefore returns where the word begins that is before the one at a byte of text.
func WordBefore(text string, at int) int {
	at = lastWord(text[:toRune(text, at)])
	return lastWord(strings.TrimRight(text[:at], " "))
}

// oneWordLess cuts text[:at] back to a word boundary, and by one word more
// since words are not equally long.
func oneWordLess(text string, at int) int {
	at = toRune(text, at)
	if at < len(text) && text[at] != ' ' {
		at = len(strings.TrimRight(text[:lastWord(text[:at])], " "))
	}
	return len(strings.TrimRight(text[:lastWord(text[:at])], " "))
}

// joinWords joins texts by blanks, or by nothing where a script has none.
func joinWords(parts ...string) string {
	out := ""
	for _, p := range parts {
		p = strings.TrimSpace(p)
		if p == "" {
			continue
		}
		if out != "" && !(wide(lastRune(out)) && wide(p)) {
			out += " "
		}
		out += p
	}
	return out
}

// wide reports whether a text begins with a character of a script without blanks.
func wide(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return unblanked(r) || wideMark(r)
}
