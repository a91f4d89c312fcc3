package sip

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// rtpClock is the RTP clock of the codecs in Hz; that of G.722 by history
// (https://www.rfc-editor.org/rfc/rfc3551#section-4.5.2).
const rtpClock = 8000

// noPT is a payload type that was not negotiated.
const noPT = 255

// codec is an audio codec; its RTP clock is 8000 Hz for all three.
type codec uint8

const (
	codecPCMU codec = iota
	codecPCMA
	codecG722
)

// String returns the encoding name of SDP.
func (c codec) String() string { return [...]string{"PCMU", "PCMA", "G722"}[c%3] }

// rate is the sample rate of the codec's sound.
func (c codec) rate() int {
	if c == codecG722 {
		return 16000
	}
	return 8000
}

// stream is what both sides agreed on.
type stream struct {
	codec   codec
	pt      uint8
	formats [3]format // those that may come, of our codecs
	// eventPT is that of telephone-events, noPT when none can come; eventClock their
	// clock in Hz; agreed says that both sides know of them.
	eventPT    uint8
	eventClock int
	agreed     bool
	noisePT    uint8 // comfort noise, noPT without
	remote     netip.AddrPort
	rtcp       netip.AddrPort
	mux        bool
	remoteDir  direction   // as the far end announced it
	localDir   direction   // as we answered or offered
	maxptime   int         // ms; 0 without
	index      int         // of the m= section
	crypto     *streamKeys // nil: not encrypted
}

// format is a payload type and its codec.
type format struct {
	pt    uint8
	codec codec
	used  bool
}

// codecOf returns the codec of a payload type that may come.
func (s *stream) codecOf(pt uint8) (codec, bool) {
	for _, f := range s.formats {
		if f.used && f.pt == pt {
			return f.codec, true
		}
	}
	return 0, false
}

// agreedEvents is the payload type of telephone-events that both sides know of, noPT
// without.
func (s *stream) agreedEvents() uint8 {
	if s.agreed {
		return s.eventPT
	}
	return noPT
}

// held says that the far end put us on hold.
func (s *stream) held() bool { return !s.remoteDir.receives() }

// refusal of a description with its SIP status.
type sdpError struct {
	status int
	warn   int
	text   string
}

// Error returns the text.
func (e *sdpError) Error() string { return e.text }

// negotiate picks the first usable audio section and, in our order of
// preference, its codec; allowed narrows them, nil means all. g decides about
// encryption.
func negotiate(d *sdp, allowed []string, g guard) (*stream, error) {
	var last error = &sdpError{488, 304, "no audio line"}
	for i := range d.medias {
		m := &d.medias[i]
		if m.kind != "audio" || m.port == 0 {
			continue
		}
		if !m.rtp() {
			last = &sdpError{488, 302, "transport " + clip(m.proto) + " is not supported"}
			continue
		}
		keys, err := g.choose(m)
		if err != nil {
			last = err
			continue
		}
		s, err := negotiateMedia(m, allowed)
		if err == nil {
			s.index, s.crypto = i, keys
			return s, nil
		}
		last = err
	}
	return nil, last
}

func negotiateMedia(m *sdpMedia, allowed []string) (*stream, error) {
	s := &stream{eventPT: noPT, noisePT: noPT, mux: m.mux, remoteDir: m.dir, maxptime: m.maxptime}
	found := false
	for i, c := range []codec{codecG722, codecPCMU, codecPCMA} {
		if len(allowed) > 0 && !slices.Contains(allowed, c.String()) {
			continue
		}
		pt, ok := m.find(c.String())
		if !ok {
			continue
		}
		s.formats[i] = format{pt, c, true}
		if !found {
			s.codec, s.pt, found = c, pt, true
		}
	}
	if !found {
		return nil, &sdpError{488, 305, "no common codec"}
	}
	if !m.addr.IsValid() {
		return nil, &sdpError{488, 301, "no usable connection address"}
	}
	s.eventPT, s.eventClock, s.agreed = m.events()
	if pt, ok := m.find("CN"); ok {
		s.noisePT = pt
	}
	if m.addr.IsUnspecified() {
		s.remoteDir = inactive // the hold of RFC 2543
		if m.dir.sends() {
			s.remoteDir = sendOnly
		}
	}
	s.localDir = s.remoteDir.reversed()
	s.remote = netip.AddrPortFrom(m.addr, uint16(m.port))
	rtcp := m.rtcpPort
	if rtcp == 0 {
		rtcp = m.port + 1
	}
	s.rtcp = netip.AddrPortFrom(m.addr, uint16(rtcp))
	if m.mux {
		s.rtcp = s.remote
	}
	return s, nil
}

