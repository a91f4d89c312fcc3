package sip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"github.com/sidetone/sidetone/telephony"
)

// A call outlives its trunk: its BYE is sent, and a challenge to it answered.
func TestCallOutlivesItsTrunk(t *testing.T) {
	t.Parallel()
	for name, after := range map[string][]Trunk{
		"deleted": nil,
		"another": {{Name: "other", Host: "127.0.0.1:9"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			d := newDriver(t, func(cfg *Config) {
				cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), Username: "acct", Password: "pw"}}
			})
			answered, end, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			go func() {
				leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
				close(answered)
				<-end
				if err == nil {
					err = leg.Hangup(t.Context(), telephony.CauseNormal)
				}
				over <- err
			}()
			c.answer(c.receive(), "200 OK", basicSDP(4000))
			c.receive() // the ACK
			<-answered
			if err := d.SetTrunks(after, nil); err != nil {
				t.Fatal(err)
			}
			close(end)
			c.answer(c.receive(), "407 Proxy Authentication Required", "", `Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"`)
			again := c.receive()
			if !strings.HasPrefix(again, "BYE ") || headerOf(again, "Proxy-Authorization") == "" {
				t.Errorf("got %q, want a BYE with credentials", again)
			}
			c.answer(again, "200 OK", "")
			if err := <-over; err != nil {
				t.Errorf("Hangup: %v", err)
			}
			if _, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil); err == nil {
				t.Error("a trunk that is gone takes a call")
			}
		})
	}
}

// A password that was changed is for the calls that begin from then on: one under way
// answers its challenges with the password that it began with, at the host of before as
// at one that is still the trunk's.
func TestChallengesWithinACallThatOutlivesItsSettings(t *testing.T) {
	t.Parallel()
	elsewhere := newCarrier(t).conn.LocalAddr().String()
	for name, change := range map[string]func(*Trunk){
		"another password":          func(t *Trunk) { t.Password = "new" },
		"another host":              func(t *Trunk) { t.Host, t.Password = "127.0.0.3:5080", "new" },
		"another port":              func(t *Trunk) { t.Host, t.Password = elsewhere, "new" },
		"another name":              func(t *Trunk) { t.Host, t.Password = "sip.example:5080", "new" },
		"behind a proxy":            func(t *Trunk) { t.OutboundProxy, t.Password = "127.0.0.3:5080", "new" },
		"another user":              func(t *Trunk) { t.Host, t.Username, t.Password = "127.0.0.3:5080", "other", "new" },
		"another realm":             func(t *Trunk) { t.Host, t.Realm, t.Password = "127.0.0.3:5080", "other", "new" },
		"no host":                   func(t *Trunk) { t.Host, t.Password = "", "new" },
		"another transport to it":   func(t *Trunk) { t.Transport, t.Password = "tcp", "new" },
		"neither name nor password": func(t *Trunk) { t.Host, t.Username, t.Password = "127.0.0.3:5080", "", "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			trunk := Trunk{Name: "carrier", Host: c.conn.LocalAddr().String(), Username: "acct", Password: "old", Realm: "r"}
			d := newDriver(t, func(cfg *Config) {
				cfg.Trunks = []Trunk{trunk}
				cfg.Lookup = func(context.Context, string) ([]netip.Addr, error) {
					return []netip.Addr{netip.MustParseAddr("127.0.0.4")}, nil
				}
			})
			answered, end, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			go func() {
				leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
				close(answered)
				<-end
				if err == nil {
					err = leg.Hangup(t.Context(), telephony.CauseNormal)
				}
				over <- err
			}()
			c.answer(c.receive(), "200 OK", basicSDP(4000))
			c.receive() // the ACK
			<-answered
			change(&trunk)
			if err := d.SetTrunks([]Trunk{trunk}, nil); err != nil {
				t.Fatal(err)
			}
			close(end)
			c.answer(c.receive(), "401 Unauthorized", "", `WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"`)
			again := c.receive()
			cred, err := digest.ParseCredentials(headerOf(again, "Authorization"))
			if err != nil {
				t.Fatalf("got %q: %v", again, err)
			}
			want, err := digest.Digest(&digest.Challenge{Realm: "r", Nonce: "n", QOP: []string{"auth"}}, digest.Options{Method: "BYE",
				URI: cred.URI, Count: 1, Cnonce: cred.Cnonce, Username: "acct", Password: "old"})
			if err != nil || cred.Username != "acct" || cred.Response != want.Response {
				t.Errorf("credentials of %q are not those of the time when the call began", cred.Username)
			}
			c.answer(again, "200 OK", "")
			if err := <-over; err != nil {
				t.Errorf("Hangup: %v", err)
			}
		})
	}
}

