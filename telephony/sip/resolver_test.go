package sip

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// resolving is a resolver that asks a server of the test's own, and its clock.
func resolving(t testing.TB) (*resolver, *telephonytest.NameServer, *atomic.Int64) {
	t.Helper()
	server, clock := telephonytest.NewNameServer(t), &atomic.Int64{}
	begun := time.Now()
	r := newResolver(server.Addr, true, true, func() time.Time { return begun.Add(time.Duration(clock.Load())) })
	t.Cleanup(r.close)
	return r, server, clock
}

// first returns the first address of a host.
func first(t testing.TB, r *resolver, host string) string {
	t.Helper()
	found, err := r.addresses(t.Context(), host)
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	return found[0].String()
}

// An answer is kept for as long as it says, but 5 s at least and an hour at most.
func TestAnswersAreKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ttl  int
		kept time.Duration
	}{
		"for ever so short":  {0, 5 * time.Second},
		"for as long":        {90, 90 * time.Second},
		"for a week":         {604800, time.Hour},
		"for a minute: none": {-1, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, server, clock := resolving(t)
			if test.ttl >= 0 {
				server.Set(t, fmt.Sprintf("host.example. %d IN A 192.0.2.1", test.ttl))
			}
			ask := func() { r.addresses(t.Context(), "HOST.example") }
			ask()
			clock.Store(int64(test.kept - time.Second))
			ask()
			if n := server.Asked("A host.example."); n != 1 {
				t.Errorf("asked %d times within %s", n, test.kept)
			}
			clock.Store(int64(test.kept))
			ask()
			if n := server.Asked("A host.example."); n != 2 {
				t.Errorf("asked %d times after %s", n, test.kept)
			}
		})
	}
}

// An alias on the way holds no longer than it says, and a zone may say how long there
// is nothing.
func TestTimesOfAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		answer, authority string
		want              time.Duration
		records           int
	}{
		{"a.example. 7 IN CNAME b.example.\nb.example. 600 IN A 192.0.2.1", "", 7 * time.Second, 1},
		{"", "example. 600 IN SOA ns.example. root.example. 1 2 3 4 30", 30 * time.Second, 0},
		{"", "example. 600 IN SOA ns.example. root.example. 1 2 3 4 3600", time.Minute, 0},
		{"a.example. 600 IN CNAME b.example.", "", time.Minute, 0},
	} {
		m := new(dns.Msg)
		for text, section := range map[string]*[]dns.RR{test.answer: &m.Answer, test.authority: &m.Ns} {
			for line := range strings.SplitSeq(text, "\n") {
				if rr, err := dns.NewRR(line); err != nil {
					t.Fatal(err)
				} else if rr != nil {
					*section = append(*section, rr)
				}
			}
		}
		if records, ttl := answered(m, dns.TypeA); len(records) != test.records || ttl != test.want {
			t.Errorf("%q %q: %d records for %s, want %d for %s", test.answer, test.authority, len(records), ttl, test.records, test.want)
		}
	}
}

// While no server answers, or none has an answer, the last good one serves; one that
// says that there is nothing is believed.
func TestLastGoodAnswer(t *testing.T) {
	t.Parallel()
	r, server, clock := resolving(t)
	server.Set(t, "host.example. 60 IN A 192.0.2.1")
	if got := first(t, r, "host.example"); got != "192.0.2.1" {
		t.Fatalf("got %s", got)
	}
	server.Set(t, "host.example. 60 IN A 192.0.2.2")
	server.Fail(dns.RcodeServerFailure)
	clock.Store(int64(time.Hour))
	if got := first(t, r, "host.example"); got != "192.0.2.1" {
		t.Errorf("the server fails: got %s", got)
	}
	server.Silence(true)
	clock.Store(int64(48 * time.Hour))
	if got := first(t, r, "host.example"); got != "192.0.2.1" {
		t.Errorf("the server is silent: got %s", got)
	}
	server.Silence(false)
	server.Fail(0)
	eventually(t, "the new answer", func() bool {
		clock.Add(int64(time.Minute))
		return first(t, r, "host.example") == "192.0.2.2"
	})
	server.Set(t)
	clock.Add(int64(time.Hour))
	eventually(t, "the name to be gone", func() bool {
		clock.Add(int64(time.Minute))
		_, err := r.addresses(t.Context(), "host.example")
		return err != nil
	})
}

