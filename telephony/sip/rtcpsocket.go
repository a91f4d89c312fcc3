package sip

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// stampArrivals lets a socket note when packets come: reports wait there until the
// receive loop looks, and the round trip that they tell ends at their arrival.
func stampArrivals(conn *net.UDPConn) {
	if conn == nil {
		return
	}
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMP, 1) // without, they count as just arrived
		})
	}
}

// maxReports bounds the reports that are read at a time.
const maxReports = 32

// drainRTCP reads the RTCP socket without waiting.
func (r *receiver) drainRTCP(now time.Time) {
	r.drained = now
	if r.m.rtcp == nil {
		return
	}
	conn, err := r.m.rtcp.SyscallConn()
	if err != nil {
		return
	}
	var extra [64]byte
	for range maxReports {
		var n, more int
		var from syscall.Sockaddr
		err := conn.Read(func(fd uintptr) bool {
			n, more, _, from, err = syscall.Recvmsg(int(fd), r.buf[:], extra[:], syscall.MSG_DONTWAIT)
			return true
		})
		if err != nil || n <= 0 || from == nil {
			return
		}
		if at, ok := addrPort(from); ok {
			came := now.Add(-waited(extra[:more]))
			r.m.show(came, false, r.m.rtcp, at, r.buf[:n], &r.st)
			r.report(came, at, r.buf[:n])
		}
	}
}

// waited is how long a packet has waited in the socket; 0 when that is not known.
func waited(extra []byte) time.Duration {
	messages, err := syscall.ParseSocketControlMessage(extra)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		var at syscall.Timeval
		stamp := m.Header.Level == syscall.SOL_SOCKET && m.Header.Type == syscall.SCM_TIMESTAMP
		if stamp && binary.Read(bytes.NewReader(m.Data), binary.NativeEndian, &at) == nil {
			return max(time.Since(time.Unix(at.Unix())), 0)
		}
	}
	return 0
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
