package sip

import (
	"context"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/srtp/v3"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// secureSDP offers PCMU at a port, with lines of attributes.
func secureSDP(proto string, port int, lines ...string) string {
	text := basicSDP(port)
	for _, l := range lines {
		text += l + "\r\n"
	}
	return strings.Replace(text, "RTP/AVP", proto, 1)
}

// keyLine is an a=crypto line with a key of one byte over and over.
func keyLine(tag string, s cryptoSuite, b byte) string {
	return "a=crypto:" + tag + " " + s.String() + " " + inline(b)
}

// srtpDriver has a trunk for what comes from this machine.
func srtpDriver(t testing.TB, policy string, overClear bool, change func(*Config)) *Driver {
	return newDriver(t, func(c *Config) {
		c.Trunks = []Trunk{{Name: "carrier", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, SRTP: policy, SRTPOverClear: overClear}}
		if change != nil {
			change(c)
		}
	})
}

// Inbound offers are taken by the trunk's policy, and only over TLS signalling unless
// the trunk lifts it.
func TestSRTPOffersByPolicy(t *testing.T) {
	t.Parallel()
	savp := secureSDP("RTP/SAVP", 4000, keyLine("4", suite80, 1))
	savpf := secureSDP("RTP/SAVPF", 4000, keyLine("4", suite32, 1))
	avp := secureSDP("RTP/AVP", 4000, keyLine("4", suite80, 1))
	skipped := keyLine("1", suite80, 2) + "|2^20|1:4"
	second := secureSDP("RTP/SAVP", 4000, skipped, keyLine("2", suite80, 3)+" X=1", keyLine("3", suite32, 1))
	unusable := secureSDP("RTP/SAVP", 4000, skipped)
	unusableAVP := secureSDP("RTP/AVP", 4000, skipped)
	both := strings.Replace(savp, "\r\nm=audio", "\r\nm=audio 4002 RTP/AVP 0\r\nm=audio", 1)
	for _, test := range []struct {
		name, policy string
		clear        bool
		offer        string
		want         string // of the answer; "" for a refusal
		warning      string
	}{
		{"off savp", "off", true, savp, "", "302"},
		{"unset savpf", "", true, savpf, "", "302"},
		{"off avp with keys", "off", true, avp, "m=audio RTP/AVP", ""},
		{"prefer savp", "prefer", true, savp, "m=audio RTP/SAVP 4 80", ""},
		{"prefer savpf", "prefer", true, savpf, "m=audio RTP/SAVPF 4 32", ""},
		{"prefer avp with keys", "prefer", true, avp, "m=audio RTP/AVP 4 80", ""},
		{"prefer avp", "prefer", true, basicSDP(4000), "m=audio RTP/AVP", ""},
		{"prefer the third line", "prefer", true, second, "m=audio RTP/SAVP 3 32", ""},
		{"prefer no usable line", "prefer", true, unusable, "", "306"},
		{"prefer savp without a line", "prefer", true, secureSDP("RTP/SAVP", 4000), "", "306"},
		{"prefer avp and no usable line", "prefer", true, unusableAVP, "m=audio RTP/AVP", ""},
		{"require savp", "require", true, savp, "m=audio RTP/SAVP 4 80", ""},
		{"require avp with keys", "require", true, avp, "m=audio RTP/AVP 4 80", ""},
		{"require avp", "require", true, basicSDP(4000), "", "302"},
		{"require avp and no usable line", "require", true, unusableAVP, "", "302"},
		{"require avp before savp", "require", true, both, "m=audio RTP/SAVP 4 80", ""},
		{"prefer savp over clear", "prefer", false, savp, "", "TLS"},
		{"prefer avp with keys over clear", "prefer", false, avp, "m=audio RTP/AVP", ""},
		{"require savp over clear", "require", false, savp, "", "TLS"},
		{"require avp over clear", "require", false, basicSDP(4000), "", "TLS"},
		{"require no offer over clear", "require", false, "", "", "TLS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := srtpDriver(t, test.policy, test.clear, nil)
			serve(t, d, accept)
			u := newRawUA(t, d, "udp")
			if test.want == "" {
				u.send(u.request("INVITE", 1, test.offer))
				if res := u.status("INVITE", 488); !strings.Contains(headerOf(res, "Warning"), test.warning) {
					t.Errorf("Warning: %s", headerOf(res, "Warning"))
				}
				return
			}
			if got := summary(u.establish(test.offer)); got != test.want {
				t.Errorf("answered %q, want %q", got, test.want)
			}
		})
	}
}

