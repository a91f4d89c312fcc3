package sip

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"math"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// die ends a driver as kill does: its sockets close, and nothing is sent.
func die(d *Driver) {
	d.mu.Lock()
	close(d.closing)
	close(d.done)
	d.cancel()
	d.serving = nil
	var timers []*serverTx
	for _, tx := range d.txs {
		timers = append(timers, tx)
	}
	var legs []*leg
	for _, l := range d.calls {
		legs = append(legs, l)
	}
	d.mu.Unlock()
	for _, tx := range timers {
		tx.stopTimer()
	}
	for _, l := range legs {
		l.perish()
	}
	d.dns.close()
	d.tasks.Wait()
	d.transport.close()
}

// perish is the end of a leg whose process was killed.
func (l *leg) perish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == legOver {
		return
	}
	l.state, l.ended = legOver, telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseFailure}
	if l.resend != nil {
		l.resend.Stop()
	}
	if l.unwatch != nil {
		l.unwatch()
	}
	l.media.mu.Lock()
	defer l.media.mu.Unlock()
	l.media.over = true
	_ = l.media.rtp.Close()
	if l.media.rtcp != nil {
		_ = l.media.rtcp.Close()
	}
	close(l.gone)
}

// next is a driver on the address of one that died, in whose life everything is later by
// an outage.
func nextDriver(t *testing.T, was *Driver, outage time.Duration) *Driver {
	t.Helper()
	return newDriver(t, func(c *Config) {
		*c = was.cfg
		c.Listen = was.Addr().String()
		if c.TLS.Listen != "" {
			c.TLS.Listen = was.TLSAddr().String()
		}
		c.ResumeWithin = time.Minute
		c.Now = func() time.Time { return time.Now().Add(outage) }
	})
}

// resumed is a leg that was taken up, and what it yields.
type resumed struct {
	*leg
	frames chan heardFrame
	events chan telephony.Event
}

// resume takes a leg up and listens to it.
func resume(t *testing.T, d *Driver, dialog string) resumed {
	t.Helper()
	up, err := d.Resume(t.Context(), dialog)
	if err != nil {
		t.Fatal(err)
	}
	return listenToResumed(t, up)
}

func listenToResumed(t *testing.T, up telephony.Leg) resumed {
	r := resumed{up.(*leg), make(chan heardFrame, 4096), make(chan telephony.Event, 64)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ev := range up.Events(ctx) {
			if ev.Kind != telephony.KindAudio {
				r.events <- ev
				continue
			}
			r.frames <- heardFrame{ev.Audio.PCM[0], ev.Audio.Offset, ev.Audio.Missing, len(ev.Audio.PCM), ev.Behind}
		}
	}()
	return r
}

// begins waits for the events with which a leg begins that was taken up.
func (r resumed) begins(t *testing.T, first telephony.EventKind) {
	t.Helper()
	for _, want := range []telephony.EventKind{first, telephony.KindDialogChanged} {
		if ev := next(t, r.events); ev.Kind != want {
			t.Errorf("event %+v, want %d", ev, want)
		}
	}
}

// heardPacket is a packet that the far end got, and when.
type heardPacket struct {
	rtpHeader
	at time.Time
}

// speak lets a leg send n frames in real time and returns the packets that the far end gets.
func (p *rtpPeer) speak(leg telephony.Leg, n int) (out []heardPacket) {
	p.t.Helper()
	tick := time.NewTicker(slot)
	defer tick.Stop()
	for range n {
		<-tick.C
		if err := leg.Send(levelFrame(5000)); err != nil {
			p.t.Fatal(err)
		}
		h, _, ok := p.receive(20 * time.Second)
		if !ok {
			p.t.Fatal("nothing came")
		}
		out = append(out, heardPacket{h, time.Now()})
	}
	return out
}