// Where a trunk was before it was set up otherwise, nobody may call as the trunk any
// more, be it by the address of its host, of its proxy, or by what the DNS said; what
// is the trunk's still may.
func TestFormerHostHasNoRights(t *testing.T) {
	t.Parallel()
	const before, after, other = "127.0.0.6", "127.0.0.7", "127.0.0.8"
	lookup := map[string]string{"before.example": before, "after.example": after}
	for name, test := range map[string]struct {
		was, is Trunk
		in, out []string // who is the trunk afterwards, and who is not
	}{
		"another address":         {Trunk{Host: before}, Trunk{Host: after}, []string{after}, []string{before}},
		"another port":            {Trunk{Host: before + ":5062"}, Trunk{Host: before + ":5080"}, []string{before}, []string{after}},
		"another name":            {Trunk{Host: "before.example:5060"}, Trunk{Host: "after.example:5060"}, []string{after}, []string{before}},
		"no host":                 {Trunk{Host: before}, Trunk{}, nil, []string{before}},
		"another proxy":           {Trunk{Host: other, OutboundProxy: before}, Trunk{Host: other, OutboundProxy: after}, []string{after, other}, []string{before}},
		"no proxy":                {Trunk{Host: other, OutboundProxy: "before.example:5060"}, Trunk{Host: other}, []string{other}, []string{before}},
		"another host of a proxy": {Trunk{Host: before, OutboundProxy: other}, Trunk{Host: after, OutboundProxy: other}, []string{after, other}, []string{before}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.was.Name, test.is.Name = "carrier", "carrier"
			d := newDriver(t, func(c *Config) {
				c.LocalSources, c.Trunks = []netip.Prefix{}, []Trunk{test.was}
				c.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
					if text, ok := lookup[host]; ok {
						host = text
					}
					addr, err := netip.ParseAddr(host)
					return []netip.Addr{addr}, err
				}
			})
			belongs := func(addr string) bool { return slices.Contains(d.trunksOf(netip.MustParseAddr(addr)), "carrier") }
			eventually(t, "the trunk's host", func() bool { return belongs(before) })
			if err := d.SetTrunks([]Trunk{test.is}, nil); err != nil {
				t.Fatal(err)
			}
			for _, addr := range test.in {
				eventually(t, addr+" to be the trunk's", func() bool { return belongs(addr) })
			}
			for _, addr := range test.out {
				if a := netip.MustParseAddr(addr); belongs(addr) || d.isTarget(t.Context(), d.trunk("carrier"), a) || d.callsFrom("carrier", peer{addr: netip.AddrPortFrom(a, 5060)}) || d.knows(a) {
					t.Errorf("%s is still the trunk's", addr)
				}
			}
		})
	}
}

