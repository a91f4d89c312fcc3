package sidetone

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/big"
	"strings"
)

// Secret is text that cannot be printed by accident: every formatting verb,
// JSON and slog show stars. Reveal is the only way out.
type Secret string

// String returns stars.
func (s Secret) String() string { return "********" }

// GoString returns stars.
func (s Secret) GoString() string { return "********" }

// Format writes stars for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("********")) }

// MarshalText returns stars, and nothing for an empty secret, so that a stored
// snapshot tells none from some.
func (s Secret) MarshalText() ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	return []byte("********"), nil
}

// LogValue returns stars.
func (s Secret) LogValue() slog.Value { return slog.StringValue("********") }

// Reveal returns the text. Callers hand it to the wire and nowhere else.
func (s Secret) Reveal() string { return string(s) }

// Hash returns the SHA-256 of the text, as keys are stored.
func (s Secret) Hash() [32]byte { return sha256.Sum256([]byte(s)) }

// Hint returns the last four characters; "" when the text is shorter than 12.
func (s Secret) Hint() string {
	if len(s) < 12 {
		return ""
	}
	return string(s[len(s)-4:])
}

// KeyPrefix starts every API key we issue, so that scanners find leaked ones.
const KeyPrefix = "sk_live_"

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// NewKey makes the secret of an API key: the prefix, 178 bits of randomness in
// base 62, and a checksum of six characters.
func NewKey() Secret {
	var b strings.Builder
	b.WriteString(KeyPrefix)
	for range 30 {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			panic(err) // the system's random source never fails
		}
		b.WriteByte(alphabet[n.Int64()])
	}
	return Secret(b.String() + checksum(b.String()))
}

func checksum(s string) string {
	n := crc32.ChecksumIEEE([]byte(s))
	var t [6]byte
	for i := range t {
		t[5-i] = alphabet[n%62]
		n /= 62
	}
	return string(t[:])
}
