package sidetone

import "strings"

// MaxKey is the most characters of a resource's key.
const MaxKey = 128

// ValidKey reports whether key can be a resource's: up to MaxKey letters,
// digits, dots, hyphens and underscores, the first a letter or a digit.
func ValidKey(key string) bool {
	alphanumeric := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' }
	bad := strings.ContainsFunc(key, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("._-", r) })
	return key != "" && len(key) <= MaxKey && !bad && alphanumeric(rune(key[0]))
}

// validKey checks a resource's key; "" is none.
func validKey(key string) error {
	if key != "" && !ValidKey(key) {
		return Errorf(Invalid, "key must be at most %d letters, digits, dots, hyphens and underscores, the first a letter or a digit", MaxKey)
	}
	return nil
}
