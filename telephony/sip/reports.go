package sip

import (
	"net/netip"
	"time"
)

// tick does what is due from time to time: RTCP, and a look at what is stored of the leg.
func (r *receiver) tick(now time.Time) {
	if now.Sub(r.drained) >= drainEvery {
		r.drainRTCP(now)
		r.m.keep(now)
	}
	if now.Sub(r.reported) < reportEvery {
		return
	}
	r.reported = now
	r.publish()
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.m.active && !r.m.over {
		r.m.report(now, r.block(now), false)
	}
}

// report takes what came to the socket of reports.
func (r *receiver) report(now time.Time, from netip.AddrPort, raw []byte) {
	raw, _, err := r.m.open(from, raw, now)
	if err != nil {
		r.m.refused.Add(1)
		return
	}
	r.rtcp(now, from, raw)
}

// rtcp takes a report: it is life, and a sender report gives the time base for
// ours.
func (r *receiver) rtcp(now time.Time, from netip.AddrPort, raw []byte) {
	report, ok := parseRTCP(raw)
	if !ok || !r.m.acceptRTCP(from, now) {
		r.m.refused.Add(1)
		return
	}
	r.m.farHeard(now, raw)
	if report.ntp != 0 {
		r.lastSR, r.srAt = report.ntp, now
	}
}

// block is the reception report since the last one; nil before any packet.
func (r *receiver) block(now time.Time) *receptionBlock {
	if !r.synced {
		return nil
	}
	s := r.order.Stats()
	lost, received := s.Lost-min(r.lostSeen, s.Lost), s.Received-min(r.recvSeen, s.Received)
	r.lostSeen, r.recvSeen = s.Lost, s.Received
	b := &receptionBlock{ssrc: r.ssrc, lost: uint32(min(s.Lost, 0x7fffff)), highest: r.highest,
		jitter: uint32(r.jitter), lastSR: r.lastSR}
	if lost+received > 0 {
		b.fraction = uint8(min(lost*256/(lost+received), 255))
	}
	if r.lastSR != 0 {
		b.delay = uint32(now.Sub(r.srAt) * 65536 / time.Second)
	}
	return b
}
