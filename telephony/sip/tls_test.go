package sip

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// authority signs certificates for one test.
type authority struct {
	file string // its own certificate, PEM
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
	n    atomic.Int64
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.key = newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: t.Name()}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	a.file = filepath.Join(a.dir, "ca.pem")
	writePEM(t, a.file, "CERTIFICATE", raw)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t testing.TB, file, kind string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue writes a certificate for names, or addresses, and its key.
func (a *authority) issue(t testing.TB, lasts time.Duration, names ...string) (cert, key string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(a.n.Add(1) + 1), Subject: pkix.Name{CommonName: names[0]},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(lasts), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	own := newKey(t)
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, &own.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, cert, "CERTIFICATE", raw)
	writePEM(t, key, "PRIVATE KEY", der)
	return cert, key
}

// listener is a TLS listener on a free port with a certificate for loopback.
func (a *authority) listener(t testing.TB) TLS {
	cert, key := a.issue(t, time.Hour, "127.0.0.1")
	return TLS{Listen: "127.0.0.1:0", CertFile: cert, KeyFile: key}
}

// pool trusts the authority.
func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// secureUA is a peer on a TLS connection to d.
func secureUA(t testing.TB, d *Driver, cfg *tls.Config) *rawUA {
	t.Helper()
	conn, err := tls.Dial("tcp", d.TLSAddr().String(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	u := newRawUAOn(t, "tls", conn)
	u.in = bufio.NewReader(conn)
	return u
}

// A call comes in over TLS: Via and Contact say so, and sips where the caller does.
func TestCallOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	d := newDriver(t, func(c *Config) { c.TLS = ca.listener(t) })
	serve(t, d, accept)
	for _, test := range []struct{ name, contact, want string }{
		{"sip", "Contact: <sip:raw@127.0.0.1:5061;transport=tls>", "<sip:sidetone@" + d.TLSAddr().String() + ";transport=tls>"},
		{"sips", "Contact: <sips:raw@127.0.0.1:5061>", "<sips:sidetone@" + d.TLSAddr().String() + ">"},
	} {
		u := secureUA(t, d, &tls.Config{RootCAs: ca.pool(), ServerName: "127.0.0.1"})
		u.send(u.request("INVITE", 1, basicSDP(4000), test.contact))
		ok := u.status("INVITE", 200)
		if got := headerOf(ok, "Contact"); got != test.want {
			t.Errorf("%s: Contact %q, want %q", test.name, got, test.want)
		}
		if got := headerOf(ok, "Via"); !strings.HasPrefix(got, "SIP/2.0/TLS ") {
			t.Errorf("%s: Via %q", test.name, got)
		}
		_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
		u.ack(1, "")
		u.send(u.request("BYE", 2, ""))
		u.status("BYE", 200)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	d := newDriver(t, func(c *Config) { c.TLS = ca.listener(t) })
	cfg := &tls.Config{RootCAs: ca.pool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", d.TLSAddr().String(), cfg); err == nil {
		conn.Close()
		t.Error("TLS 1.1 is taken")
	}
}

// The certificate is read again when its files change; calls go on. While only one of
// both files is the new one, the certificate before stays in use.
func TestCertificateIsReadAgain(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	files := ca.listener(t)
	d := newDriver(t, func(c *Config) { c.TLS = files })
	serve(t, d, accept)
	cfg := &tls.Config{RootCAs: ca.pool(), ServerName: "127.0.0.1"}
	u := secureUA(t, d, cfg)
	u.establish(basicSDP(4000))
	serial := func() int64 {
		conn, err := tls.Dial("tcp", d.TLSAddr().String(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	first := serial()
	cert, key := ca.issue(t, time.Hour, "127.0.0.1")
	replace := func(with, file string) {
		if err := os.Rename(with, file); err != nil {
			t.Fatal(err)
		}
	}
	replace(cert, files.CertFile)
	if got := serial(); got != first {
		t.Errorf("with half of the new pair: serial %d, want %d", got, first)
	}
	replace(key, files.KeyFile)
	if got := serial(); got == first {
		t.Error("the certificate was not read again")
	}
	u.send(u.request("BYE", 2, ""))
	u.status("BYE", 200)
}

// What fails says what to do.
func TestTLSFailuresNameTheirRemedy(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	server := func(lasts time.Duration, asks bool, names ...string) string {
		cert, key := ca.issue(t, lasts, names...)
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		cfg := &tls.Config{Certificates: []tls.Certificate{pair}}
		if asks {
			cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool()
		}
		return tlsServer(t, cfg, nil)
	}
	plain := newDriver(t, nil)
	good := server(time.Hour, false, "127.0.0.1")
	for _, test := range []struct {
		name  string
		trunk Trunk
		want  string
	}{
		{"the system's authorities", Trunk{Host: good}, "tls.ca_file"},
		{"another authority", Trunk{Host: good, TLS: TrunkTLS{CAFile: other.file}}, "tls.ca_file"},
		{"another name", Trunk{Host: server(time.Hour, false, "sip.example"), TLS: TrunkTLS{CAFile: ca.file}}, "tls.server_name"},
		{"another name than the one set", Trunk{Host: good, TLS: TrunkTLS{CAFile: ca.file, ServerName: "b.example"}}, `"b.example"`},
		{"expired", Trunk{Host: server(-time.Minute, false, "127.0.0.1"), TLS: TrunkTLS{CAFile: ca.file}}, "clock"},
		{"no TLS there", Trunk{Host: plain.Addr().String(), TLS: TrunkTLS{CAFile: ca.file}}, "does not speak TLS"},
		{"our certificate is wanted", Trunk{Host: server(time.Hour, true, "127.0.0.1"), TLS: TrunkTLS{CAFile: ca.file}}, "tls.cert_file"},
	} {
		test.trunk.Name, test.trunk.Transport = "carrier", "tls"
		d := newDriver(t, func(c *Config) { c.Trunks = []Trunk{test.trunk} })
		_, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want something with %q", test.name, err, test.want)
		}
	}
}

// tlsServer takes connections and hands them to talk; without it, it reads them to
// their end. It returns its address.
func tlsServer(t testing.TB, cfg *tls.Config, talk func(*tls.Conn)) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	if talk == nil {
		talk = func(c *tls.Conn) { io.Copy(io.Discard, c) }
	}
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			talk(conn.(*tls.Conn))
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// The name that a server is asked for is the host's, also when it was looked up, and
// for an address in a dialog that of the trunk's host.
func TestServerNames(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.issue(t, time.Hour, "sip.carrier.example")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 1)
	address := tlsServer(t, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		asked <- h.ServerName
		return &pair, nil
	}}, func(c *tls.Conn) { c.Handshake() })
	_, port, _ := net.SplitHostPort(address)
	d := newDriver(t, func(c *Config) {
		c.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		c.Trunks = []Trunk{{Name: "carrier", Host: "sip.carrier.example:" + port, Transport: "tls", TLS: TrunkTLS{CAFile: ca.file}}}
	})
	for _, host := range []string{"sip.carrier.example", "127.0.0.1"} {
		p, err := d.reach(t.Context(), d.trunk("carrier"), target{transport: "tls", address: netip.MustParseAddrPort(address), host: host, domain: host})
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		if got := <-asked; got != "sip.carrier.example" {
			t.Errorf("%s: asked for %q", host, got)
		}
		<-p.lost()
	}
	if got := (&Trunk{Host: "192.0.2.1:5061"}).serverName("192.0.2.9"); got != "192.0.2.9" {
		t.Errorf("among addresses: %q", got)
	}
}

// A trunk's calls may have to come with its certificate; an address alone then admits
// nobody, and another authority's, or another name's, neither.
func TestCallsWithACertificate(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	nowhere := netip.MustParsePrefix("192.0.2.0/24")
	for _, test := range []struct {
		name       string
		by         *authority
		is         string
		clientName string
		addresses  []netip.Prefix
		want       bool
	}{
		{"the trunk's", ca, "pbx.example", "", nil, true},
		{"the trunk's, by name", ca, "pbx.example", "pbx.example", nil, true},
		{"another name's", ca, "evil.example", "pbx.example", nil, false},
		{"another authority's", other, "pbx.example", "", nil, false},
		{"from another address", ca, "pbx.example", "", []netip.Prefix{nowhere}, false},
		{"none", nil, "", "", nil, false},
	} {
		d := newDriver(t, func(c *Config) {
			c.TLS, c.LocalSources = ca.listener(t), []netip.Prefix{}
			c.Trunks = []Trunk{{Name: "pbx", Addresses: test.addresses, TLS: TrunkTLS{ClientCAFile: ca.file, ClientName: test.clientName}}}
		})
		legs, _ := tape(t, d)
		cfg := &tls.Config{RootCAs: ca.pool(), ServerName: "127.0.0.1"}
		if test.by != nil {
			cert, key := test.by.issue(t, time.Hour, test.is)
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		u := secureUA(t, d, cfg)
		u.send(u.request("INVITE", 1, basicSDP(4000)))
		if !test.want {
			if got := u.receive(20 * time.Second); got != "" {
				t.Errorf("%s: got %q", test.name, got)
			}
			continue
		}
		u.status("INVITE", 200)
		if info := (<-legs).Info(); info.Trunk != "pbx" {
			t.Errorf("%s: trunk %q", test.name, info.Trunk)
		}
	}
}

// A connection whose certificate a trunk asks for no more is nobody's, also while it
// stays open.
func TestConnectionLosesItsTrunk(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := ca.issue(t, time.Hour, "pbx.example")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	nowhere := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	was := Trunk{Name: "pbx", TLS: TrunkTLS{ClientCAFile: ca.file}}
	for name, test := range map[string]struct {
		is   Trunk
		want string
	}{
		"the same":          {was, "pbx"},
		"another password":  {Trunk{Name: "pbx", Password: "new", TLS: was.TLS}, "pbx"},
		"another authority": {Trunk{Name: "pbx", TLS: TrunkTLS{ClientCAFile: other.file}}, ""},
		"another name":      {Trunk{Name: "pbx", TLS: TrunkTLS{ClientCAFile: ca.file, ClientName: "other.example"}}, ""},
		"other addresses":   {Trunk{Name: "pbx", Addresses: nowhere, TLS: was.TLS}, ""},
		"no certificate":    {Trunk{Name: "pbx", Addresses: nowhere}, ""},
		"another trunk":     {Trunk{Name: "other", TLS: was.TLS}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, func(c *Config) {
				c.TLS, c.LocalSources, c.Trunks = ca.listener(t), []netip.Prefix{}, []Trunk{was}
			})
			legs, _ := tape(t, d)
			u := secureUA(t, d, &tls.Config{RootCAs: ca.pool(), ServerName: "127.0.0.1",
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }})
			u.send(u.request("INVITE", 1, basicSDP(4000)))
			u.status("INVITE", 200)
			<-legs
			if err := d.SetTrunks([]Trunk{test.is}, []User{{Name: "desk", Password: "secret"}}); err != nil {
				t.Fatal(err)
			}
			u.callID, u.toTag = u.callID+"2", ""
			u.send(u.request("INVITE", 2, basicSDP(4000)))
			if test.want == "" {
				u.status("INVITE", 401)
				return
			}
			u.status("INVITE", 200)
			if info := (<-legs).Info(); info.Trunk != test.want {
				t.Errorf("trunk %q", info.Trunk)
			}
		})
	}
}

func TestTrunkNeedsItsCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	d := newDriver(t, func(c *Config) {
		c.TLS = ca.listener(t)
		c.Trunks = []Trunk{{Name: "pbx", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, TLS: TrunkTLS{ClientCAFile: ca.file}}}
	})
	u := newRawUA(t, d, "udp")
	u.send(u.request("INVITE", 1, basicSDP(4000)))
	u.status("INVITE", 403)
}

// secureTrunk is a carrier on TLS: each connection is handed to talk, in turn.
func secureTrunk(t *testing.T, talk func(n int, u *rawUA)) (*Driver, Trunk) {
	t.Helper()
	ca := newAuthority(t)
	cert, key := ca.issue(t, time.Hour, "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	address := tlsServer(t, &tls.Config{Certificates: []tls.Certificate{pair}}, func(c *tls.Conn) {
		n++
		talk(n, &rawUA{t: t, conn: c, in: bufio.NewReader(c)})
	})
	trunk := Trunk{Name: "carrier", Host: address, Transport: "tls", TLS: TrunkTLS{CAFile: ca.file}}
	return newDriver(t, func(c *Config) { c.Trunks = []Trunk{trunk} }), trunk
}

// respond is a response of the far end to a request.
func (u *rawUA) respond(req, status, body string, headers ...string) {
	to := headerOf(req, "To")
	if !strings.Contains(to, ";tag=") {
		to += ";tag=carrier"
	}
	lines := []string{"SIP/2.0 " + status, "Via: " + headerOf(req, "Via"), "From: " + headerOf(req, "From"), "To: " + to,
		"Call-ID: " + headerOf(req, "Call-ID"), "CSeq: " + headerOf(req, "CSeq"), "Content-Length: " + strconv.Itoa(len(body))}
	if body != "" {
		lines = append(lines, "Contact: <sip:carrier@"+u.conn.LocalAddr().String()+">", "Content-Type: application/sdp")
	}
	u.send(strings.Join(append(lines, headers...), "\r\n") + "\r\n\r\n" + body)
}

