package sip

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// someKey is a key that a test can tell from another one.
func someKey(b byte) masterKey {
	return keyOf((*[keySize + saltSize]byte)(bytes.Repeat([]byte{b}, keySize+saltSize)))
}

func inline(b byte) string {
	return "inline:" + base64.StdEncoding.EncodeToString(someKey(b).secret()[:])
}

func TestCryptoLines(t *testing.T) {
	t.Parallel()
	short := "inline:" + base64.StdEncoding.EncodeToString(make([]byte, 29))
	long := "inline:" + base64.StdEncoding.EncodeToString(make([]byte, 46))
	for _, test := range []struct {
		name, value string
		suite       cryptoSuite
		ok          bool
	}{
		{"usual", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1), suite80, true},
		{"short tag", "9 AES_CM_128_HMAC_SHA1_32 " + inline(1), suite32, true},
		{"lower case", "1 aes_cm_128_hmac_sha1_80 INLINE:" + inline(1)[7:], suite80, true},
		{"tabs and blanks", "1\tAES_CM_128_HMAC_SHA1_80   " + inline(1) + " ", suite80, true},
		{"lifetime", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + "|2^31", suite80, true},
		{"lifetime in digits", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + "|1048576", suite80, true},
		{"window hint", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + " WSH=128", suite80, true},
		{"optional parameter", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + " -X=1", suite80, true},
		{"lifetime and mki", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + "|2^20|1:4", 0, false},
		{"mki alone", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + "|1:4", 0, false},
		{"lifetime of nothing", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + "|0", 0, false},
		{"lifetime beyond all", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + "|2^64", 0, false},
		{"two keys", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + ";" + inline(2), 0, false},
		{"unencrypted", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + " UNENCRYPTED_SRTP", 0, false},
		{"unauthenticated", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + " UNAUTHENTICATED_SRTP", 0, false},
		{"derivation rate", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + " KDR=1", 0, false},
		{"unknown parameter", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + " X=1", 0, false},
		{"known and unknown parameter", "1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + " WSH=64 X", 0, false},
		{"short key", "1 AES_CM_128_HMAC_SHA1_80 " + short, 0, false},
		{"long key", "1 AES_CM_128_HMAC_SHA1_80 " + long, 0, false},
		{"no base64", "1 AES_CM_128_HMAC_SHA1_80 inline:" + strings.Repeat("!", 40), 0, false},
		{"another method", "1 AES_CM_128_HMAC_SHA1_80 uri:" + inline(1)[7:], 0, false},
		{"another suite", "1 AES_256_CM_HMAC_SHA1_80 " + inline(1), 0, false},
		{"F8", "1 F8_128_HMAC_SHA1_80 " + inline(1), 0, false},
		{"no tag", "AES_CM_128_HMAC_SHA1_80 " + inline(1), 0, false},
		{"negative tag", "-1 AES_CM_128_HMAC_SHA1_80 " + inline(1), 0, false},
		{"nothing", "", 0, false},
		{"no key", "1 AES_CM_128_HMAC_SHA1_80", 0, false},
	} {
		got, ok := parseCrypto(test.value)
		if ok != test.ok || ok && (got.suite != test.suite || !got.key.same(someKey(1))) {
			t.Errorf("%s: %v, %v", test.name, got, ok)
		}
	}
}

// Whoever prints what holds a key does not print the key.
func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	k := someKey('K')
	line := cryptoLine{tag: 1, key: k}
	held := struct {
		g guard
		s stream
		l localSDP
	}{guard{keys: &[suites]masterKey{k, k}}, stream{crypto: &streamKeys{line: line, ours: k}}, localSDP{guard: guard{keys: &[suites]masterKey{k, k}}}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{k, line, held, &held, *held.s.crypto, held.s.crypto, held.g.keys} {
			text := fmt.Sprintf(format, v)
			for _, part := range []string{"KKKK", "75, 75", "75 75", "0x4b, 0x4b", base64.StdEncoding.EncodeToString([]byte("KKKKKK"))} {
				if strings.Contains(text, part) {
					t.Errorf("%s prints the key: %s", format, text)
				}
			}
		}
	}
}

func FuzzCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 " + inline(1) + "|2^20 -X WSH=64")
	f.Add("2 AES_CM_128_HMAC_SHA1_32 " + inline(9) + "|2^20|1:4")
	f.Add("3 F8_128_HMAC_SHA1_80 inline:")
	f.Fuzz(func(t *testing.T, value string) {
		c, ok := parseCrypto(value)
		if !ok {
			return
		}
		text := strings.TrimSuffix(strings.TrimPrefix(c.attribute(), "a=crypto:"), "\r\n")
		again, ok := parseCrypto(text)
		if !ok || again.tag != c.tag || again.suite != c.suite || !again.key.same(c.key) || newContext(c.suite, c.key) == nil {
			t.Fatalf("%q becomes another line", value)
		}
	})
}