// localSDP is what our descriptions say about us.
type localSDP struct {
	id, version int64
	addr        netip.Addr
	port        int
	codecs      []string // offered; empty means all
	guard       guard
}

func (l localSDP) head(b *strings.Builder) {
	family := "IP4"
	if l.addr.Is6() {
		family = "IP6"
	}
	fmt.Fprintf(b, "v=0\r\no=sidetone %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
		l.id, l.version, family, l.addr, family, l.addr)
}

// offer describes what we can do; only is the codec to stay with, when one was
// agreed on before.
func (l localSDP) offer(dir direction, only *stream) []byte {
	b := &strings.Builder{}
	l.head(b)
	proto, keys := l.guard.offer(only)
	if only == nil {
		fmt.Fprintf(b, "m=audio %d %s", l.port, proto)
		var maps strings.Builder
		for _, c := range []struct {
			pt   int
			name string
		}{{9, "G722"}, {0, "PCMU"}, {8, "PCMA"}} {
			if len(l.codecs) == 0 || slices.Contains(l.codecs, c.name) {
				fmt.Fprintf(b, " %d", c.pt)
				fmt.Fprintf(&maps, "a=rtpmap:%d %s/8000\r\n", c.pt, c.name)
			}
		}
		fmt.Fprintf(b, " 101\r\n%sa=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"+
			"a=ptime:20\r\na=rtcp-mux\r\n%sa=%s\r\n", maps.String(), keys, dir)
		return []byte(b.String())
	}
	l.section(b, only, proto, keys, dir)
	return []byte(b.String())
}

// answer answers an offer: s in its section, every other one refused.
func (l localSDP) answer(offer *sdp, s *stream) []byte {
	b := &strings.Builder{}
	l.head(b)
	for i := range offer.medias {
		m := &offer.medias[i]
		if i == s.index {
			keys := ""
			if s.crypto != nil {
				keys = s.crypto.attribute(s.crypto.line.tag)
			}
			l.section(b, s, m.proto, keys, s.localDir)
			continue
		}
		fmt.Fprintf(b, "m=%s 0 %s %s\r\n", m.kind, m.proto, m.formats)
	}
	return []byte(b.String())
}

func (l localSDP) section(b *strings.Builder, s *stream, proto, keys string, dir direction) {
	fmt.Fprintf(b, "m=audio %d %s %d", l.port, proto, s.pt)
	for _, pt := range []uint8{s.agreedEvents(), s.noisePT} {
		if pt != noPT {
			b.WriteString(" " + strconv.Itoa(int(pt)))
		}
	}
	fmt.Fprintf(b, "\r\na=rtpmap:%d %s/8000\r\n", s.pt, s.codec)
	if s.agreed {
		fmt.Fprintf(b, "a=rtpmap:%d telephone-event/%d\r\na=fmtp:%d 0-15\r\n", s.eventPT, s.eventClock, s.eventPT)
	}
	if s.noisePT != noPT {
		fmt.Fprintf(b, "a=rtpmap:%d CN/8000\r\n", s.noisePT)
	}
	b.WriteString("a=ptime:20\r\n")
	if s.mux {
		b.WriteString("a=rtcp-mux\r\n")
	}
	fmt.Fprintf(b, "%sa=%s\r\n", keys, dir)
}
