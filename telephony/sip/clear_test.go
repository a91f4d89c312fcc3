package sip

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// A call over TLS of a process that is gone is hung up over TLS, with what its trunk
// says about certificates.
func TestAnotherProcessHangsUpOverTLS(t *testing.T) {
	t.Parallel()
	byes := make(chan string, 8)
	d, trunk := secureTrunk(t, func(n int, u *rawUA) {
		if n == 1 {
			u.respond(u.receive(20*time.Second), "200 OK", basicSDP(4000))
			u.receive(20 * time.Second) // ACK
			return
		}
		bye := u.receive(20 * time.Second)
		byes <- bye
		if bye != "" {
			u.respond(bye, "200 OK", "")
		}
	})
	leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	dialog := leg.(telephony.DialogHolder).Dialog()
	if !strings.Contains(dialog, `"network":"TLS"`) {
		t.Fatalf("the dialog is %s", dialog)
	}
	other := newDriver(t, func(c *Config) { c.Trunks = []Trunk{trunk} })
	if err := other.CloseDialog(t.Context(), dialog); err != nil {
		t.Error(err)
	}
	if bye := <-byes; !strings.HasPrefix(bye, "BYE ") || !strings.HasPrefix(headerOf(bye, "Via"), "SIP/2.0/TLS ") {
		t.Errorf("got %q", bye)
	}
}

// A trunk that is reached over TLS takes no calls without it from where it is reached,
// unless it lists that address.
func TestClearCallsOfATrunkOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for name, test := range map[string]struct {
		listed bool
		status int
	}{"of its targets": {false, 403}, "of listed addresses": {true, 200}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refused refusals
			d := newDriver(t, func(c *Config) {
				c.TLS = ca.listener(t)
				c.LocalSources = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
				trunk := Trunk{Name: "carrier", Host: "127.0.0.1:5061", Transport: "tls"}
				if test.listed {
					trunk.Addresses = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
				}
				c.Trunks, c.Refused = []Trunk{trunk}, refused.add
			})
			serve(t, d, accept)
			eventually(t, "the trunk's addresses", func() bool { return len(d.trunksOf(netip.MustParseAddr("127.0.0.1"))) > 0 })
			u := newRawUA(t, d, "udp")
			u.send(u.request("OPTIONS", 1, ""))
			u.status("OPTIONS", 200)
			u.send(u.request("INVITE", 2, basicSDP(4000)))
			u.status("INVITE", test.status)
			u.ack(2, "")
			if got := refused.of(RefusedClear); (got == 0) != test.listed {
				t.Errorf("%d refused", got)
			}
			s := secureUA(t, d, &tls.Config{RootCAs: ca.pool(), ServerName: "127.0.0.1"})
			s.send(s.request("INVITE", 1, basicSDP(4000)))
			s.status("INVITE", 200)
		})
	}
}
