package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

const (
	// ErrMalformed says that a text was not written by this package.
	ErrMalformed Error = "not a sealed value"
	// ErrRefused says that a value was changed, moved or sealed with another
	// key; decryption cannot tell which.
	ErrRefused Error = "the sealed value does not open here"
	// ErrUnknownMaster says that a data key was wrapped with a master key that
	// is not among those given.
	ErrUnknownMaster Error = "the master key that wrapped this data key is not known"
)

// The first part of a stored text names its format, so that later formats can be
// told from this one.
const (
	sealedMark  = "s1"
	wrappedMark = "w1"
)

// Place is where a sealed value is stored. All of it is authenticated.
type Place struct {
	// Environment, Table, Row and Column name the value's one place; none of
	// them is secret.
	Environment, Table, Row, Column string
}

// Seal encrypts text for one place. version numbers the data key within its
// environment and can be read back by VersionOf. Every call returns another
// ciphertext.
func Seal(k Key, version int64, p Place, text string) string {
	return join(sealedMark, strconv.FormatInt(version, 10), encrypt(k, p.bound(version), []byte(text)))
}

// Open returns the text that Seal encrypted with the same key for the same
// place; ErrRefused otherwise.
func Open(k Key, p Place, sealed string) (string, error) {
	version, body, err := split(sealedMark, sealed)
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return "", ErrMalformed
	}
	text, err := decrypt(k, p.bound(n), body)
	return string(text), err
}

// VersionOf returns the version of the data key that sealed the value.
func VersionOf(sealed string) (int64, error) {
	version, _, err := split(sealedMark, sealed)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return 0, ErrMalformed
	}
	return n, nil
}

// Prefix starts every value that the data key of the version has sealed.
func Prefix(version int64) string { return sealedMark + "." + strconv.FormatInt(version, 10) + "." }

// Wrap encrypts an environment's data key with the first master key. m must not
// be empty.
func (m Masters) Wrap(environment string, version int64, data Key) string {
	return join(wrappedMark, m[0].ID(), encrypt(m[0], wrapping(environment, version), data[:]))
}

// Unwrap returns the data key that Wrap encrypted for the environment and
// version with any of the keys; ErrUnknownMaster when that one is not here.
func (m Masters) Unwrap(environment string, version int64, wrapped string) (Key, error) {
	var data Key
	id, body, err := split(wrappedMark, wrapped)
	if err != nil {
		return data, err
	}
	master, ok := m.find(id)
	if !ok {
		return data, fmt.Errorf("%w (it has the id %.16s)", ErrUnknownMaster, id)
	}
	b, err := decrypt(master, wrapping(environment, version), body)
	if err != nil {
		return data, err
	}
	if len(b) != len(data) {
		return data, ErrMalformed
	}
	copy(data[:], b)
	return data, nil
}

// Current reports whether the first master key wrapped the data key. m must not
// be empty.
func (m Masters) Current(wrapped string) bool {
	return WrappedBy(wrapped) == m[0].ID()
}

// WrappedBy returns the id of the master key that wrapped the data key, "" when
// the text is no wrapped key.
func WrappedBy(wrapped string) string {
	id, _, err := split(wrappedMark, wrapped)
	if err != nil {
		return ""
	}
	return id
}

// bound is what is authenticated beside a value: each part with its length in
// front, so that no two places have the same bytes.
func (p Place) bound(version int64) []byte {
	return authenticated(sealedMark, strconv.FormatInt(version, 10), p.Environment, p.Table, p.Row, p.Column)
}

func wrapping(environment string, version int64) []byte {
	return authenticated(wrappedMark, strconv.FormatInt(version, 10), environment)
}

func authenticated(parts ...string) []byte {
	var b []byte
	for _, part := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

func encrypt(k Key, bound, text []byte) []byte { return gcm(k).Seal(nil, nil, text, bound) }

func decrypt(k Key, bound, body []byte) ([]byte, error) {
	out, err := gcm(k).Open(nil, nil, body, bound)
	if err != nil {
		return nil, ErrRefused
	}
	return out, nil
}

// gcm is AES-256-GCM with a random nonce of 96 bits in front of each ciphertext
// (NIST SP 800-38D: good for 2^32 values a key).
func gcm(k Key) cipher.AEAD {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err) // the length of a Key is right by its type
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the block size that GCM needs
	}
	return aead
}

func join(mark, name string, body []byte) string {
	return mark + "." + name + "." + base64.RawURLEncoding.EncodeToString(body)
}

func split(mark, text string) (name string, body []byte, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || parts[0] != mark {
		return "", nil, ErrMalformed
	}
	body, err = base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil {
		return "", nil, ErrMalformed
	}
	return parts[1], body, nil
}
