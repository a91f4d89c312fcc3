package loadgen

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// offer returns a session description that offers codec and telephone-event at
// the address (RFC 3264, RFC 4566), encrypted with key unless that is nil.
func offer(codec Codec, at netip.AddrPort, key masterKey) []byte {
	family, proto, crypto := "IP4", "RTP/AVP", ""
	if key != nil {
		proto, crypto = "RTP/SAVP", key.attribute()
	}
	if at.Addr().Is6() {
		family = "IP6"
	}
	number := codec.payloadType()
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN %[1]s %[2]s\r\ns=-\r\nc=IN %[1]s %[2]s\r\nt=0 0\r\n"+
		"m=audio %[3]d %[6]s %[4]d 101\r\n%[7]sa=rtpmap:%[4]d %[5]s/8000\r\n"+
		"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n",
		family, at.Addr(), at.Port(), number, codec, proto, crypto)
}

// answered returns where an answer wants its audio. ok is false when it refuses
// the audio or does not choose the codec.
func answered(sdp []byte, codec Codec) (to netip.AddrPort, ok bool) {
	var host netip.Addr
	var port int
	audio, chosen := false, false
	for line := range strings.Lines(string(sdp)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "m="):
			fields := strings.Fields(line[2:])
			audio = !chosen && len(fields) > 3 && fields[0] == "audio"
			if audio {
				port, _ = strconv.Atoi(fields[1])
				chosen = fields[3] == strconv.Itoa(int(codec.payloadType()))
			}
		case strings.HasPrefix(line, "c=") && (audio || !host.IsValid()):
			fields := strings.Fields(line[2:])
			if len(fields) == 3 {
				host, _ = netip.ParseAddr(fields[2])
			}
		}
	}
	if !chosen || !host.IsValid() || port <= 0 || port > 65535 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(host.Unmap(), uint16(port)), true
}