// summary is the transport of the sound in a description, and its first key's tag and
// suite.
func summary(msg string) string {
	out := ""
	for line := range strings.SplitSeq(msg, "\r\n") {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "m=audio") && f[1] != "0":
			out = "m=audio " + f[2]
		case strings.HasPrefix(line, "a=crypto:") && !strings.HasSuffix(out, "0") && !strings.HasSuffix(out, "2"):
			out += " " + strings.TrimPrefix(f[0], "a=crypto:") + " " + f[1][len(f[1])-2:]
		}
	}
	return out
}

// What the far end answers to our offers.
func TestSRTPAnswersByPolicy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, policy, offered, answer string
		why                           string // of the BYE; "" when the call stands
		plain                         bool
	}{
		{"prefer the first", "prefer", "m=audio RTP/AVP 1 80", secureSDP("RTP/AVP", 4000, keyLine("1", suite80, 1)), "", false},
		{"prefer the second", "prefer", "m=audio RTP/AVP 1 80", secureSDP("RTP/AVP", 4000, keyLine("2", suite32, 1)), "", false},
		{"prefer plain", "prefer", "m=audio RTP/AVP 1 80", basicSDP(4000), "", true},
		{"prefer a line that was not offered", "prefer", "m=audio RTP/AVP 1 80", secureSDP("RTP/AVP", 4000, keyLine("2", suite80, 1)), "no crypto attribute", false},
		{"prefer mki", "prefer", "m=audio RTP/AVP 1 80", secureSDP("RTP/AVP", 4000, keyLine("1", suite80, 1)+"|2^20|1:1"), "no crypto attribute", false},
		{"require the first", "require", "m=audio RTP/SAVP 1 80", secureSDP("RTP/SAVP", 4000, keyLine("1", suite80, 1)), "", false},
		{"require the second", "require", "m=audio RTP/SAVP 1 80", secureSDP("RTP/SAVP", 4000, keyLine("2", suite32, 1)), "", false},
		{"require plain", "require", "m=audio RTP/SAVP 1 80", basicSDP(4000), "without SRTP", false},
		{"require savp without keys", "require", "m=audio RTP/SAVP 1 80", secureSDP("RTP/SAVP", 4000), "no crypto attribute", false},
		{"off savp", "off", "m=audio RTP/AVP", secureSDP("RTP/SAVP", 4000, keyLine("1", suite80, 1)), "not supported", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			d := newDriver(t, func(cfg *Config) {
				cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), SRTP: test.policy, SRTPOverClear: true}}
			})
			dialled := make(chan error, 1)
			legs := make(chan *leg, 1)
			go func() {
				l, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
				if err == nil {
					legs <- l.(*leg)
				}
				dialled <- err
			}()
			invite := c.receive()
			if got := summary(invite); got != test.offered {
				t.Errorf("offered %q, want %q", got, test.offered)
			}
			c.answer(invite, "200 OK", test.answer)
			c.receive() // the ACK
			if test.why != "" {
				bye := c.receive()
				if !strings.HasPrefix(bye, "BYE ") {
					t.Errorf("got %q, want BYE", bye)
				}
				c.answer(bye, "200 OK", "")
			}
			err := <-dialled
			var failed *telephony.DialError
			switch {
			case test.why == "" && err != nil:
				t.Error(err)
			case test.why != "" && (!errors.As(err, &failed) || failed.Cause != telephony.CauseNotAcceptable || !strings.Contains(err.Error(), test.why)):
				t.Errorf("the call failed with %v, want %q", err, test.why)
			case test.why == "":
				if l := <-legs; (l.stream.crypto == nil) != test.plain {
					t.Errorf("encrypted: %v", l.stream.crypto != nil)
				}
			}
		})
	}
}

