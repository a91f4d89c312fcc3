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
	until    time.Time // not to be used before; zero: closed
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

// allows reports whether c may be used now. When its time is over it allows one
// trial every few seconds, until one has worked.
func (b *breakers) allows(c circuit) bool {
	whole := c
	whole.name = ""
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	for _, key := range []circuit{whole, c} {
		if k := b.known[key]; k != nil && now.Before(k.until) {
			return false
		}
	}
	for _, key := range []circuit{whole, c} {
		if k := b.known[key]; k != nil && !k.until.IsZero() {
			k.until = now.Add(trialEvery)
		}
	}
	return true
}

// failed notes a failure. What is the fault of one request or of one agent opens
// no breaker: others may share the source.
func (b *breakers) failed(c circuit, err error) {
	f := asFailure(err)
	rest := time.Duration(0)
	c, whole := c, c
	whole.name = ""
	switch f.Kind {
	case provider.Missing, provider.Rejected, provider.Empty:
		return
	case provider.Unauthorised, provider.Exhausted:
		rest = refusedFor
		if f.Status != http.StatusForbidden { // else others of its models may be allowed
			c = whole
		}
	case provider.Limited:
		c, rest = whole, max(limitedFor, f.RetryAfter)
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
	k.failures++
	if rest == 0 && (k.failures >= failuresAllowed || !k.until.IsZero()) {
		rest = brokenFor
	}
	if until := b.clock.Now().Add(rest); rest > 0 && until.After(k.until) {
		k.until = until
	}
}

// worked closes the breaker of c.
func (b *breakers) worked(c circuit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, c)
	c.name = ""
	delete(b.known, c)
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
