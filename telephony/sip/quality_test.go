package sip

import (
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// The figures are those of the formulas, worked out by hand.
func TestMOS(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		loss  float64
		delay time.Duration
		want  float64
	}{
		{"a perfect line", 0, 0, 4.41},
		{"a good one", 0, 50 * time.Millisecond, 4.38},
		{"before the knee", 0, 177 * time.Millisecond, 4.31},
		{"beyond the knee", 0, 400 * time.Millisecond, 3.05},
		{"one packet in a hundred", 0.01, 0, 4.32},
		{"five", 0.05, 0, 3.93},
		{"twenty", 0.2, 0, 2.63},
		{"nothing comes", 1, 0, 1.18},
		{"nothing, late", 1, 5 * time.Second, 1},
	} {
		if got := mos(test.loss, test.delay); math.Abs(got-test.want) > 0.011 {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	for last, percent := 5.0, 0; percent <= 100; percent++ {
		got := mos(float64(percent)/100, 100*time.Millisecond)
		if got > last || got < 1 {
			t.Errorf("%d %%: %v after %v", percent, got, last)
		}
		last = got
	}
}

// measuredLeg is a leg that the far end talks to on a clock that the test turns.
func measuredLeg(t *testing.T, change func(*stream)) (*leg, *receiver, func(time.Duration)) {
	t.Helper()
	m, turn := silentMedia(t, func(st *stream) {
		st.formats = [3]format{{0, codecPCMU, true}}
		if change != nil {
			change(st)
		}
	})
	l := &leg{media: m, gone: make(chan struct{})}
	r := newReceiver(l, func(telephony.Event) bool { return true })
	r.control()
	return l, r, turn
}

func TestNearQuality(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		late           func(i int) time.Duration // how much later than it should a packet comes
		lost           func(i int) bool
		restart        int // the packet before which the far end's clock is set anew
		g722           bool
		loss, jitter   float64 // jitter in ms, at least
		jitterMax, mos float64 // at most; at least
	}{
		"perfect":                     {jitterMax: 0.01, mos: 4.38},
		"one in ten lost":             {lost: func(i int) bool { return i%10 == 5 }, loss: 0.1, jitterMax: 0.01, mos: 3.3},
		"a burst":                     {lost: func(i int) bool { return i >= 50 && i < 60 }, loss: 0.05, jitterMax: 0.01, mos: 3.8},
		"every other one 8 ms late":   {late: func(i int) time.Duration { return time.Duration(i%2) * 8 * time.Millisecond }, jitter: 6, jitterMax: 8.01, mos: 4.3},
		"a clock that is set":         {restart: 100, jitterMax: 0.01, mos: 4.38},
		"G.722 that counts at 16 kHz": {g722: true, jitterMax: 20, mos: 4.3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, r, turn := measuredLeg(t, func(st *stream) {
				if test.g722 {
					st.codec, st.pt, st.formats = codecG722, 9, [3]format{{9, codecG722, true}}
				}
			})
			h := rtpHeader{ssrc: 7, seq: 65500, timestamp: 1000, pt: l.media.st.pt}
			for i := range 200 {
				late := time.Duration(0)
				if test.late != nil {
					late = test.late(i)
				}
				if test.restart > 0 && i == test.restart {
					h.timestamp += 1 << 30
				}
				turn(late)
				if test.lost == nil || !test.lost(i) {
					r.packet(l.media.now(), l.media.st.remote, append(appendRTP(nil, h), sound(8000, 160)...))
				}
				r.drain(l.media.now())
				turn(20*time.Millisecond - late)
				h.seq++
				h.timestamp += 160
				if test.g722 {
					h.timestamp += 160
				}
			}
			turn(time.Second)
			r.drain(l.media.now())
			r.publish()
			r.publish() // nothing counts twice
			q := l.Quality()
			ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
			if q.Near.Packets != 200 || math.Abs(q.Near.Loss()-test.loss) > 1e-9 || ms(q.Near.Jitter) < test.jitter || ms(q.Near.JitterMax) > test.jitterMax || q.Near.MOS < test.mos {
				t.Errorf("%+v", q.Near)
			}
			if q.Far != (telephony.Reception{}) || q.RoundTrip != 0 {
				t.Errorf("without reports: %+v", q)
			}
		})
	}
}

// Another format or another stream does not lose what was counted.
func TestQualityOfSeveralStreams(t *testing.T) {
	t.Parallel()
	l, r, turn := measuredLeg(t, nil)
	if q := l.Quality(); q != (telephony.Quality{}) {
		t.Errorf("before any packet: %+v", q)
	}
	say := func(ssrc uint32, pt uint8, from, n int) {
		for i := range n {
			r.packet(l.media.now(), l.media.st.remote, append(appendRTP(nil, rtpHeader{ssrc: ssrc, pt: pt, seq: uint16(from + i), timestamp: uint32(160 * (from + i))}), sound(8000, 160)...))
			r.drain(l.media.now())
			turn(20 * time.Millisecond)
		}
	}
	say(1, 0, 0, 10)
	say(1, 0, 11, 10) // one is missing
	turn(60 * time.Millisecond)
	say(2, 0, 500, 10) // three of them until it is taken
	st := l.media.st
	st.codec, st.pt, st.formats = codecPCMA, 8, [3]format{{8, codecPCMA, true}}
	l.media.apply(&st)
	r.control()
	say(2, 8, 510, 10)
	r.publish()
	if near := l.Quality().Near; near.Packets != 39 || near.Lost != 1 {
		t.Errorf("%+v", near)
	}
}