// Nothing goes out where SRTP is required and the keys would go in clear.
func TestSRTPNeedsTLS(t *testing.T) {
	t.Parallel()
	g := guard{policy: srtpRequire}
	if g.over("UDP").check() == nil || g.over("TCP").check() == nil || g.over("TLS").check() != nil || g.over("tls").check() != nil {
		t.Error("required SRTP does not depend on the transport")
	}
	g.overClear = true
	if err := g.over("UDP").check(); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		trunk Trunk
		ok    bool
	}{
		{Trunk{SRTP: "require", Host: "a.example"}, false},
		{Trunk{SRTP: "prefer", Host: "a.example", Transport: "tcp"}, false},
		{Trunk{SRTP: "sometimes"}, false},
		{Trunk{SRTP: "prefer", Host: "a.example", SRTPOverClear: true}, true},
		{Trunk{SRTP: "require", Host: "a.example", Transport: "tls"}, true},
		{Trunk{SRTP: "require"}, true}, // calls may come over TLS
		{Trunk{SRTP: "off", Host: "a.example"}, true},
	} {
		if err := test.trunk.checkSRTP(); (err == nil) != test.ok {
			t.Errorf("%+v: %v", test.trunk, err)
		}
	}
}

// securePeer is a far end that encrypts.
type securePeer struct {
	*rtpPeer
	out, in *srtp.Context
}

// newSecurePeer makes one whose key is that of keyLine(tag, s, b).
func newSecurePeer(t *testing.T, s cryptoSuite, b byte) *securePeer {
	t.Helper()
	return &securePeer{rtpPeer: newRTPPeer(t), out: newContext(s, someKey(b))}
}

// talkTo reads our address and key out of a description.
func (p *securePeer) talkTo(msg string, s cryptoSuite) {
	p.t.Helper()
	p.rtpPeer.talkTo(msg)
	_, rest, _ := strings.Cut(msg, s.String()+" inline:")
	raw, err := base64.StdEncoding.DecodeString(rest[:min(40, len(rest))])
	if err != nil || len(raw) != 30 {
		p.t.Fatalf("no key in %s", msg)
	}
	p.in = newContext(s, keyOf((*[30]byte)(raw)))
}

// packet makes the next packet.
func (p *securePeer) packet(payload []byte) []byte {
	p.t.Helper()
	p.h.pt = 0
	raw, err := p.out.EncryptRTP(nil, append(appendRTP(nil, p.h), payload...), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.h.seq++
	p.h.timestamp += uint32(len(payload))
	return raw
}

func (p *securePeer) write(raw []byte, to netip.AddrPort) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(raw, to); err != nil {
		p.t.Fatal(err)
	}
}

// say sends sound of a level.
func (p *securePeer) say(level int16) { p.write(p.packet(sound(level, 160)), p.to) }

// hear returns the level of the next packet that decrypts.
func (p *securePeer) hear() int16 {
	p.t.Helper()
	_, payload := p.next()
	return audio.DecodeULaw(nil, payload)[0]
}

// next returns the next packet of sound; one that does not decrypt is an error.
func (p *securePeer) next() (h rtpHeader, payload []byte) {
	p.t.Helper()
	buf := make([]byte, 2048)
	p.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			p.t.Fatal(err)
		}
		if isRTCP(buf[:n]) {
			continue
		}
		plain, err := p.in.DecryptRTP(nil, buf[:n], nil)
		if err != nil {
			p.t.Fatalf("decrypt what we sent: %v", err)
		}
		h, payload, _ = parseRTP(plain)
		return h, payload
	}
}

// secureCall is a call with an encrypting far end.
func secureCall(t *testing.T, s cryptoSuite, change func(*Config)) (u *rawUA, p *securePeer, l *leg, frames chan heardFrame, events chan telephony.Event) {
	t.Helper()
	d := srtpDriver(t, "require", true, change)
	legs, frames, events := listenTo(t, d)
	u = newRawUA(t, d, "udp")
	p = newSecurePeer(t, s, 1)
	p.talkTo(u.establish(secureSDP("RTP/SAVP", portOf(p.conn), keyLine("1", s, 1))), s)
	return u, p, (<-legs).(*leg), frames, events
}

// levelFrame is a frame of a constant level.
func levelFrame(level int16) audio.Frame {
	pcm := make([]int16, 160)
	for i := range pcm {
		pcm[i] = level
	}
	return audio.Frame{PCM: pcm, Rate: 8000}
}

