package loadgen

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// securely returns a change that lets a fake server take TLS, and whom to trust then.
func securely(t *testing.T, change func(*fakeServer)) (func(*fakeServer), *tls.Config) {
	t.Helper()
	certified := httptest.NewTLSServer(nil)
	certified.Close() // its certificate is for 127.0.0.1
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	return func(f *fakeServer) {
		f.tls = l
		if change != nil {
			change(f)
		}
	}, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

// Calls over TLS and SRTP are measured like others, on one connection, and their sound is
// compared.
func TestRunEchoSecurely(t *testing.T) {
	t.Parallel()
	change, trusted := securely(t, nil)
	f := newFakeServer(t, change)
	r := mustRun(t, short(f, func(c *Config) { c.TLS = trusted }))
	if r.Answered != 4 || r.Failed() != 0 || !r.Encrypted {
		t.Fatalf("answered %d, encrypted %v, failures %v", r.Answered, r.Encrypted, r.Failures)
	}
	if r.Own < 100 || r.Other != 0 || r.Forged != 0 || r.RTT.Count < 5 || r.Setup.Count != 4 {
		t.Errorf("%d own frames, %d others, %d forged packets, %d clicks, %d set-ups", r.Own, r.Other, r.Forged, r.RTT.Count, r.Setup.Count)
	}
	if f.seen("INVITE") != 4 || f.seen("ACK") != 4 || f.seen("BYE") != 4 {
		t.Errorf("%d INVITE, %d ACK, %d BYE, want 4 each", f.seen("INVITE"), f.seen("ACK"), f.seen("BYE"))
	}
}

// Nothing is repeated on a connection: it loses nothing.
func TestRunSecurelyRepeatsNothing(t *testing.T) {
	t.Parallel()
	change, trusted := securely(t, func(f *fakeServer) { f.ignore = 1 })
	f := newFakeServer(t, change)
	r := mustRun(t, short(f, func(c *Config) {
		c.TLS, c.Calls, c.Duration, c.AnswerTimeout = trusted, 1, 10*time.Millisecond, 3*firstRetry
	}))
	if r.Failures[ErrNoAnswer.Error()] != 1 || f.seen("INVITE") != 1 {
		t.Errorf("%d INVITE, failures %v", f.seen("INVITE"), r.Failures)
	}
}

// Calls fail whose answer has no key, whose packets are not encrypted with the agreed one,
// and whose sound is not their own.
func TestRunSecurelyFailures(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*fakeServer){
		errClear.Error(): func(f *fakeServer) { f.lies = "clear" },
		"packets that are not encrypted with the agreed key": func(f *fakeServer) { f.lies = "key" },
		"what came back is not what was said":                func(f *fakeServer) { f.noise = true },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			change, trusted := securely(t, change)
			r := mustRun(t, short(newFakeServer(t, change), func(c *Config) { c.TLS = trusted }))
			if !r.Counts() && r.Own == 0 && r.Other > 0 {
				t.Logf("that the calls failed is not judged: the callers were %.1f ms late", r.Lateness.P99)
				return
			}
			if r.Failures[want] != 4 || r.Failed() != 4 {
				t.Errorf("failures = %v, want 4 x %q", r.Failures, want)
			}
		})
	}
}

func TestRunSecurelyTrustsNobodyElse(t *testing.T) {
	t.Parallel()
	change, _ := securely(t, nil)
	_, other := securely(t, nil)
	other.RootCAs = x509.NewCertPool()
	_, err := Run(t.Context(), short(newFakeServer(t, change), func(c *Config) { c.TLS = other }))
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("err = %v, want that the authority is unknown", err)
	}
}

