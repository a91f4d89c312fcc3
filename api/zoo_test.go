package api

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
	"github.com/sidetone/sidetone/auth"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// issuers are two issuers of tokens: one signs with HMAC, the other, whose
// subjects must be members, with Ed25519.
type issuers struct {
	t        testing.TB
	secret   []byte
	private  ed25519.PrivateKey
	public   []byte // as PEM
	config   []auth.Issuer
	verifier *auth.Verifier
}

func newIssuers(t testing.TB) *issuers {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuers{t: t, secret: []byte(strings.Repeat("secret! ", 4)), private: private,
		public: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, i.public, 0o600); err != nil {
		t.Fatal(err)
	}
	i.config = []auth.Issuer{
		{Name: "https://login.example", Audience: "sidetone", Keys: []auth.Key{{ID: "h", Algorithm: "HS256", Secret: sidetone.Secret(i.secret)}},
			EnvironmentClaim: "environment", ScopesClaim: "scope", SubjectPrefix: "login|"},
		{Name: "https://staff.example", Audience: "sidetone", Keys: []auth.Key{{ID: "e", Algorithm: "EdDSA", File: path}},
			EnvironmentClaim: "environment", ScopesClaim: "scope", SubjectPrefix: "staff|", MembersOnly: true},
	}
	i.accept()
	return i
}

// accept makes the verifier of the issuers and of others.
func (i *issuers) accept(others ...auth.Issuer) {
	i.t.Helper()
	var err error
	i.verifier, err = auth.New(append(i.config, others...), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		i.t.Fatal(err)
	}
}

// token signs good claims with change laid over them; nil removes a claim.
func (i *issuers) token(environmentID string, change map[string]any) string {
	i.t.Helper()
	claims := map[string]any{"iss": "https://login.example", "aud": "sidetone", "sub": "ada", "exp": time.Now().Add(time.Hour).Unix(),
		"environment": environmentID, "scope": "read"}
	for name, value := range change {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	key := jose.SigningKey{Algorithm: jose.HS256, Key: i.secret}
	kid := "h"
	if claims["iss"] == "https://staff.example" {
		key, kid = jose.SigningKey{Algorithm: jose.EdDSA, Key: i.private}, "e"
	}
	return i.sign(key, kid, claims)
}

func (i *issuers) sign(key jose.SigningKey, kid string, claims map[string]any) string {
	i.t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return text
}

// plainWriter is an answer in memory that allocates little of its own.
type plainWriter struct {
	header http.Header
	status int
	body   []byte
}

func (w *plainWriter) Header() http.Header { return w.header }

func (w *plainWriter) WriteHeader(status int) { w.status = status }

func (w *plainWriter) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}

