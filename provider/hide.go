package provider

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/sidetone/sidetone"
)

const (
	// cutFragment is how many characters of a secret are hidden where a text, or what it
	// repeats, is cut, and longFragment wherever they stand.
	cutFragment  = 6
	longFragment = 12
)

// shown is what may be told of a text: without secrets, which are looked for before it
// is shortened, and without the queries of addresses.
func (c *Client) shown(text string, limit int) string {
	return clip(hide(text, c.Secrets), limit)
}

// Name is a vendor's own name of something, which may come in a body: at most 100
// characters, without secrets.
func (c *Client) Name(id string) string { return c.shown(id, 100) }

// hide puts stars in the place of secrets, also of one that is written as in JSON, an
// address, a page or Base64, of a long piece of one, and of a shorter beginning or end
// where it is cut. It leaves out the queries of addresses, which may have a token.
func hide(text string, secrets []sidetone.Secret) string {
	for _, s := range secrets {
		if s == "" {
			continue
		}
		text = replace(text, s.String(), func(at int) int { return max(written(text[at:], s.Reveal()), fragment(text, at, s.Reveal())) })
		for _, core := range inBase64(s.Reveal()) {
			text = replace(text, s.String(), func(at int) int { return written(text[at:], core) })
		}
	}
	return withoutQueries(text)
}

// replace puts stars in the place of what a secret takes up, of which length tells how
// many bytes begin at a place.
func replace(text, stars string, length func(at int) int) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		n := length(i)
		if n == 0 {
			b.WriteByte(text[i])
			i++
			continue
		}
		b.WriteString(stars)
		i += n
	}
	return b.String()
}

// written is how many bytes at the beginning of a text are a secret, or enough of its
// beginning; 0 for none.
func written(text, secret string) int {
	at := 0
	for i := range len(secret) {
		n := character(text[at:], secret[i])
		switch {
		case n > 0:
			at += n
		case i >= longFragment, i >= cutFragment && breaksOff(text[at:]):
			return at
		default:
			return 0
		}
	}
	return at
}

// fragment is how many bytes of a text, from a place on, are a piece of a secret from its
// middle on: a long one, or its end where the text, or what it repeats, begins; 0 for none.
func fragment(text string, place int, secret string) int {
	most := 0
	for from := 1; from+cutFragment <= len(secret); from++ {
		at, i := place, from
		for i < len(secret) {
			n := character(text[at:], secret[i])
			if n == 0 {
				break
			}
			at, i = at+n, i+1
		}
		if i-from >= longFragment || i == len(secret) && i-from >= cutFragment && begins(text[:place]) {
			most = max(most, at-place)
		}
	}
	return most
}

// begins reports whether what comes behind a text may be the rest of something that was
// cut: it is the first of all, or behind marks of what is left out.
func begins(before string) bool {
	return before == "" || strings.HasSuffix(before, "…") || strings.HasSuffix(before, "..") || strings.HasSuffix(before, "*")
}

// breaksOff reports whether a text ends here, perhaps within an escaped character, or is
// marked as shortened.
func breaksOff(rest string) bool {
	return rest == "" || len(rest) < len(`\\u0000`) && strings.ContainsAny(rest[:1], `\%&`) ||
		strings.HasPrefix(rest, "…") || strings.HasPrefix(rest, "...")
}

// character is how many bytes at the beginning of a text are c: as it is, or escaped as
// in JSON ("\/", "\u002f"), an address ("%2F") or a page ("&#47;", "&#x2F;"); 0 for none.
func character(text string, c byte) int {
	if text == "" {
		return 0
	}
	escape, rest := text[0], text[1:]
	switch {
	case escape == c:
		return 1
	case escape == '%':
		for strings.HasPrefix(rest, "25") { // escaped more than once
			rest = rest[2:]
		}
		return coded(text, rest, 2, 16, c)
	case escape == '\\':
		rest = strings.TrimLeft(rest, `\`) // the same
		if rest != "" && rest[0] == c {
			return len(text) - len(rest) + 1
		}
		return coded(text, strings.TrimPrefix(rest, "u"), 4, 16, c)
	case strings.HasPrefix(text, "&#x"), strings.HasPrefix(text, "&#X"):
		return coded(text, text[3:], strings.IndexByte(text[3:], ';'), 16, c)
	case strings.HasPrefix(text, "&#"):
		return coded(text, text[2:], strings.IndexByte(text[2:], ';'), 10, c)
	}
	return 0
}

// coded is how many bytes of a text there are up to the end of the digits that rest
// begins with, and of the semicolon behind those of a page, if they are the code of c;
// else 0.
func coded(text, rest string, digits, base int, c byte) int {
	if digits < 1 || digits > len(rest) {
		return 0
	}
	if n, err := strconv.ParseUint(rest[:digits], base, 8); err != nil || byte(n) != c {
		return 0
	}
	n := len(text) - len(rest) + digits
	if text[0] == '&' {
		n++
	}
	return n
}

// inBase64 is how the middle of a secret is written in Base64, at each place that it may
// have between other bytes, in both alphabets.
func inBase64(secret string) (out []string) {
	for shift := range 3 {
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := e.EncodeToString([]byte(strings.Repeat(" ", shift) + secret))
			core := text[(shift*8+5)/6 : (shift+len(secret))*8/6]
			if len(core) > cutFragment {
				out = append(out, core)
			}
		}
	}
	return out
}

// withoutQueries cuts addresses at their query.
func withoutQueries(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "://")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := strings.IndexAny(after, " \t\r\n\"'<>()`\\")
		if end < 0 {
			end = len(after)
		}
		address, _, _ := strings.Cut(after[:end], "?")
		b.WriteString("://" + address)
		text = after[end:]
	}
}
