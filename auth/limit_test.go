package auth

import (
	"encoding/base64"
	"fmt"
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

// signing is how tokens of one algorithm are made.
type signing struct {
	algorithm jose.SignatureAlgorithm
	kid       string
	key       any
	size      int // of a signature, in bytes
}

// everyKey is an issuer with a key of each algorithm, and how to sign with it.
func everyKey(t testing.TB) (Issuer, []signing) {
	t.Helper()
	s := newSigners(t)
	issuer := issuerOf(hmacKey(), Key{ID: "r", Algorithm: "RS256", File: pemFile(t, s.rsa.Public())},
		Key{ID: "e", Algorithm: "ES256", File: pemFile(t, s.ec.Public())}, Key{ID: "d", Algorithm: "EdDSA", File: pemFile(t, s.ed.Public())})
	return issuer, []signing{{jose.HS256, "h", []byte(secret), 32}, {jose.RS256, "r", s.rsa, 256}, {jose.ES256, "e", s.ec, 64}, {jose.EdDSA, "d", s.ed, 64}}
}

// Wrong signatures from one address are limited; good tokens that were verified
// before and other addresses are not, and right signatures do not count.
func TestWrongSignaturesAreLimited(t *testing.T) {
	t.Parallel()
	issuer, all := everyKey(t)
	for _, s := range all {
		now := noon()
		v, err := New([]Issuer{issuer}, func() time.Time { return now }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		token := func(change map[string]any) string { return sign(t, s.algorithm, s.key, s.kid, claims(change)) }
		want := func(what, token, from string, code sidetone.Code) {
			t.Helper()
			if _, err := v.Verify(token, from); sidetone.CodeOf(err) != code && (code != "" || err != nil) {
				t.Errorf("%s: %s: %v, want %q", s.algorithm, what, err, code)
			}
		}
		before := token(nil)
		want("a good token", before, "192.0.2.1:1000", "")
		for i := range 2 * wrongBurst {
			want("a good token", token(map[string]any{"jti": fmt.Sprint("before", i)}), "192.0.2.1:2", "")
		}
		forge := forger(t, v, before, s.size)
		codes := map[sidetone.Code]int{}
		for i := range 3 * wrongBurst {
			codes[sidetone.CodeOf(forge(fmt.Sprintf("192.0.2.1:%d", 1000+i)))]++
		}
		if codes[sidetone.Unauthenticated] != wrongBurst || codes[sidetone.Limited] != 2*wrongBurst {
			t.Errorf("%s: forged tokens are answered %v", s.algorithm, codes)
		}
		want("a good token that was verified before", before, "192.0.2.1:1", "")
		want("a good token that was not", token(map[string]any{"jti": "new"}), "192.0.2.1:2", sidetone.Limited)
		want("an expired token", token(map[string]any{"exp": noon().Add(-time.Hour).Unix()}), "192.0.2.1:2", sidetone.Unauthenticated)
		want("no token", "x", "192.0.2.1:2", sidetone.Unauthenticated)
		want("a good token of another address", token(map[string]any{"sub": "eve"}), "192.0.2.2:2", "")
		now = now.Add(time.Second)
		for range wrongRate {
			if err := forge("192.0.2.1:1"); sidetone.CodeOf(err) != sidetone.Unauthenticated {
				t.Errorf("%s: a second later: %v", s.algorithm, err)
			}
		}
		want("a good token that was not verified before", token(map[string]any{"jti": "new"}), "192.0.2.1:2", sidetone.Limited)
	}
}

func TestNetworkOfAClient(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{
		{"192.0.2.1:1", "192.0.2.1:2"}, {"[::ffff:192.0.2.1]:1", "192.0.2.1:2"}, {"[2001:db8::1]:1", "[2001:db8::ffff:1]:2"},
		{"[fe80::1%eth0]:1", "[fe80::2]:1"}, {"", "@"}, {"pipe", "somewhere:1"}, {"192.0.2.1", "192.0.2.1:1"}, {"2001:db8::1", "[2001:db8::2]:1"},
	} {
		if network(same[0]) != network(same[1]) {
			t.Errorf("%q and %q are two clients", same[0], same[1])
		}
	}
	for _, others := range [][2]string{{"192.0.2.1:1", "192.0.2.2:1"}, {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1"}, {"192.0.2.1:1", ""}} {
		if network(others[0]) == network(others[1]) {
			t.Errorf("%q and %q are one client", others[0], others[1])
		}
	}
}
