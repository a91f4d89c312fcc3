package sip

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"
)

// orphan is the response to an INVITE of a process that listened where d does.
func orphan(d *Driver, branch, status, contact string, headers ...string) string {
	body, lines := "", []string{"SIP/2.0 " + status, "Via: SIP/2.0/UDP " + d.Addr().String() + ";branch=" + branch, "From: <sip:+12125550100@sidetone.example>;tag=dead",
		"To: <sip:+12125550101@carrier.example>;tag=callee", "Call-ID: of-the-dead", "CSeq: 7 INVITE", "Contact: <sip:callee@" + contact + ">"}
	if strings.HasPrefix(status, "200") {
		body = basicSDP(4000)
		lines = append(lines, "Content-Type: application/sdp")
	}
	return strings.Join(append(lines, headers...), "\r\n") + "\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body
}

// Who answers a call that a process placed before it died is not left with silence: he
// gets ACK and BYE, once; who still rings gets CANCEL.
func TestCallsOfADeadProcess(t *testing.T) {
	t.Parallel()
	dead := "z9hG4bKdeaddeaddeaddead"
	start := func(t *testing.T) (*Driver, *carrier) {
		c := newCarrier(t)
		d := newDriver(t, func(cfg *Config) {
			cfg.LocalSources = []netip.Prefix{}
			cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), Username: "acct", Password: "pw"}}
		})
		c.from = net.UDPAddrFromAddrPort(d.Addr())
		return d, c
	}
	send := func(c *carrier, text string) {
		if _, err := c.conn.WriteToUDP([]byte(text), c.from); err != nil {
			c.t.Fatal(err)
		}
	}
	t.Run("answered", func(t *testing.T) {
		t.Parallel()
		d, c := start(t)
		phone := newCarrier(t)
		ok := orphan(d, dead, "200 OK", phone.conn.LocalAddr().String(), "Record-Route: <sip:a.example;lr>, <sip:"+c.conn.LocalAddr().String()+";lr>")
		send(c, ok)
		ack := c.receive()
		if !strings.HasPrefix(ack, "ACK sip:callee@") || headerOf(ack, "CSeq") != "7 ACK" || headerOf(ack, "Call-ID") != "of-the-dead" ||
			!strings.HasSuffix(headerOf(ack, "From"), ";tag=dead") || !strings.HasSuffix(headerOf(ack, "To"), ";tag=callee") {
			t.Fatalf("got %q, want ACK", ack)
		}
		bye := c.receive()
		if !strings.HasPrefix(bye, "BYE sip:callee@") || headerOf(bye, "CSeq") != "1008 BYE" {
			t.Fatalf("got %q, want BYE", bye)
		}
		c.answer(bye, "407 Proxy Authentication Required", "", `Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"`)
		again := c.receive()
		if cred, err := digest.ParseCredentials(headerOf(again, "Proxy-Authorization")); err != nil || cred.Username != "acct" {
			t.Errorf("got %q, want a BYE with credentials", again)
		}
		c.answer(again, "200 OK", "")
		send(c, ok)
		if repeated := c.receive(); repeated != ack {
			t.Errorf("a repeated 2xx got %q", repeated)
		}
	})
	t.Run("ringing", func(t *testing.T) {
		t.Parallel()
		d, c := start(t)
		send(c, orphan(d, dead, "180 Ringing", "127.0.0.1:9"))
		cancel := c.receive()
		if !strings.HasPrefix(cancel, "CANCEL sip:+12125550101@carrier.example ") || !strings.Contains(headerOf(cancel, "Via"), "branch="+dead+";") || headerOf(cancel, "CSeq") != "7 CANCEL" {
			t.Fatalf("got %q, want CANCEL", cancel)
		}
		c.answer(cancel, "200 OK", "")
		send(c, orphan(d, dead, "487 Request Terminated", "127.0.0.1:9"))
		if ack := c.receive(); !strings.HasPrefix(ack, "ACK ") || !strings.Contains(headerOf(ack, "Via"), "branch="+dead+";") {
			t.Errorf("got %q, want ACK", ack)
		}
	})
	for name, test := range map[string]struct{ from, old, is string }{
		"from a stranger":      {"127.0.0.9", "", ""},
		"by another way":       {"127.0.0.1", "Via: SIP/2.0/UDP 127.0.0.1", "Via: SIP/2.0/UDP 127.0.0.2"},
		"of this process":      {"127.0.0.1", dead, "MARK"},
		"of something else":    {"127.0.0.1", "7 INVITE", "7 BYE"},
		"without a tag":        {"127.0.0.1", ";tag=callee", ""},
		"of no dialog":         {"127.0.0.1", ";tag=dead", ""},
		"of an old standard":   {"127.0.0.1", dead, "1"},
		"refused, as expected": {"127.0.0.1", "200 OK", "486 Busy Here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := start(t)
			u := newRawUAFrom(t, d, "udp", test.from)
			is := strings.Replace(test.is, "MARK", magicCookie+d.mark+"1234", 1)
			u.send(strings.Replace(orphan(d, dead, "200 OK", u.conn.LocalAddr().String()), test.old, is, 1))
			if got := u.receive(300 * time.Millisecond); got != "" {
				t.Errorf("got %q", got)
			}
		})
	}
}
