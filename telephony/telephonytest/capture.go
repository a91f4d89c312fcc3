package telephonytest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// ReadCapture reads a capture file of UDP datagrams over IP
// (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html, link type 101), and
// checks its lengths and checksums. Local is where a packet comes from, Remote where it
// goes.
func ReadCapture(file []byte) ([]telephony.Packet, error) {
	const headSize, recordSize = 24, 16
	if len(file) < headSize || binary.LittleEndian.Uint32(file) != 0xa1b2c3d4 || binary.LittleEndian.Uint32(file[20:]) != 101 {
		return nil, fmt.Errorf("the head is %x", file[:min(len(file), headSize)])
	}
	var out []telephony.Packet
	for rest := file[headSize:]; len(rest) > 0; {
		if len(rest) < recordSize {
			return out, errors.New("the last record is cut")
		}
		at := time.Unix(int64(binary.LittleEndian.Uint32(rest)), int64(binary.LittleEndian.Uint32(rest[4:]))*1000)
		size := int(binary.LittleEndian.Uint32(rest[8:]))
		if len(rest) < recordSize+size {
			return out, errors.New("the last packet is cut")
		}
		p, err := readDatagram(rest[recordSize : recordSize+size])
		if err != nil {
			return out, fmt.Errorf("packet %d: %w", len(out), err)
		}
		p.At = at
		out, rest = append(out, p), rest[recordSize+size:]
	}
	return out, nil
}

// readDatagram reads an IP packet.
func readDatagram(p []byte) (telephony.Packet, error) {
	var out telephony.Packet
	var from, to, datagram []byte
	switch {
	case len(p) >= 28 && p[0] == 0x45 && int(binary.BigEndian.Uint16(p[2:])) == len(p) && p[9] == 17:
		from, to, datagram = p[12:16], p[16:20], p[20:]
		if sum(p[:20]) != 0xffff {
			return out, errors.New("the checksum of its IP header is wrong")
		}
	case len(p) >= 48 && p[0] == 0x60 && int(binary.BigEndian.Uint16(p[4:]))+40 == len(p) && p[6] == 17:
		from, to, datagram = p[8:24], p[24:40], p[40:]
	default:
		return out, fmt.Errorf("its header is %x", p[:min(len(p), 40)])
	}
	pseudo := append(append([]byte{0, 17}, datagram[4:6]...), from...)
	if sum(append(append(pseudo, to...), datagram...)) != 0xffff || int(binary.BigEndian.Uint16(datagram[4:])) != len(datagram) {
		return out, errors.New("checksum or length of its UDP header is wrong")
	}
	a, _ := netip.AddrFromSlice(from)
	b, _ := netip.AddrFromSlice(to)
	out.Local = netip.AddrPortFrom(a, binary.BigEndian.Uint16(datagram))
	out.Remote = netip.AddrPortFrom(b, binary.BigEndian.Uint16(datagram[2:]))
	out.Raw = datagram[8:]
	return out, nil
}

// sum is the sum of the internet's checksums (https://www.rfc-editor.org/rfc/rfc1071):
// 0xffff over what has a right one.
func sum(data []byte) uint32 {
	var s uint32
	for i, b := range data {
		s += uint32(b) << (8 * (1 - i%2))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return s
}