// A connection that is lost is made again before a request in a dialog fails: whether
// it was lost before the request, or before its response.
func TestLostConnectionIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"before the request": false, "before the response": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			byes := make(chan string, 2)
			closed := make(chan struct{})
			d, _ := secureTrunk(t, func(n int, u *rawUA) {
				if n == 1 {
					invite := u.receive(20 * time.Second)
					u.respond(invite, "200 OK", basicSDP(4000))
					u.receive(20 * time.Second) // ACK
					if late {
						byes <- u.receive(20 * time.Second)
					}
					u.conn.Close()
					close(closed)
					return
				}
				bye := u.receive(20 * time.Second)
				byes <- bye
				u.respond(bye, "200 OK", "")
			})
			leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !late {
				<-closed
				<-legPeer(leg).lost()
			}
			if err := leg.Hangup(t.Context(), telephony.CauseNormal); err != nil {
				t.Errorf("Hangup: %v", err)
			}
			want := 1
			if late {
				want = 2
			}
			for range want {
				if bye := <-byes; !strings.HasPrefix(bye, "BYE ") || !strings.HasPrefix(headerOf(bye, "Via"), "SIP/2.0/TLS ") {
					t.Errorf("got %q", bye)
				}
			}
		})
	}
}

// An INVITE whose connection is lost before anything came goes out once more by a new
// one, as the same transaction.
func TestInviteByANewConnection(t *testing.T) {
	t.Parallel()
	invites := make(chan string, 3)
	d, _ := secureTrunk(t, func(n int, u *rawUA) {
		invite := u.receive(20 * time.Second)
		invites <- invite
		if n == 1 {
			return
		}
		u.respond(invite, "486 Busy Here", "")
		u.receive(20 * time.Second) // ACK
	})
	_, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
	if err == nil || !strings.Contains(err.Error(), "486") {
		t.Errorf("got %v", err)
	}
	first, second := <-invites, <-invites
	if headerOf(first, "CSeq") != headerOf(second, "CSeq") || headerOf(first, "Via") != headerOf(second, "Via") || len(invites) != 0 {
		t.Errorf("first\n%s\nsecond\n%s", first, second)
	}
}

