package call

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sidetone/sidetone/provider"
)

// circuit is what a breaker guards: one part, served by one source.
type circuit struct {
	part   part
	source Source
	// owner is whose key it is when the source's account does not say so.
	owner string
	// name is a model or voice when the breaker is for that one only.
	name string
}

// breaker says when a source may be used again.
type breaker struct {
	failures int       // in a row
	opened   time.Time // when the last failure came that opened it
	until    time.Time // not to be used before; zero: closed
	// firm is when a success may close it again: what a vendor has refused, or does not
	// want for a time, is not undone by what it had begun before.
	firm  time.Time
	cause provider.Failure // of that failure, without the vendor's own words
}

// breakers remember, for all calls of a node, which vendors do not serve. They
// are safe for concurrent use.
type breakers struct {
	clock Clock
	mu    sync.Mutex
	known map[circuit]*breaker
}

const (
	// failuresAllowed is how many failures in a row open a breaker.
	failuresAllowed = 3
	// brokenFor is how long a breaker stays open after failures, and refusedFor
	// after a refused credential.
	brokenFor, refusedFor = 15 * time.Second, time.Minute
	// limitedFor is how long a vendor is left alone that has too many requests and
	// does not say for how long.
	limitedFor = 5 * time.Second
	// trialEvery is how often an open breaker whose time is over lets somebody try.
	trialEvery = 5 * time.Second
	// breakersKept bounds the memory; beyond it all is forgotten.
	breakersKept = 10_000
)

func newBreakers(c Clock) *breakers {
	return &breakers{clock: c, known: map[circuit]*breaker{}}
}

// blocks returns the breaker that keeps c from being used; nil when none does.
func (b *breakers) blocks(c circuit) *breaker {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open(c)
}

// open is blocks for a caller that holds mu.
func (b *breakers) open(c circuit) *breaker {
	now := b.clock.Now()
	for _, key := range c.guarded() {
		if k := b.known[key]; k != nil && now.Before(k.until) {
			found := *k
			return &found
		}
	}
	return nil
}

// guarded are the circuits whose breakers keep c from being used.
func (c circuit) guarded() [2]circuit {
	whole := c
	whole.name = ""
	return [2]circuit{whole, c}
}

// allows reports whether c may be used now. When its time is over it allows one
// trial every few seconds, until one has worked.
func (b *breakers) allows(c circuit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open(c) != nil {
		return false
	}
	for _, key := range c.guarded() {
		if k := b.known[key]; k != nil && !k.until.IsZero() {
			k.until = b.clock.Now().Add(trialEvery)
		}
	}
	return true
}

// failed notes a failure. What is the fault of one request or of one agent opens
// no breaker: others may share the source.
func (b *breakers) failed(c circuit, err error) {
	f := asFailure(err)
	rest, firm := time.Duration(0), false
	c, whole := c, c
	whole.name = ""
	switch f.Kind {
	case provider.Missing, provider.Rejected, provider.Empty:
		return
	case provider.Unauthorised, provider.Exhausted:
		rest, firm = refusedFor, true
		if f.Status != http.StatusForbidden { // else others of its models may be allowed
			c = whole
		}
	case provider.Limited:
		c, rest, firm = whole, max(limitedFor, f.RetryAfter), true
	default:
		c = whole
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.known[c]
	if k == nil {
		if len(b.known) >= breakersKept {
			clear(b.known)
		}
		k = &breaker{}
		b.known[c] = k
	}
	now := b.clock.Now()
	k.failures++
	if rest == 0 && (k.failures >= failuresAllowed || !k.until.IsZero()) {
		rest = brokenFor
	}
	if rest == 0 {
		return
	}
	k.opened = now
	until := now.Add(rest)
	if until.After(k.until) {
		k.until, k.cause = until, provider.Failure{Vendor: c.source.Vendor, Kind: f.Kind, Status: f.Status}
	}
	if firm && until.After(k.firm) {
		k.firm = until
	}
}

// worked notes that c did what it was asked at a time. It closes the breakers that were
// not opened since, and forgets the failures that have opened none.
func (b *breakers) worked(c circuit, began time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range c.guarded() {
		if k := b.known[key]; k != nil && (k.until.IsZero() || began.After(k.opened) && !b.clock.Now().Before(k.firm)) {
			delete(b.known, key)
		}
	}
}

// mend closes the breakers of an account: its credential was tried, and serves the part.
func (b *breakers) mend(p part, account string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.known {
		if key.part == p && key.source.Account == account {
			delete(b.known, key)
		}
	}
}

// asFailure returns the vendor's failure behind err, or one that says that the
// driver broke.
func asFailure(err error) *provider.Failure {
	var f *provider.Failure
	if errors.As(err, &f) {
		return f
	}
	return &provider.Failure{Kind: provider.Broken, Err: err}
}
