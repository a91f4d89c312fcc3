package vault

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Key is a 256-bit key. Every formatting verb prints stars.
type Key [32]byte

// NewKey returns a random key.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k[:]) // crypto/rand.Read never fails
	return k
}

// ParseKey reads a key as Text writes it: 32 bytes in base64 ([RFC 4648]
// section 4). The error does not repeat the text.
//
// [RFC 4648]: https://www.rfc-editor.org/rfc/rfc4648
func ParseKey(text string) (Key, error) {
	var k Key
	b, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != len(k) {
		return k, errors.New("a master key is 32 bytes in base64 (44 characters), as `openssl rand -base64 32` prints them")
	}
	copy(k[:], b)
	return k, nil
}

// Text returns the key in base64. Callers write it to the operator's key file
// and nowhere else.
func (k Key) Text() string { return base64.StdEncoding.EncodeToString(k[:]) }

// ID returns 16 hexadecimal digits that identify the key and do not help to guess
// it.
func (k Key) ID() string {
	sum := sha256.Sum256(append([]byte("sidetone master key\n"), k[:]...))
	return hex.EncodeToString(sum[:8])
}

// Format writes stars for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "********") }

// MarshalText returns stars.
func (k Key) MarshalText() ([]byte, error) { return []byte("********"), nil }

// Masters are the master keys a process knows. The first one wraps; the others
// only unwrap what an older one wrapped.
type Masters []Key

// ParseMasters reads one key or more, separated by commas or line ends. Empty
// lines and lines that start with # are skipped. No key at all is an error, as
// is the same key twice.
func ParseMasters(text string) (Masters, error) {
	var out Masters
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for part := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(part) == "" {
				continue
			}
			k, err := ParseKey(part)
			if err != nil {
				return nil, err
			}
			if _, known := out.find(k.ID()); known {
				return nil, errors.New("the same master key is given twice")
			}
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no master key is given")
	}
	return out, nil
}

// Text returns the keys, one a line, as ParseMasters reads them.
func (m Masters) Text() string {
	var b strings.Builder
	for _, k := range m {
		b.WriteString(k.Text() + "\n")
	}
	return b.String()
}

func (m Masters) find(id string) (Key, bool) {
	for _, k := range m {
		if k.ID() == id {
			return k, true
		}
	}
	return Key{}, false
}
