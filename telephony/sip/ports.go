package sip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// mediaBuffer is the room for what waits at a media port. Those who send junk to it fill
// it, too: this holds what 20,000 packets a second are in 50 ms, in which the receive
// loop has its turn.
const mediaBuffer = 1 << 20

// ports hands out the media sockets. Ports of a configured range rest after a
// call, so that a new one does not hear who still sends to the old one.
type ports struct {
	addr netip.Addr
	span PortRange
	rest time.Duration
	now  func() time.Time

	mu      sync.Mutex
	next    int
	resting map[int]time.Time
}

// open binds an RTP socket on an even port and, when asked, an RTCP socket on
// the next one.
func (p *ports) open(withRTCP bool) (rtp, rtcp *net.UDPConn, err error) {
	if p.span.First == 0 {
		return p.openAny(withRTCP)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	first := int(p.span.First+1) &^ 1
	n := (int(p.span.Last) - first + 1) / 2
	if withRTCP && n == 0 || n < 0 {
		return nil, nil, errors.New("rtp port range has no even port")
	}
	now := p.now()
	for range max(n, 1) {
		port := first + 2*(p.next%max(n, 1))
		p.next++
		if now.Before(p.resting[port]) {
			continue
		}
		delete(p.resting, port)
		if rtp, rtcp, err = p.bind(port, withRTCP); err == nil {
			return rtp, rtcp, nil
		}
	}
	return nil, nil, fmt.Errorf("no rtp port is free between %d and %d", p.span.First, p.span.Last)
}

// reopen binds the ports of a call that a process had which is gone.
func (p *ports) reopen(port int, withRTCP bool) (rtp, rtcp *net.UDPConn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.resting, port)
	return p.bind(port, withRTCP)
}

func (p *ports) openAny(withRTCP bool) (rtp, rtcp *net.UDPConn, err error) {
	for range 64 {
		if rtp, rtcp, err = p.bind(0, withRTCP); err == nil {
			return rtp, rtcp, nil
		}
	}
	return nil, nil, fmt.Errorf("open rtp ports: %w", err)
}

func (p *ports) bind(port int, withRTCP bool) (rtp, rtcp *net.UDPConn, err error) {
	ip := net.IP(p.addr.AsSlice())
	if rtp, err = net.ListenUDP("udp", &net.UDPAddr{IP: ip, Port: port, Zone: p.addr.Zone()}); err != nil {
		return nil, nil, err
	}
	_ = rtp.SetReadBuffer(mediaBuffer) // the system may grant less
	if !withRTCP {
		return rtp, nil, nil
	}
	port = portOf(rtp)
	if port%2 == 1 {
		_ = rtp.Close()
		return nil, nil, errors.New("odd port")
	}
	if rtcp, err = net.ListenUDP("udp", &net.UDPAddr{IP: ip, Port: port + 1, Zone: p.addr.Zone()}); err != nil {
		_ = rtp.Close()
		return nil, nil, err
	}
	return rtp, rtcp, nil
}

// release notes that the call on port is over.
func (p *ports) release(port int) {
	if p.span.First == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resting == nil {
		p.resting = make(map[int]time.Time)
	}
	p.resting[port] = p.now().Add(p.rest)
}

// reaches says whether the sockets can send to an address.
func (p *ports) reaches(a netip.Addr) bool {
	return p.addr.IsUnspecified() || p.addr.Is4() == a.Is4() || a.IsUnspecified()
}

func portOf(c *net.UDPConn) int { return c.LocalAddr().(*net.UDPAddr).Port }