// Sound, keys and reports go through encrypted, both ways.
func TestSRTPBothWays(t *testing.T) {
	t.Parallel()
	for s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			_, p, l, frames, _ := secureCall(t, s, nil)
			for range 3 {
				p.say(8000)
			}
			wantLevel(t, frames, 8000)
			if err := l.Send(levelFrame(5000)); err != nil {
				t.Fatal(err)
			}
			if got := p.hear(); got < 4800 || got > 5200 {
				t.Errorf("the far end heard %d", got)
			}
			if n := l.Refused(); n != 0 {
				t.Errorf("%d packets refused", n)
			}
			pressed := make(chan error, 1)
			go func() { pressed <- l.SendDigits(t.Context(), "5") }()
			buf := make([]byte, 2048)
			for found := false; !found; {
				n, err := p.conn.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				plain, err := p.in.DecryptRTP(nil, buf[:n], nil)
				if err != nil {
					t.Fatalf("decrypt a key: %v", err)
				}
				h, payload, _ := parseRTP(plain)
				found = h.pt == 101 && payload[0] == 5
			}
			if err := <-pressed; err != nil {
				t.Error(err)
			}
		})
	}
}

// Reports are encrypted; only those that authenticate, and once, are a sign of life.
func TestSRTCP(t *testing.T) {
	t.Parallel()
	for s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			d := srtpDriver(t, "prefer", true, func(c *Config) {
				c.Life = Life{First: 2 * time.Second, Later: 2 * time.Second, Held: 2 * time.Second, Answer: 100 * time.Millisecond}
			})
			legs, _, events := listenTo(t, d)
			u := newRawUA(t, d, "udp")
			rtp, rtcp := adjacent(t)
			p := &securePeer{rtpPeer: &rtpPeer{t: t, conn: rtcp}, out: newContext(s, someKey(1))}
			p.talkTo(u.establish(secureSDP("RTP/AVP", portOf(rtp), keyLine("1", s, 1))), s)
			to := netip.AddrPortFrom(p.to.Addr(), p.to.Port()+1)
			l := (<-legs).(*leg)
			p.write(appendRTCP(nil, sendReport{ssrc: 9}), to) // in clear
			sealed, err := p.out.EncryptRTCP(nil, appendRTCP(nil, sendReport{ssrc: 9}), nil)
			if err != nil {
				t.Fatal(err)
			}
			broken := append([]byte{}, sealed...)
			broken[len(broken)-1] ^= 1
			p.write(broken, to)
			p.write(sealed, to)
			p.write(sealed, to) // once more
			l.media.mu.Lock()
			l.media.report(time.Now(), nil, false)
			l.media.mu.Unlock()
			buf := make([]byte, 1500)
			rtcp.SetReadDeadline(time.Now().Add(20 * time.Second))
			n, err := rtcp.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := parseRTCP(buf[:n]); ok {
				t.Error("our report is not encrypted")
			}
			plain, err := p.in.DecryptRTCP(nil, buf[:n], nil)
			if err != nil {
				t.Fatalf("decrypt our report: %v", err)
			}
			if _, ok := parseRTCP(plain); !ok {
				t.Errorf("our report is %x", plain)
			}
			if ev := next(t, events); ev.Cause != telephony.CauseFarEndGone || !strings.Contains(ev.Err.Error(), "3 packets") {
				t.Errorf("event %+v", ev)
			}
			if n := l.Refused(); n != 3 {
				t.Errorf("%d reports refused, want 3", n)
			}
		})
	}
}

// Junk, wrong tags, packets in clear and repeated ones are counted and end nothing;
// nobody becomes the owner by them.
func TestSRTPJunk(t *testing.T) {
	t.Parallel()
	_, p, l, frames, _ := secureCall(t, suite80, nil)
	rival := newRTPPeer(t)
	rival.to, rival.h.ssrc = p.to, 66
	for range 20 { // in sequence, in clear
		rival.send(0, sound(-9000, 160), 160)
	}
	p.say(8000)
	wantLevel(t, frames, 8000)
	var copies [][]byte
	for range 4 {
		raw := p.packet(sound(7900, 160))
		wrong := append([]byte{}, raw...)
		wrong[len(wrong)-1] ^= 0x80
		p.write(wrong, p.to)
		p.write(raw, p.to)
		copies = append(copies, raw)
	}
	for _, raw := range copies {
		p.write(raw, p.to)
	}
	p.write([]byte{0x80, 0}, p.to)
	p.write(make([]byte, 700), p.to)
	for range 3 {
		p.say(7800)
	}
	eventually(t, "the packets to be counted", func() bool { return l.Refused() == 20+4+4+2 })
	wantLevel(t, frames, 7900)
	if err := l.Send(levelFrame(5000)); err != nil {
		t.Fatal(err)
	}
	p.hear()
}

