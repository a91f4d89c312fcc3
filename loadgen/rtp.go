package loadgen

import "encoding/binary"

// rtpHeader is the length of an RTP header without extensions (RFC 3550,
// section 5.1).
const rtpHeader = 12

// packet is a received RTP packet.
type packet struct {
	payloadType uint8
	sequence    uint16
	timestamp   uint32
	ssrc        uint32
	payload     []byte
}

// isRTCP says whether a packet is RTCP, encrypted or not (RFC 5761, section 4).
func isRTCP(b []byte) bool { return len(b) > 1 && b[1] >= 192 && b[1] <= 223 }

// parsePacket reads an RTP packet; the payload shares b's memory. ok is false
// for anything else, RTCP included.
func parsePacket(b []byte) (p packet, ok bool) {
	if len(b) < rtpHeader || b[0]>>6 != 2 || isRTCP(b) {
		return packet{}, false
	}
	p = packet{
		payloadType: b[1] & 0x7F,
		sequence:    binary.BigEndian.Uint16(b[2:]),
		timestamp:   binary.BigEndian.Uint32(b[4:]),
		ssrc:        binary.BigEndian.Uint32(b[8:]),
	}
	body := b[rtpHeader:]
	if skip := 4 * int(b[0]&0x0F); skip <= len(body) {
		body = body[skip:]
	} else {
		return packet{}, false
	}
	if b[0]&0x10 != 0 {
		if len(body) < 4 {
			return packet{}, false
		}
		skip := 4 + 4*int(binary.BigEndian.Uint16(body[2:]))
		if skip > len(body) {
			return packet{}, false
		}
		body = body[skip:]
	}
	if b[0]&0x20 != 0 {
		if len(body) == 0 || int(body[len(body)-1]) > len(body) {
			return packet{}, false
		}
		body = body[:len(body)-int(body[len(body)-1])]
	}
	p.payload = body
	return p, true
}

// appendHeader appends the header of an RTP packet to dst.
func appendHeader(dst []byte, payloadType uint8, sequence uint16, timestamp, ssrc uint32) []byte {
	dst = append(dst, 0x80, payloadType)
	dst = binary.BigEndian.AppendUint16(dst, sequence)
	dst = binary.BigEndian.AppendUint32(dst, timestamp)
	return binary.BigEndian.AppendUint32(dst, ssrc)
}

// counter counts the packets of one stream by sequence number.
type counter struct {
	// received is the number of packets of all sources.
	received int
	// missed is what earlier sources lost.
	missed int
	ssrc   uint32
	// first and highest are sequence numbers of the present source, counted on
	// beyond 65535; seen is how many of its packets came.
	first, highest int64
	seen           int
}

// count takes one packet in. A change of the source's SSRC starts afresh, with
// nothing counted as lost in between.
func (c *counter) count(p packet) {
	if c.received == 0 || p.ssrc != c.ssrc {
		c.missed = c.lost()
		c.ssrc, c.seen = p.ssrc, 0
		c.first = int64(p.sequence)
		c.highest = c.first
	}
	c.received++
	c.seen++
	ahead := int64(int16(p.sequence - uint16(c.highest)))
	c.first = min(c.first, c.highest+ahead)
	c.highest = max(c.highest, c.highest+ahead)
}

// lost returns how many packets between the first and the newest are missing.
func (c *counter) lost() int {
	if c.received == 0 {
		return 0
	}
	return c.missed + max(0, int(c.highest-c.first)+1-c.seen)
}
