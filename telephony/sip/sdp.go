package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// direction is the direction attribute of a stream, seen from its sender
// (https://www.rfc-editor.org/rfc/rfc3264).
type direction uint8

const (
	sendRecv direction = iota
	sendOnly
	recvOnly
	inactive
)

// String returns the name of the SDP attribute.
func (d direction) String() string {
	return [...]string{"sendrecv", "sendonly", "recvonly", "inactive"}[d&3]
}

// sends and receives say what the party that announced the direction does.
func (d direction) sends() bool    { return d == sendRecv || d == sendOnly }
func (d direction) receives() bool { return d == sendRecv || d == recvOnly }

// reversed is the direction as the other side has it.
func (d direction) reversed() direction {
	switch d {
	case sendOnly:
		return recvOnly
	case recvOnly:
		return sendOnly
	}
	return d
}

// rtpmap is one payload type's mapping.
type rtpmap struct {
	pt    uint8
	name  string // upper case
	clock int
}

// sdpMedia is one m= section.
type sdpMedia struct {
	kind, proto string
	port        int
	formats     string // as written, for refusing it
	pts         []uint8
	maps        []rtpmap
	addr        netip.Addr
	host        string // instead of an address
	dir         direction
	mux         bool
	rtcpPort    int
	ptime       int
	maxptime    int
	crypto      []cryptoLine // those that can be used
	keyed       bool         // there are some
}

// sdp is a session description, as far as a telephone call needs it
// (https://www.rfc-editor.org/rfc/rfc8866).
type sdp struct {
	version string // the origin's session id and version, to notice repeats
	medias  []sdpMedia
}

const (
	// maxSDP and maxMedias bound how much of a description, and how many of its m=
	// sections, are looked at.
	maxSDP, maxMedias = 32 << 10, 128
)

// parseSDP reads a description. Whatever is not understood and not needed is
// ignored, as is what is beyond the bounds; what is needed and malformed is an error.
func parseSDP(body []byte) (*sdp, error) {
	text := strings.TrimPrefix(string(body), "\ufeff")
	if len(text) > maxSDP {
		text = text[:strings.LastIndexAny(text[:maxSDP], "\r\n")+1]
	}
	p := sdpParser{}
	for line := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == '\r' || c == '\n' }) {
		line = strings.Trim(line, "\t \x00")
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		kind := line[0] | ' ' // in small letters
		if p.full && kind != 'm' {
			continue
		}
		if err := p.line(kind, strings.TrimSpace(line[2:])); err != nil {
			return nil, err
		}
	}
	if !p.versioned && len(p.out.medias) == 0 {
		return nil, errors.New("no session description")
	}
	p.inherit()
	return &p.out, nil
}

// sdpParser holds the session-level values that sections inherit.
type sdpParser struct {
	out       sdp
	versioned bool
	full      bool // what follows belongs to a section that is not looked at
	addr      netip.Addr
	host      string
	dir       direction
}

func (p *sdpParser) line(kind byte, value string) error {
	switch kind {
	case 'v':
		if value != "0" {
			return fmt.Errorf("version %q of the session description", clip(value))
		}
		p.versioned = true
	case 'o':
		if fields := strings.Fields(value); len(fields) >= 3 {
			p.out.version = fields[1] + " " + fields[2]
		}
	case 'c':
		addr, host := parseConnection(value)
		if m := p.current(); m != nil {
			m.addr, m.host = addr, host
		} else {
			p.addr, p.host = addr, host
		}
	case 'm':
		return p.media(value)
	case 'a':
		p.attribute(value)
	}
	return nil
}

func (p *sdpParser) current() *sdpMedia {
	if len(p.out.medias) == 0 {
		return nil
	}
	return &p.out.medias[len(p.out.medias)-1]
}

// noDirection marks sections without one of their own.
const noDirection direction = 255

func (p *sdpParser) media(value string) error {
	fields := strings.Fields(value)
	if len(fields) == 0 || len(p.out.medias) == maxMedias {
		p.full = true
		return nil
	}
	p.full = false
	m := sdpMedia{kind: fields[0], proto: "RTP/AVP", formats: "0", dir: noDirection}
	if strings.EqualFold(m.kind, "audio") {
		m.kind = "audio"
	}
	if len(fields) > 1 {
		number, _, _ := strings.Cut(fields[1], "/")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil && m.kind == "audio" {
			return fmt.Errorf("media port %q", clip(fields[1]))
		}
		m.port = int(port)
	} else if m.kind == "audio" {
		return fmt.Errorf("media line %q", clip(value))
	}
	if len(fields) > 2 {
		m.proto = fields[2]
	}
	var formats []string
	if len(fields) > 3 {
		formats = strings.FieldsFunc(strings.Join(fields[3:], " "), func(c rune) bool { return c == ' ' || c == ',' })
	}
	if len(formats) > 0 {
		m.formats = strings.Join(formats, " ")
	}
	if m.rtp() {
		for _, f := range formats {
			if pt, err := strconv.ParseUint(f, 10, 7); err == nil {
				m.pts = append(m.pts, uint8(pt))
			}
		}
	}
	p.out.medias = append(p.out.medias, m)
	return nil
}