// goesOnWith says what is wrong about packets of a leg that was taken up an outage after
// those before: they are of the same stream, have later numbers, and the time that the
// clock says.
func goesOnWith(t *testing.T, before, after []heardPacket, outage time.Duration) {
	t.Helper()
	last, first := before[len(before)-1], after[0]
	if first.ssrc != last.ssrc || !first.marker {
		t.Errorf("the stream is %d after %d, marked: %t", first.ssrc, last.ssrc, first.marker)
	}
	if ahead := int16(first.seq - last.seq); ahead <= 0 {
		t.Errorf("number %d after %d", first.seq, last.seq)
	}
	// A busy machine sends and hears packets late, but not all of them.
	soonest := func(packets []heardPacket, later time.Duration) time.Duration {
		least := time.Duration(math.MaxInt64)
		for _, p := range packets {
			told := time.Duration(p.timestamp-before[0].timestamp) * time.Second / rtpClock
			least = min(least, p.at.Sub(before[0].at)+later-told)
		}
		return least
	}
	if off := soonest(after, outage) - soonest(before, 0); off < -40*time.Millisecond || off > 40*time.Millisecond {
		t.Errorf("timestamps and the clock are %s apart", off)
	}
}

// A call that came in goes on in the next process: sound both ways, and its signalling.
func TestResumeACallThatCameIn(t *testing.T) {
	t.Parallel()
	for _, outage := range []time.Duration{0, 20 * time.Second, 10 * time.Minute} {
		t.Run(outage.String(), func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			legs, frames, _ := listenTo(t, d)
			u, p := newRawUA(t, d, "udp"), newRTPPeer(t)
			p.talkTo(u.establish(basicSDP(portOf(p.conn))))
			l := (<-legs).(*leg)
			wantFrom(t, frames, p, 8000)
			before := p.speak(l, 10)
			dialog := l.Dialog()
			before = append(before, p.speak(l, 10)...)
			die(d)
			up := resume(t, nextDriver(t, d, outage), dialog)
			up.begins(t, telephony.KindResumed)
			after := p.speak(up, 10)
			goesOnWith(t, before, after, outage)
			wantFrom(t, up.frames, p, 6000)
			if is, was := up.Info(), l.Info(); is.ID != was.ID || is.From != was.From || is.To != was.To || is.Rate != was.Rate || is.Codec != was.Codec ||
				is.Signalling != was.Signalling || is.Source != was.Source {
				t.Errorf("Info %+v, was %+v", is, was)
			}
			u.send(u.request("INFO", 2, ""))
			u.status("INFO", 200)
			u.send(u.request("INVITE", 3, basicSDP(portOf(p.conn), "a=sendonly\r\n")))
			u.status("INVITE", 200)
			u.ack(3, "")
			if ev := next(t, up.events); ev.Kind != telephony.KindHeld {
				t.Errorf("event %+v, want held", ev)
			}
			hungUp := make(chan error, 1)
			go func() { hungUp <- up.Hangup(t.Context(), telephony.CauseNormal) }()
			bye := u.ask("BYE")
			if n := cseqOf(t, bye); n <= dialogGap {
				t.Errorf("the BYE has number %d", n)
			}
			u.reply(bye, "200 OK", "")
			if err := <-hungUp; err != nil {
				t.Error(err)
			}
		})
	}
}

// placedCall is a call that d has placed to c, whose far end's sound is p's.
func placedCall(t *testing.T, d *Driver, c *carrier, p *rtpPeer, headers ...string) (l *leg, invite, ack string) {
	t.Helper()
	out := make(chan telephony.Leg, 1)
	go func() {
		leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
		if err != nil {
			t.Error(err)
		}
		out <- leg
	}()
	invite = c.expect("INVITE")
	c.answer(invite, "200 OK", basicSDP(portOf(p.conn)), headers...)
	ack = c.expect("ACK")
	p.talkTo(invite)
	return (<-out).(*leg), invite, ack
}

