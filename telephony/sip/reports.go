package sip

import (
	"net/netip"
	"syscall"
	"time"
)

// tick does what is due from time to time: RTCP.
func (r *receiver) tick(now time.Time) {
	if now.Sub(r.drained) >= drainEvery {
		r.drained = now
		r.drainRTCP(now)
	}
	if now.Sub(r.reported) < reportEvery {
		return
	}
	r.reported = now
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.m.active && !r.m.over {
		r.m.report(now, r.block(now), false)
	}
}

// maxReports bounds the reports that are read at a time.
const maxReports = 32

// drainRTCP reads the RTCP socket without waiting.
func (r *receiver) drainRTCP(now time.Time) {
	if r.m.rtcp == nil {
		return
	}
	conn, err := r.m.rtcp.SyscallConn()
	if err != nil {
		return
	}
	for range maxReports {
		var n int
		var from syscall.Sockaddr
		err := conn.Read(func(fd uintptr) bool {
			n, from, err = syscall.Recvfrom(int(fd), r.buf[:], syscall.MSG_DONTWAIT)
			return true
		})
		if err != nil || n <= 0 || from == nil {
			return
		}
		if at, ok := addrPort(from); ok {
			r.rtcp(now, at, r.buf[:n])
		}
	}
}

func addrPort(sa syscall.Sockaddr) (netip.AddrPort, bool) {
	switch a := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), true
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port)), true
	}
	return netip.AddrPort{}, false
}

// rtcp takes a report: it is life, and a sender report gives the time base for
// ours.
func (r *receiver) rtcp(now time.Time, from netip.AddrPort, raw []byte) {
	report, ok := parseRTCP(raw)
	if !ok || !r.m.acceptRTCP(from, now) {
		r.m.refused.Add(1)
		return
	}
	if report.ntp != 0 {
		r.lastSR, r.srAt = report.ntp, now
	}
}

// measure updates the figures of the reception report
// (https://www.rfc-editor.org/rfc/rfc3550#appendix-A.8).
func (r *receiver) measure(now time.Time, h rtpHeader) {
	if ahead := h.seq - uint16(r.highest); ahead < 0x8000 {
		r.highest += uint32(ahead)
	}
	transit := int64(now.Sub(r.origin)*8/time.Millisecond) - int64(h.timestamp)
	if r.transit != 0 {
		d := int32(transit - r.transit)
		r.jitter += (float64(max(d, -d)) - r.jitter) / 16
	}
	r.transit = transit
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
