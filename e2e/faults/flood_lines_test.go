//go:build faults

package faults

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/srtp/v3"
	"golang.org/x/sys/unix"
)

// frameTime is how much sound a packet holds.
const frameTime = 20 * time.Millisecond

// line is a live call whose far end counts every packet both ways. Each packet that it
// sends holds its number in the sound, which an echo brings back.
type line struct {
	*caller
	ip             string
	sound, reports *net.UDPConn
	server         netip.AddrPort // where its sound goes
	ssrc           uint32
	sent           uint32 // packets; the sender's
	key            []byte // nil on a plain line
	out, in        *srtp.Context
	newest         atomic.Pointer[[]byte] // the packet that was sent last
	wg             sync.WaitGroup

	mu     sync.Mutex
	reader groupReader
	tally  tally
}

// tally is what a far end received.
type tally struct {
	packets, strange int
	begun            time.Time
	last             time.Time // when the newest packet came, by the kernel's clock
	seq              uint16
	number           uint32 // the newest that came back in the sound
	parts            int    // how often it did
	seconds          [longestFlood]second
}

// longestFlood is how many seconds of a flood are counted.
const longestFlood = 64

// second is what went wrong in a second.
type second struct {
	gap    time.Duration // the longest between two packets
	lost   int           // numbers of packets that did not come
	missed int           // numbers of the far end's own that did not come back
}

// at is the second that a time lies in.
func (c *tally) at(when time.Time) *second { return &c.seconds[secondOf(c.begun, when)] }

// secondOf is the number of the second that a time lies in.
func secondOf(begun, when time.Time) int {
	return min(max(0, int(when.Sub(begun)/time.Second)), longestFlood-1)
}

// start begins to count anew.
func (l *line) start(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.tally
	l.tally = tally{begun: at, last: was.last, seq: was.seq, number: was.number, parts: was.parts}
}

// count returns what was counted.
func (l *line) count() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tally
}

// newLine places a call to number from an address of its own. secret encrypts it.
func newLine(t *testing.T, n *node, number, from string, secret bool) *line {
	t.Helper()
	l := &line{ip: from, caller: dial(t, n, "udp", from), ssrc: binary.BigEndian.Uint32([]byte(from + "xxxx")[len(from)-4:])}
	l.sound, l.reports = pair(t, from)
	stampPackets(t, l.sound)
	port := l.sound.LocalAddr().(*net.UDPAddr).Port
	proto, crypto := "RTP/AVP", ""
	if secret {
		l.key = make([]byte, 30)
		rand.Read(l.key)
		proto, crypto = "RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+base64.StdEncoding.EncodeToString(l.key)+"\r\n"
	}
	l.number = number
	l.send(l.request("INVITE", 1, fmt.Sprintf("v=0\r\no=u 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d %s 0\r\n%s", from, from, port, proto, crypto)))
	ok := l.status("INVITE", 200)
	l.take(ok)
	l.server = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(l.remote.Load().Port))
	if secret {
		_, theirs, _ := strings.Cut(ok, "inline:")
		theirs, _, _ = strings.Cut(theirs, "\r\n")
		raw, err := base64.StdEncoding.DecodeString(theirs)
		if err != nil || len(raw) != 30 {
			t.Fatalf("key %q: %v", theirs, err)
		}
		l.out, l.in = newContext(t, l.key), newContext(t, raw)
	}
	l.wg.Go(l.hear)
	t.Cleanup(l.end)
	return l
}

func (l *line) end() {
	l.sound.Close()
	l.reports.Close()
	l.wg.Wait()
}

// pair opens two ports in a row, the first an even one.
func pair(t *testing.T, ip string) (rtp, rtcp *net.UDPConn) {
	t.Helper()
	for range 100 {
		a, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			t.Fatal(err)
		}
		port := a.LocalAddr().(*net.UDPAddr).Port
		if port%2 == 0 {
			if b, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip), Port: port + 1}); err == nil {
				return a, b
			}
		}
		a.Close()
	}
	t.Fatal("no two ports in a row")
	return nil, nil
}

