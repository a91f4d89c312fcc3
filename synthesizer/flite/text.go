package flite

import (
	"strings"
	"unicode"

	"github.com/sidetone/sidetone/synthesizer"
)

// word is a word of the request and how the program is asked to say it.
type word struct {
	start, end int
	say        string
}

// sentence is a run of words that is rendered at once.
type sentence struct{ words []word }

// clean returns the sentence as the program gets it: printable ASCII that does
// not begin with a dash.
func (s sentence) clean() string {
	all := make([]string, len(s.words))
	for i, w := range s.words {
		all[i] = w.say
	}
	return strings.Join(all, " ")
}

// maxWords bounds a sentence; longer ones are broken, at a comma if there is one
// in their second half.
const maxWords = 60

// sentences splits text where a sentence ends. Words that cannot be said belong
// to the word before them.
func sentences(text string) []sentence {
	var all []sentence
	var run []word
	flush := func() {
		if len(run) > 0 {
			all = append(all, sentence{run})
			run = nil
		}
	}
	words := synthesizer.SplitWords(text)
	for i, w := range words {
		say := sayable(text[w.Start:w.End])
		if say == "" {
			if len(run) > 0 {
				run[len(run)-1].end = w.End
			}
			continue
		}
		run = append(run, word{w.Start, w.End, say})
		next := ""
		if i+1 < len(words) {
			next = text[words[i+1].Start:words[i+1].End]
		}
		if endsSentence(say, next) || len(run) >= maxWords || (len(run) > maxWords/2 && strings.HasSuffix(say, ",")) {
			flush()
		}
	}
	flush()
	return all
}

// endsSentence reports whether a sentence ends after say, before next.
func endsSentence(say, next string) bool {
	bare := strings.TrimRight(say, `"')]`)
	if strings.HasSuffix(bare, "!") || strings.HasSuffix(bare, "?") {
		return true
	}
	if !strings.HasSuffix(bare, ".") {
		return false
	}
	first := strings.TrimLeftFunc(next, func(r rune) bool { return !spoken(r) })
	if first == "" || unicode.IsLower([]rune(first)[0]) {
		return first == ""
	}
	switch stem := strings.ToLower(strings.Trim(bare, `."'(`)); stem {
	case "mr", "mrs", "ms", "dr", "st", "prof", "jr", "sr", "vs", "no", "e.g", "i.e", "p.m", "a.m":
		return false
	default:
		return len(stem) > 1 // not an initial
	}
}

func spoken(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// sayable reduces a word to printable ASCII; "" when nothing to say is left.
func sayable(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteString(ascii(r))
	}
	say := strings.TrimLeft(b.String(), `-./\,;:!?*_`)
	if strings.IndexFunc(say, spoken) < 0 {
		return ""
	}
	return say
}

// ascii returns what stands for r in the program's alphabet.
func ascii(r rune) string {
	switch {
	case r == '’' || r == '‘':
		return "'"
	case r == '–' || r == '—':
		return ","
	case r == '<' || r == '>' || r == '`' || r == '|' || r == '\\' || r == '"':
		return ""
	case r > ' ' && r < 0x7f:
		return string(r)
	}
	const from = "àáâãåäæçèéêëìíîïñòóôõöøùúûüýÿß€£"
	to := []string{
		"a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i",
		"n", "o", "o", "o", "o", "o", "o", "u", "u", "u", "u", "y", "y", "ss", "euro", "pound",
	}
	place := 0
	for _, known := range from {
		if known == unicode.ToLower(r) {
			return to[place]
		}
		place++
	}
	return ""
}