// zoo is bad Authorization headers by what is wrong with them.
func zoo(t *testing.T, s *store.Store, i *issuers, env sidetone.Environment, key string) map[string][]string {
	t.Helper()
	bearer := map[string]string{}
	revoked := sidetone.NewKey()
	if err := s.InsertAPIKey(t.Context(), sidetone.APIKey{ID: "revoked", EnvironmentID: env.ID, Hash: revoked.Hash(), Scopes: sidetone.EveryScope()}); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeAPIKey(t.Context(), env.ID, "revoked"); err != nil {
		t.Fatal(err)
	}
	good := i.token(env.ID, nil)
	parts := strings.Split(good, ".")
	segment := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	header := func(text string) string { return segment(text) + "." + parts[1] + "." + parts[2] }
	now := time.Now()

	// Keys.
	other := "A"
	if strings.HasSuffix(key, "A") {
		other = "B"
	}
	for name, token := range map[string]string{
		"unknown key": sidetone.NewKey().Reveal(), "revoked key": revoked.Reveal(), "wrong checksum": key[:len(key)-1] + other,
		"cut key": key[:len(key)-1], "longer key": key + "0", "key in upper case": strings.ToUpper(key), "key twice": key + key,
		"prefix only": sidetone.KeyPrefix, "key of a test": strings.Replace(key, "sk_live_", "sk_test_", 1), "key's id": "revoked",
		"key's hash": strings.Repeat("0123456789abcdef", 4), "key and a comma": key + ",", "two keys": key + ", Bearer " + key,
		"key after a tab": "x\t" + key, "word": "null", "undefined": "undefined", "quoted key": `"` + key + `"`, "key in braces": "{" + key + "}",
		"wildcard": "%", "SQL": "' OR 1=1 --", "zero byte": "a\x00b", "not UTF-8": "\xff\xfe", "emoji": "🔑🔑🔑🔑🔑🔑", "template": "${SIDETONE_KEY}",
	} {
		bearer[name] = token
	}
	// Tokens by their form.
	for name, token := range map[string]string{
		"alg none": segment(`{"alg":"none"}`) + "." + parts[1] + ".", "alg None": segment(`{"alg":"None","kid":"h"}`) + "." + parts[1] + ".",
		"alg none, signed": header(`{"alg":"none","kid":"h"}`), "no alg": header(`{"kid":"h"}`), "alg HS384": header(`{"alg":"HS384","kid":"h"}`),
		"alg hs256": header(`{"alg":"hs256","kid":"h"}`), "alg RS256": header(`{"alg":"RS256","kid":"h"}`), "wrong kid": header(`{"alg":"HS256","kid":"x"}`),
		"kid with a path": header(`{"alg":"HS256","kid":"../../dev/null"}`), "kid as number": header(`{"alg":"HS256","kid":1}`),
		"key from elsewhere": header(`{"alg":"HS256","kid":"h","jku":"http://127.0.0.1:1/jwks"}`), "crit": header(`{"alg":"HS256","kid":"h","crit":["b"],"b":1}`),
		"header is a list": header(`[]`), "header is no JSON": header(`{`), "header is empty": "." + parts[1] + "." + parts[2],
		"two parts": parts[0] + "." + parts[1], "four parts": good + ".x", "five parts": good + ".x.y", "no signature": parts[0] + "." + parts[1] + ".",
		"no payload": parts[0] + ".." + parts[2], "dots": "..", "truncated": good[:len(good)-10], "swapped": parts[1] + "." + parts[0] + "." + parts[2],
		"another payload":          parts[0] + "." + segment(strings.Replace(string(payload), "ada", "eve", 1)) + "." + parts[2],
		"garbage base64":           "!!!." + parts[1] + "." + parts[2],
		"padded base64":            parts[0] + "=." + parts[1] + "." + parts[2],
		"signature of zeros":       parts[0] + "." + parts[1] + "." + segment(strings.Repeat("\x00", 32)),
		"the public key as secret": i.sign(jose.SigningKey{Algorithm: jose.HS256, Key: i.public}, "e", map[string]any{"iss": "https://staff.example", "aud": "sidetone", "sub": "ada", "exp": now.Add(time.Hour).Unix(), "environment": env.ID}),
		"key of another issuer":    i.sign(jose.SigningKey{Algorithm: jose.HS256, Key: i.secret}, "h", map[string]any{"iss": "https://staff.example", "aud": "sidetone", "sub": "ada", "exp": now.Add(time.Hour).Unix(), "environment": env.ID}),
		"another secret":           i.sign(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("x", 32))}, "h", map[string]any{"iss": "https://login.example", "aud": "sidetone", "sub": "ada", "exp": now.Add(time.Hour).Unix(), "environment": env.ID}),
	} {
		bearer[name] = token
	}
	// Tokens by what they say.
	for name, change := range map[string]map[string]any{
		"expired": {"exp": now.Add(-time.Minute).Unix()}, "no expiry": {"exp": nil}, "expiry as text": {"exp": "2030"},
		"not yet": {"nbf": now.Add(time.Hour).Unix()}, "from the future": {"iat": now.Add(time.Hour).Unix()},
		"other audience": {"aud": "billing"}, "other audiences": {"aud": []string{"a", "b"}}, "no audience": {"aud": nil},
		"other issuer": {"iss": "https://evil.example"}, "no issuer": {"iss": nil}, "issuer as list": {"iss": []string{"https://login.example"}},
		"no subject": {"sub": nil}, "no environment": {"environment": nil}, "unknown environment": {"environment": "nowhere"},
		"environment as list": {"environment": []string{env.ID}}, "stranger": {"iss": "https://staff.example"},
	} {
		bearer[name] = i.token(env.ID, change)
	}
	// By their size.
	for name, token := range map[string]string{
		"a megabyte": strings.Repeat("a", 1<<20), "a megabyte of dots": strings.Repeat(".", 1<<20), "a megabyte of spaces": "a" + strings.Repeat(" ", 1<<20) + "b",
		"a megabyte of key": strings.Repeat(key, 20_000), "a megabyte of signature": parts[0] + "." + parts[1] + "." + strings.Repeat("A", 1<<20),
		"a megabyte of claims": parts[0] + "." + segment(`{"a":"`+strings.Repeat("a", 1<<20)+`"}`) + "." + parts[2],
		"8 KiB of a key":       strings.Repeat("a", 8<<10), "nested claims": parts[0] + "." + segment(strings.Repeat("[", 5000)) + "." + parts[2],
		"many claims": parts[0] + "." + segment(`{"a":0`+strings.Repeat(`,"b":{}`, 700)+"}") + "." + parts[2],
	} {
		bearer[name] = token
	}
	out := map[string][]string{
		"no header": nil, "empty header": {""}, "scheme only": {"Bearer"}, "scheme and space": {"Bearer "}, "no scheme": {key},
		"Basic": {"Basic " + base64.StdEncoding.EncodeToString([]byte("api:"+key))}, "Basic and the key": {"Basic " + key}, "Token": {"Token " + key},
		"ApiKey": {"ApiKey " + key}, "Digest": {`Digest username="` + key + `"`}, "Bearer twice": {"Bearer Bearer " + key}, "colon": {"Bearer: " + key},
		"equals sign": {"Bearer=" + key}, "two headers": {"Bearer " + key, "Bearer " + key}, "a good and a bad header": {"Bearer " + key, "Bearer x"},
		"tab for a space": {"Bearer\t" + key}, "JWT scheme": {"JWT " + good},
	}
	for name, token := range bearer {
		out[name] = []string{"Bearer " + token}
	}
	return out
}

