package sip

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// A call over TCP goes on over a new connection to its far end, or over one that the far
// end makes.
func TestResumeOverTCP(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	d := newDriver(t, func(c *Config) { c.Life = Life{First: time.Hour, Later: time.Hour} })
	u, p, l, _ := inCall(t, d, "tcp", "Contact: <sip:raw@"+listener.Addr().String()+";transport=tcp>")
	before := p.speak(l, 3)
	dialog := l.Dialog()
	die(d)
	const outage = 3 * time.Second
	later := nextDriver(t, d, outage)
	up := resume(t, later, dialog)
	up.begins(t, telephony.KindResumed)
	goesOnWith(t, before, p.speak(up, 5), outage)
	wantFrom(t, up.frames, p, 6000)
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ours := newRawUAOn(t, "tcp", conn)
	const moved = "Contact: <sip:raw@127.0.0.1:9;transport=tcp>"
	refresh := ours.ask("INVITE") // by which the far end learns of the connection
	if cseqOf(t, refresh) <= dialogGap {
		t.Errorf("asked with\n%s", refresh)
	}
	ours.reply(refresh, "200 OK", basicSDP(portOf(p.conn)), moved)
	ours.ask("ACK")
	up.asked(t)
	held := make(chan error, 1)
	go func() { held <- up.Hold(t.Context(), true) }()
	ours.reply(ours.ask("INVITE"), "200 OK", basicSDP(portOf(p.conn), "a=recvonly\r\n"), moved)
	ours.ask("ACK")
	if err := <-held; err != nil {
		t.Error(err)
	}
	theirs := newRawUA(t, later, "tcp")
	theirs.callID, theirs.toTag, theirs.branch = u.callID, u.toTag, 50
	theirs.send(theirs.request("INFO", 7, ""))
	theirs.status("INFO", 200)
	theirs.send(theirs.request("BYE", 8, ""))
	theirs.status("BYE", 200)
	for ev := next(t, up.events); ev.Kind != telephony.KindEnded; ev = next(t, up.events) {
	}
}

// A call whose far end takes no connection is not taken up, and that is known soon.
func TestResumeNeedsItsFarEnd(t *testing.T) {
	t.Parallel()
	full, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := full.Addr().String()
	full.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections, and says nothing, not even TLS
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for contact, want := range map[string]string{
		"<sip:raw@" + nobody + ";transport=tcp>":                 "connect to its far end",
		"<sip:raw@" + silent.Addr().String() + ";transport=tls>": "connect to its far end",
	} {
		d := newDriver(t, nil)
		_, _, l, _ := inCall(t, d, "tcp", "Contact: "+contact)
		dialog, port := l.Dialog(), l.media.port()
		l.mu.Lock()
		l.hosts = nil
		l.mu.Unlock()
		die(d)
		later := newDriver(t, func(c *Config) { *c = d.cfg; c.Listen = "127.0.0.1:0" })
		s, err := readDialog(dialog)
		if err != nil {
			t.Fatal(err)
		}
		s.Peer = nobody // nor is anybody where its messages came from
		began := time.Now()
		if _, err := later.takeUp(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", contact, err)
		}
		if took := time.Since(began); took > 2*reachFor {
			t.Errorf("%s: it took %s", contact, took)
		}
		rtp, _, err := later.ports.reopen(port, false)
		if err != nil {
			t.Fatalf("its port is not free: %v", err)
		}
		rtp.Close()
	}
}

// Encrypted calls of two drivers over TLS, one of which dies, whoever called: the next one
// takes them up with the certificates of the trunk.
func TestResumeOverTLS(t *testing.T) {
	t.Parallel()
	for _, weCalled := range []bool{true, false} {
		t.Run(map[bool]string{true: "placed", false: "came in"}[weCalled], func(t *testing.T) {
			t.Parallel()
			ca := newAuthority(t)
			trunk := func(name string) Trunk {
				return Trunk{Name: name, Transport: "tls", TLS: TrunkTLS{CAFile: ca.file}, SRTP: "require",
					Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
			}
			far := newDriver(t, func(c *Config) {
				c.TLS, c.Codecs = ca.listener(t), []string{"PCMU"}
				c.Trunks = []Trunk{trunk("near")}
			})
			near := newDriver(t, func(c *Config) {
				c.TLS, c.Codecs = ca.listener(t), []string{"PCMU"}
				c.Trunks = []Trunk{trunk("far")}
			})
			to := func(d, other *Driver, name string) {
				way := trunk(name)
				way.Host = other.TLSAddr().String()
				if err := d.SetTrunks([]Trunk{way}, nil); err != nil {
					t.Fatal(err)
				}
			}
			to(near, far, "far")
			to(far, near, "near")
			caller, callee, by := near, far, "far"
			if !weCalled {
				caller, callee, by = far, near, "near"
			}
			legs, calleeFrames, calleeEvents := listenTo(t, callee)
			dialled, err := caller.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: by}, nil)
			if err != nil {
				t.Fatal(err)
			}
			called := <-legs
			var ours *leg
			var theirs resumed // the far end, which stays
			if weCalled {
				ours, theirs = listenToResumed(t, dialled).leg, resumed{called.(*leg), calleeFrames, calleeEvents}
			} else {
				ours, theirs = called.(*leg), listenToResumed(t, dialled)
			}
			hears := func(from telephony.Leg, frames chan heardFrame, level int16) {
				t.Helper()
				tick := time.NewTicker(slot)
				defer tick.Stop()
				for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); {
					select {
					case <-tick.C:
						if err := from.Send(levelFrame(level)); err != nil {
							t.Fatal(err)
						}
					case f := <-frames:
						if !f.missing && f.level > level-level/5 && f.level < level+level/5 {
							return
						}
					}
				}
				t.Fatalf("never heard %d", level)
			}
			hears(ours, theirs.frames, 8000)
			dialog := ours.Dialog()
			die(near)
			later := nextDriver(t, near, 2*time.Second)
			to(later, far, "far")
			up := resume(t, later, dialog)
			up.asked(t)
			hears(up, theirs.frames, 4000)
			hears(theirs, up.frames, 6000)
			if !up.peer.secure() || up.Info().Trunk != "far" {
				t.Errorf("the call goes on by %s of %q", up.peer.network(), up.Info().Trunk)
			}
			if err := up.Hold(t.Context(), true); err != nil {
				t.Error(err)
			}
			if err := up.Hold(t.Context(), false); err != nil {
				t.Error(err)
			}
			hears(up, theirs.frames, 5000)
			if err := theirs.Hangup(t.Context(), telephony.CauseNormal); err != nil {
				t.Errorf("the far end hangs up: %v", err)
			}
			for ev := next(t, up.events); ev.Kind != telephony.KindEnded; ev = next(t, up.events) {
			}
		})
	}
}