// A server that says nothing costs 2 s at the most, and nothing soon after.
func TestLookupsAreBounded(t *testing.T) {
	t.Parallel()
	r, server, _ := resolving(t)
	server.Silence(true)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if found, err := r.addresses(t.Context(), "host.example"); err == nil {
				t.Errorf("found %v", found)
			}
		})
	}
	all.Wait()
	asked := server.Asked("A host.example.")
	if asked > 2 {
		t.Errorf("asked %d times for 20 at once", asked)
	}
	if _, err := r.addresses(t.Context(), "host.example"); err == nil || server.Asked("A host.example.") != asked {
		t.Errorf("asked again at once: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.addresses(ctx, "other.example"); err == nil {
		t.Error("an answer to nobody")
	}
}

func TestAnswersThatDoNotFit(t *testing.T) {
	t.Parallel()
	r, server, _ := resolving(t)
	server.Set(t, "host.example. 60 IN A 192.0.2.1", "host.example. 60 IN AAAA 2001:db8::1")
	server.Cut(true)
	found, err := r.addresses(t.Context(), "host.example")
	if err != nil || len(found) != 2 || server.Asked("A host.example.") != 2 {
		t.Errorf("found %v, %v, asked %d times", found, err, server.Asked("A host.example."))
	}
}

// What stands in the system's file of hosts, and addresses, are not asked for.
func TestHostsThatAreNotAskedFor(t *testing.T) {
	t.Parallel()
	r, server, _ := resolving(t)
	for host, want := range map[string]string{"localhost": "127.0.0.1", "192.0.2.1": "192.0.2.1", "[2001:db8::1]": "2001:db8::1"} {
		found, err := r.addresses(t.Context(), host)
		if err != nil || !slices.Contains(found, netip.MustParseAddr(want)) {
			t.Errorf("%s: %v, %v", host, found, err)
		}
	}
	for _, bad := range []string{"", strings.Repeat("a", 300), "a..b"} {
		if found, err := r.addresses(t.Context(), bad); err == nil {
			t.Errorf("%q: %v", clip(bad), found)
		}
	}
	if n := server.Asked(""); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// FuzzDNSAnswer: whatever a server sends makes an order of some of it.
func FuzzDNSAnswer(f *testing.F) {
	for _, lines := range [][]string{
		{"a.example. 60 IN SRV 1 2 5060 b.example.", "a.example. 60 IN SRV 1 0 5060 c.example.", "a.example. 60 IN SRV 0 65535 1 ."},
		{`a.example. 60 IN NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.a.example.`, `a.example. 60 IN NAPTR 5 10 "S" "sip+d2t" "!a!b!" .`},
		{"a.example. 60 IN A 192.0.2.1", "a.example. 60 IN AAAA ::1", "a.example. 60 IN CNAME b.example."},
	} {
		m := new(dns.Msg).SetQuestion("a.example.", dns.TypeSRV)
		for _, line := range lines {
			rr, err := dns.NewRR(line)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		raw, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, 0.5)
	}
	f.Fuzz(func(t *testing.T, raw []byte, chance float64) {
		var m dns.Msg
		if m.Unpack(raw) != nil || !(chance >= 0 && chance < 1) {
			return
		}
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeNAPTR} {
			records, ttl := answered(&m, kind)
			if ttl < shortestTTL || ttl > longestTTL || len(records) > maxRecords {
				t.Fatalf("%d records for %s", len(records), ttl)
			}
			named := 0
			for _, rr := range records {
				if s, ok := rr.(*dns.SRV); ok && s.Target != "." {
					named++
				}
			}
			if got := orderSRV(records, func() float64 { return chance }); len(got) != named {
				t.Fatalf("%d of %d records in order", len(got), named)
			}
			orderNAPTR(records)
		}
	})
}