// TestBadTokens holds that every bad bearer is refused in the contract's shape,
// tells nothing, and costs little.
func TestBadTokens(t *testing.T) { //nolint:paralleltest // measures what is allocated meanwhile
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env, key := environmentWithKey(t, s, "clinic")
	i := newIssuers(t)
	handler := New(Config{Store: s, Tokens: i.verifier, Operator: sidetone.NewKey()})
	asked := 0
	ask := func(authorization []string, family string) *plainWriter {
		w := &plainWriter{header: http.Header{}}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/agents/list", nil)
		r.Header = http.Header{"X-Fern-Sdk-Name": {family}}
		asked++ // each from another client, of which none has too many wrong signatures
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", asked>>16, asked>>8&0xff, asked&0xff)
		if authorization != nil {
			r.Header["Authorization"] = authorization
		}
		handler.ServeHTTP(w, r)
		return w
	}
	for name, good := range map[string]string{"key": key, "token": i.token(env.ID, nil)} {
		if w := ask([]string{"Bearer " + good}, ""); w.status != http.StatusOK {
			t.Fatalf("a good %s is refused: %s", name, w.body)
		}
	}
	animals := zoo(t, s, i, env, key)
	if len(animals) < 60 {
		t.Errorf("the zoo has %d animals", len(animals))
	}
	const text = "Unauthorized: a known API key is needed as Authorization: Bearer KEY"
	want := map[string]map[string]any{
		"":           {"message": text, "error": "Unauthorized", "statusCode": 401.0},
		"vocode-api": {"detail": text, "message": text, "error": "Unauthorized", "statusCode": 401.0},
	}
	dearest := uint64(0)
	for name, authorization := range animals {
		for family, body := range want {
			w := ask(authorization, family)
			var got map[string]any
			if err := json.Unmarshal(w.body, &got); err != nil || w.status != http.StatusUnauthorized || w.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: %d %s", name, w.status, w.body)
			}
			if diff := cmp.Diff(body, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		const runs = 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			ask(authorization, "")
		}
		runtime.ReadMemStats(&after)
		bytes := (after.TotalAlloc - before.TotalAlloc) / runs
		if dearest = max(dearest, bytes); bytes > 64<<10 {
			t.Errorf("%s: refusing allocates %d bytes", name, bytes)
		}
	}
	t.Logf("%d bad tokens, the dearest allocates %d bytes", len(animals), dearest)
}
