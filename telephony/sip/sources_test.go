package sip

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// refusals counts what a driver refused.
type refusals struct {
	mu sync.Mutex
	by map[Reason]int
}

func (r *refusals) add(why Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = make(map[Reason]int)
	}
	r.by[why]++
}

func (r *refusals) of(why Reason) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.by[why]
}

// testSources returns sources on a clock that the test turns, and their log.
func testSources() (s *sources, log *bytes.Buffer, turn func(time.Duration)) {
	now := time.Unix(1e9, 0)
	log = &bytes.Buffer{}
	s = newSources(Config{Now: func() time.Time { return now }, Refused: func(Reason) {},
		Logger: slog.New(slog.NewTextHandler(log, nil))})
	return s, log, func(d time.Duration) { now = now.Add(d) }
}

func allowed20(s *sources, addr string) (n int) {
	for range 10_000 {
		if s.allow(netip.MustParseAddr(addr), "UDP") {
			n++
		}
	}
	return n
}

// One unknown source is read 40 times at once and then 20 times a second; it
// takes nothing from others, and the addresses of a /64 are one source.
func TestUnknownSourcesHaveABudgetEach(t *testing.T) {
	t.Parallel()
	s, _, turn := testSources()
	for _, want := range []struct {
		addr string
		n    int
	}{{"192.0.2.1", 40}, {"192.0.2.1", 0}, {"192.0.2.2", 40}, {"::ffff:192.0.2.1", 0}, {"2001:db8::1", 40}, {"2001:db8::2", 0}, {"2001:db8:0:1::1", 40}} {
		if got := allowed20(s, want.addr); got != want.n {
			t.Errorf("%s was read %d times, want %d", want.addr, got, want.n)
		}
	}
	turn(time.Second)
	if got := allowed20(s, "192.0.2.1"); got != 20 {
		t.Errorf("a second later %d times, want 20", got)
	}
}

// All unknown sources together are read 2,000 times at once and 1,000 times a
// second, and cost a bounded memory.
func TestUnknownSourcesHaveABudgetTogether(t *testing.T) {
	t.Parallel()
	s, _, turn := testSources()
	flood := func() (n int) {
		for i := range 20_000 {
			if s.allow(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), "UDP") {
				n++
			}
		}
		return n
	}
	if got := flood(); got != unknownBurst {
		t.Errorf("read %d times at once", got)
	}
	turn(time.Second)
	if got := flood(); got != unknownRate {
		t.Errorf("read %d times a second later", got)
	}
	if n := s.seen.Len(); n > maxSources {
		t.Errorf("%d sources are in memory", n)
	}
}

func TestProvenSourcesExpire(t *testing.T) {
	t.Parallel()
	s, _, turn := testSources()
	phone := netip.MustParseAddr("192.0.2.1")
	if s.isProven(phone) {
		t.Error("proven from the start")
	}
	s.prove(phone)
	for i := range 3 * maxSources { // what unknown sources do changes nothing
		s.refuse(netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)}), "UDP", RefusedRate)
	}
	turn(provenFor - time.Second)
	if !s.isProven(phone) {
		t.Error("forgotten too early")
	}
	turn(time.Second)
	if s.isProven(phone) {
		t.Error("proven for ever")
	}
}

// A source is logged once a minute, and all of them together a bounded number
// of times.
func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	s, log, turn := testSources()
	lines := func() int { return strings.Count(log.String(), "\n") }
	one := netip.MustParseAddr("192.0.2.1")
	for range 50 {
		s.refuse(one, "UDP", RefusedSource)
	}
	s.refuse(netip.MustParseAddr("192.0.2.2"), "TCP", RefusedSource)
	if lines() != 2 {
		t.Errorf("%d lines for two sources:\n%s", lines(), log.String())
	}
	turn(time.Minute)
	s.refuse(one, "UDP", RefusedSource)
	if lines() != 3 || !strings.Contains(log.String(), "messages=50") {
		t.Errorf("a minute later:\n%s", log.String())
	}
	for i := range 1000 {
		s.refuse(netip.MustParseAddr(fmt.Sprintf("198.51.%d.%d", i/250, i%250)), "UDP", RefusedSource)
	}
	if got := lines() - 3; got > lineBurst {
		t.Errorf("%d lines for a thousand sources", got)
	}
}