// A call that we placed goes on, by the same route and with credentials; a 200 that is
// repeated is acknowledged again.
func TestResumeACallThatWePlaced(t *testing.T) {
	t.Parallel()
	c, p := newCarrier(t), newRTPPeer(t)
	d := newDriver(t, func(cfg *Config) {
		cfg.LocalSources = []netip.Prefix{}
		cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), Username: "acct", Password: "pw", HeadersOut: map[string]string{"X-Why": "over"}}}
	})
	l, invite, ack := placedCall(t, d, c, p, "Record-Route: <sip:"+c.conn.LocalAddr().String()+";lr>")
	before := p.speak(l, 5)
	dialog := l.Dialog()
	die(d)
	const outage = 10 * time.Second
	later := nextDriver(t, d, outage)
	c.answer(invite, "200 OK", basicSDP(portOf(p.conn)))
	c.silent() // a BYE would end the call
	up := resume(t, later, dialog)
	up.begins(t, telephony.KindResumed)
	goesOnWith(t, before, p.speak(up, 5), outage)
	wantFrom(t, up.frames, p, 6000)
	c.answer(invite, "200 OK", basicSDP(portOf(p.conn)))
	if again := c.expect("ACK"); headerOf(again, "CSeq") != headerOf(ack, "CSeq") || headerOf(again, "To") != headerOf(ack, "To") || headerOf(again, "Route") != headerOf(ack, "Route") {
		t.Errorf("acknowledged with\n%swant\n%s", again, ack)
	}
	held := make(chan error, 1)
	go func() { held <- up.Hold(t.Context(), true) }()
	again := c.expect("INVITE")
	session := func(msg string) string { return strings.Fields(msg[strings.Index(msg, "o=sidetone"):])[1] }
	if cseqOf(t, again) < cseqOf(t, invite)+dialogGap || session(again) != session(invite) || !strings.Contains(again, "a=sendonly") ||
		!strings.Contains(again, "m=audio "+itoa(int(p.to.Port()))+" ") || headerOf(again, "Route") == "" {
		t.Errorf("the hold is\n%safter\n%s", again, invite)
	}
	c.answer(again, "200 OK", basicSDP(portOf(p.conn), "a=recvonly\r\n"))
	c.expect("ACK")
	if err := <-held; err != nil {
		t.Error(err)
	}
	hungUp := make(chan error, 1)
	go func() { hungUp <- up.Hangup(t.Context(), telephony.CauseNormal) }()
	bye := c.expect("BYE")
	c.answer(bye, "407 Who", "", `Proxy-Authenticate: Digest realm="r", nonce="n"`)
	bye = c.expect("BYE")
	if headerOf(bye, "Proxy-Authorization") == "" || headerOf(bye, "X-Why") != "over" {
		t.Errorf("the BYE is\n%s", bye)
	}
	c.answer(bye, "200 OK", "")
	if err := <-hungUp; err != nil {
		t.Error(err)
	}
}

// inCall is a call of u to d that has sound both ways.
func inCall(t *testing.T, d *Driver, network string, headers ...string) (u *rawUA, p *rtpPeer, l *leg, events chan telephony.Event) {
	t.Helper()
	legs, frames, events := listenTo(t, d)
	u, p = newRawUA(t, d, network), newRTPPeer(t)
	u.send(u.request("INVITE", 1, basicSDP(portOf(p.conn)), headers...))
	ok := u.status("INVITE", 200)
	_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
	u.ack(1, "")
	p.talkTo(ok)
	l = (<-legs).(*leg)
	wantFrom(t, frames, p, 8000)
	return u, p, l, events
}

// A call that its far end has put on hold is on hold in the next process, too, until it
// takes it back.
func TestResumeOnHold(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	u, p, l, events := inCall(t, d, "udp")
	dialog := l.Dialog()
	u.send(u.request("INVITE", 2, basicSDP(portOf(p.conn), "a=sendonly\r\n")))
	u.status("INVITE", 200)
	u.ack(2, "")
	for _, want := range []telephony.EventKind{telephony.KindDialogChanged, telephony.KindHeld} {
		if ev := next(t, events); ev.Kind != want {
			t.Errorf("event %+v, want %d", ev, want)
		}
	}
	was := dialog
	if dialog = l.Dialog(); dialog == was {
		t.Error("the same is stored of a call on hold")
	}
	die(d)
	for ev := next(t, events); ev.Kind != telephony.KindEnded; ev = next(t, events) {
		t.Errorf("one more event: %+v", ev)
	}
	up := resume(t, nextDriver(t, d, 5*time.Second), dialog)
	up.begins(t, telephony.KindHeld)
	if err := up.Send(levelFrame(5000)); err != nil {
		t.Error(err)
	}
	if _, _, ok := p.receive(100 * time.Millisecond); ok {
		t.Error("sound goes to a far end that has us on hold")
	}
	u.send(u.request("INVITE", 3, basicSDP(portOf(p.conn))))
	u.status("INVITE", 200)
	u.ack(3, "")
	if ev := next(t, up.events); ev.Kind != telephony.KindResumed {
		t.Errorf("event %+v", ev)
	}
	p.speak(up, 3)
	wantFrom(t, up.frames, p, 6000)
}

