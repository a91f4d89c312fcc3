package sip

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/miekg/dns"
)

// exampleZone is what the server of the tests knows.
func exampleZone() []string {
	return []string{
		`full.example. 60 IN NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.full.example.`,
		`full.example. 60 IN NAPTR 10 20 "s" "SIP+D2T" "" _lines._tcp.full.example.`,
		`full.example. 60 IN NAPTR 5 10 "s" "SIPS+D2T" "" _sips._tcp.full.example.`,
		`full.example. 60 IN NAPTR 1 10 "s" "SIP+D2S" "" _sip._sctp.full.example.`,
		"_lines._tcp.full.example. 60 IN SRV 2 0 5080 two.full.example.",
		"_lines._tcp.full.example. 60 IN SRV 1 0 5070 one.full.example.",
		"_sip._udp.full.example. 60 IN SRV 1 0 5090 two.full.example.",
		"_sip._tcp.full.example. 60 IN SRV 1 0 5091 two.full.example.",
		"one.full.example. 60 IN A 192.0.2.1",
		"one.full.example. 60 IN A 192.0.2.11",
		"two.full.example. 60 IN A 192.0.2.2",
		"full.example. 60 IN A 192.0.2.3",
		"_sip._tcp.srv.example. 60 IN SRV 1 0 5070 one.full.example.",
		"_sip._udp.srv.example. 60 IN SRV 1 0 5060 gone.example.",
		"_sip._udp.srv.example. 60 IN SRV 2 0 5061 two.full.example.",
		"plain.example. 60 IN A 192.0.2.4",
		"_sip._udp.none.example. 60 IN SRV 0 0 0 .",
		"none.example. 60 IN A 192.0.2.5",
		`odd.example. 60 IN NAPTR 10 10 "u" "SIP+D2U" "!.*!sip:a@b!" .`,
		"_sip._tcp.odd.example. 60 IN SRV 1 0 5070 two.full.example.",
		"six.example. 60 IN AAAA 2001:db8::1",
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		host      string
		port      int
		transport string
		want      string // targets, without names
		unasked   string // kinds of questions that are not asked
	}{
		"NAPTR names the transport":          {host: "full.example", want: "tcp 192.0.2.1:5070, tcp 192.0.2.11:5070, tcp 192.0.2.2:5080"},
		"a transport is given":               {host: "full.example", transport: "udp", want: "udp 192.0.2.2:5090", unasked: "NAPTR"},
		"a port is given":                    {host: "full.example", port: 5999, want: "udp 192.0.2.3:5999", unasked: "NAPTR SRV"},
		"both are given":                     {host: "full.example", port: 5999, transport: "tcp", want: "tcp 192.0.2.3:5999", unasked: "NAPTR SRV"},
		"an address":                         {host: "192.0.2.9", want: "udp 192.0.2.9:5060", unasked: "NAPTR SRV A AAAA"},
		"an address of version 6":            {host: "[2001:db8::9]", transport: "tcp", want: "tcp [2001:db8::9]:5060", unasked: "NAPTR SRV A AAAA"},
		"an address and a port":              {host: "192.0.2.9", port: 5070, want: "udp 192.0.2.9:5070", unasked: "NAPTR SRV A AAAA"},
		"the file of hosts":                  {host: "localhost", transport: "udp", want: "udp 127.0.0.1:5060", unasked: "NAPTR SRV A AAAA"},
		"without NAPTR":                      {host: "srv.example", want: "udp 192.0.2.2:5061"},
		"without NAPTR, over TCP":            {host: "srv.example", transport: "tcp", want: "tcp 192.0.2.1:5070, tcp 192.0.2.11:5070", unasked: "NAPTR"},
		"NAPTR of services that we have not": {host: "odd.example", want: "tcp 192.0.2.2:5070"},
		"without SRV":                        {host: "plain.example", want: "udp 192.0.2.4:5060"},
		"without SRV, over TCP":              {host: "plain.example", transport: "tcp", want: "tcp 192.0.2.4:5060", unasked: "NAPTR"},
		"no such service":                    {host: "none.example"},
		"no such name":                       {host: "nothing.example"},
		"version 6 alone":                    {host: "six.example", want: "udp [2001:db8::1]:5060"},
		"a dot at the end":                   {host: "plain.example.", want: "udp 192.0.2.4:5060"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, server, _ := resolving(t)
			server.Set(t, exampleZone()...)
			l := &locator{services: true, dns: r, lookup: r.addresses, usable: func(netip.Addr) bool { return true }}
			found, err := l.locate(t.Context(), test.host, test.port, test.transport)
			var got []string
			for _, f := range found {
				text, _, _ := strings.Cut(f.String(), " (")
				got = append(got, text)
				if f.domain != strings.Trim(test.host, "[].") || f.host == "" {
					t.Errorf("target %+v", f)
				}
			}
			if test.host == "localhost" {
				got = got[:1] // version 6 may be there, too
			}
			if strings.Join(got, ", ") != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %q, %v", strings.Join(got, ", "), err)
			}
			for kind := range strings.FieldsSeq(test.unasked) {
				for _, name := range []string{"full.example.", "_sip._udp.full.example.", "srv.example.", "plain.example.", "localhost."} {
					if kind != "SRV" == strings.HasPrefix(name, "_") {
						continue
					}
					if n := server.Asked(kind + " " + name); n > 0 {
						t.Errorf("asked %s %s", kind, name)
					}
				}
			}
		})
	}
}

