package sip

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// packets keeps copies of what it is shown.
type packets struct {
	mu   sync.Mutex
	seen []telephony.Packet
}

func (p *packets) Packet(one telephony.Packet) {
	one.Raw = bytes.Clone(one.Raw)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, one)
}

// shows waits until a packet was shown.
func (p *packets) shows(t *testing.T, what string, sent bool, raw []byte) {
	t.Helper()
	eventually(t, what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.ContainsFunc(p.seen, func(one telephony.Packet) bool { return one.Sent == sent && bytes.Equal(one.Raw, raw) })
	})
}

// Packets are shown as they are on the wire, those of strangers and reports too, but for
// the keys that were pressed.
func TestTapShowsThePacketsOfACall(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, frames, events := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	p, stranger := newRTPPeer(t), newRTPPeerAt(t, "127.0.0.9")
	p.talkTo(u.establish(basicSDP(portOf(p.conn))))
	stranger.to = p.to
	leg := (<-legs).(*leg)
	var seen packets
	leg.Tap(&seen)
	p.send(0, sound(1000, 160), 160)
	seen.shows(t, "sound that came", false, append(appendRTP(nil, rtpHeader{ssrc: 7, seq: 100, timestamp: 5000}), sound(1000, 160)...))
	wantLevel(t, frames, 1000)
	key := rtpHeader{pt: 101, ssrc: 7, seq: 101, timestamp: 5160}
	p.send(101, []byte{5, 0x80 | 10, 3, 32}, 160)
	seen.shows(t, "a hidden key", false, append(appendRTP(nil, key), 0xff, 0x80|10, 3, 32))
	if ev := next(t, events); ev.Kind != telephony.KindDigit || ev.Digit != '5' {
		t.Errorf("event %+v", ev)
	}
	stranger.send(0, sound(2000, 160), 160)
	seen.shows(t, "sound of a stranger", false, append(appendRTP(nil, rtpHeader{ssrc: 7, seq: 100, timestamp: 5000}), sound(2000, 160)...))
	report := appendRTCP(nil, sendReport{ssrc: 7})
	if _, err := p.conn.WriteToUDPAddrPort(report, netip.AddrPortFrom(p.to.Addr(), p.to.Port()+1)); err != nil {
		t.Fatal(err)
	}
	seen.shows(t, "a report", false, report)
	if err := leg.Send(levelFrame(3000)); err != nil {
		t.Fatal(err)
	}
	h, payload, ok := p.receive(20 * time.Second)
	if !ok {
		t.Fatal("nothing was sent")
	}
	seen.shows(t, "sound that was sent", true, append(appendRTP(nil, h), payload...))
	if err := leg.SendDigits(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	h, payload, ok = p.receive(20 * time.Second)
	if !ok || payload[0] != 7 {
		t.Fatalf("the far end got the key %x", payload)
	}
	seen.shows(t, "a hidden key of ours", true, append(append(appendRTP(nil, h), 0xff), payload[1:]...))
}

// Encrypted packets are shown as they came: nobody hears them without the keys.
func TestTapOfEncryptedPackets(t *testing.T) {
	t.Parallel()
	_, p, l, frames, _ := secureCall(t, suite80, nil)
	var seen packets
	l.Tap(&seen)
	sealed := p.packet(sound(8000, 160))
	p.write(sealed, p.to)
	seen.shows(t, "encrypted sound that came", false, sealed)
	wantLevel(t, frames, 8000)
	if err := l.Send(levelFrame(5000)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2048)
	for sound := false; !sound; {
		p.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := p.conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		sound = !isRTCP(buf[:n])
		seen.shows(t, "an encrypted packet that was sent", true, buf[:n])
	}
}

// nowhere takes packets for the sake of the way there.
type nowhere struct{ packets int }

func (n *nowhere) Packet(telephony.Packet) { n.packets++ }

// A watched leg costs no memory for each packet.
func TestTapAllocatesNothing(t *testing.T) {
	m, _ := silentMedia(t, nil)
	var seen nowhere
	m.tap.Store(&tap{&seen, netip.MustParseAddr("192.0.2.1")})
	raw := append(appendRTP(nil, rtpHeader{pt: 101}), 5, 10, 0, 160)
	from := netip.MustParseAddrPort("192.0.2.1:4000")
	if n := testing.AllocsPerRun(100, func() { m.show(m.now(), false, m.rtp, from, raw, &m.st) }); n != 0 || seen.packets == 0 {
		t.Errorf("%.1f allocations a packet, %d packets", n, seen.packets)
	}
}
