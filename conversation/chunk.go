package conversation

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// chunker cuts the model's stream into utterances: whole sentences, but first of
// all a clause when the sentence is not complete yet; the first of at least three
// words.
type chunker struct {
	abbreviations list
	rest          string
	cut           bool // an utterance was cut already
}

const (
	firstWords = 3
	// enclosing are marks behind a sentence that do not end it, closers all that
	// belong to the sentence before them.
	enclosing = "\"')]*"
	closers   = "?!.。！？」』）”" + enclosing
)

// push adds text and returns the utterances that it completed.
func (c *chunker) push(text string) []string {
	if c.cut && c.rest == "" {
		// A mark that came too late for the sentence it closes.
		text = strings.TrimLeft(text, closers)
	}
	c.rest += text
	out := c.take(false)
	if end := c.clause(); end > 0 {
		out = append(out, spoken(c.rest[:end]))
		c.rest, c.cut = c.rest[end:], true
	}
	return out
}

// clause returns the end of the first clause of an answer whose first sentence is
// not complete; 0 when it may not be said alone.
func (c *chunker) clause() int {
	if c.cut || strings.ContainsAny(lastRune(strings.TrimRight(c.rest, enclosing)), ".…") {
		return 0 // cut already, or complete unless the full stop is that of an abbreviation
	}
	for i, r := range c.rest {
		end := i + utf8.RuneLen(r)
		mark := strings.ContainsRune("、，；：", r) || strings.ContainsRune(",;:", r) && strings.HasPrefix(c.rest[end:], " ")
		if mark && countWords(spoken(c.rest[:end])) >= firstWords {
			return end
		}
	}
	return 0
}

// flush returns what is left when the model is done.
func (c *chunker) flush() []string {
	out := c.take(true)
	if s := spoken(c.rest); s != "" {
		out = append(out, s)
	}
	c.rest = ""
	return out
}

// whole returns complete sentences only and drops the rest, for a stream that
// failed.
func (c *chunker) whole() []string {
	out := c.take(true)
	c.rest = ""
	return out
}

func (c *chunker) take(done bool) []string {
	var out []string
	for from := 0; ; {
		end := c.boundary(from, done)
		if end < 0 {
			return out
		}
		s := spoken(c.rest[:end])
		if s == "" || !c.cut && countWords(s) < firstWords {
			from = end
			if s == "" {
				c.rest, from = c.rest[end:], 0
			}
			continue
		}
		out = append(out, s)
		c.rest, c.cut = c.rest[end:], true
		from = 0
	}
}

// boundary returns the end of the first sentence that ends after from, or -1.
func (c *chunker) boundary(from int, done bool) int {
	for i := from; i < len(c.rest); {
		r, size := utf8.DecodeRuneInString(c.rest[i:])
		end := i + size
		switch r {
		case '\n', '।':
			return end
		case '?', '!', '。', '！', '？':
			return c.closing(end)
		case '.', '…':
			after := c.closing(end)
			if c.ends(i, after, done) {
				return after
			}
			end = after
		}
		i = end
	}
	return -1
}

// closing skips marks that belong to the sentence before them.
func (c *chunker) closing(i int) int {
	return len(c.rest) - len(strings.TrimLeft(c.rest[i:], closers))
}

// ends reports whether the full stop at dot ends a sentence; after is the byte
// behind it and what closes with it.
func (c *chunker) ends(dot, after int, done bool) bool {
	if after >= len(c.rest) {
		return done
	}
	next, _ := utf8.DecodeRuneInString(c.rest[after:])
	if !unicode.IsSpace(next) {
		return false
	}
	if c.rest[after-1] != '.' || after-dot > 1 {
		return true
	}
	line := c.rest[strings.LastIndexByte(c.rest[:dot], '\n')+1 : dot]
	word := strings.ToLower(line[strings.LastIndexAny(line, " \t(")+1:])
	if strings.TrimSpace(line) == strings.TrimSpace(word) && isNumber(word) {
		return false
	}
	if utf8.RuneCountInString(word) == 1 && word != "i" && !isNumber(word) {
		return false
	}
	return !c.abbreviations.has(word)
}

func isNumber(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsDigit(r) }) < 0
}

// spoken returns text as it can be read aloud: without markup and pictographs,
// blanks run together; "" when nothing is left to say.
func spoken(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(unmarked(line))
		b.WriteByte(' ')
	}
	out := strings.Join(strings.Fields(b.String()), " ")
	if strings.IndexFunc(out, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) < 0 {
		return ""
	}
	return out
}

// unmarked strips Markdown from one line.
func unmarked(line string) string {
	line = strings.TrimSpace(line)
	line = strings.TrimSpace(strings.TrimLeft(line, "#>"))
	for _, bullet := range []string{"- ", "* ", "+ ", "• "} {
		line = strings.TrimPrefix(line, bullet)
	}
	line = unlinked(line)
	return strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune("*`~|", r), isPictograph(r):
			return -1
		case r == '_':
			return ' '
		default:
			return r
		}
	}, line)
}

// unlinked replaces [text](address) by its text.
func unlinked(line string) string {
	for {
		mid := strings.Index(line, "](")
		if mid < 0 {
			return line
		}
		open := strings.LastIndexByte(line[:mid], '[')
		end := strings.IndexByte(line[mid:], ')')
		if open < 0 || end < 0 {
			return line
		}
		line = line[:open] + line[open+1:mid] + line[mid+end+1:]
	}
}

func isPictograph(r rune) bool {
	switch {
	case r >= 0x1F000 && r <= 0x1FAFF, r >= 0x2600 && r <= 0x27BF, r >= 0x2B00 && r <= 0x2BFF:
		return true
	case r == 0x200D, r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0000 && r <= 0xE007F:
		return true
	default:
		return false
	}
}
