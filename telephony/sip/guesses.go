package sip

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
)

const (
	// freeGuesses is how many wrong passwords for one user name a source may
	// try without delay, freeGuessesInAll for all names together.
	freeGuesses, freeGuessesInAll = 3, 30
	// maxDelay is how long credentials are refused at most after a wrong one.
	maxDelay = 15 * time.Minute
	// guessesFor is how long wrong passwords are counted after the last one.
	guessesFor = time.Hour
	// maxGuessers bounds the sources, and the names tried there, in memory.
	maxGuessers = 4096
)

// guesses slows down who tries passwords: each wrong one beyond the free ones
// doubles the time in which credentials of that user name from that source are
// not looked at, from 1 s to 15 min. Others from the same source are delayed
// after 30 wrong ones, unless they proved earlier who they are; the same name
// from elsewhere never is.
type guesses struct {
	mu      sync.Mutex
	names   *expirable.LRU[guesser, count]
	sources *expirable.LRU[netip.Addr, count]
}

// guesser is a user name, hashed so that long ones cost nothing, at a source.
type guesser struct {
	source netip.Addr
	name   [sha256.Size]byte
}

// count is how many wrong passwords came in a row, and when the last one.
type count struct {
	wrong  int
	last   time.Time
	proven bool // a right one came from there before
}

func newGuesses() *guesses {
	return &guesses{names: expirable.NewLRU[guesser, count](maxGuessers, nil, 0), sources: expirable.NewLRU[netip.Addr, count](maxGuessers, nil, 0)}
}

func guesserOf(addr netip.Addr, name string) guesser {
	return guesser{sourceOf(addr), sha256.Sum256([]byte(name))}
}

// wait is how long credentials for name from addr are not looked at; 0 when
// they are.
func (g *guesses) wait(now time.Time, addr netip.Addr, name string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	one, _ := g.names.Get(guesserOf(addr, name))
	wait := one.delay(now, freeGuesses)
	if all, _ := g.sources.Get(sourceOf(addr)); !one.proven {
		wait = max(wait, all.delay(now, freeGuessesInAll))
	}
	return wait
}

// wrong counts a wrong password.
func (g *guesses) wrong(now time.Time, addr netip.Addr, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one, _ := g.names.Get(guesserOf(addr, name))
	g.names.Add(guesserOf(addr, name), one.add(now))
	all, _ := g.sources.Get(sourceOf(addr))
	g.sources.Add(sourceOf(addr), all.add(now))
}

// right forgets the wrong passwords for name from addr.
func (g *guesses) right(addr netip.Addr, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.names.Add(guesserOf(addr, name), count{proven: true})
}

// add counts one more.
func (c count) add(now time.Time) count {
	if now.Sub(c.last) > guessesFor {
		c.wrong = 0
	}
	c.wrong, c.last = c.wrong+1, now
	return c
}

// delay is what is left of the time that the last wrong password costs.
func (c count) delay(now time.Time, free int) time.Duration {
	if c.wrong < free || now.Sub(c.last) > guessesFor {
		return 0
	}
	cost := maxDelay
	if over := c.wrong - free; over < 10 {
		cost = min(time.Second<<over, maxDelay)
	}
	return max(c.last.Add(cost).Sub(now), 0)
}