// A copy that overtakes the true packet does not make the true one a replay, whether it
// comes from a host that has no part in the call or from another port of the far end's.
func TestSRTPCopiesFromElsewhere(t *testing.T) {
	t.Parallel()
	for _, test := range [][2]string{{"peer", "127.0.0.2"}, {"strict", "127.0.0.2"}, {"peer", "127.0.0.1"}, {"strict", "127.0.0.1"}} {
		policy, host := test[0], test[1]
		t.Run(policy+" "+host, func(t *testing.T) {
			t.Parallel()
			_, p, l, frames, _ := secureCall(t, suite80, func(c *Config) { c.Trunks[0].Sources = policy })
			p.say(8000)
			wantLevel(t, frames, 8000)
			elsewhere := newRTPPeerAt(t, host)
			for range 5 {
				raw := p.packet(sound(7000, 160))
				if _, err := elsewhere.conn.WriteToUDPAddrPort(raw, p.to); err != nil {
					t.Fatal(err)
				}
				p.write(raw, p.to)
			}
			eventually(t, "the copies to be counted", func() bool { return l.Refused() == 5 })
			eventually(t, "the true ones", func() bool { return (<-frames).level > 6500 })
		})
	}
}

// New keys in a re-INVITE or UPDATE start a new rollover counter and replay window;
// what is still under way on the old key is taken. Unchanged keys keep both.
func TestSRTPKeyChange(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"INVITE", "UPDATE"} {
		for s := range suites {
			t.Run(method+" "+s.String(), func(t *testing.T) {
				t.Parallel()
				u, p, l, frames, _ := secureCall(t, s, nil)
				seq := 1
				change := func(lines ...string) string {
					t.Helper()
					seq++
					u.send(u.request(method, seq, secureSDP("RTP/SAVP", portOf(p.conn), lines...)))
					ok := u.status(method, 200)
					if method == "INVITE" {
						u.ack(seq, "")
					}
					return ok
				}
				p.h.seq = 65534
				for range 4 { // over the rollover
					p.say(8000)
				}
				wantLevel(t, frames, 8000)
				eventually(t, "the rollover", func() bool { return rollovers(l, p.h.ssrc) == 1 })
				change(keyLine("1", s, 1))
				for range 3 {
					p.say(4000)
				}
				eventually(t, "sound after the same keys", func() bool { f := <-frames; return f.level > 3700 && f.level < 4300 })
				was := p.out
				ours, _, _ := strings.Cut(strings.SplitN(change(keyLine("1", s, 2)), "inline:", 2)[1], "\r\n")
				p.say(3000) // on the old key
				eventually(t, "what was under way", func() bool { f := <-frames; return f.level > 2800 && f.level < 3200 })
				p.out = newContext(s, someKey(2))
				for range 3 {
					p.say(2000)
				}
				eventually(t, "sound on the new key", func() bool { f := <-frames; return f.level > 1800 && f.level < 2200 })
				if rollovers(l, p.h.ssrc) != 0 {
					t.Error("the rollover counter went on with a new key")
				}
				before := l.Refused()
				p.out, was = was, p.out
				p.say(9000) // on the old key, after the new one came
				eventually(t, "the old key to be refused", func() bool { return l.Refused() == before+1 })
				p.out = was
				// Our key stays, and what it encrypts goes on.
				again := change(keyLine("1", s, 2))
				if !strings.Contains(again, ours) {
					t.Error("our key changed without need")
				}
				if err := l.Send(levelFrame(5000)); err != nil {
					t.Fatal(err)
				}
				if got := p.hear(); got < 4800 || got > 5200 {
					t.Errorf("the far end heard %d", got)
				}
			})
		}
	}
}

