package loadgen

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMessage(t *testing.T) {
	t.Parallel()
	m, ok := parseMessage([]byte("SIP/2.0 200 OK, then\r\nv: SIP/2.0/UDP 1.2.3.4;branch=x\r\nf: <sip:a@b>;tag=1\r\n" +
		"To: <sip:c@d>;tag=2\r\ni: id\r\nCSeq: 7  INVITE\r\nRecord-Route: <sip:127.0.0.1:7;lr>, <sip:p2;lr>\r\n" +
		"record-route: <sip:p3>\r\nContact: \"X\" <sip:x@[::1]:5062;transport=udp>;expires=3\r\nX-Long: a\r\n b\r\n\r\nv=0\r\n"))
	if !ok || m.status != 200 || m.reason != "OK, then" || m.sequence() != "INVITE" || string(m.body) != "v=0\r\n" {
		t.Fatalf("parsed %+v, %v", m, ok)
	}
	if got, want := m.contact(), "sip:x@[::1]:5062;transport=udp"; got != want {
		t.Errorf("contact = %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"<sip:p3>", "<sip:p2;lr>", "<sip:127.0.0.1:7;lr>"}, m.routes()); diff != "" {
		t.Errorf("routes, nearest first: %s", diff)
	}
	for name, want := range map[string]string{"call-id": "id", "from": "<sip:a@b>;tag=1", "x-long": "a b", "absent": ""} {
		if got := m.get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, bad := range []string{"", "\r\n\r\n", "HELLO", "SIP/2.0 xx OK\r\n\r\n", "SIP/2.0 99 No\r\n\r\n", "INVITE sip:x HTTP/1.1\r\n\r\n",
		"BYE sip:x SIP/2.0\r\nnocolon\r\n\r\n"} {
		if m, ok := parseMessage([]byte(bad)); ok {
			t.Errorf("%q was taken for %+v", bad, m)
		}
	}
}

func TestAddressOf(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"sip:127.0.0.1:5070": "127.0.0.1:5070", "<sip:a@127.0.0.1:5071;lr>": "127.0.0.1:5071",
		"sip:a:pw@10.0.0.1;transport=udp?x=y": "10.0.0.1:5060", "sip:[::1]:9": "[::1]:9", "sip:b@[::1]": "[::1]:5060",
		"sip:example.com": "", "sips:127.0.0.1": "", "": "", "sip:": "",
	} {
		addr, ok := addressOf(uri)
		if got := addr.String(); ok != (want != "") || ok && got != want {
			t.Errorf("address of %q = %s, %v; want %q", uri, got, ok, want)
		}
	}
}

func TestRespondKeepsWhatIdentifiesTheRequest(t *testing.T) {
	t.Parallel()
	request, _ := parseMessage([]byte("BYE sip:x SIP/2.0\r\nVia: one\r\nVia: two\r\nFrom: f;tag=1\r\nTo: t\r\nCall-ID: c\r\nCSeq: 2 BYE\r\nX: y\r\n\r\n"))
	got, ok := parseMessage(respond(request, 481, "None", "own", []byte("v=0"), "sip:me"))
	if !ok {
		t.Fatal("the response cannot be parsed")
	}
	want := []field{{"via", "one"}, {"via", "two"}, {"from", "f;tag=1"}, {"to", "t;tag=own"}, {"call-id", "c"}, {"cseq", "2 BYE"},
		{"contact", "<sip:me>"}, {"content-type", "application/sdp"}, {"content-length", "3"}}
	if diff := cmp.Diff(want, got.fields, cmp.AllowUnexported(field{})); diff != "" {
		t.Error(diff)
	}
}

func TestOfferIsUnderstood(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"127.0.0.1:4000", "[::1]:4002"} {
		for _, codec := range []Codec{PCMU, PCMA, G722} {
			want := netip.MustParseAddrPort(at)
			got, ok := answered(offer(codec, want, nil), codec)
			if !ok || got != want {
				t.Errorf("%s at %s understood as %s, %v", codec, at, got, ok)
			}
		}
	}
}

