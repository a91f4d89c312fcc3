package ladder

import (
	"encoding/binary"
	"io"
	"net/netip"

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

// WritePCAP writes a ladder as a capture file. Each message is one UDP datagram, also
// when it came over TCP or TLS: all programs that read captures show that, without the
// handshakes and segments that would have to be made up, and without keys. The file is
// about messages, not about packets; the transport stands in their Via.
func (b *Book) WritePCAP(l sidetone.Ladder, w io.Writer) error {
	head := binary.LittleEndian.AppendUint32(nil, pcapMagic)
	head = binary.LittleEndian.AppendUint16(head, 2)
	head = binary.LittleEndian.AppendUint16(head, 4)
	head = append(head, make([]byte, 8)...)
	head = binary.LittleEndian.AppendUint32(head, pcapMost)
	head = binary.LittleEndian.AppendUint32(head, linkRaw)
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, m := range l.Messages {
		packet := datagram(m)
		record := binary.LittleEndian.AppendUint32(nil, uint32(m.At.Unix()))
		record = binary.LittleEndian.AppendUint32(record, uint32(m.At.Nanosecond()/1000))
		record = binary.LittleEndian.AppendUint32(record, uint32(len(packet)))
		record = binary.LittleEndian.AppendUint32(record, uint32(len(packet)))
		if _, err := w.Write(append(record, packet...)); err != nil {
			return err
		}
	}
	return nil
}

// datagram is a message as an IP packet.
func datagram(m sidetone.SignalMessage) []byte {
	from, to := parseEnd(m.Local), parseEnd(m.Remote)
	if !m.Sent {
		from, to = to, from
	}
	text := m.Text[:min(len(m.Text), pcapMost-60)]
	length := 8 + len(text)
	body := binary.BigEndian.AppendUint16(nil, from.Port())
	body = binary.BigEndian.AppendUint16(body, to.Port())
	body = binary.BigEndian.AppendUint16(body, uint16(length))
	body = append(body, 0, 0)
	body = append(body, text...)
	if !from.Addr().Is4() || !to.Addr().Is4() {
		return ipv6(from.Addr(), to.Addr(), body)
	}
	return ipv4(from.Addr(), to.Addr(), body)
}

// ipv4 puts a header before a UDP datagram (https://www.rfc-editor.org/rfc/rfc791).
func ipv4(from, to netip.Addr, body []byte) []byte {
	a, b := from.As4(), to.As4()
	head := []byte{0x45, 0}
	head = binary.BigEndian.AppendUint16(head, uint16(20+len(body)))
	head = append(head, 0, 0, 0x40, 0, 64, udp, 0, 0)
	head = append(append(head, a[:]...), b[:]...)
	binary.BigEndian.PutUint16(head[10:], checksum(head, 0))
	stamp(body, a[:], b[:])
	return append(head, body...)
}

// ipv6 is what ipv4 is (https://www.rfc-editor.org/rfc/rfc8200).
func ipv6(from, to netip.Addr, body []byte) []byte {
	a, b := from.As16(), to.As16()
	head := []byte{0x60, 0, 0, 0}
	head = binary.BigEndian.AppendUint16(head, uint16(len(body)))
	head = append(head, udp, 64)
	head = append(append(head, a[:]...), b[:]...)
	stamp(body, a[:], b[:])
	return append(head, body...)
}

// stamp sets the checksum of a UDP datagram (https://www.rfc-editor.org/rfc/rfc768).
func stamp(body, from, to []byte) {
	sum := uint32(udp) + uint32(len(body))
	for _, part := range [][]byte{from, to} {
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
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