// rollovers is the rollover counter of what comes, at most a second old.
func rollovers(l *leg, ssrc uint32) uint32 {
	l.media.mu.Lock()
	defer l.media.mu.Unlock()
	if l.media.theirs.SSRC != ssrc {
		return 0
	}
	return l.media.theirs.Count
}

// Both of our suites have keys of their own, and so has each call.
func TestOurKeysDiffer(t *testing.T) {
	t.Parallel()
	d := srtpDriver(t, "prefer", true, nil)
	a, b := d.newGuard("carrier"), d.newGuard("carrier")
	if a.keys[0].same(a.keys[1]) || a.keys[0].same(b.keys[0]) {
		t.Error("two keys are the same")
	}
	if g := d.newGuard("another"); g.policy != srtpOff {
		t.Error("an unknown trunk encrypts")
	}
}

// A call whose description is repeated by us keeps its transport and keys; a plain
// answer ends one that must be encrypted.
func TestSRTPReinviteOfOurs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ policy, answer string }{
		{"require", "encrypted"}, {"prefer", "encrypted"}, {"prefer", "plain"}, {"require", "plain"},
	} {
		t.Run(test.policy+" "+test.answer, func(t *testing.T) {
			t.Parallel()
			d := srtpDriver(t, test.policy, true, nil)
			legs, events := tape(t, d)
			u := newRawUA(t, d, "udp")
			first := u.establish(secureSDP("RTP/SAVP", 4000, keyLine("7", suite32, 1)))
			_, key, _ := strings.Cut(first, "inline:")
			l := (<-legs).(*leg)
			var done atomic.Bool
			go func() {
				_ = l.Hold(context.Background(), true) // how it ends is the leg's event
				done.Store(true)
			}()
			invite := u.receive(20 * time.Second)
			for !strings.HasPrefix(invite, "INVITE") {
				invite = u.receive(20 * time.Second)
			}
			if summary(invite) != "m=audio RTP/SAVP 2 32" || !strings.Contains(invite, key[:40]) {
				t.Errorf("we offer %s", invite)
			}
			body := secureSDP("RTP/SAVP", 4000, keyLine("2", suite32, 1))
			if test.answer == "plain" {
				body = basicSDP(4000)
			}
			u.send("SIP/2.0 200 OK\r\nVia: " + headerOf(invite, "Via") + "\r\nFrom: " + headerOf(invite, "From") + "\r\nTo: " + headerOf(invite, "To") +
				"\r\nCall-ID: " + headerOf(invite, "Call-ID") + "\r\nCSeq: " + headerOf(invite, "CSeq") + "\r\nContact: <sip:raw@" + u.conn.LocalAddr().String() +
				">\r\nContent-Type: application/sdp\r\n\r\n" + body)
			eventually(t, "the change", done.Load)
			if test.policy == "require" && test.answer == "plain" {
				ev := next(t, events)
				if ev.Kind != telephony.KindEnded || ev.Cause != telephony.CauseNotAcceptable || !strings.Contains(ev.Err.Error(), "without SRTP") {
					t.Errorf("event %+v", ev)
				}
				return
			}
			l.media.mu.Lock()
			defer l.media.mu.Unlock()
			if (l.media.cipher == nil) != (test.answer == "plain") {
				t.Error("the sound is encrypted although the answer is plain, or the other way round")
			}
		})
	}
}

// An offer of ours in a 200 has keys, and the ACK's answer is held against them.
func TestSRTPLateOffer(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		secureSDP("RTP/SAVP", 4000, keyLine("2", suite32, 1)): "", basicSDP(4000): "without SRTP", secureSDP("RTP/SAVP", 4000): "no crypto attribute",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			d := srtpDriver(t, "require", true, nil)
			legs, events := tape(t, d)
			u := newRawUA(t, d, "udp")
			u.send(u.request("INVITE", 1, ""))
			ok := u.status("INVITE", 200)
			_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
			if got := summary(ok); got != "m=audio RTP/SAVP 1 80" {
				t.Errorf("offered %q", got)
			}
			u.ack(1, answer)
			l := (<-legs).(*leg)
			if want != "" {
				if ev := next(t, events); ev.Kind != telephony.KindEnded || ev.Err == nil || !strings.Contains(ev.Err.Error(), want) {
					t.Errorf("event %+v, want %q", ev, want)
				}
				return
			}
			eventually(t, "the answer", func() bool {
				l.media.mu.Lock()
				defer l.media.mu.Unlock()
				return l.media.cipher != nil
			})
		})
	}
}