// Without a listener for TLS, Contact and Via name the connection's own port.
func TestContactWithoutAListener(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	from := make(chan string, 1)
	d, _ := secureTrunk(t, func(_ int, u *rawUA) {
		from <- u.conn.RemoteAddr().String()
		invite := u.receive(20 * time.Second)
		got <- invite
		u.respond(invite, "486 Busy Here", "")
		u.receive(20 * time.Second) // ACK
	})
	d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
	invite, us := <-got, <-from
	if want := "<sip:sidetone@" + us + ";transport=tls>"; headerOf(invite, "Contact") != want {
		t.Errorf("Contact %q, want %q", headerOf(invite, "Contact"), want)
	}
	if !strings.HasPrefix(headerOf(invite, "Via"), "SIP/2.0/TLS "+us+";") || !strings.Contains(invite, ";transport=tls SIP/2.0") {
		t.Errorf("got\n%s", invite)
	}
}

func TestTLSConfig(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.issue(t, time.Hour, "a")
	for name, cfg := range map[string]Config{
		"no key":               {TLS: TLS{Listen: "127.0.0.1:0", CertFile: cert}},
		"no such certificate":  {TLS: TLS{Listen: "127.0.0.1:0", CertFile: cert + "x", KeyFile: key}},
		"address":              {Listen: "127.0.0.1:0", TLS: TLS{Listen: "nowhere", CertFile: cert, KeyFile: key}},
		"client key":           {Trunks: []Trunk{{Name: "a", TLS: TrunkTLS{CertFile: cert}}}},
		"client's key":         {Trunks: []Trunk{{Name: "a", TLS: TrunkTLS{CertFile: cert, KeyFile: cert}}}},
		"authorities":          {Trunks: []Trunk{{Name: "a", TLS: TrunkTLS{CAFile: key}}}},
		"clients' authorities": {Trunks: []Trunk{{Name: "a", TLS: TrunkTLS{ClientCAFile: key}}}},
		"name alone":           {Trunks: []Trunk{{Name: "a", TLS: TrunkTLS{ClientName: "a"}}}},
		"outbound proxy":       {Trunks: []Trunk{{Name: "a", OutboundProxy: "sip:a@b"}}},
		"keep-alive":           {Trunks: []Trunk{{Name: "a", KeepAlive: time.Millisecond}}},
		"no host":              {Trunks: []Trunk{{Name: "a", Username: "u", Register: Registration{On: true}}}},
		"no user name":         {Trunks: []Trunk{{Name: "a", Host: "h", Register: Registration{On: true}}}},
		"too long":             {Trunks: []Trunk{{Name: "a", Host: "h", Username: "u", Register: Registration{On: true, Expires: 48 * time.Hour}}}},
		"one contact": {Trunks: []Trunk{{Name: "a", Host: "h", Username: "u", Register: Registration{On: true}},
			{Name: "b", Host: "h:5070", Username: "v", Register: Registration{On: true, ContactUser: "u"}}}},
	} {
		if d, err := New(cfg); err == nil {
			d.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

func legPeer(l telephony.Leg) peer {
	one := l.(*leg)
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.peer
}

// Who needs a connection at the same time gets the same one.
func TestOneConnectionForAll(t *testing.T) {
	t.Parallel()
	far := newDriver(t, nil)
	d := newDriver(t, nil)
	var wg sync.WaitGroup
	got := make([]*tcpConn, 8)
	for i := range got {
		wg.Go(func() {
			p, err := d.reach(t.Context(), nil, target{transport: "tcp", address: far.Addr()})
			if err != nil {
				t.Error(err)
			}
			got[i] = p.tcp
		})
	}
	wg.Wait()
	for _, c := range got {
		if c != got[0] {
			t.Fatal("more than one connection")
		}
	}
}

// A message is one record, however long it is, from the first one of a connection on.
func TestMessageIsOneRecord(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	ca := newAuthority(t)
	d := newDriver(t, func(c *Config) { c.TLS = ca.listener(t) })
	serve(t, d, accept)
	u := secureUA(t, d, &tls.Config{RootCAs: ca.pool(), ServerName: "127.0.0.1"})
	u.in = nil // reads records
	route := "Record-Route: <sip:127.0.0.1:5099;lr;a=" + strings.Repeat(long, 14) + ">"
	u.send(u.request("INVITE", 1, basicSDP(4000), route))
	ok := u.receive(20 * time.Second)
	for strings.HasPrefix(ok, "SIP/2.0 1") {
		ok = u.receive(20 * time.Second)
	}
	if !strings.HasPrefix(ok, "SIP/2.0 200 ") || !wholeMessage(ok) {
		t.Errorf("the 200 came in pieces, the first of %d bytes", len(ok))
	}

	invites := make(chan string, 1)
	d, _ = secureTrunk(t, func(_ int, u *rawUA) {
		u.in = nil
		invite := u.receive(20 * time.Second)
		invites <- invite
		u.respond(invite, "486 Busy Here", "")
	})
	_, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier",
		Headers: map[string]string{"X-One": long, "X-Two": long}}, nil)
	if err == nil {
		t.Error("the call was answered")
	}
	if invite := <-invites; len(invite) < 2000 || !wholeMessage(invite) {
		t.Errorf("the INVITE came in pieces, the first of %d bytes", len(invite))
	}
}

// wholeMessage reports whether a message has the body that it announces.
func wholeMessage(msg string) bool {
	_, body, _ := strings.Cut(msg, "\r\n\r\n")
	return headerOf(msg, "Content-Length") == strconv.Itoa(len(body)) && body != ""
}
