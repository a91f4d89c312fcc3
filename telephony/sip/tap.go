package sip

import (
	"net"
	"net/netip"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// hiddenKey stands in place of the key of a telephone-event, as the digits of an INFO
// are not stored either: no event has that number
// (https://www.rfc-editor.org/rfc/rfc4733#section-3.2).
const hiddenKey = 0xff

// tap shows the packets of a leg to a sink.
type tap struct {
	to    telephony.PacketSink
	local netip.Addr // as our descriptions have it, so that tools find the stream
}

// Tap implements telephony.Tapped.
func (l *leg) Tap(to telephony.PacketSink) {
	l.mu.Lock()
	local := l.desc.addr
	l.mu.Unlock()
	l.media.tap.Store(&tap{to, local})
}

// show shows a packet that came or was sent by a socket, if somebody wants to see it;
// st is the stream that it belongs to.
func (m *media) show(at time.Time, sent bool, by *net.UDPConn, remote netip.AddrPort, raw []byte, st *stream) {
	t := m.tap.Load()
	if t == nil {
		return
	}
	if st.crypto == nil {
		if key := st.key(raw); key != nil {
			pressed := *key
			*key = hiddenKey
			defer func() { *key = pressed }()
		}
	}
	t.to.Packet(telephony.Packet{At: at, Sent: sent, Local: netip.AddrPortFrom(t.local, uint16(portOf(by))), Remote: remote, Raw: raw})
}

// key is where a packet has the key of a telephone-event; nil for others.
func (s *stream) key(raw []byte) *byte {
	if isRTCP(raw) {
		return nil
	}
	h, payload, ok := parseRTP(raw)
	if !ok || h.pt != s.eventPT || len(payload) == 0 {
		return nil
	}
	if _, sound := s.codecOf(h.pt); sound {
		return nil
	}
	return &payload[0]
}
