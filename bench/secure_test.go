package bench

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/loadgen"
)

// A few calls with the real program: those over TLS and SRTP get their own sound back,
// as plain ones do.
func TestSecure(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "sidetone")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/sidetone").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	var out strings.Builder
	b := &bench{
		o: Options{Program: program, Out: &out}, dir: t.TempDir(), begun: time.Now(),
		size: size{secureCalls: 4, securePairs: 2, window: 500 * time.Millisecond},
	}
	if err := b.secure(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := b.results.Secure
	if made := s.Pairs + s.Late; made < 2 || made > 3 || s.Pairs < 2 && made < 3 || strings.Count(out.String(), "over TLS and SRTP") != made {
		t.Errorf("%d pairs, %d late ones\n%s", s.Pairs, s.Late, out.String())
	}
	if s.Plain.Encrypted || !s.Secure.Encrypted {
		t.Errorf("encrypted: plain %v, secure %v", s.Plain.Encrypted, s.Secure.Encrypted)
	}
	for name, r := range map[string]*loadgen.Report{"plain": s.Plain, "secure": s.Secure} {
		if r.Answered != 4 || r.Setup.Count != 4 || r.Forged != 0 || r.WindowSeconds < 0.5 {
			t.Errorf("%s: %d answered, %d set-ups, %d forged packets, window %.1f s", name, r.Answered, r.Setup.Count, r.Forged, r.WindowSeconds)
		}
		if !r.Counts() {
			t.Logf("%s: sound is not judged: the callers were %.1f ms late", name, r.Lateness.P99)
			continue
		}
		if r.Failed() != 0 || r.Own < 50 || r.RTT.Count == 0 {
			t.Errorf("%s: failures %v, %d own frames, %d others, %d clicks", name, r.Failures, r.Own, r.Other, r.RTT.Count)
		}
	}
}

// The certificate is for loopback, and trusted by who takes the authority of its run.
func TestSecureConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, trusted, err := secureConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "srtp: prefer") {
		t.Errorf("configuration %q, %v", text, err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: trusted.RootCAs, DNSName: trusted.ServerName}); err != nil {
		t.Error(err)
	}
	var unknown x509.UnknownAuthorityError
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: x509.NewCertPool()}); !errors.As(err, &unknown) {
		t.Errorf("another authority: %v", err)
	}
}
