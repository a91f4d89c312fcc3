package sip

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// replacing is another peer whose INVITE replaces the call of u.
func replacing(t *testing.T, d *Driver, u *rawUA, ip string) (o *rawUA, header string) {
	t.Helper()
	o = newRawUAFrom(t, d, "udp", ip)
	return o, "Replaces: " + u.callID + ";to-tag=" + u.toTag + ";from-tag=caller"
}

// An INVITE that replaces the dialog of a call gets the call: the leg goes on, its sound
// without a gap in its time, and the old dialog is hung up.
func TestReplaces(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		late  bool // the offer is ours
		codec uint8
	}{{"same codec", false, 0}, {"another codec", false, 9}, {"without an offer", true, 0}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			legs, others := make(chan telephony.Leg, 2), make(chan telephony.Event, 64)
			var heard reel
			serve(t, d, func(ctx context.Context, leg telephony.Leg) {
				if leg.Accept(ctx) != nil {
					return
				}
				leg.(telephony.DialogHolder).Dialog()
				legs <- leg
				for ev := range leg.Events(ctx) {
					if ev.Kind != telephony.KindAudio {
						others <- ev
						continue
					}
					heard.add(ev.Audio)
				}
			})
			u := newRawUA(t, d, "udp")
			before, after := newRTPPeer(t), newRTPPeer(t)
			before.talkTo(u.establish(basicSDP(portOf(before.conn))))
			leg := <-legs
			heard.hears(t, before, 0)
			o, header := replacing(t, d, u, "127.0.0.1")
			offer := strings.Replace(basicSDP(portOf(after.conn)), "AVP 0", "AVP "+strconv.Itoa(int(test.codec)), 1)
			if test.late {
				o.send(o.request("INVITE", 1, "", header))
			} else {
				o.send(o.request("INVITE", 1, offer, header))
			}
			ok := o.status("INVITE", 200)
			_, o.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
			if test.late {
				o.send(o.request("ACK", 1, offer))
			} else {
				o.ack(1, "")
			}
			bye := u.receive(20 * time.Second)
			if !strings.HasPrefix(bye, "BYE ") || headerOf(bye, "Call-ID") != u.callID || !strings.HasSuffix(headerOf(bye, "From"), u.toTag) {
				t.Fatalf("the old dialog got %q, want BYE", bye)
			}
			u.send(strings.Replace(strings.Replace(bye, strings.SplitN(bye, "\r\n", 2)[0], "SIP/2.0 200 OK", 1), "Max-Forwards: 70\r\n", "", 1))
			after.talkTo(ok)
			heard.hears(t, after, test.codec)
			if d.Calls() != 1 || len(legs) != 0 {
				t.Errorf("%d calls, %d of them new to the application", d.Calls(), len(legs))
			}
			if changed := leg.(telephony.DialogHolder).Dialog(); !strings.Contains(changed, `"call_id":"`+o.callID) {
				t.Errorf("what is stored to hang it up is %s", changed)
			}
			u.send(u.request("INFO", 7, "Signal=5", "Content-Type: application/dtmf-relay"))
			u.status("INFO", 481)
			o.send(o.request("INFO", 2, "Signal=7", "Content-Type: application/dtmf-relay"))
			o.status("INFO", 200)
			moved := false
			for ev := next(t, others); ev.Kind != telephony.KindDigit; ev = next(t, others) {
				moved = moved || ev.Kind == telephony.KindDialogChanged
			}
			if !moved {
				t.Error("nobody was told that the dialog is another one")
			}
			o.send(o.request("BYE", 3, ""))
			o.status("BYE", 200)
			for ev := next(t, others); ev.Kind != telephony.KindEnded; ev = next(t, others) {
			}
			heard.inTime(t)
		})
	}
}

// reel is what was heard on a leg.
type reel struct {
	mu     sync.Mutex
	frames []audio.Frame // without sound
	loud   int           // how many were not missing
}

func (r *reel) add(f audio.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !f.Missing {
		r.loud++
	}
	f.PCM = make([]int16, len(f.PCM))
	r.frames = append(r.frames, f)
}

func (r *reel) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loud
}