// rtp says that the section is audio over RTP, encrypted or not.
func (m *sdpMedia) rtp() bool {
	proto := strings.ToUpper(m.proto)
	return m.kind == "audio" && (proto == "RTP/AVP" || proto == "RTP/AVPF" || m.savp())
}

// savp says that the section is encrypted by its transport.
func (m *sdpMedia) savp() bool {
	proto := strings.ToUpper(m.proto)
	return proto == "RTP/SAVP" || proto == "RTP/SAVPF"
}

func (p *sdpParser) attribute(value string) {
	name, arg, _ := strings.Cut(value, ":")
	name, arg = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(arg)
	m := p.current()
	switch name {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		d := map[string]direction{"sendonly": sendOnly, "recvonly": recvOnly, "inactive": inactive}[name]
		if m != nil {
			m.dir = d
		} else {
			p.dir = d
		}
		return
	}
	if m == nil {
		return
	}
	switch name {
	case "rtpmap":
		m.rtpmap(arg)
	case "rtcp-mux":
		m.mux = true
	case "rtcp":
		port, _, _ := strings.Cut(arg, " ")
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			m.rtcpPort = int(n)
		}
	case "ptime":
		m.ptime = smallNumber(arg)
	case "maxptime":
		m.maxptime = smallNumber(arg)
	case "crypto":
		m.keyed = true
		if line, ok := parseCrypto(arg); ok && len(m.crypto) < maxCryptoLines {
			m.crypto = append(m.crypto, line)
		}
	}
}

// smallNumber reads a number of milliseconds; what is none counts as absent.
func smallNumber(s string) int {
	n, err := strconv.ParseFloat(s, 32)
	if err != nil || n < 1 || n > 1000 {
		return 0
	}
	return int(n)
}

// rtpmap takes a mapping; one that cannot be read leaves its type unknown.
func (m *sdpMedia) rtpmap(arg string) {
	fields := strings.Fields(arg)
	if len(fields) < 2 {
		return
	}
	pt, err := strconv.ParseUint(fields[0], 10, 7)
	if err != nil {
		return
	}
	name, clock, named := strings.Cut(strings.Join(fields[1:], " "), "/")
	r := rtpmap{pt: uint8(pt), name: strings.ToUpper(strings.TrimSpace(name)), clock: 8000}
	if named {
		clock, _, _ = strings.Cut(clock, "/")
		clock, _, _ = strings.Cut(strings.TrimSpace(clock), " ")
		if r.clock, err = strconv.Atoi(clock); err != nil || r.clock <= 0 {
			return
		}
	}
	m.maps = append(m.maps, r)
}

// inherit gives sections what the session level says.
func (p *sdpParser) inherit() {
	for i := range p.out.medias {
		m := &p.out.medias[i]
		if !m.addr.IsValid() && m.host == "" {
			m.addr, m.host = p.addr, p.host
		}
		if m.dir == noDirection {
			m.dir = p.dir
		}
	}
}

// parseConnection reads a c= line: an address, or a host name in its place. One
// that cannot be read has neither, which makes the section unusable.
func parseConnection(value string) (addr netip.Addr, host string) {
	fields := strings.Fields(value)
	if len(fields) < 3 || !strings.EqualFold(fields[0], "IN") {
		return netip.Addr{}, ""
	}
	host, _, _ = strings.Cut(fields[2], "/")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, host
	}
	return addr.Unmap().WithZone(""), ""
}

// mapOf returns the mapping of a payload type, also a static one.
func (m *sdpMedia) mapOf(pt uint8) (rtpmap, bool) {
	for _, r := range m.maps {
		if r.pt == pt {
			return r, true
		}
	}
	switch pt {
	case 0:
		return rtpmap{0, "PCMU", 8000}, true
	case 8:
		return rtpmap{8, "PCMA", 8000}, true
	case 9:
		return rtpmap{9, "G722", 8000}, true
	case 13:
		return rtpmap{13, "CN", 8000}, true
	}
	return rtpmap{}, false
}

// find returns the payload type of an encoding at 8000 Hz. Some name the rate of
// G.722's sound where that of its timestamps belongs
// (https://www.rfc-editor.org/rfc/rfc3551#section-4.5.2).
func (m *sdpMedia) find(name string) (uint8, bool) {
	for _, pt := range m.pts {
		if r, ok := m.mapOf(pt); ok && r.name == name && (r.clock == 8000 || name == "G722" && r.clock == 16000) {
			return pt, true
		}
	}
	return 0, false
}

// usualEvents is the payload type that nearly everybody gives telephone-events.
const usualEvents = 101

// events returns the payload type of telephone-events and their clock. Where the
// description does not speak of them, but does not use the usual type for anything
// else either, it is taken for theirs, and they are not agreed.
func (m *sdpMedia) events() (pt uint8, clock int, agreed bool) {
	pt, clock = noPT, rtpClock
	for _, p := range m.pts {
		if r, ok := m.mapOf(p); ok && r.name == "TELEPHONE-EVENT" && (pt == noPT || r.clock == rtpClock) {
			pt, clock = p, r.clock
		}
	}
	_, mapped := m.mapOf(usualEvents)
	switch {
	case pt != noPT:
		return pt, clock, true
	case mapped:
		return noPT, rtpClock, false
	}
	return usualEvents, rtpClock, slices.Contains(m.pts, usualEvents)
}

// clip shortens outside text for error messages.
func clip(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return s
}
