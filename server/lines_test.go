package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony/sip"
)

// ownCertificate writes a certificate for loopback that signs itself, and its key.
func ownCertificate(t *testing.T, lasts time.Duration) (cert, key string) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pbx"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(lasts), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &own.PublicKey, own)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// A server registers with a telephone system over TLS and asks whether it is there;
// /metrics and doctor say so, doctor also when no server runs.
func TestTrunkStatesAreShown(t *testing.T) {
	t.Parallel()
	cert, key := ownCertificate(t, 30*24*time.Hour)
	pbx, err := sip.New(sip.Config{Listen: "127.0.0.1:0", TLS: sip.TLS{Listen: "127.0.0.1:0", CertFile: cert, KeyFile: key},
		Users: []sip.User{{Name: "100", Password: "sesame"}}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pbx.Close() })
	c := testConfig(t)
	c.SIP.TLS = SIPTLS{Listen: "127.0.0.1:0", CertFile: cert, KeyFile: key}
	c.SIP.Trunks = []Trunk{{Name: "pbx", Host: pbx.TLSAddr().String(), Transport: "tls", Username: "100", Password: "sesame", Register: true,
		KeepAlive: time.Second, TLS: TrunkTLS{CAFile: cert}}}
	r := run(t, c)
	var there control
	known := func() bool {
		if there, err = readControl(c.Data); err != nil {
			t.Fatal(err)
		}
		figures, err := there.client().Metrics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text := string(figures)
		return strings.Contains(text, `sidetone_trunk_registered{trunk="pbx"} 1`) && strings.Contains(text, `sidetone_trunk_up{trunk="pbx"} 1`) &&
			strings.Contains(text, `sidetone_trunk_round_trip_seconds{trunk="pbx"} 0.`) && strings.Contains(text, `sidetone_trunk_up_changed_timestamp_seconds{trunk="pbx"} `)
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for limit := time.After(time.Minute); !known(); {
		select {
		case <-poll.C:
		case <-limit:
			t.Fatal("the trunk's state is not shown")
		}
	}
	held := c
	held.HTTP.Addr, held.SIP.Addr, held.SIP.TLS.Listen = strings.TrimPrefix(r.ready.HTTP, "http://"), r.ready.SIP, there.SIPTLS
	found := Doctor(t.Context(), held)
	for name, want := range map[string]string{"sip.tls.listen": "served by the running server", "sip.tls certificate": "is good until",
		"trunk pbx (registration)": "registered at", "trunk pbx (OPTIONS)": "responded within", "trunk pbx (TLS) authority": "is good until"} {
		if f := named(t, found, name); f.Fix != "" || !strings.Contains(f.Detail, want) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	r.end()
	if f := named(t, checkLines(t.Context(), c.SIP, neighbour{}), "trunk pbx (OPTIONS)"); f.Fix != "" || !strings.Contains(f.Detail, "over TLS") {
		t.Errorf("without a server: %+v", f)
	}
}

func TestDoctorOnTLS(t *testing.T) {
	t.Parallel()
	cert, key := ownCertificate(t, time.Hour)
	old, oldKey := ownCertificate(t, -time.Minute)
	trunk := func(tls TrunkTLS) Trunk { return Trunk{Name: "a", TLS: tls} }
	for name, test := range map[string]struct {
		config SIPConfig
		which  string
		want   string // of the detail
		must   bool   // it has to be fixed
	}{
		"soon over":            {SIPConfig{Trunks: []Trunk{trunk(TrunkTLS{CertFile: cert, KeyFile: key})}}, "trunk a (TLS) certificate", "is good until", false},
		"over":                 {SIPConfig{Trunks: []Trunk{trunk(TrunkTLS{CertFile: old, KeyFile: oldKey})}}, "trunk a (TLS) certificate", "ended on", true},
		"another's key":        {SIPConfig{TLS: SIPTLS{Listen: "127.0.0.1:0", CertFile: cert, KeyFile: oldKey}}, "sip.tls certificate", "private key", true},
		"no authority":         {SIPConfig{Trunks: []Trunk{trunk(TrunkTLS{CAFile: key})}}, "trunk a (TLS) authority", "no certificate", true},
		"an authority missing": {SIPConfig{Trunks: []Trunk{trunk(TrunkTLS{ClientCAFile: "/nowhere"})}}, "trunk a (TLS) authority", "no such file", true},
		"nobody there": {SIPConfig{Addr: "127.0.0.1:0", Trunks: []Trunk{{Name: "a", Host: "127.0.0.1:1", Transport: "tls"}}},
			"trunk a (OPTIONS)", "refused", false},
		"no such authorities": {SIPConfig{Addr: "127.0.0.1:0", Trunks: []Trunk{{Name: "a", Host: "h", Transport: "tls", TLS: TrunkTLS{CAFile: "/nowhere"}}}},
			"trunks", "no such file", true},
	} {
		f := named(t, checkLines(t.Context(), test.config, neighbour{}), test.which)
		if !strings.Contains(f.Detail, test.want) || f.Fix == "" || f.Optional == test.must {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
