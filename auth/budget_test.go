package auth

import (
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sidetone/sidetone"
)

// forger presents tokens that are good but for their signature, no two the same.
func forger(t testing.TB, v *Verifier, token string, size int) func(from string) error {
	t.Helper()
	unsigned := token[:strings.LastIndexByte(token, '.')+1]
	noise := rand.NewChaCha8([32]byte{1})
	return func(from string) error {
		signature := make([]byte, size)
		_, _ = noise.Read(signature)
		signature[0] &= 0x0f      // below the modulus of RS256 and the order of ES256
		signature[size/2] &= 0x0f // so is its second number
		signature[size-1] &= 0x0f // below the order of EdDSA
		_, err := v.Verify(unsigned+base64.RawURLEncoding.EncodeToString(signature), from)
		return err
	}
}

// everyKey is an issuer with a key of each algorithm, the tokens' makers, and how
// long their signatures are.
func everyKey(t testing.TB) (Issuer, map[jose.SignatureAlgorithm]func(string, map[string]any) string, map[jose.SignatureAlgorithm]int) {
	t.Helper()
	s := newSigners(t)
	issuer := issuerOf(hmacKey(), Key{ID: "r", Algorithm: "RS256", File: pemFile(t, s.rsa.Public())},
		Key{ID: "e", Algorithm: "ES256", File: pemFile(t, s.ec.Public())}, Key{ID: "d", Algorithm: "EdDSA", File: pemFile(t, s.ed.Public())})
	maker := func(algorithm jose.SignatureAlgorithm, key any) func(string, map[string]any) string {
		return func(kid string, change map[string]any) string { return sign(t, algorithm, key, kid, claims(change)) }
	}
	return issuer, map[jose.SignatureAlgorithm]func(string, map[string]any) string{jose.HS256: maker(jose.HS256, []byte(secret)),
			jose.RS256: maker(jose.RS256, s.rsa), jose.ES256: maker(jose.ES256, s.ec), jose.EdDSA: maker(jose.EdDSA, s.ed)},
		map[jose.SignatureAlgorithm]int{jose.HS256: 32, jose.RS256: 256, jose.ES256: 64, jose.EdDSA: 64}
}

// TestWrongSignaturesAreLimited floods a verifier from one address, and sees who
// is held up by that and who is not.
func TestWrongSignaturesAreLimited(t *testing.T) {
	t.Parallel()
	issuer, makers, sizes := everyKey(t)
	kids := map[jose.SignatureAlgorithm]string{jose.HS256: "h", jose.RS256: "r", jose.ES256: "e", jose.EdDSA: "d"}
	for algorithm, token := range makers {
		now := noon()
		v, err := New([]Issuer{issuer}, func() time.Time { return now }, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err != nil {
			t.Fatal(err)
		}
		before := token(kids[algorithm], nil)
		want := func(what, token, from string, code sidetone.Code) {
			t.Helper()
			if _, err := v.Verify(token, from); sidetone.CodeOf(err) != code && (code != "" || err != nil) {
				t.Errorf("%s: %s: %v, want %q", algorithm, what, err, code)
			}
		}
		want("a good token", before, "192.0.2.1:1000", "")
		forge := forger(t, v, before, sizes[algorithm])
		codes := map[sidetone.Code]int{}
		for i := range 3 * wrongAtOnce {
			codes[sidetone.CodeOf(forge(fmt.Sprintf("192.0.2.1:%d", 1000+i)))]++
		}
		limited := sidetone.Limited
		if algorithm == jose.HS256 { // costs too little to be limited
			limited = ""
		} else if codes[sidetone.Unauthenticated] != wrongAtOnce || codes[sidetone.Limited] != 2*wrongAtOnce {
			t.Errorf("%s: forged tokens are answered %v", algorithm, codes)
		}
		want("a good token known from before", before, "192.0.2.1:1", "")
		want("a good token of the same address", token("", nil), "192.0.2.1:2", limited)
		want("a good token of another address", token("", map[string]any{"sub": "eve"}), "192.0.2.2:2", "")
		now = now.Add(time.Second)
		for i := range 2 * wrongEach { // right ones cost none of it
			want("a good token a second later", token("", map[string]any{"jti": fmt.Sprint(i)}), "192.0.2.1:2", "")
		}
	}
}

// TestBudgetIsOfANetwork names who shares one.
func TestBudgetIsOfANetwork(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{
		{"192.0.2.1:1", "192.0.2.1:2"}, {"[::ffff:192.0.2.1]:1", "192.0.2.1:2"}, {"[2001:db8::1]:1", "[2001:db8::ffff:1]:2"},
		{"[fe80::1%eth0]:1", "[fe80::2]:1"}, {"", "@"}, {"pipe", "somewhere:1"}, {"192.0.2.1", "192.0.2.1:1"},
	} {
		if neighbours(same[0]) != neighbours(same[1]) {
			t.Errorf("%q and %q do not share a budget", same[0], same[1])
		}
	}
	for _, others := range [][2]string{{"192.0.2.1:1", "192.0.2.2:1"}, {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1"}, {"192.0.2.1:1", ""}} {
		if neighbours(others[0]) == neighbours(others[1]) {
			t.Errorf("%q and %q share a budget", others[0], others[1])
		}
	}
	var b budget
	for i := range 3 * maxAddresses {
		if !b.take(neighbours(fmt.Sprintf("10.0.%d.%d:1", i>>8, i&0xff)), noon()) || len(b.addresses) > maxAddresses {
			t.Fatalf("address %d, %d known", i, len(b.addresses))
		}
	}
}

// BenchmarkForged is what a forged token costs by itself: when its signature is
// looked at, and when too many came before it.
func BenchmarkForged(b *testing.B) {
	issuer, makers, sizes := everyKey(b)
	for algorithm, token := range makers {
		now := noon()
		v, err := New([]Issuer{issuer}, func() time.Time { return now }, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err != nil {
			b.Fatal(err)
		}
		forge := forger(b, v, token("", nil), sizes[algorithm])
		b.Run(string(algorithm)+"/looked-at", func(b *testing.B) {
			for range b.N {
				now = now.Add(time.Second / wrongEach)
				if err := forge(""); sidetone.CodeOf(err) != sidetone.Unauthenticated {
					b.Fatal(err)
				}
				now = noon()
				clear(v.wrong.addresses)
			}
		})
		b.Run(string(algorithm)+"/flood", func(b *testing.B) {
			for range b.N {
				_ = forge("")
			}
		})
	}
}
