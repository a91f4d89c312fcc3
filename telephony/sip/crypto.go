package sip

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/pion/srtp/v3"
)

// cryptoSuite is a way to encrypt and authenticate sound
// (https://www.rfc-editor.org/rfc/rfc4568#section-6.2).
type cryptoSuite uint8

const (
	suite80 cryptoSuite = iota // a tag of 80 bits
	suite32                    // one of 32, but for RTCP
	suites                     // how many there are
)

// String returns the suite's name.
func (s cryptoSuite) String() string {
	return [...]string{"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"}[s%suites]
}

func (s cryptoSuite) profile() srtp.ProtectionProfile {
	if s == suite32 {
		return srtp.ProtectionProfileAes128CmHmacSha1_32
	}
	return srtp.ProtectionProfileAes128CmHmacSha1_80
}

const (
	// keySize and saltSize are the lengths of a master key and its salt.
	keySize, saltSize = 16, 14
	// maxCryptoLines bounds the lines of a section that are kept.
	maxCryptoLines = 16
)

// masterKey is a master key and its salt. A function returns it, because package fmt
// prints what unexported members hold, but not what functions return. The zero one is no
// key.
type masterKey struct {
	secret func() *[keySize + saltSize]byte
}

// String returns "[secret]", or nothing without a key.
func (k masterKey) String() string {
	if k.secret == nil {
		return ""
	}
	return "[secret]"
}

// GoString returns what String returns.
func (k masterKey) GoString() string { return k.String() }

// newMasterKey returns a random key.
func newMasterKey() masterKey {
	k := new([keySize + saltSize]byte)
	rand.Read(k[:])
	return keyOf(k)
}

// keyOf returns what stands for a key.
func keyOf(k *[keySize + saltSize]byte) masterKey {
	return masterKey{func() *[keySize + saltSize]byte { return k }}
}

// same reports whether two are the same key.
func (k masterKey) same(other masterKey) bool {
	if k.secret == nil || other.secret == nil {
		return k.secret == nil && other.secret == nil
	}
	return *k.secret() == *other.secret()
}

// cryptoLine is an a=crypto attribute that can be used.
type cryptoLine struct {
	tag   int
	suite cryptoSuite
	key   masterKey
}

// String writes the attribute but for its key.
func (c cryptoLine) String() string { return strconv.Itoa(c.tag) + " " + c.suite.String() }

// attribute writes the line, with its key.
func (c cryptoLine) attribute() string {
	return "a=crypto:" + c.String() + " inline:" + base64.StdEncoding.EncodeToString(c.key.secret()[:]) + "\r\n"
}

// parseCrypto reads the value of an a=crypto attribute
// (https://www.rfc-editor.org/rfc/rfc4568#section-9.1). False for one that cannot be
// used: of another suite, with a key of another length, with several keys or a key
// index (MKI), or with a session parameter that has to be understood.
func parseCrypto(value string) (cryptoLine, bool) {
	fields := strings.Fields(value)
	if len(fields) < 3 {
		return cryptoLine{}, false
	}
	tag, err := strconv.ParseUint(fields[0], 10, 30)
	if err != nil {
		return cryptoLine{}, false
	}
	c := cryptoLine{tag: int(tag)}
	for c.suite < suites && !strings.EqualFold(c.suite.String(), fields[1]) {
		c.suite++
	}
	if c.suite == suites {
		return cryptoLine{}, false
	}
	for _, param := range fields[3:] {
		if !optionalParameter(param) {
			return cryptoLine{}, false
		}
	}
	var ok bool
	c.key, ok = parseKey(fields[2])
	return c, ok
}

// optionalParameter says whether a session parameter may be ignored: one that its
// sender marked so, or a hint about the replay window.
func optionalParameter(param string) bool {
	return strings.HasPrefix(param, "-") || len(param) > 4 && strings.EqualFold(param[:4], "WSH=")
}

// parseKey reads the key of an attribute: inline:KEY, and perhaps |LIFETIME. How long
// a key may be used binds its sender, so the figure need only make sense.
func parseKey(param string) (masterKey, bool) {
	const method = "inline:"
	if len(param) < len(method) || !strings.EqualFold(param[:len(method)], method) {
		return masterKey{}, false
	}
	text, lifetime, limited := strings.Cut(param[len(method):], "|")
	if limited && !validLifetime(lifetime) {
		return masterKey{}, false
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != keySize+saltSize {
		return masterKey{}, false
	}
	return keyOf((*[keySize + saltSize]byte)(raw)), true
}

// validLifetime reads a number of packets, also as a power of two (2^31).
func validLifetime(s string) bool {
	digits, power := strings.CutPrefix(s, "2^")
	n, err := strconv.ParseUint(digits, 10, 64)
	return err == nil && n > 0 && (!power && n <= 1<<48 || power && n <= 48)
}
