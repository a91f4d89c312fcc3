package sip

import (
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

const (
	// heldFor is how old a packet may be that is delivered after all.
	heldFor = 2 * time.Second
	// heldPackets bounds what is kept of a source: 2 s in packets of 10 ms.
	heldPackets = 208
	// heldSize bounds a packet that is kept: 60 ms of G.711 and a header.
	heldSize = 512
	// waitingPackets bounds what is read from a socket at once.
	waitingPackets = 1024
)

// backlog keeps packets that came before it was known whose they are, for heldFor and
// of maxCandidates sources. It belongs to one goroutine. Its zero value is empty.
type backlog struct {
	near    []netip.Addr // hosts whose packets take the place of others'
	sources []*heldSource
}

// heldKey is a source: a place and a stream that comes from there.
type heldKey struct {
	from netip.AddrPort
	ssrc uint32
}

// heldSource is what is kept of a source.
type heldSource struct {
	key     heldKey
	last    time.Time    // when its newest packet came
	early   bool         // it is early media, of which nothing is kept
	packets []heldPacket // a ring once there are heldPackets of them
	next    int
}

type heldPacket struct {
	at     time.Time
	raw    []byte
	proven bool // it was encrypted, and is not any more
}

// add keeps a packet; proven says that it was decrypted.
func (b *backlog) add(now time.Time, from netip.AddrPort, raw []byte, proven bool) {
	h, _, ok := parseRTP(raw)
	if !ok || len(raw) > heldSize || isRTCP(raw) {
		return
	}
	s := b.source(heldKey{from, h.ssrc}, now)
	if s == nil {
		return
	}
	s.last = now
	if s.early {
		return
	}
	if len(s.packets) < heldPackets {
		s.packets = append(s.packets, heldPacket{})
		s.next = len(s.packets) - 1
	}
	p := &s.packets[s.next]
	p.at, p.raw, p.proven = now, append(p.raw[:0], raw...), proven
	s.next = (s.next + 1) % heldPackets
}

// find returns what is kept of a source, nil when that is nothing.
func (b *backlog) find(key heldKey) *heldSource {
	for _, s := range b.sources {
		if s.key == key {
			return s
		}
	}
	return nil
}

// source is find, and makes room for one that is new; nil when there is none.
func (b *backlog) source(key heldKey, now time.Time) *heldSource {
	if s := b.find(key); s != nil {
		return s
	}
	if len(b.sources) < maxCandidates {
		b.sources = append(b.sources, &heldSource{key: key})
		return b.sources[len(b.sources)-1]
	}
	near := slices.Contains(b.near, key.from.Addr())
	for _, s := range b.sources {
		if now.Sub(s.last) > heldFor || near && !s.early && !slices.Contains(b.near, s.key.from.Addr()) {
			*s = heldSource{key: key}
			return s
		}
	}
	return nil
}

// isEarly notes that a source is early media: what came of it, and comes before the
// answer, is no sound of the call.
func (b *backlog) isEarly(key heldKey, now time.Time) {
	if s := b.source(key, now); s != nil {
		s.last, s.early, s.packets = now, true, nil
	}
}

// heard is when the sound began that is kept of a source or, when that has none, of hosts
// that may have the call's; zero: there is none.
func (b *backlog) heard(source netip.AddrPort, now time.Time) time.Time {
	first := func(of func(heldKey) bool) (at time.Time) {
		for _, s := range b.sources {
			for _, p := range s.packets {
				if of(s.key) && now.Sub(p.at) <= heldFor && (at.IsZero() || p.at.Before(at)) {
					at = p.at
				}
			}
		}
		return at
	}
	at := first(func(k heldKey) bool { return k.from == source })
	if at.IsZero() {
		at = first(func(k heldKey) bool { return k.from.Addr() == source.Addr() || slices.Contains(b.near, k.from.Addr()) })
	}
	if at.IsZero() {
		return at
	}
	return at.Add(-slot)
}

// take forgets the packets of a source and returns those that are not too old, the
// oldest first.
func (b *backlog) take(key heldKey, now time.Time) []heldPacket {
	s := b.find(key)
	if s == nil || len(s.packets) == 0 {
		return nil
	}
	at := 0
	if len(s.packets) == heldPackets {
		at = s.next
	}
	all := slices.Concat(s.packets[at:], s.packets[:at])
	s.packets = nil
	fresh := slices.IndexFunc(all, func(p heldPacket) bool { return now.Sub(p.at) <= heldFor })
	if fresh < 0 {
		return nil
	}
	return all[fresh:]
}

// keepWaiting moves what waits in a socket into the backlog.
func (b *backlog) keepWaiting(conn *net.UDPConn, now time.Time, buf []byte) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	for range waitingPackets {
		n, from := 0, netip.AddrPort{}
		_ = raw.Control(func(fd uintptr) { // a closed socket has nothing
			var sa syscall.Sockaddr
			if n, sa, err = syscall.Recvfrom(int(fd), buf, syscall.MSG_DONTWAIT); err == nil && sa != nil {
				from, _ = addrPort(sa)
			}
		})
		if !from.IsValid() {
			return
		}
		b.add(now, from, buf[:n], false)
	}
}

