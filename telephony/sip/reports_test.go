package sip

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// adjacent returns sockets on an even port and the next one.
func adjacent(t *testing.T) (rtp, rtcp *net.UDPConn) {
	t.Helper()
	p := ports{addr: netip.MustParseAddr("127.0.0.1"), now: time.Now}
	rtp, rtcp, err := p.open(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		rtp.Close()
		rtcp.Close()
	})
	return rtp, rtcp
}

func TestRTCPIsLifeAndSaysGoodbye(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) {
		c.Life = Life{First: 3 * time.Second, Later: 3 * time.Second, Answer: 200 * time.Millisecond}
	})
	legs, _, events := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	rtp, rtcp := adjacent(t)
	p := &rtpPeer{t: t, conn: rtcp}
	p.talkTo(u.establish(basicSDP(portOf(rtp))))
	to := netip.AddrPortFrom(p.to.Addr(), p.to.Port()+1)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for range 25 { // longer than a sign counts: nothing but reports
		if _, err := rtcp.WriteToUDPAddrPort(appendRTCP(nil, sendReport{ssrc: 9}), to); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
	select {
	case ev := <-events:
		t.Fatalf("ended in spite of reports: %+v", ev)
	default:
	}
	l := (<-legs).(*leg)
	l.media.mu.Lock()
	l.media.report(time.Now(), &receptionBlock{ssrc: 9, lost: 5}, false)
	l.media.mu.Unlock()
	buf := make([]byte, 1500)
	rtcp.SetReadDeadline(time.Now().Add(20 * time.Second))
	for reports := 0; ; reports++ { // one every 5 s, and one with the timeout
		n, err := rtcp.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		r, ok := parseRTCP(buf[:n])
		if !ok || r.bye && reports == 0 {
			t.Errorf("report %d is %x", reports, buf[:n])
		}
		if r.bye {
			break
		}
	}
	if ev := next(t, events); ev.Cause != telephony.CauseFarEndGone {
		t.Errorf("event %+v", ev)
	}
}

// Reports from elsewhere are no sign of life: the call ends as if there were
// none, and they are not answered.
func TestRTCPFromElsewhereCountsForNothing(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) {
		c.Life = Life{First: 3 * time.Second, Later: 3 * time.Second, Answer: 200 * time.Millisecond}
	})
	legs, _, events := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	rtp, rtcp := adjacent(t)
	p := &rtpPeer{t: t, conn: rtcp}
	p.talkTo(u.establish(basicSDP(portOf(rtp))))
	to := netip.AddrPortFrom(p.to.Addr(), p.to.Port()+1)
	elsewhere, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	l := (<-legs).(*leg)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		if _, err := elsewhere.WriteToUDPAddrPort(appendRTCP(nil, sendReport{ssrc: 9, ntp: 1 << 32, packets: 1}), to); err != nil {
			t.Fatal(err)
		}
		select {
		case ev := <-events:
			if ev.Kind != telephony.KindEnded || ev.Cause != telephony.CauseFarEndGone {
				t.Errorf("event %+v", ev)
			}
			if l.Refused() == 0 {
				t.Error("the reports were not counted as refused")
			}
			return
		case <-limit:
			t.Fatal("reports from elsewhere hold the call")
		case <-tick.C:
		}
	}
}

// The receive path must allocate nothing for a frame, in either codec.
func TestReceiveDoesNotAllocate(t *testing.T) {
	d := newDriver(t, nil)
	var frames atomic.Int64
	serveFrames(t, d, &frames)
	u := newRawUA(t, d, "udp")
	p := newRTPPeer(t)
	p.talkTo(u.establish(basicSDP(portOf(p.conn))))
	payload := sound(8000, 160)
	raw := make([]byte, 0, 200)
	send := func(n int64) {
		goal := frames.Load() + n
		for frames.Load() < goal {
			raw = append(appendRTP(raw[:0], p.h), payload...)
			if _, err := p.conn.WriteToUDPAddrPort(raw, p.to); err != nil {
				t.Fatal(err)
			}
			p.h.seq++
			p.h.timestamp += 160
			runtime.Gosched()
		}
	}
	send(100)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	send(1000)
	runtime.ReadMemStats(&after)
	if each := float64(after.Mallocs-before.Mallocs) / 1000; each > 0.5 {
		t.Errorf("%.2f allocations a frame received", each)
	}
}

