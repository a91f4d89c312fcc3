package sip

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// silentMedia is the media of a call on a clock that the test turns; it
// negotiated G.711 with a port from which nothing comes.
func silentMedia(t *testing.T, change func(*stream)) (m *media, turn func(time.Duration)) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	now := time.Unix(1e9, 0)
	m = newMedia(conn, nil, []netip.Addr{netip.MustParseAddr("192.0.2.9")}, sourcesPeer, func() time.Time { return now })
	st := &stream{codec: codecPCMU, eventPT: 101, noisePT: 13, remote: netip.MustParseAddrPort("192.0.2.1:4000")}
	if change != nil {
		change(st)
	}
	m.apply(st)
	return m, func(d time.Duration) { now = now.Add(d) }
}

// A description that names another address starts afresh; one that repeats it does
// not.
func TestDescriptionsAndTheOwner(t *testing.T) {
	t.Parallel()
	m, _ := silentMedia(t, nil)
	learn := func(from string) (taken bool) {
		for i := range uint16(4) {
			taken = m.accept(netip.MustParseAddrPort(from), rtpHeader{ssrc: 7, seq: 100 + i}, m.now())
		}
		return taken
	}
	if !learn("192.0.2.9:7000") {
		t.Error("a source on the signalling's host was not learnt")
	}
	st := m.st
	m.apply(&st)
	if learn("192.0.2.9:7002") {
		t.Error("another one was learnt after the same description")
	}
	st.remote = netip.MustParseAddrPort("192.0.2.1:4002")
	m.apply(&st)
	if !learn("192.0.2.9:7002") || m.rtcpTo() != netip.MustParseAddrPort("192.0.2.9:7003") {
		t.Errorf("another one was not learnt after another description, reports go to %s", m.rtcpTo())
	}
	if m.acceptRTCP(netip.MustParseAddrPort("192.0.2.77:7003"), m.now()) || !m.acceptRTCP(netip.MustParseAddrPort("192.0.2.9:7003"), m.now()) {
		t.Error("reports of others are taken, or the owner's are not")
	}
}

// How long a sign of life counts: 60 s before the first sound, 15 s after it, 60 s
// while no sound is due.
func TestSignsOfLife(t *testing.T) {
	t.Parallel()
	spoken := func(m *media) { m.accept(m.st.remote, rtpHeader{ssrc: 1}, m.now()) }
	var limits Life
	limits.complete()
	for _, test := range []struct {
		name   string
		change func(*stream)
		before func(m *media)
		want   time.Duration
	}{
		{"nothing ever came", nil, nil, time.Minute},
		{"sound came", nil, spoken, 15 * time.Second},
		{"on hold", func(st *stream) { st.remoteDir, st.localDir = sendOnly, recvOnly }, spoken, time.Minute},
		{"inactive", func(st *stream) { st.remoteDir, st.localDir = inactive, inactive }, spoken, time.Minute},
		{"they only listen", func(st *stream) { st.remoteDir, st.localDir = recvOnly, sendOnly }, nil, time.Minute},
	} {
		m, turn := silentMedia(t, test.change)
		if test.before != nil {
			test.before(m)
		}
		turn(10 * time.Second)
		m.alive() // a report, or a request of the dialog
		want := m.now()
		turn(time.Hour)
		if at, counts := m.sign(limits); !at.Equal(want) || counts != test.want {
			t.Errorf("%s: the last sign was at %s and counts for %s, want %s and %s", test.name, at, counts, want, test.want)
		}
	}
}

// Answers go where the request came from, and say so (RFC 3581).
func TestAnswersGoBackToTheSource(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	u := newRawUA(t, d, "udp")
	u.via = "SIP/2.0/UDP 192.0.2.5:5060;rport"
	u.send(u.request("OPTIONS", 1, ""))
	ok := u.status("OPTIONS", 200)
	_, port, _ := net.SplitHostPort(u.conn.LocalAddr().String())
	for _, want := range []string{"rport=" + port, "received=127.0.0.1"} {
		if !strings.Contains(headerOf(ok, "Via"), want) {
			t.Errorf("Via %q without %s", headerOf(ok, "Via"), want)
		}
	}
}

// An INVITE is repeated after 0.5, 1, 2, 4, 8 and 16 s, and given up after 32 s.
func TestRepeatsOfAnInvite(t *testing.T) {
	t.Parallel()
	var r resends
	var got []time.Duration
	total := time.Duration(0)
	for wait := r.next(); wait > 0; wait = r.next() {
		total += wait
		got = append(got, total)
	}
	var want []time.Duration
	for _, ms := range []int{500, 1500, 3500, 7500, 15500, 31500, 32000} {
		want = append(want, time.Duration(ms)*time.Millisecond)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