// What the far end asks for while nobody has the call yet waits for it, once however often
// it comes: a hang-up ends it. Without a call it is refused in the end.
func TestRequestsWaitForResume(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			contact := "Contact: <sip:raw@" + listener.Addr().String() + ";transport=tcp>"
			if network == "udp" {
				contact = "X-No: contact"
			}
			u, _, l, _ := inCall(t, d, network, contact)
			dialog := l.Dialog()
			die(d)
			later := nextDriver(t, d, 0)
			if network == "tcp" {
				again := newRawUA(t, later, network)
				again.callID, again.toTag, again.branch = u.callID, u.toTag, u.branch
				u = again
			}
			bye := u.request("BYE", 2, "")
			u.send(bye)
			if network == "udp" {
				u.send(bye)
			}
			eventually(t, "the BYE waits", func() bool {
				later.mu.Lock()
				defer later.mu.Unlock()
				return len(later.waiting.requests) == 1
			})
			up := resume(t, later, dialog)
			u.status("BYE", 200)
			for ev := next(t, up.events); ; ev = next(t, up.events) {
				if ev.Kind == telephony.KindEnded {
					if !ev.Remote || ev.Cause != telephony.CauseNormal {
						t.Errorf("ended by %+v", ev)
					}
					break
				}
			}
			u.send(strings.Replace(u.request("INFO", 3, ""), u.toTag, "another", 1))
			later.refuseWaiting()
			u.status("INFO", 481)
			u.send(strings.Replace(u.request("INFO", 4, ""), u.toTag, "another", 1))
			u.status("INFO", 481)
		})
	}
}

// A far end that hung up while there was no process tells so when it is asked.
func TestResumeACallThatIsOver(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	u, _, l, _ := inCall(t, d, "udp", "Allow: UPDATE")
	dialog := l.Dialog()
	die(d)
	later := newDriver(t, func(c *Config) {
		*c = d.cfg
		c.Listen = d.Addr().String()
		c.Life = Life{}
		impatient(c)
		c.Life.complete()
	})
	up := resume(t, later, dialog)
	u.reply(u.ask("UPDATE"), "481 Gone", "")
	for ev := next(t, up.events); ; ev = next(t, up.events) {
		if ev.Kind == telephony.KindEnded {
			if ev.Cause != telephony.CauseFarEndGone {
				t.Errorf("ended by %+v", ev)
			}
			return
		}
	}
}

// Whose session we refresh is refreshed when half of it is over, at once when it may be.
func TestResumeTheSession(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	u, _, l, _ := inCall(t, d, "udp", "Allow: UPDATE", "Session-Expires: 1800;refresher=uas", "Supported: timer")
	dialog := l.Dialog()
	die(d)
	up := resume(t, nextDriver(t, d, 910*time.Second), dialog)
	up.begins(t, telephony.KindResumed)
	refresh := u.ask("UPDATE")
	if cseqOf(t, refresh) <= dialogGap || headerOf(refresh, "Session-Expires") != "1800;refresher=uac" {
		t.Errorf("refreshed with\n%s", refresh)
	}
	u.reply(refresh, "200 OK", "", "Session-Expires: 1800;refresher=uac")
	eventually(t, "the session is another one", func() bool {
		session := up.condition().session
		half := session.half()
		return half.After(up.d.cfg.Now())
	})
	now := time.Now()
	at := func(ago time.Duration) int64 { return now.Add(-ago).UnixMicro() }
	for _, test := range []struct {
		name      string
		s         savedSession
		half, end time.Duration // from now; -1: never
	}{
		{"none", savedSession{}, -1, -1},
		{"too short for any", savedSession{Interval: time.Second, Ours: true, Began: at(0)}, -1, -1},
		{"ours and young", savedSession{Interval: 90 * time.Second, Ours: true, Began: at(10 * time.Second)}, 35 * time.Second, 50 * time.Second},
		{"ours and perhaps over", savedSession{Interval: 90 * time.Second, Ours: true, Began: at(time.Hour)}, 0, 15 * time.Second},
		{"theirs", savedSession{Interval: 90 * time.Second, Began: at(time.Hour)}, -1, time.Minute},
	} {
		timer := test.s.timer(now)
		for what, got := range map[string][2]time.Duration{"half": {from(now, timer.half()), test.half}, "end": {from(now, timer.end()), test.end}} {
			if off := got[0] - got[1]; off < -time.Millisecond || off > time.Millisecond {
				t.Errorf("%s: %s in %s, want %s", test.name, what, got[0], got[1])
			}
		}
	}
}

