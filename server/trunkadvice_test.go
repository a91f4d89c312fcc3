package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sidetone/sidetone/preset"
)

// answering is a SIP host over UDP that answers each request by its method: with a status
// line, and headers behind it; "" is silence.
func answering(t *testing.T, of func(method string) string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			req := string(buf[:n])
			method, _, _ := strings.Cut(req, " ")
			answer := of(method)
			if method == "ACK" || answer == "" {
				continue
			}
			lines := []string{"SIP/2.0 " + answer}
			for _, name := range []string{"Via", "From", "Call-ID", "CSeq"} {
				lines = append(lines, name+": "+headerIn(req, name))
			}
			lines = append(lines, "To: "+headerIn(req, "To")+";tag=far", "Content-Length: 0", "", "")
			_, _ = conn.WriteTo([]byte(strings.Join(lines, "\r\n")), from)
		}
	}()
	return conn.LocalAddr().String()
}

// unknownAuthority listens over TLS with a certificate that nobody signed.
func unknownAuthority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "far"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	raw, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return accepting(t, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS12})
}

// accepting takes connections and closes them at once; over TLS after the handshake.
func accepting(t *testing.T, secure *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if secure != nil {
				_ = tls.Server(conn, secure).HandshakeContext(t.Context())
			}
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// knowsNoName is a DNS server that knows no name.
func knowsNoName(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeNameError))
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return conn.LocalAddr().String()
}

// The remedy of a trunk's test is that of what failed, and the failure names the trunk as
// its owner does.
func TestTheRemedyFollowsTheCause(t *testing.T) {
	t.Parallel()
	status := func(method, line string) func(string) string {
		return func(m string) string {
			if m == method {
				return line
			}
			return "200 OK"
		}
	}
	challenge := func(more string) string {
		return "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"pbx\",nonce=\"1\"" + more
	}
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = refused.Close()
	const account = `,"username":"u","password":"pp"`
	c := testConfig(t)
	c.SIP.Resolver, c.Outbound.Allow = knowsNoName(t), []string{"127.0.0.0/8"}
	r := run(t, c)
	for i, test := range []struct {
		name, host, more, echo string
		step, remedy, failure  string
		not                    []string
	}{
		{"name", "nosuch.invalid", "", "", "options", "The DNS has no address", `trunk "name"`, []string{"UDP"}},
		{"certificate", unknownAuthority(t), `,"transport":"tls"`, "", "options", "authority that is not trusted", `certificate`, []string{"UDP", "NAT", "tls.ca_file of"}},
		{"refused", refused.Addr().String(), `,"transport":"tls"`, "", "options", "Nothing takes connections on that port", "refused", []string{"advertise", "NAT"}},
		{"refusedtcp", refused.Addr().String(), `,"transport":"tcp"`, "", "options", "Nothing takes connections on that port", "refused", []string{"advertise", "NAT"}},
		{"plain", accepting(t, nil), `,"transport":"tls"`, "", "options", "does not speak TLS", "", []string{"UDP to it"}},
		{"busy", answering(t, status("REGISTER", "503 Service Unavailable")), account, "", "register", "cannot serve now", "503", []string{"username"}},
		{"broken", answering(t, status("REGISTER", "500 Oops")), account, "", "register", "failed by itself (500)", "500", []string{"username"}},
		{"wrong", answering(t, status("REGISTER", challenge(""))), account, "", "register", "Check username and password", "401", nil},
		{"algorithm", answering(t, status("REGISTER", challenge(",algorithm=AKAv1-MD5"))), account, "", "register", "cannot give", "AKAv1-MD5", []string{"Check username"}},
		{"realm", answering(t, status("REGISTER", challenge(""))), account + `,"realm":"other"`, "", "register", `another realm than "other"`, "pbx", []string{"Check username"}},
		{"banned", answering(t, status("REGISTER", "403 Forbidden")), account, "", "register", "refuses the account", "403", nil},
		{"number", answering(t, status("", "")), "", "a b", "call", "cannot send that as a number", `"a b"`, []string{"no answer"}},
		{"nobody", answering(t, status("INVITE", challenge(""))), "", "600", "call", "the trunk has none", "401", []string{"realm"}},
		{"full", answering(t, status("INVITE", "503 Service Unavailable")), account, "600", "call", "cannot serve now", "503", []string{"username"}},
		{"wrongcall", answering(t, status("INVITE", challenge(""))), account, "600", "call", "Check username and password", "401", nil},
		{"foreign", answering(t, status("INVITE", challenge(",algorithm=AKAv1-MD5"))), account, "600", "call", "cannot give", "AKAv1-MD5", []string{"Check username"}},
		{"nocodec", answering(t, status("INVITE", "488 Not Acceptable Here")), "", "600", "call", "none of G.722", "488", nil},
	} {
		r.must(r.ready.APIKey, http.MethodPost, "/v1/trunks/create", fmt.Sprintf(`{"name":%q,"host":%q,"numbers":["+1415555%04d"]%s}`, test.name, test.host, i, test.more))
		answer := r.must(r.ready.APIKey, http.MethodPost, "/v1/trunks/test?"+url.Values{"name": {test.name}, "echo": {test.echo}}.Encode(), "")
		checks, _ := answer["checks"].([]any)
		var failed map[string]any
		for _, one := range checks {
			if check, ok := one.(map[string]any); ok && check["step"] == test.step {
				failed = check
			}
		}
		remedy, _ := failed["remedy"].(string)
		failure, _ := failed["error"].(string)
		if failed["ok"] != false || !strings.Contains(remedy, test.remedy) || !strings.Contains(failure, test.failure) {
			t.Errorf("%s: got %v, want %q about %q", test.name, checks, test.remedy, test.failure)
		}
		for _, wrong := range test.not {
			if strings.Contains(remedy, wrong) {
				t.Errorf("%s: the remedy says %q: %s", test.name, wrong, remedy)
			}
		}
		if id, _ := answer["id"].(string); id != "" && strings.Contains(failure, id) {
			t.Errorf("%s: the failure names the id: %s", test.name, failure)
		}
	}
}

// A preset's advice belongs to the usual failures of its step, and goes before ours where
// it is about the very status.
func TestAdviceOfPresets(t *testing.T) {
	t.Parallel()
	p := preset.Preset{Remedies: map[string]string{"options": "Look at the portal.", "call 403": "Add this server."}}
	for want, got := range map[string]string{
		"Check. Look at the portal.": advice{"Check.", true}.with(p, "options", 0),
		"The certificate.":           advice{"The certificate.", false}.with(p, "options", 0),
		"Add this server.":           advice{"Forbidden.", true}.with(p, "call", 403),
		"Not found.":                 advice{"Not found.", true}.with(p, "call", 404),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
