package sidetone

import "strings"

// maxKey is the most characters of a resource's key.
const maxKey = 128

// validKey checks a resource's key: up to 128 letters, digits, dots, hyphens
// and underscores, the first a letter or a digit; "" is none.
func validKey(key string) error {
	alphanumeric := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' }
	bad := strings.ContainsFunc(key, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("._-", r) })
	if len(key) > maxKey || bad || key != "" && !alphanumeric(rune(key[0])) {
		return Errorf(Invalid, "key must be at most %d letters, digits, dots, hyphens and underscores, the first a letter or a digit", maxKey)
	}
	return nil
}