// from is how long it is to a time, -1 to none.
func from(now, at time.Time) time.Duration {
	if at.IsZero() {
		return -1
	}
	return at.Sub(now)
}

// A call whose ports somebody has is not taken up; its far end can be hung up all the same.
func TestResumeNeedsItsPorts(t *testing.T) {
	t.Parallel()
	for _, which := range []int{0, 1} {
		d := newDriver(t, nil)
		u, _, l, _ := inCall(t, d, "udp")
		dialog, port := l.Dialog(), l.media.port()
		die(d)
		rival, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port + which})
		if err != nil {
			t.Fatal(err)
		}
		later := nextDriver(t, d, time.Second)
		if _, err := later.Resume(t.Context(), dialog); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("taken up: %v", err)
		}
		closed := make(chan error, 1)
		go func() { closed <- later.CloseDialog(t.Context(), dialog) }()
		u.reply(u.ask("BYE"), "200 OK", "")
		if err := <-closed; err != nil {
			t.Error(err)
		}
		rival.Close()
		up := resume(t, later, dialog) // the ports are free now
		if up.media.port() != port || later.Calls() != 1 {
			t.Errorf("port %d, want %d", up.media.port(), port)
		}
		if _, err := later.Resume(t.Context(), dialog); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("taken up a second time: %v", err)
		}
	}
}

// Of a configured range, the ports of calls that were taken up are not given to others.
func TestResumedPortsAreTaken(t *testing.T) {
	t.Parallel()
	first := uint16(telephonytest.Ports(t, 4))
	first += first % 2
	d := newDriver(t, func(c *Config) {
		c.RTPPorts = PortRange{first, first + 3}
		c.PortRest = time.Millisecond
	})
	_, _, l, _ := inCall(t, d, "udp")
	dialog, port := l.Dialog(), l.media.port()
	die(d)
	later := nextDriver(t, d, time.Second)
	up := resume(t, later, dialog)
	if up.media.port() != port {
		t.Errorf("port %d, want %d", up.media.port(), port)
	}
	for range 3 {
		rtp, rtcp, err := later.ports.open(true)
		if err != nil || portOf(rtp) == port {
			t.Fatalf("another call: %v", err)
		}
		rtp.Close()
		rtcp.Close()
	}
}

// What was learnt of a far end behind NAT is kept: our sound goes to where its comes from,
// and not to where its description says, from the first packet on.
func TestResumeKeepsTheOwner(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, frames, events := listenTo(t, d)
	u, p, described := newRawUA(t, d, "udp"), newRTPPeer(t), newRTPPeer(t)
	p.talkTo(u.establish(basicSDP(portOf(described.conn))))
	l := (<-legs).(*leg)
	l.Dialog()
	for range 3 {
		p.send(0, sound(8000, 160), 160)
	}
	wantFrom(t, frames, p, 8000)
	if ev := next(t, events); ev.Kind != telephony.KindDialogChanged {
		t.Errorf("event %+v", ev)
	}
	dialog := l.Dialog()
	die(d)
	up := resume(t, nextDriver(t, d, time.Second), dialog)
	p.speak(up, 3)
	if _, _, ok := described.receive(50 * time.Millisecond); ok {
		t.Error("sound goes to where the description says")
	}
	p.h.seq += 50
	p.h.timestamp += 8000
	wantFrom(t, up.frames, p, 6000)
	described.to = p.to
	described.h.ssrc = 99
	for range 3 {
		described.send(0, sound(3000, 160), 160) // by its first packet it is the owner
	}
	eventually(t, "who is described owns the stream", func() bool {
		up.media.mu.Lock()
		defer up.media.mu.Unlock()
		return up.media.owner.from == unmap(described.conn.LocalAddr().(*net.UDPAddr).AddrPort())
	})
}

