package sip

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func FuzzSDP(f *testing.F) {
	f.Add([]byte(basicSDP(4000)))
	f.Add([]byte("v=0\r\nc=IN IP6 ::1\r\na=inactive\r\nm=video 0 RTP/AVP 96\r\nm=audio 5000/2 RTP/AVPF 9 8 127\r\n" +
		"a=rtpmap:127 TELEPHONE-EVENT/8000/1\r\na=ptime:20.5\r\na=maxptime:60\r\na=rtcp:53020 IN IP4 1.2.3.4\r\na=rtcp-mux\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := parseSDP(body)
		if err != nil {
			return
		}
		st, err := negotiate(d, nil)
		if err != nil {
			return
		}
		own := localSDP{id: 1, version: 1, addr: netip.MustParseAddr("192.0.2.1"), port: 4000}
		again, err := parseSDP(own.answer(d, st))
		if err != nil {
			t.Fatalf("our answer does not parse: %v\n%s", err, own.answer(d, st))
		}
		if len(again.medias) != len(d.medias) {
			t.Fatalf("%d sections offered, %d answered", len(d.medias), len(again.medias))
		}
		back, err := negotiate(again, nil)
		if err != nil || back.codec != st.codec || back.pt != st.pt || back.eventPT != st.eventPT || back.index != st.index {
			t.Fatalf("answered %+v, which reads %+v, %v", st, back, err)
		}
	})
}

func FuzzRTP(f *testing.F) {
	f.Add(append(appendRTP(nil, rtpHeader{pt: 9, marker: true, seq: 1, timestamp: 2, ssrc: 3}), "sound"...))
	f.Add([]byte("\xb1\x80\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\xbe\xde\x00\x01abcdpayload\x00\x00\x03"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, payload, ok := parseRTP(raw)
		if !ok {
			return
		}
		plain := append(appendRTP(nil, h), payload...)
		again, rest, ok := parseRTP(plain)
		if !ok || again != h || !bytes.Equal(rest, payload) {
			t.Fatalf("%+v becomes %+v", h, again)
		}
	})
}

func FuzzRTCP(f *testing.F) {
	f.Add(appendRTCP(nil, sendReport{ssrc: 1, ntp: 2 << 32, packets: 3, block: &receptionBlock{ssrc: 4}, bye: true}))
	f.Add(appendRTCP(nil, sendReport{ssrc: 1}))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		if isRTCP(raw) {
			parseRTCP(raw)
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte("INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: x\r\ni: 1\r\nCSeq: 1 INVITE\r\n\r\n"))
	f.Add([]byte("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:5060;rport\r\nFrom: a\r\nTo: b\r\nCall-ID: c\r\nCSeq: 2 OPTIONS\r\nRequire: x\r\n\r\n"))
	p := peer{addr: netip.MustParseAddrPort("192.0.2.1:5060")}
	f.Fuzz(func(t *testing.T, raw []byte) {
		msg, err := sip.ParseMessage(raw)
		if err != nil {
			checkHead(t, rescue(raw, p))
			return
		}
		req, ok := msg.(*sip.Request)
		if !ok || req.Via() == nil {
			return
		}
		if f := validate(req); f != nil {
			checkHead(t, response(req, p, f.status, f.reason, "tag", f.extra, nil))
			return
		}
		checkRequire(req)
		sessionOf(req)
		number(&req.Recipient)
		txKey(req, req.Method)
	})
}

// checkHead makes sure that an answer has one status line and one end.
func checkHead(t *testing.T, raw []byte) {
	if raw == nil {
		return
	}
	if !bytes.HasPrefix(raw, []byte("SIP/2.0 ")) || !strings.HasSuffix(string(raw), "Content-Length: 0\r\n\r\n") {
		t.Fatalf("answer %q", raw)
	}
}
