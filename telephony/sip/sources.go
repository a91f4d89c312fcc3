package sip

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/time/rate"
)

// Reason is why a message or a connection was refused, as Config.Refused counts
// it.
type Reason string

// The reasons.
const (
	// RefusedSource is a source that belongs to no trunk, where nobody can
	// prove by digest who he is.
	RefusedSource Reason = "source"
	// RefusedRate is more from unknown sources than is read.
	RefusedRate Reason = "rate"
	// RefusedConnection is a TCP connection of an unknown source: one too many,
	// or idle.
	RefusedConnection Reason = "connection"
	// RefusedHandshake is a connection to the TLS listener that came to no
	// agreement, as with who speaks no TLS.
	RefusedHandshake Reason = "handshake"
	// RefusedCertificate is a request of a trunk whose calls come with a
	// certificate, and that came without.
	RefusedCertificate Reason = "certificate"
	// RefusedClear is a call of a trunk that is reached over TLS, from where it is
	// reached, and that came without.
	RefusedClear Reason = "clear"
	// RefusedCredentials is a wrong user name or password.
	RefusedCredentials Reason = "credentials"
	// RefusedLocked is a user name that was tried too often with a wrong
	// password; the credentials were not looked at.
	RefusedLocked Reason = "locked"
	// RefusedForeign is a request within a call from a host that has no part in
	// it.
	RefusedForeign Reason = "foreign"
	// RefusedOverload is a request that found the transaction table full.
	RefusedOverload Reason = "overload"
)

const (
	// sourceRate and sourceBurst limit the messages of one unknown source: a
	// second, and at once.
	sourceRate, sourceBurst = 20, 40
	// unknownRate and unknownBurst limit those of all unknown sources together.
	unknownRate, unknownBurst = 1000, 2000
	// lineRate and lineBurst limit what is logged about refusals.
	lineRate, lineBurst = 1, 20
	// provenFor is how long a source is trusted at which a digest user proved
	// who he is; phones renew their registrations earlier.
	provenFor = 2 * longestBinding
	// maxSources bounds the sources in memory.
	maxSources = 4096
)

// sources limits, counts and logs what comes from addresses that belong to no
// trunk. Its methods may be called concurrently.
type sources struct {
	now     func() time.Time
	log     *slog.Logger
	refused func(Reason)

	mu     sync.Mutex
	all    *rate.Limiter // of unknown sources together
	lines  *rate.Limiter // of the log
	seen   *expirable.LRU[netip.Addr, *source]
	proven *expirable.LRU[netip.Addr, time.Time] // until when
}

// source is one address, or one network of IPv6.
type source struct {
	messages *rate.Limiter
	refusals int // since the last log line
	logged   time.Time
}

func newSources(c Config) *sources {
	return &sources{now: c.Now, log: c.Logger, refused: c.Refused,
		all: rate.NewLimiter(unknownRate, unknownBurst), lines: rate.NewLimiter(lineRate, lineBurst),
		seen: expirable.NewLRU[netip.Addr, *source](maxSources, nil, 0), proven: expirable.NewLRU[netip.Addr, time.Time](maxSources, nil, 0)}
}

// sourceOf is what counts as one source: an IPv4 address, or the /64 of an IPv6
// address, all of which one customer has.
func sourceOf(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}

// allow says whether a message of an unknown source is read, and counts it.
func (s *sources) allow(addr netip.Addr, network string) bool {
	now := s.now()
	s.mu.Lock()
	ok := s.source(addr).messages.AllowN(now, 1) && s.all.AllowN(now, 1)
	s.mu.Unlock()
	if !ok {
		s.refuse(addr, network, RefusedRate)
	}
	return ok
}

// prove notes that a digest user proved at addr who he is.
func (s *sources) prove(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proven.Add(sourceOf(addr), s.now().Add(provenFor))
}

// isProven says whether a digest user proved lately at addr who he is.
func (s *sources) isProven(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.proven.Get(sourceOf(addr))
	return ok && s.now().Before(until)
}

// refuse counts a refusal and logs it, once a minute for each source and at
// most once a second.
func (s *sources) refuse(addr netip.Addr, network string, why Reason) {
	s.refused(why)
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.source(addr)
	one.refusals++
	if !one.logged.IsZero() && now.Sub(one.logged) < time.Minute || !s.lines.AllowN(now, 1) {
		return
	}
	s.log.Warn("sip refused", "source", addr.String(), "transport", network, "reason", string(why),
		"messages", one.refusals)
	one.logged, one.refusals = now, 0
}

// source returns what is known of addr; s.mu is held.
func (s *sources) source(addr netip.Addr) *source {
	key := sourceOf(addr)
	one, ok := s.seen.Get(key)
	if !ok {
		one = &source{messages: rate.NewLimiter(sourceRate, sourceBurst)}
		s.seen.Add(key, one)
	}
	return one
}