// A call is not taken up without what it needs.
func TestResumeRefuses(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) {
		c.Trunks = []Trunk{{Name: "carrier", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	})
	_, _, l, _ := inCall(t, d, "udp")
	dialog := l.Dialog()
	die(d)
	change := func(f func(s *savedDialog)) string {
		s, err := readDialog(dialog)
		if err != nil {
			t.Fatal(err)
		}
		f(&s)
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	later := nextDriver(t, d, time.Second)
	for name, test := range map[string]struct {
		dialog, want string
	}{
		"of an older release":    {change(func(s *savedDialog) { s.Leg = nil }), string(errUnanswered)},
		"from the future":        {change(func(s *savedDialog) { s.Leg.At += time.Hour.Microseconds() }), string(errClockBack)},
		"of a trunk that is not": {change(func(s *savedDialog) { s.Trunk = "another" }), string(errNoTrunk)},
		"of another address":     {change(func(s *savedDialog) { s.Leg.Listen = 9 }), "knows us as 127.0.0.1 and port 9"},
		"for another address":    {change(func(s *savedDialog) { s.Leg.Local.Addr = netip.MustParseAddr("192.0.2.1") }), "knows us as"},
		"without a port":         {change(func(s *savedDialog) { s.Leg.Media.Port = 0 }), string(errBroken)},
		"of no codec":            {change(func(s *savedDialog) { s.Leg.Media.Stream.Codec = 9 }), string(errBroken)},
		"of another family":      {change(func(s *savedDialog) { s.Leg.Media.Stream.Remote = netip.MustParseAddrPort("[::1]:5") }), string(errBroken)},
		"half":                   {dialog[:len(dialog)/2], "it is none"},
		"nothing":                {"", "it is none"},
		"two lines":              {change(func(s *savedDialog) { s.Local = "a\r\nb" }), "more than one line"},
		"two lines of a BYE":     {change(func(s *savedDialog) { s.Leg.Hangup = [][2]string{{"X-A", "a\r\nb"}} }), "hang-up"},
	} {
		if _, err := later.Resume(t.Context(), test.dialog); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if n := later.Calls(); n != 0 {
		t.Errorf("%d calls", n)
	}
	later.Close()
	if _, err := later.Resume(t.Context(), dialog); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed driver: %v", err)
	}
}

// phoenix is a driver that dies as soon as a call is answered; the next one takes it up.
type phoenix struct {
	t    *testing.T
	near *Driver
}

func (p phoenix) Dial(ctx context.Context, req telephony.DialRequest, ringing func()) (telephony.Leg, error) {
	l, err := p.near.Dial(ctx, req, ringing)
	if err != nil {
		return nil, err
	}
	return p.rise(ctx, l.(*leg))
}

// risen is a leg that was taken up, without the events with which it begins.
type risen struct{ *leg }

func (r risen) Events(ctx context.Context) iter.Seq[telephony.Event] {
	return func(yield func(telephony.Event) bool) {
		begins := 2
		for ev := range r.leg.Events(ctx) {
			if begins--; begins >= 0 && ev.Kind != telephony.KindEnded {
				continue
			}
			if !yield(ev) {
				return
			}
		}
	}
}

func (p phoenix) Serve(ctx context.Context, answer func(context.Context, telephony.Leg)) error {
	return p.near.Serve(ctx, func(ctx context.Context, l telephony.Leg) { answer(ctx, &mortal{risen{l.(*leg)}, p}) })
}

// rise takes a leg up whose driver dies.
func (p phoenix) rise(ctx context.Context, was *leg) (risen, error) {
	eventually(p.t, "the answer is acknowledged", func() bool {
		was.mu.Lock()
		defer was.mu.Unlock()
		return was.unacked == nil
	})
	dialog := was.Dialog()
	die(p.near)
	up, err := nextDriver(p.t, p.near, 0).Resume(ctx, dialog)
	if err != nil {
		return risen{}, err
	}
	l := up.(*leg)
	l.asked(p.t)
	return risen{l}, nil
}

// asked waits until the far end was asked whether it has the call, where it is.
func (l *leg) asked(t *testing.T) {
	t.Helper()
	if l.peer.reliable() {
		eventually(t, "the far end was asked", func() bool {
			l.keeper.looking.Lock()
			defer l.keeper.looking.Unlock()
			return !l.keeper.proved.IsZero() || l.over()
		})
	}
}

// mortal is a leg whose driver dies when it is accepted.
type mortal struct {
	risen
	p phoenix
}

func (m *mortal) Accept(ctx context.Context) error {
	err := m.leg.Accept(ctx)
	if err == nil {
		m.risen, err = m.p.rise(ctx, m.leg)
	}
	return err
}

// A leg that was taken up is one like any other.
func TestConformanceOfResumedLegs(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			telephonytest.Run(t, func(t *testing.T) telephonytest.Harness {
				h := newHarness(t, transport)
				h.Driver = phoenix{t, h.Driver.(*Driver)}
				return h
			})
		})
	}
}