func TestAnswered(t *testing.T) {
	t.Parallel()
	session := "v=0\r\nc=IN IP4 10.0.0.1\r\n"
	for sdp, want := range map[string]string{
		session + "m=audio 4000 RTP/AVP 0 101\r\n":                                            "10.0.0.1:4000",
		session + "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 10.0.0.2\r\n":                           "10.0.0.2:4000",
		session + "m=video 9 RTP/AVP 96\r\nc=IN IP4 10.0.0.3\r\nm=audio 4000 RTP/AVP 0\n":     "10.0.0.1:4000",
		session + "m=audio 4000 RTP/AVP 0\r\nm=audio 5000 RTP/AVP 0\r\nc=IN IP4 10.0.0.9\r\n": "10.0.0.1:4000",
		session + "m=audio 0 RTP/AVP 0\r\n":                                                   "",
		session + "m=audio 70000 RTP/AVP 0\r\n":                                               "",
		session + "m=audio 4000 RTP/AVP 8 0\r\n":                                              "",
		"m=audio 4000 RTP/AVP 0\r\n":                                                          "",
		"":                                                                                    "",
	} {
		got, ok := answered([]byte(sdp), PCMU)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q: %s, %v; want %q", sdp, got, ok, want)
		}
	}
}

func TestParsePacket(t *testing.T) {
	t.Parallel()
	plain := append(appendHeader(nil, 9, 65535, 1<<31, 7), 1, 2, 3)
	p, ok := parsePacket(plain)
	if !ok || p.payloadType != 9 || p.sequence != 65535 || p.timestamp != 1<<31 || p.ssrc != 7 || !bytes.Equal(p.payload, []byte{1, 2, 3}) {
		t.Errorf("parsed %+v, %v", p, ok)
	}
	full := append([]byte(nil), plain[:12]...)
	full[0] |= 0x31 // padding, extension, one contributing source
	full = append(full, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9, 42, 0, 2)
	if p, ok := parsePacket(full); !ok || !bytes.Equal(p.payload, []byte{42}) {
		t.Errorf("payload behind everything = %v, %v; want 42", p.payload, ok)
	}
	rtcp := append([]byte(nil), plain...)
	rtcp[1] = 200
	short := append([]byte(nil), plain...)
	short[0] |= 0x0F
	for name, bad := range map[string][]byte{
		"empty": nil, "short": plain[:11], "version": bytes.Repeat([]byte{0x11}, 40), "rtcp": rtcp, "sources": short,
		"extension": full[:17], "padding": append(append([]byte(nil), plain[:0]...), 0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99),
	} {
		if p, ok := parsePacket(bad); ok {
			t.Errorf("%s: taken for %+v", name, p)
		}
	}
}

func TestCounter(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sequence []uint16
		lost     int
	}{
		"in order": {[]uint16{1, 2, 3}, 0}, "gap": {[]uint16{1, 2, 5}, 2}, "reordered": {[]uint16{1, 3, 2, 4}, 0},
		"wrap": {[]uint16{65534, 65535, 1}, 1}, "first late": {[]uint16{2, 1, 3}, 0}, "none": {nil, 0},
	}
	for name, test := range tests {
		var c counter
		for _, n := range test.sequence {
			c.count(packet{sequence: n})
		}
		if c.received != len(test.sequence) || c.lost() != test.lost {
			t.Errorf("%s: received %d, lost %d; want %d, %d", name, c.received, c.lost(), len(test.sequence), test.lost)
		}
	}
	var c counter
	for _, p := range []packet{{ssrc: 1, sequence: 1}, {ssrc: 1, sequence: 3}, {ssrc: 2, sequence: 900}, {ssrc: 2, sequence: 902}} {
		c.count(p)
	}
	if c.received != 4 || c.lost() != 2 {
		t.Errorf("two sources: received %d, lost %d; want 4 and 2", c.received, c.lost())
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte("SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContact: <sip:a@1.2.3.4:5>\r\n\r\nv=0\r\nm=audio 1 RTP/AVP 0\r\n"))
	f.Add([]byte("BYE sip:x SIP/2.0\r\n folded\r\nRecord-Route: ,,<\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := parseMessage(b)
		if ok == (m.status == 0 && m.method == "") {
			t.Errorf("ok = %v for %+v", ok, m)
		}
		addressOf(m.contact())
		for _, r := range m.routes() {
			addressOf(r)
		}
		if to, ok := answered(m.body, PCMU); ok && (!to.Addr().IsValid() || to.Port() == 0) {
			t.Errorf("answered with %s", to)
		}
		if ok && !strings.ContainsAny(m.get("to"), "\r\n") {
			respond(m, 200, "OK", "tag", nil, "sip:x")
		}
	})
}

func FuzzParsePacket(f *testing.F) {
	f.Add(append(appendHeader(nil, 0, 1, 2, 3), 4))
	f.Add([]byte{0xBF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parsePacket(b)
		if ok && len(p.payload) > len(b)-rtpHeader {
			t.Errorf("payload of %d bytes in a packet of %d", len(p.payload), len(b))
		}
	})
}
