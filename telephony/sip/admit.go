package sip

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// strangers counts who calls without being known.
type strangers struct {
	total atomic.Uint64
	now   func() time.Time
	log   *slog.Logger
	mu    sync.Mutex
	seen  map[netip.Addr]*stranger
}

// stranger is one source.
type stranger struct {
	count  int
	logged time.Time
}

// maxStrangers bounds the sources that are remembered.
const maxStrangers = 4096

// note counts a message and logs it once a minute for each source.
func (s *strangers) note(addr netip.Addr, network string) {
	s.total.Add(1)
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.seen[addr]
	if one == nil {
		if len(s.seen) >= maxStrangers {
			clear(s.seen)
		}
		one = &stranger{}
		s.seen[addr] = one
	}
	one.count++
	if now.Sub(one.logged) >= time.Minute {
		s.log.Warn("sip from a source that belongs to no trunk", "source", addr.String(),
			"transport", network, "messages", one.count)
		one.logged, one.count = now, 0
	}
}

// welcome says whether a source is listened to at all.
func (d *Driver) welcome(addr netip.Addr, network string) bool {
	if _, ok := d.trunkOf(addr); ok || len(d.cfg.Users) > 0 {
		return true
	}
	d.mu.Lock()
	known := d.known[addr]
	d.mu.Unlock()
	if !known {
		d.strangers.note(addr, network)
	}
	return known
}

// trunkOf returns the trunk that a source belongs to, "" for the local one.
func (d *Driver) trunkOf(addr netip.Addr) (string, bool) {
	addr = addr.WithZone("")
	for i := range d.cfg.Trunks {
		if contains(d.cfg.Trunks[i].Addresses, addr) {
			return d.cfg.Trunks[i].Name, true
		}
	}
	return "", contains(d.cfg.LocalSources, addr)
}

func contains(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// admission is what became known of the sender of a request.
type admission struct {
	trunk string
	user  string // of digest, else ""
}

// admit finds out who sends a request outside of a dialog. Without an error
// and without ok there is no answer.
func (d *Driver) admit(p peer, req *sip.Request) (a admission, f *fault, ok bool) {
	trunk, known := d.trunkOf(p.addr.Addr())
	if known && (trunk != "" || len(d.cfg.Users) == 0 || headerValue(req, "Authorization") == "") {
		return admission{trunk: trunk}, nil, true
	}
	if len(d.cfg.Users) == 0 {
		d.strangers.note(p.addr.Addr(), p.network())
		return a, nil, false
	}
	return d.authenticate(req)
}