func TestReadMessage(t *testing.T) {
	t.Parallel()
	stream := "\r\n\r\nSIP/2.0 200 OK\r\nl: 3\r\n\r\nabcBYE sip:x SIP/2.0\r\nContent-Length : 0\r\n\r\n\r\n"
	r := bufio.NewReader(strings.NewReader(stream))
	for _, want := range []string{"SIP/2.0 200 OK\r\nl: 3\r\n\r\nabc", "BYE sip:x SIP/2.0\r\nContent-Length : 0\r\n\r\n"} {
		got, err := readMessage(r)
		if err != nil || string(got) != want {
			t.Errorf("read %q, %v; want %q", got, err, want)
		}
	}
	if _, err := readMessage(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	for _, bad := range []string{"SIP/2.0 200 OK\r\n\r\n", "A b\r\nl: -1\r\n\r\n", "A b\r\nl: x\r\n\r\n", "A b\r\nl: 99999\r\n\r\n", "A b\r\nl: 4\r\n\r\nabc",
		strings.Repeat("x: y\r\n", 20000) + "\r\n"} {
		if got, err := readMessage(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("read %.40q from %.40q", got, bad)
		}
	}
}

func TestAgreedKey(t *testing.T) {
	t.Parallel()
	key := newMasterKey()
	if got, ok := agreedKey(offer(PCMU, loopback(), key)); !ok || !bytes.Equal(got, key) {
		t.Errorf("key %x, %v; want %x", got, ok, key)
	}
	good := string(offer(PCMU, loopback(), key))
	for name, bad := range map[string]string{
		"plain":       string(offer(PCMU, loopback(), nil)),
		"avp":         strings.Replace(good, "RTP/SAVP", "RTP/AVP", 1),
		"other suite": strings.Replace(good, "_80", "_32", 1),
		"other tag":   strings.Replace(good, "crypto:1", "crypto:2", 1),
		"short key":   strings.Replace(good, "inline:", "inline:AAAA", 1),
		"no key":      strings.Replace(good, " inline:", " ", 1),
		"video":       strings.Replace(good, "m=audio", "m=video", 1),
	} {
		if _, ok := agreedKey([]byte(bad)); ok {
			t.Errorf("%s: a key was agreed", name)
		}
	}
}

// What was encrypted is opened by who has the key, once.
func TestCipher(t *testing.T) {
	t.Parallel()
	a, b := newMasterKey(), newMasterKey()
	near, err := newCipher(a, b)
	if err != nil {
		t.Fatal(err)
	}
	far, err := newCipher(b, a)
	if err != nil {
		t.Fatal(err)
	}
	plain := append(appendHeader(make([]byte, 0, 64), 0, 7, 8, 9), "sound"...)
	sealed, err := near.seal(bytes.Clone(plain))
	if err != nil || len(sealed) != len(plain)+srtpTag || bytes.Contains(sealed, []byte("sound")) {
		t.Fatalf("sealed %q, %v", sealed, err)
	}
	forged := bytes.Clone(sealed)
	forged[len(forged)-1] ^= 1
	if _, err := far.open(forged); err == nil {
		t.Error("a wrong tag was taken")
	}
	again := bytes.Clone(sealed)
	if got, err := far.open(sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened %q, %v", got, err)
	}
	if _, err := far.open(again); err == nil {
		t.Error("a packet was taken twice")
	}
	var none *cipher
	if got, err := none.open(plain); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("without a cipher: %q, %v", got, err)
	}
}

func TestEchoed(t *testing.T) {
	t.Parallel()
	frame := func(i int) []int16 {
		pcm := make([]int16, frameTicks)
		for k := range pcm {
			pcm[k] = int16(i*100 + k)
		}
		return pcm
	}
	var e echoed
	e.hear(frame(0))
	for i := range 2 * keptFrames {
		e.say(frame(i))
		if i >= 3 {
			e.hear(frame(i - 3 + i/keptFrames)) // the delay shrinks by one
		}
	}
	if e.other != 1 || e.own != 2*keptFrames-3 || e.strange() {
		t.Errorf("%d own, %d others", e.own, e.other)
	}
	e.hear(frame(keptFrames - 1)) // too long ago
	cut := frame(2*keptFrames - 1)
	cut[80]++
	e.hear(cut)
	if e.other != 3 {
		t.Errorf("%d others, want 3", e.other)
	}
	for range keptFrames {
		e.hear(cut)
	}
	if !e.strange() {
		t.Error("a third of strange frames is not strange")
	}
	if (&echoed{}).strange() {
		t.Error("nothing is strange")
	}
}

// The middle ratio of the pairs that count is judged, and none when most are late.
func TestSumUp(t *testing.T) {
	t.Parallel()
	pair := func(ratio, late float64, failures int) SecurePair {
		p := SecurePair{Plain: &Report{CPUPerCallMinute: 0.1}, Secure: &Report{CPUPerCallMinute: 0.1 * ratio, Lateness: Quantiles{P99: late}}}
		if failures > 0 {
			p.Secure.Failures = map[string]int{"x": failures}
		}
		return p
	}
	for name, c := range map[string]struct {
		pairs []SecurePair
		kept  int
		want  Secure
	}{
		"one":       {[]SecurePair{pair(1.1, 0, 2)}, 0, Secure{PairStats: PairStats{Pairs: 1, Least: 1.1, Most: 1.1}}},
		"one, late": {[]SecurePair{pair(1.1, 9, 0)}, 0, Secure{PairStats: PairStats{Late: 1}}},
		"three":     {[]SecurePair{pair(1.3, 0, 1), pair(1.1, 0, 2), pair(1.2, 0, 4)}, 2, Secure{PairStats: PairStats{Pairs: 3, Least: 1.1, Most: 1.3, Failed: 3}}},
		"some late": {[]SecurePair{pair(1.3, 9, 0), pair(1.1, 0, 0), pair(1.2, 0, 0), pair(1.4, 0, 1), pair(2, 9, 2)}, 2,
			Secure{PairStats: PairStats{Pairs: 3, Late: 2, Least: 1.1, Most: 1.4, Failed: 1}}},
		"half late": {[]SecurePair{pair(1.1, 0, 0), pair(1.2, 9, 0)}, 1, Secure{PairStats: PairStats{Pairs: 1, Late: 1, Least: 1.1, Most: 1.1}}},
	} {
		got := SumUp(c.pairs)
		if got.Secure != c.pairs[c.kept].Secure || got.Plain != c.pairs[c.kept].Plain {
			t.Errorf("%s: kept %.1f, want %.1f", name, got.Secure.CPUPerCallMinute*10, c.pairs[c.kept].ratio())
		}
		got.Plain, got.Secure = nil, nil
		if d := cmp.Diff(c.want, *got, cmp.Comparer(func(a, b float64) bool { return max(a-b, b-a) < 1e-9 })); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
