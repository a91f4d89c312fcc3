package sip

import (
	"encoding/binary"
)

// rtpHeader is the part of an RTP header that matters here
// (https://www.rfc-editor.org/rfc/rfc3550#section-5.1).
type rtpHeader struct {
	pt        uint8
	marker    bool
	seq       uint16
	timestamp uint32
	ssrc      uint32
}

// maxBehind is how far a number may be behind without being a new beginning.
const maxBehind = 100

// newer reports whether a packet comes after another one of its stream, or begins anew.
func (h rtpHeader) newer(was rtpHeader) bool {
	behind := int16(was.seq - h.seq)
	return behind < 0 || behind > maxBehind
}

// rtpHeaderSize is the length of the header that we send.
const rtpHeaderSize = 12

// parseRTP splits a packet; false when it is none.
func parseRTP(b []byte) (h rtpHeader, payload []byte, ok bool) {
	if len(b) < rtpHeaderSize || b[0]>>6 != 2 {
		return h, nil, false
	}
	h = rtpHeader{pt: b[1] & 0x7f, marker: b[1]&0x80 != 0, seq: binary.BigEndian.Uint16(b[2:]),
		timestamp: binary.BigEndian.Uint32(b[4:]), ssrc: binary.BigEndian.Uint32(b[8:])}
	at := rtpHeaderSize + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 { // extension
		if len(b) < at+4 {
			return h, nil, false
		}
		at += 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 { // padding
		pad := int(b[end-1])
		if pad == 0 || pad > end {
			return h, nil, false
		}
		end -= pad
	}
	if at > end {
		return h, nil, false
	}
	return h, b[at:end], true
}

// appendRTP writes a header without extension.
func appendRTP(b []byte, h rtpHeader) []byte {
	second := h.pt
	if h.marker {
		second |= 0x80
	}
	b = append(b, 0x80, second)
	b = binary.BigEndian.AppendUint16(b, h.seq)
	b = binary.BigEndian.AppendUint32(b, h.timestamp)
	return binary.BigEndian.AppendUint32(b, h.ssrc)
}

// RTCP packet types.
const (
	rtcpSR   = 200
	rtcpRR   = 201
	rtcpSDES = 202
	rtcpBYE  = 203
)

// isRTCP tells RTCP from RTP where both share a port
// (https://www.rfc-editor.org/rfc/rfc5761#section-4).
func isRTCP(b []byte) bool { return len(b) >= 8 && b[0]>>6 == 2 && b[1] >= 192 && b[1] <= 223 }

// rtcpReport is what a received compound packet tells.
type rtcpReport struct {
	ssrc uint32
	ntp  uint32 // the middle bits of the sender report's time, 0 without
	bye  bool
}

// parseRTCP walks a compound packet; false when it is none.
func parseRTCP(b []byte) (r rtcpReport, ok bool) {
	for len(b) >= 4 {
		if b[0]>>6 != 2 {
			return r, false
		}
		size := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if size > len(b) {
			return r, false
		}
		switch b[1] {
		case rtcpSR:
			if size < 28 {
				return r, false
			}
			r.ssrc, r.ntp = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[10:])
		case rtcpBYE:
			r.bye = true
		}
		ok = true
		b = b[size:]
	}
	return r, ok && len(b) == 0
}

// sendReport is what our own compound packets tell.
type sendReport struct {
	ssrc            uint32
	ntp             uint64 // 0: nothing was sent, a receiver report
	timestamp       uint32
	packets, octets uint32
	block           *receptionBlock
	bye             bool
}

// receptionBlock reports on the far end's stream.
type receptionBlock struct {
	ssrc          uint32
	fraction      uint8
	lost          uint32
	highest       uint32
	jitter        uint32
	lastSR, delay uint32
}

// appendRTCP writes SR or RR, SDES and, at the end, BYE
// (https://www.rfc-editor.org/rfc/rfc3550#section-6.4).
func appendRTCP(b []byte, r sendReport) []byte {
	count, words := byte(0), 1
	if r.block != nil {
		count, words = 1, 7
	}
	if r.ntp != 0 {
		b = append(b, 0x80|count, rtcpSR)
		b = binary.BigEndian.AppendUint16(b, uint16(words+5))
		b = binary.BigEndian.AppendUint32(b, r.ssrc)
		b = binary.BigEndian.AppendUint64(b, r.ntp)
		b = binary.BigEndian.AppendUint32(b, r.timestamp)
		b = binary.BigEndian.AppendUint32(b, r.packets)
		b = binary.BigEndian.AppendUint32(b, r.octets)
	} else {
		b = append(b, 0x80|count, rtcpRR)
		b = binary.BigEndian.AppendUint16(b, uint16(words))
		b = binary.BigEndian.AppendUint32(b, r.ssrc)
	}
	if k := r.block; k != nil {
		b = binary.BigEndian.AppendUint32(b, k.ssrc)
		b = binary.BigEndian.AppendUint32(b, uint32(k.fraction)<<24|k.lost&0xffffff)
		for _, v := range []uint32{k.highest, k.jitter, k.lastSR, k.delay} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	const name = "sidetone"
	b = append(b, 0x81, rtcpSDES, 0, 4)
	b = binary.BigEndian.AppendUint32(b, r.ssrc)
	b = append(b, 1, byte(len(name)))
	b = append(b, name...)
	b = append(b, 0, 0)
	if r.bye {
		b = append(b, 0x81, rtcpBYE, 0, 1)
		b = binary.BigEndian.AppendUint32(b, r.ssrc)
	}
	return b
}
