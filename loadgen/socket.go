package loadgen

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// packetSize is the largest packet that is read; longer ones are cut.
const packetSize = 4096

// socket is a UDP socket whose received packets are timed by the kernel. One
// goroutine may receive while others send.
type socket struct {
	conn    *net.UDPConn
	clock   clock
	control [128]byte
}

// openSocket binds a free port of local.
func openSocket(local netip.Addr, c clock) (*socket, error) {
	return openSocketAt(netip.AddrPortFrom(local, 0), c)
}

// openSocketAt binds an address.
func openSocketAt(at netip.AddrPort, c clock) (*socket, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("bind socket: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		var inner error
		err = raw.Control(func(fd uintptr) { inner = stampPackets(fd) })
		if inner != nil {
			err = inner
		}
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("prepare socket: %w", err)
	}
	return &socket{conn: conn, clock: c}, nil
}

// address returns the bound address.
func (s *socket) address() netip.AddrPort {
	addr, _ := netip.ParseAddrPort(s.conn.LocalAddr().String())
	return unmap(addr)
}

// receive reads one packet into b and returns its length, when it arrived and
// from where. It does not allocate.
func (s *socket) receive(b []byte) (n int, at time.Duration, from netip.AddrPort, err error) {
	n, oobn, _, from, err := s.conn.ReadMsgUDPAddrPort(b, s.control[:])
	if err != nil {
		return 0, 0, from, err
	}
	if stamp, ok := stampOf(s.control[:oobn]); ok {
		return n, s.clock.kernel(stamp), unmap(from), nil
	}
	return n, s.clock.now(), unmap(from), nil
}

// send sends one packet. It does not allocate.
func (s *socket) send(b []byte, to netip.AddrPort) error {
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}

// close closes the socket; a receive under way returns an error.
func (s *socket) close() { _ = s.conn.Close() }
