package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/loadgen"
)

// carriedNumber is the number of the trunk whose calls may be encrypted.
const carriedNumber = "+12025550199"

// secure measures echo calls in plain and over TLS and SRTP, in turns against one server
// whose trunk takes both.
func (b *bench) secure(ctx context.Context) (err error) {
	dir := filepath.Join(b.dir, "secure")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	config, trusted, err := secureConfig(dir)
	if err != nil {
		return err
	}
	t, err := start(ctx, b.o.Program, dir, "--config", config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	if err := t.place(ctx, client.Purchase{PhoneNumber: carriedNumber, TelephonyProvider: "sip"}, "echo", ""); err != nil {
		return err
	}
	return b.securePairs(ctx, t, trusted)
}

// securePairs makes pairs of runs until as many count as the size asks for, and less than
// twice as many in all. Every other pair begins with the other kind, so that what grows
// or shrinks in the meantime falls on both.
func (b *bench) securePairs(ctx context.Context, t *target, trusted *tls.Config) error {
	c := loadgen.Config{Scenario: loadgen.ScenarioEcho, Number: carriedNumber, Calls: b.size.secureCalls, Duration: b.size.window}
	var pairs []loadgen.SecurePair
	for len(pairs) == 0 || b.results.Secure.Pairs < b.size.securePairs && len(pairs) < 2*b.size.securePairs-1 {
		configs := [2]loadgen.Config{c, c}
		plain, secure := len(pairs)%2, 1-len(pairs)%2
		configs[secure].TLS = trusted
		var reports [2]loadgen.Report
		for i := range configs {
			var err error
			if reports[i], err = t.load(ctx, configs[i]); err != nil {
				return err
			}
		}
		pair := loadgen.SecurePair{Plain: &reports[plain], Secure: &reports[secure]}
		pairs = append(pairs, pair)
		b.results.Secure = loadgen.SumUp(pairs)
		b.printf("          pair %d: %.4f s of cpu per call-minute in plain, %.4f s over TLS and SRTP; the callers were %.1f ms late\n", len(pairs),
			pair.Plain.CPUPerCallMinute, pair.Secure.CPUPerCallMinute, max(pair.Plain.Lateness.P99, pair.Secure.Lateness.P99))
	}
	return nil
}

// secureConfig writes a server's configuration with a TLS listener and a trunk for what
// comes from this machine, and the certificate for it. trusted trusts that one alone.
func secureConfig(dir string) (path string, trusted *tls.Config, err error) {
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	trusted, err = certify(certFile, keyFile)
	if err != nil {
		return "", nil, fmt.Errorf("make a certificate: %w", err)
	}
	path = filepath.Join(dir, "sidetone.yaml")
	text := fmt.Sprintf(`sip:
  tls: {listen: "127.0.0.1:0", cert_file: %q, key_file: %q}
  trunks:
    - {name: bench, addresses: [127.0.0.0/8], numbers: [%q], media: {srtp: prefer}}
`, certFile, keyFile, carriedNumber)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", nil, fmt.Errorf("write the configuration: %w", err)
	}
	return path, trusted, nil
}

// certify makes an authority for this run and has it sign a certificate for loopback,
// which it writes with its key. The authority's own key is forgotten.
func certify(certFile, keyFile string) (*tls.Config, error) {
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Sidetone bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	if authority, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	own := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if der, err = x509.CreateCertificate(rand.Reader, own, authority, &key.PublicKey, caKey); err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}, errors.Join(
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}
