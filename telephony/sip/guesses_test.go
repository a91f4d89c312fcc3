package sip

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"
)

// tries counts how many wrong passwords somebody gets looked at in d who tries
// one whenever he may.
func tries(g *guesses, now *time.Time, addr netip.Addr, name func(i int) string, d time.Duration) (n int) {
	for end := now.Add(d); now.Before(end); {
		wait := g.wait(*now, addr, name(n))
		if wait == 0 {
			g.wrong(*now, addr, name(n))
			n++
			wait = 50 * time.Millisecond
		}
		*now = now.Add(wait)
	}
	return n
}

func TestGuessingIsSlow(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	g, bad, good := newGuesses(), netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("192.0.2.1")
	if got := tries(g, &now, bad, func(int) string { return "desk" }, 24*time.Hour); got > 110 || got < 20 {
		t.Errorf("%d guesses a day for one name", got)
	}
	if wait := g.wait(now, good, "desk"); wait != 0 {
		t.Errorf("the same name from elsewhere waits %s", wait)
	}
	g.wrong(now, bad, "desk")
	if wait := g.wait(now, bad, "hall"); wait == 0 {
		t.Error("the source tries another name at once")
	}
	other := netip.MustParseAddr("203.0.113.2")
	if got := tries(g, &now, other, func(i int) string { return strconv.Itoa(i) }, 24*time.Hour); got > 150 {
		t.Errorf("%d guesses a day for many names", got)
	}
}

// Mistyping costs nothing at first, then little; the right password clears it,
// and an hour without wrong ones too.
func TestMistypingCostsLittle(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	g, phone := newGuesses(), netip.MustParseAddr("192.0.2.1")
	for i, want := range []time.Duration{0, 0, time.Second, 2 * time.Second, 4 * time.Second} {
		g.wrong(now, phone, "desk")
		if got := g.wait(now, phone, "desk"); got != want {
			t.Errorf("after %d wrong ones: %s, want %s", i+1, got, want)
		}
		now = now.Add(want)
		if got := g.wait(now, phone, "desk"); got != 0 {
			t.Errorf("after %d wrong ones, later: %s", i+1, got)
		}
	}
	g.right(phone, "desk")
	g.wrong(now, phone, "desk")
	if got := g.wait(now, phone, "desk"); got != 0 {
		t.Errorf("after the right one: %s", got)
	}
	for range 20 {
		g.wrong(now, phone, "hall")
	}
	if got := g.wait(now, phone, "hall"); got != maxDelay {
		t.Errorf("after 20 wrong ones: %s", got)
	}
	now = now.Add(guessesFor + time.Second)
	g.wrong(now, phone, "hall")
	if got := g.wait(now, phone, "hall"); got != 0 {
		t.Errorf("an hour later: %s", got)
	}
}

// A phone that once gave its password goes on where a neighbour guesses.
func TestNeighboursOfAGuesser(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	g, office := newGuesses(), netip.MustParseAddr("192.0.2.1")
	g.right(office, "desk")
	for i := range 1000 {
		g.wrong(now, office, "guess"+strconv.Itoa(i))
	}
	if wait := g.wait(now, office, "hall"); wait == 0 {
		t.Error("a name that never gave its password is looked at")
	}
	if wait := g.wait(now, office, "desk"); wait != 0 {
		t.Errorf("one that did waits %s", wait)
	}
}

func TestGuessesCostBoundedMemory(t *testing.T) {
	t.Parallel()
	g, now := newGuesses(), time.Unix(1e9, 0)
	for i := range 5 * maxGuessers {
		g.wrong(now, netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), fmt.Sprint(i))
	}
	if n := g.names.Len() + g.sources.Len(); n > 2*maxGuessers {
		t.Errorf("%d entries", n)
	}
}

// The driver does not look at credentials of a name that was tried too often
// from a source, says when it will, and lets the same user in from elsewhere.
func TestGuesserIsLockedOutAloneAndTellsWhen(t *testing.T) {
	t.Parallel()
	var refused refusals
	d := guarded(t, func(c *Config) { c.Refused = refused.add })
	u := newRawUAFrom(t, d, "udp", "127.0.0.3")
	for range freeGuesses {
		login(t, u, "OPTIONS", "desk", "wrong", "")
		u.status("OPTIONS", 401)
	}
	login(t, u, "OPTIONS", "desk", "secret", "") // right, but too soon
	if after := headerOf(u.status("OPTIONS", 403), "Retry-After"); after != "1" && after != "2" {
		t.Errorf("Retry-After %q", after)
	}
	other := newRawUAFrom(t, d, "udp", "127.0.0.4")
	login(t, other, "OPTIONS", "desk", "secret", "")
	other.status("OPTIONS", 200)
	if got := refused.of(RefusedCredentials); got != freeGuesses {
		t.Errorf("%d wrong passwords counted", got)
	}
	if got := refused.of(RefusedLocked); got != 1 {
		t.Errorf("%d refusals of a locked name counted", got)
	}
}

// A source that proved who it is is not limited any more.
func TestProvenSourceIsNotLimited(t *testing.T) {
	t.Parallel()
	d := guarded(t, nil)
	u := newRawUAFrom(t, d, "udp", "127.0.0.3")
	login(t, u, "OPTIONS", "desk", "secret", "")
	u.status("OPTIONS", 200)
	for range 2 * sourceBurst {
		u.last++
		u.send(u.request("OPTIONS", u.last, ""))
		u.status("OPTIONS", 401)
	}
}