// A trunk that is set while the driver serves lets calls in at once, and out when it
// is taken away.
func TestSetTrunks(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) { c.LocalSources = []netip.Prefix{} })
	trunks := make(chan string, 4)
	serve(t, d, func(_ context.Context, leg telephony.Leg) { trunks <- leg.Info().Trunk })
	u := newRawUA(t, d, "udp")
	ring := func(seq int) string {
		u.send(u.request("INVITE", seq, basicSDP(4000)))
		return u.receive(300 * time.Millisecond)
	}
	if got := ring(1); got != "" {
		t.Fatalf("a stranger got %q", got)
	}
	here := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	if err := d.SetTrunks([]Trunk{{Name: "a", Addresses: here}, {Name: "a"}}, nil); err == nil {
		t.Error("two trunks of one name are taken")
	}
	if err := d.SetTrunks([]Trunk{{Name: "a", Addresses: here}}, nil); err != nil {
		t.Fatal(err)
	}
	u.callID += "2"
	u.send(u.request("INVITE", 2, basicSDP(4000)))
	if got := <-trunks; got != "a" {
		t.Errorf("trunk %q", got)
	}
	if err := d.SetTrunks(nil, []User{{Name: "desk", Password: "secret"}}); err != nil {
		t.Fatal(err)
	}
	u = newRawUA(t, d, "udp")
	u.callID += "3"
	login(t, u, "INVITE", "desk", "secret", basicSDP(4000))
	if got := <-trunks; got != "" {
		t.Errorf("trunk %q of a user", got)
	}
}