// hears lets a peer speak until it is heard.
func (r *reel) hears(t *testing.T, p *rtpPeer, pt uint8) {
	t.Helper()
	was := r.count()
	eventually(t, "sound", func() bool {
		p.send(pt, sound(4000, 160), 160)
		return r.count() > was+5
	})
}

// inTime checks that frames follow each other without a gap, at whatever rates.
func (r *reel) inTime(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var last audio.Frame
	for _, f := range r.frames {
		ends := audio.Span(last.Offset+int64(len(last.PCM)), max(last.Rate, 1))
		if begins := audio.Span(f.Offset, f.Rate); last.Rate != 0 && (begins-ends).Abs() > time.Millisecond {
			t.Fatalf("a frame begins at %s, the one before ended at %s", begins, ends)
		}
		last = f
	}
}

// Replacements that are refused, and leave the call as it is.
func TestReplacesRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, header, from string
		status             int
	}{
		{"unknown call", "Replaces: nobody;to-tag=TO;from-tag=caller", "127.0.0.1", 481},
		{"another tag of ours", "Replaces: CALL;to-tag=other;from-tag=caller", "127.0.0.1", 481},
		{"another tag of theirs", "Replaces: CALL;to-tag=TO;from-tag=other", "127.0.0.1", 481},
		{"tags the wrong way round", "Replaces: CALL;to-tag=caller;from-tag=TO", "127.0.0.1", 481},
		{"only while it rings", "Replaces: CALL;to-tag=TO;from-tag=caller;early-only", "127.0.0.1", 486},
		{"no tags", "Replaces: CALL", "127.0.0.1", 400},
		{"a tag twice", "Replaces: CALL;to-tag=TO;to-tag=TO;from-tag=caller", "127.0.0.1", 400},
		{"twice", "Replaces: CALL;to-tag=TO;from-tag=caller\r\nReplaces: CALL;to-tag=TO;from-tag=caller", "127.0.0.1", 400},
		{"from another trunk", "Replaces: CALL;to-tag=TO;from-tag=caller", "127.0.0.9", 481},
		{"without a codec", "Replaces: CALL;to-tag=TO;from-tag=caller", "127.0.0.1", 488},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, func(c *Config) {
				c.Trunks = []Trunk{{Name: "other", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}}}
			})
			_, events := tape(t, d)
			u := newRawUA(t, d, "udp")
			u.establish(basicSDP(4000))
			o := newRawUAFrom(t, d, "udp", test.from)
			offer := basicSDP(4002)
			if test.status == 488 {
				offer = strings.Replace(offer, "AVP 0", "AVP 18", 1)
			}
			o.send(o.request("INVITE", 1, offer, strings.NewReplacer("CALL", u.callID, "TO", u.toTag).Replace(test.header)))
			o.status("INVITE", test.status)
			o.ack(1, "")
			u.send(u.request("INFO", 2, "Signal=7", "Content-Type: application/dtmf-relay"))
			u.status("INFO", 200)
			if ev := next(t, events); ev.Kind != telephony.KindDigit {
				t.Errorf("event %+v", ev)
			}
		})
	}
}

// A call's encryption is that of its own trunk, also where an INVITE that replaces its
// dialog comes by another trunk with the same source.
func TestReplacesKeepsEncryption(t *testing.T) {
	t.Parallel()
	const refused, plain, secure = "", "RTP/AVP", "RTP/SAVP"
	savp := secureSDP("RTP/SAVP", 4002, keyLine("1", suite80, 3))
	keyed := secureSDP("RTP/AVP", 4002, keyLine("1", suite80, 3))
	for _, test := range []struct {
		name, own, other string // policies
		by, offer, want  string // who is called, and the answer
	}{
		{"required plain by the other", "require", "off", "other", basicSDP(4002), refused},
		{"required plain by its own", "require", "off", "own", basicSDP(4002), refused},
		{"required plain by no number", "require", "off", "sidetone", basicSDP(4002), refused},
		{"required encrypted by the other", "require", "off", "other", savp, secure},
		{"required keys by the other", "require", "prefer", "other", keyed, plain},
		{"preferred encrypted by the other", "prefer", "off", "other", savp, secure},
		{"preferred plain by the other", "prefer", "require", "other", basicSDP(4002), plain},
		{"off encrypted by the other", "off", "require", "other", savp, refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			here := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			d := newDriver(t, func(c *Config) {
				c.Trunks = []Trunk{{Name: "other", Addresses: here, SRTP: test.other, SRTPOverClear: true},
					{Name: "own", Addresses: here, SRTP: test.own, SRTPOverClear: true}}
				c.Choose = func(called string, _ []string) (string, bool) { return called, called != "sidetone" }
			})
			tape(t, d)
			u := newRawUA(t, d, "udp")
			first := savp
			if test.own == "off" {
				first = basicSDP(4000)
			}
			u.send(to("own", u.request("INVITE", 1, first)))
			_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 200), "To"), ";tag=")
			u.ack(1, "")
			o, header := replacing(t, d, u, "127.0.0.1")
			o.send(to(test.by, o.request("INVITE", 1, test.offer, header)))
			if test.want == refused {
				o.status("INVITE", 488)
				o.ack(1, "")
				return
			}
			if answer := o.status("INVITE", 200); !strings.Contains(answer, test.want+" ") || strings.Contains(answer, "a=crypto") == (test.own == "off") && test.offer != basicSDP(4002) {
				t.Errorf("the answer is\n%s", answer)
			}
		})
	}
}

