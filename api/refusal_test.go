//go:build bench

package api

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/auth"
	"github.com/sidetone/sidetone/store/storetest"
)

// maxRefusal is what refusing a bad bearer may cost, in plain 401s.
const maxRefusal = 6.0

// everyAlgorithm is an issuer with a key of each algorithm.
func everyAlgorithm(t *testing.T) auth.Issuer {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer := auth.Issuer{Name: "https://every.example", Audience: "sidetone", EnvironmentClaim: "environment", ScopesClaim: "scope", SubjectPrefix: "every|",
		Keys: []auth.Key{{ID: "HS256", Algorithm: "HS256", Secret: "0123456789abcdef0123456789abcdef"}}}
	for name, public := range map[string]any{"RS256": r.Public(), "ES256": e.Public(), "EdDSA": d} {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		issuer.Keys = append(issuer.Keys, auth.Key{ID: name, Algorithm: name, File: path})
	}
	return issuer
}

// forgery makes headers with tokens that are right but for the signature, which
// fits the key's size and is never the same.
func forgery(algorithm, kid string) func() []string {
	segment := base64.RawURLEncoding.EncodeToString
	head := segment(fmt.Appendf(nil, `{"alg":%q,%s"typ":"JWT"}`, algorithm, kid))
	claims := segment(fmt.Appendf(nil, `{"iss":"https://every.example","aud":"sidetone","sub":"ada","exp":%d,"environment":"e","scope":"read"}`, time.Now().Add(time.Hour).Unix()))
	size := map[string]int{"HS256": 32, "RS256": 256, "ES256": 64, "EdDSA": 64}[algorithm]
	return func() []string {
		signature := make([]byte, size)
		_, _ = rand.Read(signature)
		for _, at := range []int{0, size / 2, size - 1} { // below modulus and orders, which cost nothing to look at
			signature[at] &= 0x0f
		}
		return []string{"Bearer " + head + "." + claims + "." + segment(signature)}
	}
}

