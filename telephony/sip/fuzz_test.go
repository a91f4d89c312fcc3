package sip

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

func FuzzSDP(f *testing.F) {
	f.Add([]byte(basicSDP(4000)))
	f.Add([]byte("v=0\r\nc=IN IP6 ::1\r\na=inactive\r\nm=video 0 RTP/AVP 96\r\nm=audio 5000/2 RTP/AVPF 9 8 127\r\n" +
		"a=rtpmap:127 TELEPHONE-EVENT/8000/1\r\na=ptime:20.5\r\na=maxptime:60\r\na=rtcp:53020 IN IP4 1.2.3.4\r\na=rtcp-mux\r\n"))
	f.Add([]byte(secureSDP("RTP/SAVP", 4000, keyLine("7", suite32, 1), keyLine("8", suite80, 2))))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := parseSDP(body)
		if err != nil {
			return
		}
		checkKeys(t, d)
		st, err := negotiate(d, nil, guard{})
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
		back, err := negotiate(again, nil, guard{})
		if err != nil || back.codec != st.codec || back.pt != st.pt || back.agreedEvents() != st.agreedEvents() || back.index != st.index {
			t.Fatalf("answered %+v, which reads %+v, %v", st, back, err)
		}
	})
}

// checkKeys reads the keys of an offer, and of our answer to it.
func checkKeys(t *testing.T, d *sdp) {
	g := guard{policy: srtpPrefer, keys: &[suites]masterKey{someKey(1), someKey(2)}}
	st, err := negotiate(d, nil, g)
	if err != nil || st.crypto == nil {
		return
	}
	own := localSDP{id: 1, version: 1, addr: netip.MustParseAddr("192.0.2.1"), port: 4000, guard: g}
	again, err := parseSDP(own.answer(d, st))
	if err != nil {
		t.Fatal(err)
	}
	back, err := negotiate(again, nil, g)
	if err != nil || back.crypto == nil || back.crypto.line.tag != st.crypto.line.tag || !back.crypto.line.key.same(g.keys[st.crypto.line.suite]) {
		t.Fatalf("our answer to keys reads %+v, %v", back, err)
	}
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
	parser := newParser()
	p := peer{addr: netip.MustParseAddrPort("192.0.2.1:5060")}
	f.Fuzz(func(t *testing.T, raw []byte) {
		msg, err := parseMessage(parser, raw)
		if err != nil {
			checkHead(t, badRequest(raw, p))
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
		sessionOf(req, 0)
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

// textHeader fits a fuzzed text into one header line, as the parser of messages
// does.
func textHeader(name, value string) sip.Header {
	return sip.NewHeader(name, strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(value)))
}

func FuzzDigitsOfINFO(f *testing.F) {
	f.Add("Signal=5\r\nDuration=160\r\n")
	f.Add("signal= 11\nDURATION=65535\nSignal=d")
	f.Fuzz(func(t *testing.T, body string) {
		digit, held := parseRelay(body)
		if digit != 0 && !strings.ContainsRune("0123456789*#ABCD", digit) {
			t.Errorf("digit %q", digit)
		}
		if held < 0 || held > 65535*time.Millisecond {
			t.Errorf("held for %v", held)
		}
		if alone := digitOf(body); alone != 0 && digitOf(string(alone)) != alone {
			t.Errorf("digit %q is not one", alone)
		}
	})
}

func FuzzSessionExpires(f *testing.F) {
	f.Add("1800;refresher=uac", "timer")
	f.Add(" 90 ; refresher=uas", "100rel, TIMER")
	f.Add("2147483647", "")
	f.Fuzz(func(t *testing.T, expires, supported string) {
		req := sip.NewRequest(sip.INVITE, sip.Uri{Scheme: "sip", Host: "a"})
		req.AppendHeader(textHeader("Session-Expires", expires))
		req.AppendHeader(textHeader("Supported", supported))
		s, refused := sessionOf(req, 0)
		if refused != nil && (s.interval != 0 || refused.status != 400 && refused.status != 422) {
			t.Errorf("refused with %d and %+v", refused.status, s)
		}
		if s.interval != 0 && s.interval < minSession*time.Second {
			t.Errorf("interval %v", s.interval)
		}
		res := sip.NewResponseFromRequest(req, 200, "OK", nil)
		for _, h := range s.inResponse() { // what we say of it is understood as we meant it
			res.AppendHeader(sip.NewHeader(h.name, h.value))
		}
		if back := sessionOfAnswer(res); back.interval != s.interval || s.interval != 0 && back.ours == s.ours {
			t.Errorf("%+v is read back as %+v", s, back)
		}
	})
}

// What is dialled comes out of the URI as it went in, and nothing else does.
func FuzzNumberInURI(f *testing.F) {
	f.Add("+12125550123")
	f.Add("*31#0049.30-12_x")
	f.Fuzz(func(t *testing.T, dialled string) {
		user, err := userPart(dialled)
		if err != nil {
			return
		}
		var uri sip.Uri
		if err := sip.ParseUri("sip:"+user+"@198.51.100.1:5060", &uri); err != nil {
			t.Fatalf("%q: %v", dialled, err)
		}
		if got := number(&uri); got != dialled || uri.Host != "198.51.100.1" || uri.Port != 5060 {
			t.Errorf("%q is called as %q at %s:%d", dialled, got, uri.Host, uri.Port)
		}
		if !sameResource("sip:"+user+"@198.51.100.1", &uri) || sameResource("sip:x"+user+"@198.51.100.1", &uri) {
			t.Errorf("%q is not told from its neighbours", dialled)
		}
	})
}

// Whatever a caller's From says, our requests to him name the same address
// with the tag that he gave.
func FuzzTagOfFrom(f *testing.F) {
	f.Add(`<sip:a@b>;tag=1`)
	f.Add(`"x;tag=y" <sip:a;tag=z@b;tag=w>;p=q;tag=1;r`)
	f.Add(`sip:a@b;tag=1;tagged=2`)
	f.Add(`<sip:0>>;tag=0`)
	f.Fuzz(func(t *testing.T, value string) {
		from := fromOf(value)
		if from == nil {
			return
		}
		var same sip.Uri
		if sip.ParseUri(from.Address.String(), &same) != nil || same.String() != from.Address.String() {
			return // the parser takes addresses that it would not take again
		}
		tag := tagOf(from.Params)
		again := fromOf(withoutTag(from) + ";tag=" + tag)
		if again == nil || tagOf(again.Params) != tag || again.Address.String() != from.Address.String() {
			t.Fatalf("%q becomes %q", from.Value(), withoutTag(from)+";tag="+tag)
		}
	})
}

// fromOf reads a From header as it arrives; nil when the message is refused.
func fromOf(value string) *sip.FromHeader {
	msg, err := sip.ParseMessage([]byte("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: " + value +
		"\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"))
	req, ok := msg.(*sip.Request)
	if err != nil || !ok || validate(req) != nil {
		return nil
	}
	return req.From()
}

// Nobody gets in by guessing, and no challenge makes us write more than a line.
func FuzzDigest(f *testing.F) {
	f.Add(`Digest username="desk", realm="sidetone", nonce="n", uri="sip:a@b", response="x", qop=auth, nc=00000001, cnonce="c"`,
		`Digest realm="r", nonce="n", algorithm=MD5, qop="auth,auth-int", opaque="o"`)
	f.Add(`Digest nc=zz`, `Basic realm="r"`)
	cfg := Config{Realm: "sidetone", Users: []User{{Name: "desk", Password: "secret"}}}
	if err := cfg.complete(); err != nil {
		f.Fatal(err)
	}
	d := &Driver{cfg: cfg, nonces: newNonces(time.Now), sources: newSources(cfg), guesses: newGuesses()}
	d.roster.Store(&roster{users: cfg.Users})
	from := peer{addr: netip.MustParseAddrPort("192.0.2.1:5060")}
	f.Fuzz(func(t *testing.T, authorization, challenge string) {
		req := sip.NewRequest(sip.OPTIONS, sip.Uri{Scheme: "sip", User: "a", Host: "b"})
		req.AppendHeader(textHeader("Authorization", authorization))
		if _, refused, ok := d.authenticate(from, req); ok || refused == nil {
			t.Fatalf("%q lets in", authorization)
		}
		if cred, err := digest.ParseCredentials(authorization); err == nil {
			if _, ok := d.verify(req, cred); ok {
				t.Fatalf("%q proves a password", authorization)
			}
		}
		res := sip.NewResponseFromRequest(req, 401, "Unauthorized", nil)
		res.AppendHeader(textHeader("WWW-Authenticate", challenge))
		as := logon{user: "desk", pass: "secret"}
		if h, _, err := as.credentials(res, "OPTIONS", "sip:a@b"); err == nil && strings.ContainsAny(h.value, "\r\n") {
			t.Fatalf("%q is answered with %q", challenge, h.value)
		}
	})
}