// early reads the socket of a call that we place until it is answered: otherwise
// nobody could tell the packets that came before the answer from those that came after
// it. It hands on early media, and keeps the rest for the receive loop. Its goroutine
// ends with stop, or with the media.
type early struct {
	r    *receiver
	over bool // media.mu
	done chan struct{}
}

// listenEarly begins to read; hear, which may be nil, gets the early media.
func (l *leg) listenEarly(hear func(telephony.Event)) {
	e := &early{done: make(chan struct{})}
	e.r = newReceiver(l, func(ev telephony.Event) bool {
		if ev.Kind == telephony.KindAudio {
			ev.Early = true
			hear(ev)
		}
		return true
	})
	e.r.early, e.r.deaf = true, hear == nil
	l.early = e
	go e.run()
}

// stop ends the reading and waits for its end. What came before is then the leg's
// backlog. It may be called again.
func (e *early) stop() {
	m := e.r.m
	m.mu.Lock()
	e.over = true
	m.wake()
	m.mu.Unlock()
	<-e.done
}

func (e *early) run() {
	defer close(e.done)
	r := e.r
	for r.follow(); e.arm(); r.follow() {
		n, from, err := r.m.rtp.ReadFromUDPAddrPort(r.buf[:])
		if err != nil {
			continue // woken up, closed, or an ICMP error of an earlier write
		}
		now := r.m.now()
		r.packet(now, unmap(from), r.buf[:n])
		r.drain(now)
	}
	r.held.keepWaiting(r.m.rtp, r.m.now(), r.buf[:])
}

// arm lets the next read wait; false when it is over.
func (e *early) arm() bool {
	m := e.r.m
	m.mu.Lock()
	defer m.mu.Unlock()
	wait := time.Time{}
	if m.described != e.r.described {
		wait = time.Unix(1, 0) // there is something to do before
	}
	_ = m.rtp.SetReadDeadline(wait) // a closed socket ends the read too
	return !e.over && !m.over
}

// follow takes over a change of the format without telling anybody, and a new
// description.
func (r *receiver) follow() {
	r.startAfresh()
	for _, more := r.take(); more; _, more = r.take() {
		continue
	}
}

// startAfresh notices a new description: what waits in the socket came before it, and
// does not count when the owner is chosen.
func (r *receiver) startAfresh() {
	r.m.mu.Lock()
	described := r.m.described
	r.m.mu.Unlock()
	if described == r.described {
		return
	}
	r.held.keepWaiting(r.m.rtp, r.m.now(), r.buf[:])
	r.described = described
}

// open decrypts a packet and says whether it is to be looked at. One that came before it
// is known whose it may be is kept. Packets are also kept while there is no owner, and
// before the answer to a call that we place all of them: the answer may name their source,
// or bring their key.
func (r *receiver) open(now time.Time, from netip.AddrPort, raw []byte) ([]byte, bool) {
	r.m.mu.Lock()
	soon := !r.m.active || r.m.described != r.described
	keep := soon || r.early || !r.m.owner.owned
	r.m.mu.Unlock()
	if soon {
		r.held.add(now, from, raw, false)
		return nil, false
	}
	plain, proven, err := r.m.open(from, raw, now)
	switch {
	case keep && err == nil:
		r.held.add(now, from, plain, proven)
	case keep && r.early:
		r.held.add(now, from, raw, false)
	}
	if err != nil {
		r.m.refused.Add(1)
	}
	return plain, err == nil
}

// catchUp hands on what came of a source before it became the owner; false ends the
// loop. Early media is remembered as such.
func (r *receiver) catchUp(now time.Time, from netip.AddrPort, ssrc uint32) bool {
	if len(r.held.sources) == 0 {
		return true
	}
	key := heldKey{from, ssrc}
	packets := r.held.take(key, now)
	if k := len(packets) - 1; k >= 0 && packets[k].at.Equal(now) {
		packets = packets[:k] // the one that is being taken
	}
	if r.early {
		r.held.isEarly(key, now)
	} else if !slices.ContainsFunc(r.held.sources, func(s *heldSource) bool { return now.Sub(s.last) <= heldFor }) {
		r.held.sources = nil
	}
	for _, p := range packets {
		if !p.proven {
			var err error
			if p.raw, _, err = r.m.open(from, p.raw, now); err != nil {
				continue
			}
		}
		h, payload, ok := parseRTP(p.raw)
		if !ok || !r.valid(h.pt, payload) {
			continue
		}
		if !r.sort(p.at, h, payload) || !r.flush(now) {
			return false
		}
	}
	return true
}

// begin puts the description of an early dialog or of an answer into force as if
// there had been none before; others are the sources that other dialogs describe.
func (m *media) begin(st *stream, others []netip.AddrPort) {
	m.mu.Lock()
	m.active, m.got, m.pending = false, false, nil
	m.mu.Unlock()
	m.apply(st)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owner.others = others
}