// While the DNS is down, calls go to where they went.
func TestLocateWhileTheDNSIsDown(t *testing.T) {
	t.Parallel()
	r, server, clock := resolving(t)
	server.Set(t, exampleZone()...)
	l := &locator{services: true, dns: r, lookup: r.addresses, usable: func(netip.Addr) bool { return true }}
	before, err := l.locate(t.Context(), "full.example", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	server.Silence(true)
	clock.Store(int64(24 * time.Hour))
	after, err := l.locate(t.Context(), "full.example", 0, "")
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("%v, %v; before: %v", after, err, before)
	}
}

// Records of one priority share the calls by their weights; a lower priority is the
// last resort.
func TestWeights(t *testing.T) {
	t.Parallel()
	var records []dns.RR
	for _, line := range []string{"a. 1 IN SRV 1 60 1 sixty.", "a. 1 IN SRV 2 900 1 later.", "a. 1 IN SRV 1 30 1 thirty.",
		"a. 1 IN SRV 1 10 1 ten.", "a. 1 IN SRV 1 0 1 zero."} {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rr)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	const rounds = 20000
	firsts := map[string]int{}
	for range rounds {
		order := orderSRV(records, chance.Float64)
		if len(order) != 5 || order[4].Target != "later." {
			t.Fatalf("order %v", order)
		}
		firsts[order[0].Target]++
	}
	for target, want := range map[string]float64{"sixty.": 60. / 101, "thirty.": 30. / 101, "ten.": 10. / 101, "zero.": 1. / 101} {
		if got := float64(firsts[target]) / rounds; got < want-0.02 || got > want+0.02 {
			t.Errorf("%s is first in %.3f of the calls, want %.3f", target, got, want)
		}
	}
}

// What one call learns of targets, the next ones know.
func TestHealthOfTargets(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := health{now: func() time.Time { return now }}
	var all []target
	for _, ip := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		all = append(all, target{transport: "udp", address: netip.AddrPortFrom(netip.MustParseAddr(ip), 5060)})
	}
	check := func(when, want string) {
		t.Helper()
		got := ""
		for _, f := range h.order(all) {
			got += f.address.Addr().String()[len("192.0.2."):]
		}
		if got != want {
			t.Errorf("%s: order %s, want %s", when, got, want)
		}
	}
	check("nothing is known", "123")
	h.delay(all[0])
	check("the first does not respond", "231")
	h.shun(all[1], time.Minute)
	check("the second wants no calls", "31")
	h.shun(all[2], 24*time.Hour)
	check("nor the third", "1")
	h.shun(all[0], time.Second)
	check("nor the first: the one that will soonest", "123")
	now = now.Add(31 * time.Second)
	check("the first again", "1")
	now = now.Add(30 * time.Second)
	check("a minute is over", "12")
	now = now.Add(5 * time.Minute)
	check("no time is longer than five minutes", "123")
	h.delay(all[0])
	h.responds(all[0])
	check("it responds after all", "123")
	h.shun(all[0], 0)
	check("a 503 without a time", "123")
	for i := range 2 * maxIll {
		h.delay(target{transport: "tcp", address: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i))})
	}
	if len(h.slow) > maxIll {
		t.Errorf("%d targets are remembered", len(h.slow))
	}
}