// stampPackets lets the kernel say when packets come: how late this program is then
// counts for nothing.
func stampPackets(t *testing.T, conn *net.UDPConn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

// stamp returns when a packet came.
func stamp(extra []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(extra)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return time.Now()
}

// Sound with numbers is groups of eight values of PCMU: one that begins a group, and
// seven that are digits. A packet holds its number in as many groups as fit into it.
const (
	beginsGroup, firstDigit = 0xe8, 0xc0
	groups                  = 20
	// junkNumber is the first number of sound that is not a caller's.
	junkNumber = 0xdead000
)

// numberedFrame is the sound of a packet.
func numberedFrame(number uint32) []byte {
	b := make([]byte, 0, 8*groups)
	for range groups {
		b = append(b, beginsGroup)
		for shift := 24; shift >= 0; shift -= 4 {
			b = append(b, firstDigit+2*byte(number>>shift&15))
		}
	}
	return b
}

// groupReader finds numbers in sound, wherever a listener's buffer has cut it: it makes up
// for what is late by a little more or less of it.
type groupReader struct {
	number uint32
	digits int // of the group under way; -1 outside of one
}

// read takes a value and returns a number when it completes one.
func (g *groupReader) read(v byte) (number uint32, ok bool) {
	switch {
	case v == beginsGroup:
		g.number, g.digits = 0, 0
	case v < firstDigit || v > firstDigit+30 || v&1 != 0 || g.digits < 0:
		g.digits = -1
	default:
		g.number = g.number<<4 | uint32(v-firstDigit)/2
		if g.digits++; g.digits == 7 {
			g.digits = -1
			return g.number, true
		}
	}
	return 0, false
}

// speak sends the next packet.
func (l *line) speak() {
	raw := []byte{0x80, 0}
	raw = binary.BigEndian.AppendUint16(raw, uint16(l.sent))
	raw = binary.BigEndian.AppendUint32(raw, 160*l.sent)
	raw = binary.BigEndian.AppendUint32(raw, l.ssrc)
	raw = append(raw, numberedFrame(l.sent)...)
	l.sent++
	if l.out != nil {
		var err error
		if raw, err = l.out.EncryptRTP(nil, raw, nil); err != nil {
			l.t.Error(err)
			return
		}
	}
	l.sound.WriteToUDPAddrPort(raw, l.server)
	l.newest.Store(&raw)
}

// hear counts what comes until the socket is closed.
func (l *line) hear() {
	buf, extra := make([]byte, 2048), make([]byte, 128)
	for {
		n, more, _, from, err := l.sound.ReadMsgUDPAddrPort(buf, extra)
		if err != nil {
			return
		}
		l.heardPacket(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), stamp(extra[:more]))
	}
}

func (l *line) heardPacket(raw []byte, from netip.AddrPort, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.tally
	if l.in != nil {
		var err error
		if raw, err = l.in.DecryptRTP(nil, raw, nil); err != nil {
			c.strange++
			return
		}
	}
	if len(raw) < 12 || from != l.server || raw[1]&0x7f != 0 {
		c.strange++
		return
	}
	seq := binary.BigEndian.Uint16(raw[2:])
	now := c.at(at)
	if !c.last.IsZero() {
		now.gap = max(now.gap, at.Sub(c.last))
		now.lost += max(0, int(int16(seq-c.seq))-1)
	}
	c.packets++
	c.last, c.seq = at, seq
	for _, v := range raw[12:] {
		number, ok := l.reader.read(v)
		switch {
		case ok && number >= junkNumber:
			c.strange++
		case ok && number == c.number:
			c.parts++
		case ok && number > c.number:
			if c.number > 0 {
				now.missed += int(number - c.number - 1)
			}
			if c.parts > 0 && c.parts < groups/2 {
				now.missed++ // most of it did not come
			}
			c.number, c.parts = number, 1
		}
	}
}

// talk sends the sound of all lines.
func talk(lines []*line, stop <-chan struct{}) {
	for next := time.Now(); ; next = next.Add(frameTime) {
		select {
		case <-stop:
			return
		case <-time.After(time.Until(next)):
		}
		for _, l := range lines {
			l.speak()
		}
	}
}

// lateness is how late this program was woken at worst in each second.
type lateness struct {
	mu      sync.Mutex
	begun   time.Time
	seconds [longestFlood]time.Duration
}

// run measures until stop is closed.
func (k *lateness) run(stop <-chan struct{}) {
	const step = 5 * time.Millisecond
	for next := time.Now(); ; next = next.Add(step) {
		select {
		case <-stop:
			return
		case <-time.After(time.Until(next)):
		}
		now := time.Now()
		k.mu.Lock()
		at := &k.seconds[secondOf(k.begun, now)]
		*at = max(*at, now.Sub(next))
		k.mu.Unlock()
		next = now
	}
}

// start begins to count anew.
func (k *lateness) start(at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begun, k.seconds = at, [longestFlood]time.Duration{}
}

// around is how late it was at worst in a second, the one before and the one after.
func (k *lateness) around(second int) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Max(k.seconds[max(0, second-1):min(second+2, longestFlood)])
}