// Encryption costs no memory for each packet.
func TestSRTPAllocatesNothing(t *testing.T) {
	keys := &streamKeys{line: cryptoLine{key: someKey(1)}, ours: someKey(2)}
	near := (*cipher)(nil).rekey(keys, time.Time{})
	far := (*cipher)(nil).rekey(&streamKeys{line: cryptoLine{key: someKey(2)}, ours: someKey(1)}, time.Time{})
	s := sender{ssrc: 7, seq: 65000} // over a rollover
	pcm := make([]int16, 480)
	now := time.Now()
	var failed error
	allocs := testing.AllocsPerRun(1000, func() {
		raw, err := near.seal(s.packet(codecPCMU, 0, pcm))
		if err == nil {
			_, err = far.open(raw, now)
		}
		failed = errors.Join(failed, err)
	})
	if failed != nil || allocs > 0 && !raceDetector {
		t.Errorf("%v allocations a packet, %v", allocs, failed)
	}
}

func BenchmarkSRTP(b *testing.B) {
	near := (*cipher)(nil).rekey(&streamKeys{line: cryptoLine{key: someKey(1)}, ours: someKey(2)}, time.Time{})
	far := (*cipher)(nil).rekey(&streamKeys{line: cryptoLine{key: someKey(2)}, ours: someKey(1)}, time.Time{})
	s, pcm, now := sender{ssrc: 7}, make([]int16, 160), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		raw, err := near.seal(s.packet(codecPCMU, 0, pcm))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := far.open(raw, now); err != nil {
			b.Fatal(err)
		}
	}
}

// What overtakes the answer is heard when the answer brings its key, also when the
// description before had another one; what is not encrypted with it is not.
func TestSRTPThatOvertakesTheAnswer(t *testing.T) {
	t.Parallel()
	for _, early := range []string{"", "plain", "another key", "the same key"} {
		t.Run(early, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			d := newDriver(t, func(cfg *Config) {
				cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), SRTP: "prefer", SRTPOverClear: true}}
			})
			legs := make(chan telephony.Leg, 1)
			go func() {
				l, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
				if err != nil {
					t.Error(err)
				}
				legs <- l
			}()
			invite := c.receive()
			p, nobody := newSecurePeer(t, suite80, 2), newRTPPeer(t)
			p.talkTo(invite, suite80)
			nobody.to, nobody.h.ssrc = p.to, 99
			port := portOf(p.conn)
			switch early {
			case "plain":
				c.answer(invite, "183 Session Progress", basicSDP(portOf(nobody.conn)))
			case "another key":
				c.answer(invite, "183 Session Progress", secureSDP("RTP/AVP", portOf(nobody.conn), keyLine("1", suite80, 1)))
			case "the same key":
				c.answer(invite, "183 Session Progress", secureSDP("RTP/AVP", port, keyLine("1", suite80, 2)))
			}
			d.mu.Lock()
			var l *leg
			for _, l = range d.calls {
			}
			d.mu.Unlock()
			eventually(t, "the early description", func() bool {
				l.media.mu.Lock()
				defer l.media.mu.Unlock()
				return l.media.active || early == ""
			})
			for range 4 {
				nobody.send(0, sound(-9000, 160), 160) // in clear
			}
			if early == "the same key" {
				c.answer(invite, "200 OK", secureSDP("RTP/AVP", port, keyLine("1", suite80, 2)))
				p.say(7000)
			} else {
				for range 3 {
					p.say(7000)
				}
				c.answer(invite, "200 OK", secureSDP("RTP/AVP", port, keyLine("1", suite80, 2)))
			}
			c.receive() // the ACK
			leg := <-legs
			p.say(7000)
			heard := 0
			for ev := range leg.Events(t.Context()) {
				if ev.Kind != telephony.KindAudio || ev.Audio.Missing {
					continue
				}
				switch v := ev.Audio.PCM[80]; {
				case v > 6500:
					heard++
				case v < -100:
					t.Fatal("what was not encrypted is heard")
				}
				if heard == 2 {
					break
				}
			}
		})
	}
}