// Several trunks may have one source: the called number decides, else the operator's
// trunk wins, then the local one, then the customers'.
func TestTrunksOfOneSource(t *testing.T) {
	t.Parallel()
	one, other := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24")
	owns := map[string]string{"+1201": "customer", "+1202": "rival", "+1203": "operator", "+1204": "elsewhere"}
	d := newDriver(t, func(c *Config) {
		c.LocalSources = []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")}
		c.Trunks = []Trunk{{Name: "customer", Addresses: []netip.Prefix{one}, Customer: true},
			{Name: "rival", Addresses: []netip.Prefix{one}, Customer: true},
			{Name: "operator", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.8/32")}},
			{Name: "elsewhere", Addresses: []netip.Prefix{other}}}
		c.Choose = func(called string, _ []string) (string, bool) {
			name, ok := owns[called]
			return name, ok
		}
	})
	for _, test := range []struct{ source, called, want string }{
		{"192.0.2.1", "+1201", "customer"}, {"192.0.2.1", "+1202", "rival"},
		{"192.0.2.1", "+1209", "customer"}, // nobody's: it is refused by the application
		{"192.0.2.1", "+1204", "customer"}, // a number of a trunk that does not have the source
		{"192.0.2.7", "+1202", "rival"}, {"192.0.2.7", "+1209", ""},
		{"192.0.2.8", "+1202", "rival"}, {"192.0.2.8", "+1203", "operator"}, {"192.0.2.8", "+1209", "operator"},
		{"198.51.100.1", "+1201", "elsewhere"},
	} {
		if got := d.choose(test.called, d.trunksOf(netip.MustParseAddr(test.source))); got != test.want {
			t.Errorf("%s calls %s: trunk %q, want %q", test.source, test.called, got, test.want)
		}
	}
}

// Customers may choose the same digest user: the password decides, and the called
// number when that is the same too.
func TestUsersOfOneName(t *testing.T) {
	t.Parallel()
	called := ""
	d := newDriver(t, func(c *Config) {
		c.LocalSources = []netip.Prefix{}
		c.Trunks = []Trunk{{Name: "a", Customer: true}, {Name: "b", Customer: true}, {Name: "c", Customer: true}}
		c.Users = []User{{Name: "pbx", Password: "1", Trunk: "a"}, {Name: "pbx", Password: "2", Trunk: "b"}, {Name: "pbx", Password: "2", Trunk: "c"}}
		c.Choose = func(number string, _ []string) (string, bool) {
			called = number
			return "c", true
		}
	})
	trunks := make(chan string, 4)
	serve(t, d, func(_ context.Context, leg telephony.Leg) { trunks <- leg.Info().Trunk })
	for password, want := range map[string]string{"1": "a", "2": "c"} {
		u := newRawUA(t, d, "udp")
		u.callID += password
		login(t, u, "INVITE", "pbx", password, basicSDP(4000))
		if got := <-trunks; got != want {
			t.Errorf("password %s: trunk %q, want %q", password, got, want)
		}
	}
	if called != "+12125550123" {
		t.Errorf("chosen by %q", called)
	}
}

// What a trunk does not permit is not sent to: neither an INVITE, nor a later request
// to where the far end's answer points.
func TestPermit(t *testing.T) {
	t.Parallel()
	secret := errors.New("private")
	c := newCarrier(t)
	host := netip.MustParseAddrPort(c.conn.LocalAddr().String())
	permit := func(_ string, to netip.AddrPort) error {
		if to == host {
			return nil
		}
		return secret
	}
	d := newDriver(t, func(cfg *Config) {
		cfg.Trunks = []Trunk{{Name: "carrier", Host: host.String(), Permit: permit}, {Name: "hidden", Host: "127.0.0.1:9", Permit: permit},
			{Name: "hidden tcp", Host: "127.0.0.1:9", Transport: "tcp", Permit: permit}}
	})
	for _, trunk := range []string{"hidden", "hidden tcp"} {
		if _, err := d.Dial(t.Context(), telephony.DialRequest{From: "+1", To: "+2", Trunk: trunk}, nil); !errors.Is(err, secret) {
			t.Errorf("%s: %v", trunk, err)
		}
	}
	inside := newCarrier(t)
	legs := make(chan telephony.Leg, 1)
	go func() {
		leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+1", To: "+2", Trunk: "carrier"}, nil)
		if err != nil {
			t.Errorf("Dial: %v", err)
		}
		legs <- leg
	}()
	invite := c.receive()
	c.answer(invite, "200 OK", basicSDP(4000), "Record-Route: <sip:"+inside.conn.LocalAddr().String()+";lr>")
	leg := <-legs
	if leg == nil {
		return
	}
	if next, err := leg.(interface {
		nextHop(context.Context) (peer, error)
	}).nextHop(t.Context()); err != nil || next.addr != host {
		t.Errorf("next hop: %v, %v, want %v, where the call went", next.addr, err, host)
	}
	c.conn.WriteToUDP([]byte("BYE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP "+host.String()+";branch=z9hG4bKbye\r\nFrom: "+
		headerOf(invite, "To")+";tag=carrier\r\nTo: "+headerOf(invite, "From")+"\r\nCall-ID: "+headerOf(invite, "Call-ID")+
		"\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"), c.from)
	eventually(t, "the call to end", func() bool { return d.Calls() == 0 })
}

// Questions tell whether a host is there and an account is good, and register nobody.
func TestAsk(t *testing.T) {
	t.Parallel()
	server := newDriver(t, func(c *Config) {
		c.LocalSources = []netip.Prefix{}
		c.Users = []User{{Name: "desk", Password: "secret"}}
	})
	d := newDriver(t, func(c *Config) {
		for _, password := range []Secret{"secret", "wrong"} {
			c.Trunks = append(c.Trunks, Trunk{Name: string(password), Host: server.Addr().String(), Username: "desk", Password: password})
		}
		c.Trunks = append(c.Trunks, Trunk{Name: "tcp", Host: server.Addr().String(), Transport: "tcp", Username: "desk", Password: "secret"},
			Trunk{Name: "nobody", Host: server.Addr().String()})
	})
	for _, test := range []struct {
		trunk  string
		q      Question
		status int
		failed bool
	}{
		{"secret", AskOptions, 200, false}, {"secret", AskBindings, 200, false}, {"tcp", AskBindings, 200, false},
		{"wrong", AskBindings, 401, true}, {"nobody", AskOptions, 401, true},
	} {
		res, err := d.Ask(t.Context(), test.trunk, test.q)
		if err != nil || res.Status != test.status || (res.Err != nil) != test.failed || !res.Challenged {
			t.Errorf("%s %s: %+v, %v", test.trunk, test.q, res, err)
		}
	}
	if _, ok := server.registrar.find("desk"); ok {
		t.Error("a question registered somebody")
	}
	if _, err := d.Ask(t.Context(), "none", AskOptions); err == nil {
		t.Error("a trunk that does not exist was asked")
	}
}