// Keys, a transfer and an INVITE that replaces the call reach a leg that was taken up.
func TestResumedLegHearsKeysAndIsReplaced(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	u, p, l, _ := inCall(t, d, "udp")
	dialog := l.Dialog()
	die(d)
	later := nextDriver(t, d, time.Second)
	up := resume(t, later, dialog)
	up.begins(t, telephony.KindResumed)
	wantFrom(t, up.frames, p, 6000)
	press, err := audio.NewTelephoneEventSender('7', 100*time.Millisecond, 8000)
	if err != nil {
		t.Fatal(err)
	}
	for e, ok := press.Next(); ok; e, ok = press.Next() {
		p.send(101, e.Event.AppendTo(nil), 0)
	}
	if ev := next(t, up.events); ev.Kind != telephony.KindDigit || ev.Digit != '7' {
		t.Errorf("event %+v", ev)
	}
	transferred := make(chan error, 1)
	go func() {
		transferred <- up.Transfer(t.Context(), telephony.TransferRequest{To: "+12125550199"})
	}()
	u.reply(u.ask("REFER"), "603 Decline", "")
	var failed *telephony.TransferError
	if err := <-transferred; !errors.As(err, &failed) || failed.Status != 603 {
		t.Errorf("transfer: %v", err)
	}
	o, header := replacing(t, later, u, "127.0.0.1")
	after := newRTPPeer(t)
	o.send(o.request("INVITE", 1, basicSDP(portOf(after.conn)), header))
	ok := o.status("INVITE", 200)
	_, o.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
	o.ack(1, "")
	after.talkTo(ok)
	u.reply(u.ask("BYE"), "200 OK", "")
	eventually(t, "who replaces the far end is heard", func() bool {
		after.send(0, sound(3000, 160), 160)
		f := <-up.frames
		return !f.missing && f.level > 2500 && f.level < 3500
	})
	o.send(o.request("BYE", 2, ""))
	o.status("BYE", 200)
}

// The far end's reports tell of the line from the first one on that came after a leg was
// taken up: the gap in our numbers is no loss.
func TestQualityOfAResumedLeg(t *testing.T) {
	t.Parallel()
	l, r, turn := measuredLeg(t, nil)
	m := l.media
	to := netip.AddrPortFrom(m.st.remote.Addr(), 4001)
	m.quality.takenUp, m.out.packets = true, 5000
	report := func(lost uint32) {
		turn(5 * time.Second)
		r.rtcp(m.now(), to, reportOf(rtcpRR, receptionBlock{ssrc: m.out.ssrc, lost: lost}))
	}
	report(1200)
	if q := l.Quality(); q.Far.Lost != 0 {
		t.Errorf("%+v", q.Far)
	}
	for range 100 {
		m.out.packet(codecPCMU, 0, make([]int16, 160))
	}
	report(1203)
	if q := l.Quality(); q.Far.Packets != 100 || q.Far.Lost != 3 {
		t.Errorf("%+v", q.Far)
	}
}