// Who may call as a trunk, and whose challenges are answered, follows what the DNS
// says of its targets; addresses that are listed stand alone.
func TestSourcesOfATrunkByDNS(t *testing.T) {
	t.Parallel()
	_, server, _ := resolving(t)
	server.Set(t, exampleZone()...)
	addr := netip.MustParseAddr
	d := newDriver(t, func(c *Config) {
		c.Resolver = server.Addr
		c.Trunks = []Trunk{
			{Name: "listed", Host: "plain.example", Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Username: "u", Password: "p"},
			{Name: "full", Host: "full.example", Username: "u", Password: "p"},
			{Name: "fixed", Host: "192.0.2.77"},
			{Name: "here", Host: "127.0.0.1:5099"},
		}
	})
	eventually(t, "the targets", func() bool { return d.admitted(addr("192.0.2.2")) })
	for source, want := range map[string]string{"192.0.2.1": "full", "192.0.2.11": "full", "192.0.2.2": "full", "192.0.2.3": "none",
		"192.0.2.4": "none", "198.51.100.7": "listed", "192.0.2.77": "fixed", "127.0.0.1": ""} {
		got := "none"
		if among := d.trunksOf(addr(source)); len(among) > 0 {
			got = among[0]
		}
		if got != want {
			t.Errorf("%s belongs to %q, want %q", source, got, want)
		}
	}
	for _, test := range []struct {
		trunk, from string
		want        bool
	}{{"full", "192.0.2.11", true}, {"full", "192.0.2.3", false}, {"listed", "192.0.2.4", true}, {"listed", "198.51.100.7", false}} {
		if got := d.isTarget(t.Context(), d.trunk(test.trunk), addr(test.from)); got != test.want {
			t.Errorf("challenges of %s for %s: %t", test.from, test.trunk, got)
		}
	}
}

// An address that the DNS names no more counts for an hour.
func TestWhereabouts(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWhereabouts(func() time.Time { return now })
	a, b, c := destination{trunk: "a"}, destination{trunk: "b"}, destination{trunk: "c"}
	at := func(ip string) []target {
		return []target{{transport: "udp", address: netip.AddrPortFrom(netip.MustParseAddr(ip), 5060)}}
	}
	w.learn(a, at("192.0.2.1"))
	w.learn(b, at("192.0.2.1"))
	now = now.Add(59 * time.Minute)
	w.learn(a, at("192.0.2.2"))
	if !w.has(a, netip.MustParseAddr("192.0.2.1")) || w.has(c, netip.MustParseAddr("192.0.2.1")) || len(w.of(a)) != 2 {
		t.Errorf("a has %v", w.of(a))
	}
	now = now.Add(time.Minute)
	w.learn(a, at("192.0.2.2"))
	if w.has(a, netip.MustParseAddr("192.0.2.1")) || len(w.of(a)) != 1 {
		t.Errorf("after an hour a has %v", w.of(a))
	}
	for i := range 4 * maxRemembered {
		w.learn(a, at(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()))
	}
	if n := len(w.of(a)); n > maxRemembered {
		t.Errorf("%d addresses of one trunk", n)
	}
}

// A request within a call goes to where the call was before, if the name of its
// contact still leads there.
func TestTheSameTargetWithinACall(t *testing.T) {
	t.Parallel()
	addresses := []netip.Addr{netip.MustParseAddr("127.0.0.5"), netip.MustParseAddr("127.0.0.6")}
	d := newDriver(t, func(c *Config) {
		c.Lookup = func(context.Context, string) ([]netip.Addr, error) { return addresses, nil }
	})
	for before, want := range map[string]string{"127.0.0.6:5060": "127.0.0.6:5060", "127.0.0.7:5060": "127.0.0.5:5060"} {
		p, err := d.resolve(t.Context(), nil, &sip.Uri{Scheme: "sip", User: "a", Host: "pool.example"}, "udp", netip.MustParseAddrPort(before))
		if err != nil || p.addr.String() != want {
			t.Errorf("after %s: %v, %v", before, p.addr, err)
		}
	}
}
