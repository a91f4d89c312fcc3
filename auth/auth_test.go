package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

const secret = "0123456789abcdef0123456789abcdef"

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// signers are one private key for each algorithm.
type signers struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
	ed  ed25519.PrivateKey
}

func newSigners(t testing.TB) signers {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, d, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signers{r, e, d}
}

// sign makes a token; header members are added to the protected header.
func sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// claims are good ones; change lays others over them, nil removes.
func claims(change map[string]any) map[string]any {
	c := map[string]any{"iss": "https://login.example", "aud": "sidetone", "sub": "ada", "exp": noon().Add(time.Hour).Unix(),
		"environment": "env-1", "scope": "read write openid"}
	for name, value := range change {
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
	}
	return c
}

func issuerOf(keys ...Key) Issuer {
	return Issuer{Name: "https://login.example", Audience: "sidetone", Keys: keys, EnvironmentClaim: "environment", ScopesClaim: "scope",
		Leeway: 30 * time.Second}
}

func verifier(t testing.TB, issuers ...Issuer) *Verifier {
	t.Helper()
	v, err := New(issuers, noon, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// pemFile writes the public key.
func pemFile(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func hmacKey() Key { return Key{ID: "h", Algorithm: "HS256", Secret: secret} }

func TestEveryAlgorithmIsVerified(t *testing.T) {
	t.Parallel()
	s := newSigners(t)
	v := verifier(t, issuerOf(hmacKey(), Key{ID: "r", Algorithm: "RS256", File: pemFile(t, s.rsa.Public())},
		Key{ID: "e", Algorithm: "ES256", File: pemFile(t, s.ec.Public())}, Key{ID: "d", Algorithm: "EdDSA", File: pemFile(t, s.ed.Public())}))
	want := sidetone.Identity{Subject: "ada", EnvironmentID: "env-1", HasScopes: true,
		Scopes: sidetone.NewScopes(sidetone.ScopeRead, sidetone.ScopeWrite)}
	for algorithm, key := range map[jose.SignatureAlgorithm]any{jose.HS256: []byte(secret), jose.RS256: s.rsa, jose.ES256: s.ec, jose.EdDSA: s.ed} {
		kid := map[jose.SignatureAlgorithm]string{jose.HS256: "h", jose.RS256: "r", jose.ES256: "e", jose.EdDSA: "d"}[algorithm]
		for _, id := range []string{kid, ""} { // one key for each algorithm: no id is needed
			got, err := v.Verify(sign(t, algorithm, key, id, claims(nil)), "")
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("%s with kid %q: %v %s", algorithm, id, err, d)
			}
		}
		if _, err := v.Verify(sign(t, algorithm, key, "x", claims(nil)), ""); sidetone.CodeOf(err) != sidetone.Unauthenticated {
			t.Errorf("%s with an unknown kid: %v", algorithm, err)
		}
	}
}

func TestClaimsAreMapped(t *testing.T) {
	t.Parallel()
	issuer := issuerOf(hmacKey())
	issuer.EnvironmentClaim, issuer.ScopesClaim, issuer.SubjectPrefix, issuer.MembersOnly = "https://x/env", "permissions", "x|", true
	v := verifier(t, issuer)
	read := sidetone.NewScopes(sidetone.ScopeRead)
	for name, row := range map[string]struct {
		claims map[string]any
		want   sidetone.Identity
		bad    bool
	}{
		"list":         {claims: map[string]any{"permissions": []any{"read", "fly", 7}}, want: sidetone.Identity{HasScopes: true, Scopes: read}},
		"text":         {claims: map[string]any{"permissions": " read  "}, want: sidetone.Identity{HasScopes: true, Scopes: read}},
		"none":         {claims: map[string]any{"permissions": ""}, want: sidetone.Identity{HasScopes: true}},
		"absent":       {claims: nil},
		"other claim":  {claims: map[string]any{"scope": "admin"}},
		"number":       {claims: map[string]any{"permissions": 7}, want: sidetone.Identity{HasScopes: true}},
		"object":       {claims: map[string]any{"permissions": map[string]any{"admin": true}}, want: sidetone.Identity{HasScopes: true}},
		"no subject":   {claims: map[string]any{"sub": nil}, bad: true},
		"no place":     {claims: map[string]any{"https://x/env": nil}, bad: true},
		"odd place":    {claims: map[string]any{"https://x/env": 7}, bad: true},
		"odd subject":  {claims: map[string]any{"sub": 7}, bad: true},
		"NUL subject":  {claims: map[string]any{"sub": "a\x00"}, bad: true},
		"NUL place":    {claims: map[string]any{"https://x/env": "e\x00"}, bad: true},
		"many readers": {claims: map[string]any{"aud": []string{"other", "sidetone"}}},
	} {
		got, err := v.Verify(sign(t, jose.HS256, []byte(secret), "h", claims(merge(map[string]any{"https://x/env": "env-2"}, row.claims))), "")
		if row.bad {
			if sidetone.CodeOf(err) != sidetone.Unauthenticated {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		row.want.Subject, row.want.EnvironmentID, row.want.MembersOnly = "x|ada", "env-2", true
		if d := cmp.Diff(row.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
	pinned := issuerOf(hmacKey())
	pinned.Environment = "env-9"
	got, err := verifier(t, pinned).Verify(sign(t, jose.HS256, []byte(secret), "h", claims(nil)), "")
	if err != nil || got.EnvironmentID != "env-9" {
		t.Errorf("a pinned environment: %+v, %v", got, err)
	}
}

func merge(a, b map[string]any) map[string]any {
	for name, value := range b {
		a[name] = value
	}
	return a
}

func TestTimes(t *testing.T) {
	t.Parallel()
	v := verifier(t, issuerOf(hmacKey()))
	at := func(d time.Duration) int64 { return noon().Add(d).Unix() }
	for name, row := range map[string]struct {
		claims map[string]any
		good   bool
	}{
		"just over":          {map[string]any{"exp": at(-29 * time.Second)}, true},
		"over":               {map[string]any{"exp": at(-31 * time.Second)}, false},
		"no end":             {map[string]any{"exp": nil}, false},
		"end as text":        {map[string]any{"exp": "tomorrow"}, false},
		"soon":               {map[string]any{"nbf": at(29 * time.Second)}, true},
		"not yet":            {map[string]any{"nbf": at(31 * time.Second)}, false},
		"long since":         {map[string]any{"nbf": at(-time.Hour)}, true},
		"from the future":    {map[string]any{"iat": at(time.Minute)}, false},
		"a fraction":         {map[string]any{"exp": float64(at(time.Minute)) + 0.5}, true},
		"beyond all numbers": {map[string]any{"exp": json.Number("1e400")}, false},
	} {
		_, err := v.Verify(sign(t, jose.HS256, []byte(secret), "h", claims(row.claims)), "")
		if (err == nil) != row.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// segment encodes a part of a token.
func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestAlgorithmsCannotBeConfused(t *testing.T) {
	t.Parallel()
	s := newSigners(t)
	path := pemFile(t, s.rsa.Public())
	public, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, issuerOf(hmacKey(), Key{ID: "r", Algorithm: "RS256", File: path}))
	body, err := json.Marshal(claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	payload := segment(string(body))
	good := strings.Split(sign(t, jose.HS256, []byte(secret), "h", claims(nil)), ".")
	other := jose.JSONWebKey{Key: s.ec.Public()}
	embedded, err := json.Marshal(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"the public key as secret":         sign(t, jose.HS256, public, "r", claims(nil)),
		"the public key as secret, no kid": sign(t, jose.HS256, public, "", claims(nil)),
		"RS256 named by the HMAC kid":      sign(t, jose.RS256, s.rsa, "h", claims(nil)),
		"HS256 named by the RSA kid":       sign(t, jose.HS256, []byte(secret), "r", claims(nil)),
		"RS384":                            sign(t, jose.RS384, s.rsa, "r", claims(nil)),
		"PS256":                            sign(t, jose.PS256, s.rsa, "r", claims(nil)),
		"HS512":                            sign(t, jose.HS512, []byte(secret+secret), "h", claims(nil)),
		"none":                             segment(`{"alg":"none"}`) + "." + payload + ".",
		"None":                             segment(`{"alg":"None"}`) + "." + payload + ".",
		"none with a signature":            segment(`{"alg":"none","kid":"h"}`) + "." + payload + "." + good[2],
		"no alg":                           segment(`{"kid":"h"}`) + "." + payload + "." + good[2],
		"alg as list":                      segment(`{"alg":["HS256"],"kid":"h"}`) + "." + payload + "." + good[2],
		"alg twice":                        segment(`{"alg":"none","alg":"HS256","kid":"h"}`) + "." + payload + "." + good[2],
		"no signature":                     good[0] + "." + good[1] + ".",
		"critical extension":               segment(`{"alg":"HS256","kid":"h","crit":["x"],"x":1}`) + "." + payload + "." + good[2],
		"a key of its own":                 segment(`{"alg":"ES256","jwk":`+string(embedded)+`}`) + "." + payload + "." + good[2],
		"a key from elsewhere":             segment(`{"alg":"RS256","kid":"r","jku":"https://evil.example/jwks.json"}`) + "." + payload + "." + good[2],
		"another payload":                  good[0] + "." + segment(strings.Replace(string(body), "ada", "eve", 1)) + "." + good[2],
		"other issuer":                     sign(t, jose.HS256, []byte(secret), "h", claims(map[string]any{"iss": "https://login.example/"})),
		"no issuer":                        sign(t, jose.HS256, []byte(secret), "h", claims(map[string]any{"iss": nil})),
		"other audience":                   sign(t, jose.HS256, []byte(secret), "h", claims(map[string]any{"aud": "else"})),
		"no audience":                      sign(t, jose.HS256, []byte(secret), "h", claims(map[string]any{"aud": nil})),
	} {
		if got, err := v.Verify(token, ""); sidetone.CodeOf(err) != sidetone.Unauthenticated || got != (sidetone.Identity{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// A token for another issuer's key is refused although the key is known here.
	two := issuerOf(Key{ID: "h", Algorithm: "HS256", Secret: secret + "2"})
	two.Name, two.SubjectPrefix = "https://two.example", "two|"
	one := issuerOf(hmacKey())
	one.SubjectPrefix = "one|"
	if _, err := verifier(t, one, two).Verify(sign(t, jose.HS256, []byte(secret), "h", claims(map[string]any{"iss": two.Name})), ""); err == nil {
		t.Error("the key of one issuer signs for another")
	}
}

// public is a set of public keys as a file holds it.
func public(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeyFileIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	s := newSigners(t)
	path := filepath.Join(t.TempDir(), "jwks.json")
	place := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(path+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	place(public(t, jose.JSONWebKey{Key: s.rsa.Public(), KeyID: "old", Use: "sig"}, jose.JSONWebKey{Key: s.ec.Public(), KeyID: "enc", Use: "enc"}))
	now := noon()
	issuer := issuerOf()
	issuer.JWKS = path
	var logged strings.Builder
	v, err := New([]Issuer{issuer}, func() time.Time { return now }, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	old, fresh := sign(t, jose.RS256, s.rsa, "old", claims(nil)), sign(t, jose.EdDSA, s.ed, "new", claims(nil))
	check := func(when string, oldGood, freshGood bool) {
		t.Helper()
		_, errOld := v.Verify(old, "")
		_, errFresh := v.Verify(fresh, "")
		if (errOld == nil) != oldGood || (errFresh == nil) != freshGood {
			t.Errorf("%s: old %v, new %v", when, errOld, errFresh)
		}
	}
	check("at first", true, false)
	if _, err := v.Verify(sign(t, jose.ES256, s.ec, "enc", claims(nil)), ""); err == nil {
		t.Error("a key for encryption verifies signatures")
	}
	place(public(t, jose.JSONWebKey{Key: s.ed.Public(), KeyID: "new"}))
	check("within a second", true, false)
	now = now.Add(lookEvery)
	check("a second later", false, true)
	place([]byte("{half a fi"))
	now = now.Add(lookEvery)
	check("while the file is broken", false, true)
	if !strings.Contains(logged.String(), path) || strings.Count(logged.String(), "\n") != 1 {
		t.Errorf("logged %q", logged.String())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookEvery)
	check("while the file is gone", false, true)
	place(public(t, jose.JSONWebKey{Key: s.rsa.Public(), KeyID: "old"}))
	now = now.Add(lookEvery)
	check("after it was mended", true, false)
}

func TestBadSettingsAreExplained(t *testing.T) {
	t.Parallel()
	s := newSigners(t)
	small, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private := string(public(t, jose.JSONWebKey{Key: s.rsa, KeyID: "p"}))
	change := func(fn func(*Issuer)) Issuer { i := issuerOf(hmacKey()); fn(&i); return i }
	for want, issuers := range map[string][]Issuer{
		"issuer must be":        {change(func(i *Issuer) { i.Name = "" })},
		"issuer is given twice": {issuerOf(hmacKey()), issuerOf(hmacKey())},
		"audience must be":      {change(func(i *Issuer) { i.Audience = "" })},
		"needs keys":            {issuerOf()},
		"needs an environment":  {change(func(i *Issuer) { i.EnvironmentClaim = "" })},
		"leeway must be":        {change(func(i *Issuer) { i.Leeway = time.Hour })},
		"subject_prefix":        {change(func(i *Issuer) { i.SubjectPrefix = "a" }), change(func(i *Issuer) { i.Name, i.SubjectPrefix = "b", "ab" })},
		"32 bytes":              {issuerOf(Key{ID: "k", Algorithm: "HS256", Secret: "short"})},
		"is given twice":        {issuerOf(hmacKey(), hmacKey())},
		"P-384":                 {issuerOf(Key{ID: "k", Algorithm: "ES256", File: pemFile(t, small.Public())})},
		"for ES256, not":        {issuerOf(Key{ID: "k", Algorithm: "RS256", File: pemFile(t, s.ec.Public())})},
		"no PEM":                {issuerOf(Key{ID: "k", Algorithm: "RS256", File: file("x")})},
		"no such file":          {issuerOf(Key{ID: "k", Algorithm: "RS256", File: "/nonexistent/key.pem"})},
		"private key":           {change(func(i *Issuer) { i.JWKS = file(private) })},
		"none of the 0 keys":    {change(func(i *Issuer) { i.JWKS = file(`{"keys":[]}`) })},
		"longer than":           {change(func(i *Issuer) { i.JWKS = file(strings.Repeat(" ", maxKeyFile+1)) })},
	} {
		_, err := New(issuers, noon, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q shows the secret", want)
		}
	}
}

// TestBadTokensCostLittle measures what a refusal allocates, at worst.
func TestBadTokensCostLittle(t *testing.T) { //nolint:paralleltest // measures allocation
	v := verifier(t, issuerOf(hmacKey()))
	fill := func(length int, head, item, tail string) string {
		return head + strings.Repeat(item, max(0, (length-len(head)-len(tail))/len(item))) + tail
	}
	header := segment(`{"alg":"HS256","kid":"h"}`)
	room := (maxToken - len(header) - 50) * 3 / 4
	for name, token := range map[string]string{
		"a megabyte of dots":   strings.Repeat(".", 1<<20),
		"a megabyte":           strings.Repeat("a", 1<<20),
		"a long signature":     header + "." + segment(`{}`) + "." + strings.Repeat("a", 7<<10),
		"many headers":         segment(fill(maxToken/8*3/4, `{"alg":"HS256"`, `,"a":{}`, "}")) + "." + segment(`{}`) + ".aaaa",
		"deep headers":         segment(fill(maxToken/8*3/4, `{"alg":"HS256","a":`, `[`, "")) + "." + segment(`{}`) + ".aaaa",
		"many claims":          header + "." + segment(fill(room, `{"iss":"https://login.example","exp":1e11`, `,"a":{}`, "}")) + ".aaaa",
		"many readers":         header + "." + segment(fill(room, `{"iss":"https://login.example","exp":1e11,"aud":["x"`, `,""`, "]}")) + ".aaaa",
		"deep claims":          header + "." + segment(fill(room, `{"iss":"https://login.example","exp":1e11,"a":`, `[`, "")) + ".aaaa",
		"a long subject":       header + "." + segment(fill(room, `{"iss":"https://login.example","exp":1e11,"sub":"`, `\u00e4`, `"}`)) + ".aaaa",
		"a long issuer":        header + "." + segment(fill(room, `{"exp":1e11,"iss":"`, `\n`, `"}`)) + ".aaaa",
		"forged but plausible": header + "." + segment(`{"iss":"https://login.example","exp":1e11}`) + "." + segment(strings.Repeat("x", 32)),
	} {
		bytes := allocated(100, func() { _, _ = v.Verify(token, "") })
		if bytes > 64<<10 {
			t.Errorf("%s: %d bytes", name, bytes)
		}
		t.Logf("%-22s %6d bytes", name, bytes)
	}
}

// allocated returns how many bytes a run of fn allocates on average.
func allocated(runs uint64, fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		fn()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}

func FuzzVerify(f *testing.F) {
	v := verifier(f, issuerOf(hmacKey()))
	good := sign(f, jose.HS256, []byte(secret), "h", claims(nil))
	f.Add(good)
	f.Add(segment(`{"alg":"none"}`) + "." + segment(`{}`) + ".")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := v.Verify(token, "")
		if err == nil && (got.Subject != "ada" || token != good) { // HMAC has one signature, base64url one form
			t.Errorf("accepted %q as %+v", token, got)
		}
	})
}

// What is read of a set of keys is public, and tied to the algorithm that it is
// for.
func FuzzKeySet(f *testing.F) {
	s := newSigners(f)
	f.Add(public(f, jose.JSONWebKey{Key: s.rsa.Public(), KeyID: "r", Use: "sig"}, jose.JSONWebKey{Key: s.ec.Public(), KeyID: "e"},
		jose.JSONWebKey{Key: s.ed.Public(), KeyID: "d", Algorithm: "EdDSA"}, jose.JSONWebKey{Key: []byte(secret), KeyID: "h", Algorithm: "HS256"}))
	f.Add(public(f, jose.JSONWebKey{Key: s.rsa, KeyID: "p"}))
	f.Add([]byte(`{"keys":[null,{},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"AA","e":"AA"},{"kty":"oct","k":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		ring, err := parseSet(text)
		if (err == nil) != (len(ring) > 0) {
			t.Fatalf("%d keys, %v", len(ring), err)
		}
		for _, k := range ring {
			again, err := newKey(k.id, string(k.algorithm), k.material)
			if err != nil || again.algorithm != k.algorithm {
				t.Fatalf("key %q for %s: %v", k.id, k.algorithm, err)
			}
			switch k.material.(type) {
			case []byte, *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
			default:
				t.Fatalf("key %q is %T", k.id, k.material)
			}
		}
	})
}