func TestSequenceOfReports(t *testing.T) {
	t.Parallel()
	raw := appendRTCP(nil, sendReport{ssrc: 1, ntp: 0x0102030405060708, packets: 2, octets: 320, block: &receptionBlock{ssrc: 3}})
	r, ok := parseRTCP(raw)
	if !ok || r.ssrc != 1 || r.ntp != 0x03040506 || r.bye || len(raw)%4 != 0 {
		t.Errorf("%+v of %x", r, raw)
	}
	for n := 1; n < len(raw); n++ {
		if _, ok := parseRTCP(raw[:n]); ok && n != 52 { // SR with one block stands alone
			t.Errorf("%d bytes of a report pass", n)
		}
	}
}

func TestContactsBehindNAT(t *testing.T) {
	t.Parallel()
	var ours []netip.Prefix // as a machine in two networks has them, with containers
	for _, text := range []string{"127.0.0.1/8", "::1/128", "10.9.0.1/24", "192.168.1.10/24", "172.17.0.1/16", "203.0.113.9/24", "fd00:9::1/64", "fe80::9/64"} {
		ours = append(ours, netip.MustParsePrefix(text))
	}
	for _, test := range []struct {
		contact, source string
		want            bool
	}{
		{"192.168.2.5", "203.0.113.4", true},
		{"100.64.3.2", "203.0.113.4", true},
		{"127.0.0.1", "203.0.113.4", true},
		{"192.168.1.5", "192.168.1.5", false},
		{"198.51.100.7", "203.0.113.4", false},
		{"gateway.example.com", "203.0.113.4", false},
		{"[fe80::1]", "2001:db8::1", true},
		// A proxy that stays out of the dialog, in a network of ours.
		{"10.9.0.5", "10.9.0.4", false},
		{"192.168.1.5", "192.168.1.77", false},
		{"[fd00:9::5]", "fd00:9::4", false},
		{"127.0.0.5", "127.0.0.4", false},
		{"127.0.0.1", "127.0.0.4", false},
		{"[::ffff:10.9.0.5]", "10.9.0.4", false},
		// On this machine.
		{"10.9.0.5", "127.0.0.1", false},
		{"10.9.0.5", "192.168.1.10", false},
		{"10.9.0.1", "127.0.0.1", false},
		// Networks that have the numbers of ours, behind a NAT elsewhere.
		{"192.168.1.5", "203.0.113.4", true},
		{"192.168.1.5", "198.51.100.4", true},
		{"10.9.0.5", "192.168.1.77", true},
		{"172.17.0.2", "10.9.0.4", true},
		{"10.9.0.1", "10.9.0.4", true},
		{"127.0.0.1", "10.9.0.4", true},
		{"10.9.1.5", "10.9.0.4", true},
		{"10.9.1.5", "127.0.0.1", true},
		{"0.0.0.0", "10.9.0.4", true},
		{"[fe80::5]", "fe80::4", true},
	} {
		uri := sip.Uri{Host: test.contact}
		if got := behindNAT(&uri, netip.MustParseAddr(test.source), func() ([]netip.Prefix, error) { return ours, nil }); got != test.want {
			t.Errorf("contact %s from %s: %v", test.contact, test.source, got)
		}
	}
	unknown := func() ([]netip.Prefix, error) { return nil, errors.New("no") }
	if !behindNAT(&sip.Uri{Host: "10.9.0.5"}, netip.MustParseAddr("10.9.0.4"), unknown) {
		t.Error("a contact is in a network of ours, which are not known")
	}
}

// What a proxy sends that stays out of the dialog is answered to the contact.
func TestProxyOutsideOfTheDialog(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, _ := tape(t, d)
	proxy, phone := newRawUAFrom(t, d, "udp", "127.0.0.4"), newRawUAFrom(t, d, "udp", "127.0.0.5")
	proxy.send(proxy.request("INVITE", 1, basicSDP(4000), "Contact: <sip:phone@"+phone.conn.LocalAddr().String()+">"))
	_, proxy.toTag, _ = strings.Cut(headerOf(proxy.status("INVITE", 200), "To"), ";tag=")
	proxy.ack(1, "")
	leg := <-legs
	over := make(chan error, 1)
	go func() { over <- leg.Hangup(t.Context(), telephony.CauseNormal) }()
	phone.reply(phone.ask("BYE"), "200 OK", "")
	if err := <-over; err != nil {
		t.Errorf("Hangup: %v", err)
	}
}