// to addresses a request to a user.
func to(user, request string) string {
	first, rest, _ := strings.Cut(request, "\r\n")
	method, uri, _ := strings.Cut(first, " ")
	_, host, _ := strings.Cut(uri, "@")
	return method + " sip:" + user + "@" + host + "\r\n" + rest
}

// Calls of a trunk that is reached over TLS are replaced over TLS only, whatever other
// trunk the INVITE seems to come by.
func TestReplacesOverTLSOnly(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) {
		c.Trunks = []Trunk{{Name: "secure", Host: "127.0.0.5", Transport: "tls"}, {Name: "listed", Host: "127.0.0.5", Transport: "tls", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.5/32")}},
			{Name: "plain", Host: "127.0.0.5"}}
	})
	at := peer{addr: netip.MustParseAddrPort("127.0.0.5:5060")}
	over := peer{addr: at.addr, tcp: &tcpConn{key: connKey{security: "any"}}}
	for trunk, test := range map[string]struct{ clear, secure bool }{"secure": {false, true}, "listed": {true, true}, "plain": {true, true}} {
		if clear, secure := d.callsFrom(trunk, at), d.callsFrom(trunk, over); clear != test.clear || secure != test.secure {
			t.Errorf("%s: %t in clear, %t over TLS", trunk, clear, secure)
		}
	}
}

// A stranger who knows the tags gets nothing, and a call that rings for us is replaced
// by nobody.
func TestReplacesByStrangers(t *testing.T) {
	t.Parallel()
	d := listening(t, "127.0.0.2")
	tape(t, d)
	u := newRawUAFrom(t, d, "udp", "127.0.0.2")
	u.establish(basicSDP(4000))
	o, header := replacing(t, d, u, "127.0.0.3")
	o.send(o.request("INVITE", 1, basicSDP(4002), header))
	o.status("INVITE", 401)
	o.ack(1, "")
	u.send(u.request("BYE", 2, ""))
	u.status("BYE", 200)

	ringing := newDriver(t, nil)
	serve(t, ringing, func(ctx context.Context, leg telephony.Leg) {
		for range leg.Events(ctx) {
		}
	})
	u = newRawUA(t, ringing, "udp")
	u.send(u.request("INVITE", 1, basicSDP(4000)))
	_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 180), "To"), ";tag=")
	o, header = replacing(t, ringing, u, "127.0.0.1")
	o.send(o.request("INVITE", 1, basicSDP(4002), header))
	o.status("INVITE", 481)
}

// A header names both tags or nothing.
func FuzzParseReplaces(f *testing.F) {
	for _, seed := range []string{"a@b;to-tag=1;from-tag=2", "a;from-tag=2;to-tag=1;early-only", "a;to-tag=;from-tag=", ";;;", "a;to-tag=1;to-tag=2;from-tag=3", " x ; TO-TAG = 1 ; From-Tag = 2 "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if r, ok := parseReplaces(value); ok && (r.callID == "" || r.to == "" || r.from == "") {
			t.Errorf("%q is %+v", value, r)
		}
	})
}
