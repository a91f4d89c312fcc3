package ladder

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/sidetone/sidetone"
)

// The format of capture files
// (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html), with times in
// microseconds and packets that begin with their IP header.
const (
	pcapMagic = 0xa1b2c3d4
	pcapMost  = 65535
	linkRaw   = 101
)

const udp = 17 // the number of the protocol

const (
	// pcapHead and recordHead are the lengths of the heads of a file and of a packet.
	pcapHead, recordHead = 24, 16
	// udpHead is that of a UDP datagram, ipHead the longer one of those of IPv4 and IPv6.
	udpHead, ipHead = 8, 40
)

// appendPCAP appends the head of a file.
func appendPCAP(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, pcapMagic)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, pcapMost)
	return binary.LittleEndian.AppendUint32(b, linkRaw)
}

// appendRecord appends a UDP datagram as it stands in a file.
func appendRecord(b []byte, at time.Time, from, to netip.AddrPort, content []byte) []byte {
	content = content[:min(len(content), pcapMost-udpHead-ipHead)]
	b = binary.LittleEndian.AppendUint32(b, uint32(at.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(at.Nanosecond()/1000))
	head := len(b)
	b = append(b, make([]byte, 8)...)
	begin := len(b)
	from, to = plainEnd(from), plainEnd(to)
	length := udpHead + len(content)
	if from.Addr().Is4() && to.Addr().Is4() {
		b = appendIPv4(b, from.Addr(), to.Addr(), length)
	} else {
		b = appendIPv6(b, from.Addr(), to.Addr(), length)
	}
	body := len(b)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(append(b, 0, 0), content...)
	stamp(b[body:], from.Addr(), to.Addr())
	binary.LittleEndian.PutUint32(b[head:], uint32(len(b)-begin))
	binary.LittleEndian.PutUint32(b[head+4:], uint32(len(b)-begin))
	return b
}

// appendMessage appends a message of signalling. Each is one UDP datagram, also when it
// came over TCP or TLS: all programs that read captures show that, without the
// handshakes and segments that would have to be made up, and without keys. The
// transport stands in its Via.
func appendMessage(b []byte, m sidetone.SignalMessage) []byte {
	from, to := parseEnd(m.Local), parseEnd(m.Remote)
	if !m.Sent {
		from, to = to, from
	}
	return appendRecord(b, m.At, from, to, []byte(m.Text))
}

// appendIPv4 appends the header of a packet (https://www.rfc-editor.org/rfc/rfc791).
func appendIPv4(b []byte, from, to netip.Addr, length int) []byte {
	x, y, begin := from.As4(), to.As4(), len(b)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(20+length))
	b = append(b, 0, 0, 0x40, 0, 64, udp, 0, 0)
	b = append(append(b, x[:]...), y[:]...)
	binary.BigEndian.PutUint16(b[begin+10:], checksum(b[begin:], 0))
	return b
}

// appendIPv6 is what appendIPv4 is (https://www.rfc-editor.org/rfc/rfc8200).
func appendIPv6(b []byte, from, to netip.Addr, length int) []byte {
	x, y := from.As16(), to.As16()
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, udp, 64)
	return append(append(b, x[:]...), y[:]...)
}

// stamp sets the checksum of a UDP datagram (https://www.rfc-editor.org/rfc/rfc768).
func stamp(body []byte, from, to netip.Addr) {
	sum := uint32(udp) + uint32(len(body))
	for _, end := range [2]netip.Addr{from, to} {
		part := end.As16()
		if from.Is4() && to.Is4() {
			clear(part[:12]) // the bytes of an IPv4 address alone count
		}
		for i := 0; i < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	value := checksum(body, sum)
	if value == 0 {
		value = 0xffff
	}
	binary.BigEndian.PutUint16(body[6:], value)
}

// checksum is that of the internet (https://www.rfc-editor.org/rfc/rfc1071).
func checksum(data []byte, sum uint32) uint16 {
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	if len(data)%2 == 1 {
		sum += uint32(data[len(data)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// parseEnd reads an address; one that cannot be read is 0.0.0.0:0.
func parseEnd(s string) netip.AddrPort {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return plainEnd(a)
}

// plainEnd is an address without zone, in IPv4 where it is one; one that is none is
// 0.0.0.0.
func plainEnd(a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsValid() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port())
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