// sendable says that net/http neither refuses to send the header nor to take it
// in: our handler never sees the others.
func sendable(header []string) bool {
	return len(strings.Join(header, "")) < 64<<10 && !strings.ContainsFunc(strings.Join(header, ""), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// refusals are what is sent for a bearer of each kind.
func refusals(t *testing.T, animals map[string][]string) map[string]func() []string {
	t.Helper()
	out := map[string]func() []string{}
	for name, header := range animals {
		if sendable(header) {
			out[name] = func() []string { return header }
		}
	}
	for _, algorithm := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		out["forged "+algorithm] = forgery(algorithm, `"kid":"`+algorithm+`",`)
		out["forged "+algorithm+" without kid"] = forgery(algorithm, "")
		out["forged "+algorithm+" of an unknown kid"] = forgery(algorithm, `"kid":"nobody",`)
	}
	out["unknown key, never the same"] = func() []string { return []string{"Bearer " + sidetone.NewKey().Reveal()} }
	return out
}

// refuser sends bad bearers and holds that they are refused.
type refuser struct {
	t      *testing.T
	client *http.Transport
	// limited counts answers that the address had too many wrong signatures.
	limited atomic.Int64
}

// ask sends one request.
func (f *refuser) ask(url string, authorization []string) error {
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, url+"/v1/agents/list", nil)
	if err != nil {
		return err
	}
	r.Header["Authorization"] = authorization
	res, err := f.client.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	switch res.StatusCode {
	case http.StatusUnauthorized:
	case http.StatusTooManyRequests:
		f.limited.Add(1)
	default:
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return err
}

// cost is the time of this process, clients and server together, that some
// clients' requests take.
func (f *refuser) cost(url string, clients, each int, header func() []string) time.Duration {
	var wg sync.WaitGroup
	before := processor(f.t)
	for range clients {
		wg.Go(func() {
			for range each {
				if err := f.ask(url, header()); err != nil {
					f.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return processor(f.t) - before
}

// ratio is what ours cost in plain ones, in turns.
func (f *refuser) ratio(plain, ours string, turns, clients, each int, header func() []string) float64 {
	f.limited.Store(0)
	var ratios []float64
	var took [2]time.Duration
	for range turns {
		p, o := f.cost(plain, clients, each, header), f.cost(ours, clients, each, header)
		ratios, took[0], took[1] = append(ratios, float64(o)/float64(p)), took[0]+p, took[1]+o
	}
	slices.Sort(ratios)
	return max(ratios[turns/2], float64(took[1])/float64(took[0]))
}

// plain401 sends the bytes and headers of our own refusal and does nothing else.
func plain401(t *testing.T, ours string) *httptest.Server {
	t.Helper()
	res, err := http.Get(ours + "/v1/agents/list")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	sent, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range res.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write(sent)
	}))
	t.Cleanup(server.Close)
	return server
}

// TestRefusalsAgainstAPlain401 holds what it costs to refuse each bad bearer of
// the zoo, and forged tokens of each algorithm, again and again from one address.
func TestRefusalsAgainstAPlain401(t *testing.T) {
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env, key := environmentWithKey(t, s, "clinic")
	i := newIssuers(t)
	i.accept(everyAlgorithm(t))
	ours := httptest.NewServer(New(Config{Store: s, Tokens: i.verifier, Operator: sidetone.NewKey()}))
	defer ours.Close()
	plain := plain401(t, ours.URL)
	f := &refuser{t: t, client: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8}}
	defer f.client.CloseIdleConnections()
	f.ratio(plain.URL, ours.URL, 3, 8, 200, func() []string { return nil })
	kinds := refusals(t, zoo(t, s, i, env, key))
	dearest := ""
	ratios := map[string]float64{}
	for name, header := range kinds {
		got := f.ratio(plain.URL, ours.URL, 5, 8, 40, header)
		if got > maxRefusal { // once more, for longer
			got = f.ratio(plain.URL, ours.URL, 9, 8, 150, header)
		}
		if ratios[name] = got; got > ratios[dearest] {
			dearest = name
		}
		t.Logf("%-40s %.2f of a plain 401, %d as too many", name, got, f.limited.Load())
		if got > maxRefusal {
			t.Errorf("refusing %s costs %.2f plain 401s, want %.1f", name, got, maxRefusal)
		}
	}
	t.Logf("%d kinds, the dearest is %s: %.2f", len(kinds), dearest, ratios[dearest])
}

// TestForgedSignaturesThatAreLookedAt prints what the first wrong signatures of an
// address cost, which are verified: each 18 come from another address.
func TestForgedSignaturesThatAreLookedAt(t *testing.T) {
	s := storetest.Open(t, storetest.SQLite(t), nil)
	i := newIssuers(t)
	i.accept(everyAlgorithm(t))
	ours := httptest.NewServer(New(Config{Store: s, Tokens: i.verifier, Operator: sidetone.NewKey()}))
	defer ours.Close()
	plain := plain401(t, ours.URL)
	address := 0
	for _, algorithm := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		var ratios []float64
		for range 60 {
			address++
			dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(address))}}
			f := &refuser{t: t, client: &http.Transport{DisableCompression: true, DialContext: dialer.DialContext}}
			f.ratio(plain.URL, ours.URL, 1, 1, 10, func() []string { return nil })
			got := f.ratio(plain.URL, ours.URL, 1, 1, 18, forgery(algorithm, `"kid":"`+algorithm+`",`))
			f.client.CloseIdleConnections()
			if ratios = append(ratios, got); f.limited.Load() > 0 {
				t.Errorf("%s: %d were not looked at", algorithm, f.limited.Load())
			}
		}
		slices.Sort(ratios)
		t.Logf("forged %s, each looked at: %.2f of a plain 401", algorithm, ratios[len(ratios)/2])
	}
}
