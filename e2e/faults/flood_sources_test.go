//go:build faults

package faults

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// catcher counts what is sent to sockets of strangers.
type catcher struct {
	got        atomic.Int64
	sample     atomic.Pointer[string] // the first of them
	challenges atomic.Int64           // to prove by digest who they are
	wg         sync.WaitGroup
}

// watch counts what comes to a socket until it is closed.
func (c *catcher) watch(conn *net.UDPConn) {
	c.wg.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if bytes.HasPrefix(buf[:n], []byte("SIP/2.0 401 ")) {
				c.challenges.Add(1)
				continue
			}
			c.got.Add(1)
			text := "from " + from.String() + ": " + string(buf[:n])
			c.sample.CompareAndSwap(nil, &text)
		}
	})
}

// first is the first message that came.
func (c *catcher) first() string {
	if text := c.sample.Load(); text != nil {
		return *text
	}
	return ""
}

// crowd is one socket that sends from 250 addresses that nobody knows, and gets what is
// sent back to any of them.
type crowd struct {
	conn *net.UDPConn
	as   [][]byte // control messages, one for each address
	port uint16
}

// newCrowd opens the socket; what comes is counted.
func newCrowd(t *testing.T, c *catcher) *crowd {
	t.Helper()
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &crowd{conn: conn, port: uint16(conn.LocalAddr().(*net.UDPAddr).Port)}
	for i := range 250 {
		w.as = append(w.as, unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: w.address(i).As4()}))
	}
	c.watch(conn)
	t.Cleanup(func() { conn.Close() })
	return w
}

// address is the one from which packet i goes.
func (w *crowd) address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 66, 7, byte(1 + i%250)})
}

// send sends packet i.
func (w *crowd) send(i int, raw []byte, to netip.AddrPort) {
	w.conn.WriteMsgUDPAddrPort(raw, w.as[i%len(w.as)], to) // a full socket is the far end's loss
}

// neighbours are sockets on the address of a line.
type neighbours []*net.UDPConn

func newNeighbours(t *testing.T, c *catcher, ip string, n int) neighbours {
	t.Helper()
	var all neighbours
	for range n {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			t.Fatal(err)
		}
		c.watch(conn)
		t.Cleanup(func() { conn.Close() })
		all = append(all, conn)
	}
	return all
}

// paced calls send rate times a second until length has passed, and returns how often.
func paced(rate int, length time.Duration, send func(i int)) (sent int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; <-tick.C {
		passed := time.Since(begun)
		for due := int(min(passed, length) * time.Duration(rate) / time.Second); sent < due; sent++ {
			send(sent)
		}
		if passed >= length {
			return sent
		}
	}
}

// rtpJunk is a well-formed packet of PCMU that goes on from the one before.
func rtpJunk(seq uint16, ssrc uint32) []byte {
	raw := binary.BigEndian.AppendUint16([]byte{0x80, 0}, seq)
	raw = binary.BigEndian.AppendUint32(raw, 160*uint32(seq))
	raw = binary.BigEndian.AppendUint32(raw, ssrc)
	return append(raw, numberedFrame(junkNumber+uint32(seq))...)
}

// rtcpJunk is a sender report, or a BYE, of a stream.
func rtcpJunk(i int, ssrc uint32) []byte {
	if i%2 == 0 {
		return binary.BigEndian.AppendUint32([]byte{0x81, 203, 0, 1}, ssrc)
	}
	raw := binary.BigEndian.AppendUint32([]byte{0x80, 200, 0, 6}, ssrc)
	raw = binary.BigEndian.AppendUint64(raw, rand.Uint64())
	return append(raw, make([]byte, 12)...)
}

// noise are datagrams of every size without sense.
func noise() [][]byte {
	random := rand.New(rand.NewPCG(3, 9))
	var all [][]byte
	for i := range 256 {
		raw := make([]byte, []int{0, 1, 4, 12, 60, 172, 500, 1400}[i%8])
		for k := range raw {
			raw[k] = byte(random.Uint32())
		}
		all = append(all, raw)
	}
	return all
}
