package sidetone

import "strings"

// NormalisePhone returns number in E.164 with plus: spaces, punctuation and a
// missing plus are tolerated, letters are not. ok is false when fewer than 3
// or more than 15 digits remain or another character occurs.
func NormalisePhone(number string) (e164 string, ok bool) {
	var b strings.Builder
	b.WriteByte('+')
	for i, r := range strings.TrimSpace(number) {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '+' && i == 0:
		case strings.ContainsRune(" -().\u00a0/", r):
		default:
			return "", false
		}
	}
	digits := b.Len() - 1
	return b.String(), digits >= 3 && digits <= 15
}