// reportOf is a report of the far end's with blocks.
func reportOf(kind byte, blocks ...receptionBlock) []byte {
	b := []byte{0x80 | byte(len(blocks)), kind, 0, 0}
	b = binary.BigEndian.AppendUint32(b, 99)
	if kind == rtcpSR {
		b = append(b, make([]byte, 20)...)
	}
	for _, k := range blocks {
		for _, v := range []uint32{k.ssrc, uint32(k.fraction)<<24 | k.lost&0xffffff, k.highest, k.jitter, k.lastSR, k.delay} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)/4-1))
	return b
}

func TestBlockAbout(t *testing.T) {
	t.Parallel()
	ours := receptionBlock{ssrc: 7, fraction: 3, lost: 5, highest: 900, jitter: 40, lastSR: 11, delay: 12}
	other := receptionBlock{ssrc: 8, lost: 77}
	duplicated := ours
	duplicated.lost = 0xfffff0
	none := duplicated
	none.lost = 0
	for name, test := range map[string]struct {
		raw  []byte
		want receptionBlock
	}{
		"sender's":            {reportOf(rtcpSR, ours), ours},
		"receiver's":          {reportOf(rtcpRR, ours), ours},
		"behind another's":    {reportOf(rtcpSR, other, ours), ours},
		"in a second packet":  {append(reportOf(rtcpRR, other), reportOf(rtcpRR, ours)...), ours},
		"more than were sent": {reportOf(rtcpRR, duplicated), none},
		"about another":       {reportOf(rtcpRR, other), receptionBlock{}},
		"without blocks":      {reportOf(rtcpSR), receptionBlock{}},
		"a count too high":    {append([]byte{0x85}, reportOf(rtcpRR, other)[1:]...), receptionBlock{}},
		"a description":       {reportOf(rtcpSDES, ours), receptionBlock{}},
	} {
		got, found := blockAbout(test.raw, 7)
		if got != test.want || found != (test.want != receptionBlock{}) {
			t.Errorf("%s: %+v, %v", name, got, found)
		}
	}
}

func TestFarQuality(t *testing.T) {
	t.Parallel()
	l, r, turn := measuredLeg(t, nil)
	m := l.media
	to := netip.AddrPortFrom(m.st.remote.Addr(), 4001)
	us := m.out.ssrc
	// Before we sent anything there is nothing to report.
	r.rtcp(m.now(), to, reportOf(rtcpRR, receptionBlock{ssrc: us, lost: 1}))
	for range 100 {
		m.out.packet(codecPCMU, 0, make([]int16, 160))
	}
	tell := func(trip, delay time.Duration, b receptionBlock) {
		b.ssrc, b.lastSR = us, uint32(ntp(m.now())>>16)
		b.delay = uint32(delay * 65536 / time.Second)
		turn(trip + delay)
		r.rtcp(m.now(), to, reportOf(rtcpSR, b))
	}
	tell(40*time.Millisecond, 3*time.Second, receptionBlock{lost: 2, jitter: 80})
	tell(60*time.Millisecond, time.Second, receptionBlock{lost: 4, jitter: 160})
	tell(0, time.Second, receptionBlock{lost: 0, jitter: 120}) // it began to count anew
	tell(11*time.Second, 0, receptionBlock{lost: 4, jitter: 120})
	b := receptionBlock{ssrc: us, lost: 4, jitter: 120, lastSR: uint32(ntp(m.now())>>16) + 1000} // later than now
	r.rtcp(m.now(), to, reportOf(rtcpRR, b))
	r.rtcp(m.now(), netip.MustParseAddrPort("198.51.100.1:4001"), reportOf(rtcpRR, receptionBlock{ssrc: us, lost: 50}))
	q := l.Quality()
	if got := q.RoundTrip.Round(time.Millisecond); got != 33*time.Millisecond {
		t.Errorf("round trip %v", got)
	}
	want := telephony.Reception{Packets: 100, Lost: 4, Jitter: 15 * time.Millisecond, JitterMax: 20 * time.Millisecond, MOS: q.Far.MOS}
	if q.Far != want || q.Far.MOS < 3.9 || q.Far.MOS > 4.1 {
		t.Errorf("%+v, want %+v", q.Far, want)
	}
	if q.Near != (telephony.Reception{}) {
		t.Errorf("near: %+v", q.Near)
	}
}

// Reports that waited in the socket count from their arrival.
func TestReportsThatWaited(t *testing.T) {
	t.Parallel()
	l, r, _ := measuredLeg(t, nil)
	rtp, rtcp := adjacent(t)
	l.media.rtcp = rtcp
	from, err := net.DialUDP("udp", nil, rtcp.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	l.media.st.remote = rtp.LocalAddr().(*net.UDPAddr).AddrPort()
	l.media.owner.describe(l.media.st.remote, nil, false)
	stampArrivals(rtcp)
	l.media.out.packets = 1
	asked := l.media.now()
	b := receptionBlock{ssrc: l.media.out.ssrc, lastSR: uint32(ntp(asked.Add(-5*time.Second)) >> 16)}
	// The kernel stamps what comes a little after it was asked to.
	eventually(t, "the 200 ms in the socket to be left out", func() bool {
		if _, err := from.Write(reportOf(rtcpRR, b)); err != nil {
			t.Fatal(err)
		}
		<-time.After(200 * time.Millisecond)
		l.media.quality = quality{}
		r.drainRTCP(l.media.now())
		trip := l.Quality().RoundTrip
		return trip > 0 && trip <= 4810*time.Millisecond
	})
}

func FuzzBlockAbout(f *testing.F) {
	f.Add(reportOf(rtcpSR, receptionBlock{ssrc: 7, lost: 3}))
	f.Add(append(reportOf(rtcpRR), 0x9f, rtcpRR, 0xff, 0xff))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if b, ok := blockAbout(raw, 7); ok && (b.ssrc != 7 || b.lost > 0x7fffff) {
			t.Errorf("%+v", b)
		}
	})
}
