package sip

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/telephony"
)

func TestParseProxy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"edge.example": "<sip:edge.example;lr>", "edge.example:5080": "<sip:edge.example:5080;lr>",
		"edge.example;tcp": "<sip:edge.example;transport=tcp;lr>", "192.0.2.1:5061;transport=TLS": "<sip:192.0.2.1:5061;transport=tls;lr>",
		"[2001:db8::1]:5061;tls": "<sip:[2001:db8::1]:5061;transport=tls;lr>", "2001:db8::1": "<sip:[2001:db8::1];lr>",
		"": "", ":5060": "", "edge:": "", "edge:0": "", "edge:sip": "", "edge:99999": "", "edge;sctp": "", "edge;": "", "sip:edge": "", "a b": "", "a>\r\nX: y": "", "a@b": "", "[::1": "",
	} {
		got, err := parseProxy(text)
		if (err == nil) != (want != "") || err == nil && looseRoute(got) != want {
			t.Errorf("%q: %q, %v, want %q", text, looseRoute(got), err, want)
		}
	}
}

func FuzzParseProxy(f *testing.F) {
	for _, text := range []string{"edge.example:5080;tcp", "[2001:db8::1]:5061;tls", "2001:db8::1", "a>\r\nX: y", "edge;transport=", "%zz:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		uri, err := parseProxy(text)
		if err != nil {
			return
		}
		route := looseRoute(uri)
		if strings.ContainsAny(route[1:len(route)-1], "<>\r\n\" @,") {
			t.Errorf("%q: %q", text, route)
		}
		again, err := parseProxy(strings.TrimSuffix(strings.TrimPrefix(route, "<sip:"), ";lr>"))
		if err != nil || looseRoute(again) != route {
			t.Errorf("%q: %q is read as %q, %v", text, route, looseRoute(again), err)
		}
	})
}

// Requests outside of calls go to the proxy, by a loose route; its challenges are the
// trunk's. Within the call its Record-Route counts, or nothing.
func TestOutboundProxy(t *testing.T) {
	t.Parallel()
	for name, recorded := range map[string]bool{"which stays": true, "which leaves": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := newCarrier(t)
			route := "<sip:" + proxy.conn.LocalAddr().String() + ";lr>"
			d := newDriver(t, func(cfg *Config) {
				cfg.Trunks = []Trunk{{Name: "carrier", Host: "sip.carrier.example", OutboundProxy: proxy.conn.LocalAddr().String(),
					Username: "acct", Password: "pw"}}
				cfg.Lookup = func(context.Context, string) ([]netip.Addr, error) {
					return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil // nobody is there
				}
			})
			legs := make(chan telephony.Leg, 1)
			go func() {
				leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
				if err != nil {
					t.Error(err)
				}
				legs <- leg
			}()
			first := proxy.receive()
			if !strings.HasPrefix(first, "INVITE sip:+12125550101@sip.carrier.example ") || headerOf(first, "Route") != route {
				t.Fatalf("got\n%s", first)
			}
			proxy.answer(first, "407 Proxy Authentication Required", "", `Proxy-Authenticate: Digest realm="r", nonce="1"`)
			if ack := proxy.receive(); headerOf(ack, "Route") != route || !strings.HasPrefix(ack, "ACK ") {
				t.Errorf("ACK of a refusal\n%s", ack)
			}
			second := proxy.receive()
			if headerOf(second, "Route") != route || headerOf(second, "Proxy-Authorization") == "" {
				t.Fatalf("got\n%s", second)
			}
			want, more := "", []string(nil)
			if recorded {
				want, more = route, []string{"Record-Route: " + route}
			}
			proxy.answer(second, "200 OK", basicSDP(4000), more...)
			if ack := proxy.receive(); !strings.HasPrefix(ack, "ACK ") || headerOf(ack, "Route") != want {
				t.Errorf("ACK\n%s", ack)
			}
			leg := <-legs
			done := make(chan error, 1)
			go func() { done <- leg.Hangup(t.Context(), telephony.CauseNormal) }()
			bye := proxy.receive()
			proxy.answer(bye, "401 Unauthorized", "", `WWW-Authenticate: Digest realm="r", nonce="2"`)
			again := proxy.receive()
			if headerOf(bye, "Route") != want || headerOf(again, "Route") != want || headerOf(again, "Authorization") == "" {
				t.Errorf("BYE\n%s\n%s", bye, again)
			}
			proxy.answer(again, "200 OK", "")
			if err := <-done; err != nil {
				t.Errorf("Hangup: %v", err)
			}
		})
	}
}

// A CANCEL takes the way of its INVITE.
func TestCancelThroughTheProxy(t *testing.T) {
	t.Parallel()
	proxy := newCarrier(t)
	route := "<sip:" + proxy.conn.LocalAddr().String() + ";lr>"
	ctx, cancel := context.WithCancel(t.Context())
	done := dialThrough(t, proxy, ctx, func(trunk *Trunk) {
		trunk.Host, trunk.OutboundProxy = "192.0.2.1", proxy.conn.LocalAddr().String()
	})
	invite := proxy.receive()
	proxy.answer(invite, "180 Ringing", "")
	cancel()
	got := proxy.receive()
	if !strings.HasPrefix(got, "CANCEL ") || headerOf(got, "Route") != route {
		t.Errorf("got\n%s", got)
	}
	proxy.answer(got, "200 OK", "")
	proxy.answer(invite, "487 Request Terminated", "")
	if ack := proxy.receive(); headerOf(ack, "Route") != route {
		t.Errorf("ACK\n%s", ack)
	}
	if err := <-done; err == nil {
		t.Error("no error")
	}
}

// REGISTER and OPTIONS go to the proxy, too, and calls from it are the trunk's.
func TestRegistrationThroughTheProxy(t *testing.T) {
	t.Parallel()
	proxy := newCarrier(t)
	d := newDriver(t, func(cfg *Config) {
		cfg.LocalSources = []netip.Prefix{}
		cfg.Trunks = []Trunk{{Name: "carrier", Host: "192.0.2.1", OutboundProxy: proxy.conn.LocalAddr().String(), Username: "acct", Password: "pw",
			Register: Registration{On: true}}}
	})
	t.Cleanup(func() { go proxy.answerAll(t) })
	legs, _ := tape(t, d)
	register := proxy.receive()
	if !strings.HasPrefix(register, "REGISTER sip:192.0.2.1 ") || headerOf(register, "Route") != "<sip:"+proxy.conn.LocalAddr().String()+";lr>" {
		t.Fatalf("got\n%s", register)
	}
	proxy.answer(register, "200 OK", "", "Expires: 600")
	eventually(t, "registration", func() bool { return d.TrunkStates()[0].Registered })
	proxy.invite("sip:acct@"+d.Addr().String(), "<sip:+12125550124@carrier.example>")
	if info := (<-legs).Info(); info.Trunk != "carrier" || info.To != "+12125550124" {
		t.Errorf("info %+v", info)
	}
}
