package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// rtpPeer is a far end that sends and receives RTP by hand.
type rtpPeer struct {
	t    *testing.T
	conn *net.UDPConn
	to   netip.AddrPort
	h    rtpHeader
}

func newRTPPeer(t *testing.T) *rtpPeer {
	t.Helper()
	return newRTPPeerAt(t, "127.0.0.1")
}

func newRTPPeerAt(t *testing.T, ip string) *rtpPeer {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &rtpPeer{t: t, conn: conn, h: rtpHeader{ssrc: 7, seq: 100, timestamp: 5000}}
}

// talkTo reads the address out of a description of ours.
func (p *rtpPeer) talkTo(answer string) {
	p.t.Helper()
	_, rest, _ := strings.Cut(answer, "m=audio ")
	port, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(port)
	if err != nil {
		p.t.Fatal(err)
	}
	p.to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(n))
}

// send sends one packet with a payload that plays for ticks.
func (p *rtpPeer) send(pt uint8, payload []byte, ticks int) {
	p.t.Helper()
	p.h.pt = pt
	if _, err := p.conn.WriteToUDPAddrPort(append(appendRTP(nil, p.h), payload...), p.to); err != nil {
		p.t.Fatal(err)
	}
	p.h.seq++
	p.h.timestamp += uint32(ticks)
}

// receive returns the next RTP packet; false when none comes.
func (p *rtpPeer) receive(limit time.Duration) (rtpHeader, []byte, bool) {
	buf := make([]byte, 2048)
	p.conn.SetReadDeadline(time.Now().Add(limit))
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			return rtpHeader{}, nil, false
		}
		if h, payload, ok := parseRTP(buf[:n]); ok && !isRTCP(buf[:n]) {
			return h, payload, true
		}
	}
}

// heardFrame is a copy of an audio event.
type heardFrame struct {
	level   int16
	offset  int64
	missing bool
	samples int
	behind  time.Duration
}

// listenTo serves calls and passes on all events, audio as copies.
func listenTo(t *testing.T, d *Driver) (legs chan telephony.Leg, frames chan heardFrame, events chan telephony.Event) {
	legs, frames, events = make(chan telephony.Leg, 4), make(chan heardFrame, 4096), make(chan telephony.Event, 64)
	serve(t, d, func(ctx context.Context, leg telephony.Leg) {
		if leg.Accept(ctx) != nil {
			return
		}
		legs <- leg
		for ev := range leg.Events(ctx) {
			if ev.Kind != telephony.KindAudio {
				events <- ev
				continue
			}
			frames <- heardFrame{ev.Audio.PCM[0], ev.Audio.Offset, ev.Audio.Missing, len(ev.Audio.PCM), ev.Behind}
		}
	})
	return legs, frames, events
}

// sound is the payload of a constant level, which names its sender.
func sound(level int16, n int) []byte {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = level
	}
	return audio.EncodeULaw(nil, pcm)
}

// wantLevel waits for a received frame of about that level and fails on any
// other loud one.
func wantLevel(t *testing.T, frames chan heardFrame, level int16) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case f := <-frames:
			if f.missing || (f.level > -100 && f.level < 100) {
				continue
			}
			if d := f.level - level; d > 300 || d < -300 {
				t.Fatalf("heard %d, want %d", f.level, level)
			}
			return
		case <-limit:
			t.Fatalf("never heard %d", level)
		}
	}
}

// wantFrom is wantLevel for what a source goes on sending: a machine that is held up for a
// moment takes the place of a late packet for lost.
func wantFrom(t *testing.T, frames chan heardFrame, p *rtpPeer, level int16) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		select {
		case <-tick.C:
			p.send(0, sound(level, 160), 160)
		case f := <-frames:
			if f.missing || (f.level > -100 && f.level < 100) {
				continue
			}
			if d := f.level - level; d > 300 || d < -300 {
				t.Fatalf("heard %d, want %d", f.level, level)
			}
			return
		case <-limit:
			t.Fatalf("never heard %d", level)
		}
	}
}

func TestLatch(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, frames, _ := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	// The description names a port from which nothing comes.
	nowhere := newRTPPeer(t)
	real, thief := newRTPPeer(t), newRTPPeer(t)
	ok := u.establish(basicSDP(portOf(nowhere.conn)))
	real.talkTo(ok)
	thief.talkTo(ok)
	leg := <-legs

	thief.h.ssrc = 66
	thief.send(0, sound(-9000, 160), 160) // two in sequence are not enough
	thief.send(0, sound(-9000, 160), 160)
	thief.h.seq += 50
	thief.send(0, sound(-9000, 160), 160)
	thief.send(96, sound(-9000, 160), 160) // not negotiated
	for range 6 {
		real.send(0, sound(8000, 160), 160)
	}
	wantLevel(t, frames, 8000)
	for range 10 {
		thief.send(0, sound(-9000, 160), 160)
		real.send(0, sound(8000, 160), 160)
	}
	wantLevel(t, frames, 8000)
	wantLevel(t, frames, 8000)
	if err := leg.Send(audio.Frame{PCM: make([]int16, 160), Rate: 8000}); err != nil {
		t.Error(err)
	}
	if _, _, ok := real.receive(20 * time.Second); !ok {
		t.Error("nothing is sent to the latched source")
	}
	for name, p := range map[string]*rtpPeer{"thief": thief, "nowhere": nowhere} {
		if _, _, ok := p.receive(50 * time.Millisecond); ok {
			t.Errorf("sound went to the %s", name)
		}
	}
	// A re-INVITE moves it, and from then on only its address counts.
	moved := newRTPPeer(t)
	moved.talkTo(ok)
	u.send(u.request("INVITE", 2, basicSDP(portOf(moved.conn))))
	u.status("INVITE", 200)
	u.ack(2, "")
	for range 5 {
		moved.send(0, sound(4000, 160), 160)
	}
	for len(frames) > 0 {
		<-frames
	}
	wantFrom(t, frames, moved, 4000)
	for range 5 {
		real.send(0, sound(8000, 160), 160)
	}
	wantFrom(t, frames, moved, 4000)
	if n := leg.(interface{ Refused() uint64 }).Refused(); n < 15 {
		t.Errorf("%d packets refused", n)
	}
}

func TestNoLatchOnceTheNegotiatedSourceSpoke(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	_, frames, _ := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	real, thief := newRTPPeer(t), newRTPPeer(t)
	ok := u.establish(basicSDP(portOf(real.conn)))
	real.talkTo(ok)
	thief.talkTo(ok)
	real.send(0, sound(8000, 160), 160)
	wantLevel(t, frames, 8000)
	for range 10 {
		thief.send(0, sound(-9000, 160), 160)
	}
	for _, junk := range []string{"", "x", strings.Repeat("\x80", 11), strings.Repeat("\xff", 1500), "\x80\x00\x00\x01" + strings.Repeat("\x00", 8)} {
		real.conn.WriteToUDPAddrPort([]byte(junk), real.to)
	}
	real.send(0, sound(8000, 160), 160)
	wantLevel(t, frames, 8000)
}

func TestPacketTimes(t *testing.T) {
	t.Parallel()
	for _, ms := range []int{10, 20, 30, 40, 60} {
		t.Run(fmt.Sprint(ms), func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			_, frames, _ := listenTo(t, d)
			u := newRawUA(t, d, "udp")
			p := newRTPPeer(t)
			p.talkTo(u.establish(basicSDP(portOf(p.conn), fmt.Sprintf("a=ptime:%d\r\n", ms))))
			tick := time.NewTicker(time.Duration(ms) * time.Millisecond)
			defer tick.Stop()
			slowest, last := time.Duration(0), time.Now()
			for range 360 / ms {
				slowest, last = max(slowest, time.Since(last)), time.Now()
				p.send(0, sound(8000, 8*ms), 8*ms)
				<-tick.C
			}
			got, next := 0, int64(-1)
			for got < 17 {
				f := <-frames
				if f.samples != 160 || (next >= 0 && f.offset != next) {
					t.Fatalf("frame of %d samples at %d, want 160 at %d", f.samples, f.offset, next)
				}
				next = f.offset + 160
				if !f.missing {
					got++
				} else if got > 2 && got < 16 && slowest < time.Duration(ms+30)*time.Millisecond {
					t.Errorf("a gap after %d frames", got)
				}
			}
		})
	}
}

// Who listens conceals what is missing; the leg only says that it is.
func TestLossArrivesAsAMissingFrame(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	_, frames, _ := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	p := newRTPPeer(t)
	p.talkTo(u.establish(basicSDP(portOf(p.conn))))
	for i := range 12 {
		if i == 5 {
			p.h.seq++
			p.h.timestamp += 160
			continue
		}
		p.send(0, sound(8000, 160), 160)
	}
	var missing []heardFrame
	for real := 0; real < 11; {
		if f := <-frames; !f.missing {
			real++
		} else if real > 0 {
			missing = append(missing, f)
		}
	}
	if len(missing) != 1 || missing[0].level != 0 || missing[0].samples != 160 {
		t.Errorf("missing frames %+v, want one of 160 samples without sound", missing)
	}
}

// A loop that was held up takes the packets that came meanwhile before it makes up
// silence in their place.
func TestHeldUpLoopTakesWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64 // nanoseconds by which the driver's clock is ahead
	d := newDriver(t, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(passed.Load())) } })
	legs, frames, held, release := make(chan telephony.Leg, 1), make(chan heardFrame, 4096), make(chan struct{}), make(chan struct{})
	serve(t, d, func(ctx context.Context, leg telephony.Leg) {
		if leg.Accept(ctx) != nil {
			return
		}
		legs <- leg
		for ev := range leg.Events(ctx) {
			switch ev.Kind {
			case telephony.KindAudio:
				frames <- heardFrame{ev.Audio.PCM[0], ev.Audio.Offset, ev.Audio.Missing, len(ev.Audio.PCM), ev.Behind}
			case telephony.KindPlayed:
				close(held)
				<-release
			}
		}
	})
	u := newRawUA(t, d, "udp")
	p := newRTPPeer(t)
	p.talkTo(u.establish(basicSDP(portOf(p.conn))))
	p.send(0, sound(8000, 160), 160)
	wantLevel(t, frames, 8000)
	if err := (<-legs).Send(audio.Frame{PCM: make([]int16, 160), Rate: 8000, Mark: 1}); err != nil {
		t.Fatal(err)
	}
	<-held
	for len(frames) > 0 {
		<-frames
	}
	const packets = 10
	for range packets {
		p.send(0, sound(8000, 160), 160)
	}
	passed.Store(int64(packets * slot))
	close(release)
	for i := range packets {
		if f := <-frames; f.missing {
			t.Fatalf("frame %d of %d is made up", i, packets)
		}
	}
}

// A packet in whose place silence was made up follows it, and says by how much it
// lies behind.
func TestLatePacketSaysHowFarBehindItLies(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	_, frames, _ := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	p := newRTPPeer(t)
	p.talkTo(u.establish(basicSDP(portOf(p.conn))))
	p.send(0, sound(8000, 160), 160)
	wantLevel(t, frames, 8000)
	made, f := 0, <-frames
	p.send(0, sound(8000, 160), 160)
	for ; f.missing; f = <-frames {
		made++
	}
	want := time.Duration(made) * slot
	if want > pausedStream {
		want = 0 // so late that it counts as a stream that paused
	}
	if f.behind != want {
		t.Errorf("behind %d made up frames it lies back by %s", made, f.behind)
	}
}

func TestDigitsAndComfortNoise(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	_, _, events := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	p := newRTPPeer(t)
	p.talkTo(u.establish(strings.Replace(basicSDP(portOf(p.conn)), "AVP 0 101", "AVP 0 101 13", 1)))
	p.send(0, sound(8000, 160), 160)
	p.send(13, []byte{65}, 0)
	for _, d := range "7A" {
		s, err := audio.NewTelephoneEventSender(d, 100*time.Millisecond, 8000)
		if err != nil {
			t.Fatal(err)
		}
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			p.send(101, e.Event.AppendTo(nil), 0)
		}
		p.h.timestamp += 1600
	}
	for _, want := range "7A" {
		if ev := next(t, events); ev.Kind != telephony.KindDigit || ev.Digit != want || ev.Duration != 100*time.Millisecond {
			t.Errorf("event %+v, want %c", ev, want)
		}
	}
}

func TestSentPacketsFollowTheClock(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs := make(chan telephony.Leg, 1)
	serve(t, d, func(ctx context.Context, l telephony.Leg) { // nobody reads events: the loop would look at the clock
		if l.Accept(ctx) == nil {
			legs <- l
			<-t.Context().Done()
		}
	})
	u := newRawUA(t, d, "udp")
	p := newRTPPeer(t)
	u.establish(strings.Replace(basicSDP(portOf(p.conn)), "a=rtpmap:101", "a=maxptime:20\r\na=rtpmap:101", 1))
	l := (<-legs).(*leg)
	now := time.Now()
	l.media.mu.Lock()
	l.media.now = func() time.Time { return now }
	l.media.mu.Unlock()
	var last rtpHeader
	for i, step := range []struct {
		after  time.Duration
		ticks  uint32
		marker bool
	}{
		// The first packet is 12 ms late; then five slots are left out.
		{0, 0, true}, {8, 160, false}, {120, 960, true},
		{20, 160, false}, {24, 160, false}, {16, 160, false}, {1000, 8000, true}, {20, 160, false},
		// Held up for 80 ms, then caught up.
		{100, 160, false}, {0, 160, false}, {0, 160, false}, {0, 160, false}, {0, 160, false}, {20, 160, false},
		// Five slots were left out after the packet before had come 8 ms late.
		{28, 160, false}, {112, 960, true}, {20, 160, false},
	} {
		l.media.mu.Lock() // the ACK may be on its way
		now = now.Add(step.after * time.Millisecond)
		l.media.mu.Unlock()
		if err := l.Send(audio.Frame{PCM: make([]int16, 160), Rate: 8000}); err != nil {
			t.Fatal(err)
		}
		h, payload, ok := p.receive(20 * time.Second)
		if !ok || len(payload) != 160 || h.marker != step.marker || h.pt != 0 {
			t.Fatalf("packet %d: %+v, %d bytes", i, h, len(payload))
		}
		if i > 0 && (h.timestamp-last.timestamp != step.ticks || h.seq != last.seq+1) {
			t.Errorf("packet %d: %d ticks after the last one, want %d", i, h.timestamp-last.timestamp, step.ticks)
		}
		last = h
	}
}

func TestShortPacketsWhenTheFarEndWantsThem(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, _, _ := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	p := newRTPPeer(t)
	u.establish(basicSDP(portOf(p.conn), "a=maxptime:10\r\n"))
	if err := (<-legs).Send(audio.Frame{PCM: make([]int16, 160), Rate: 8000}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, payload, ok := p.receive(20 * time.Second); !ok || len(payload) != 80 {
			t.Errorf("a packet of %d bytes", len(payload))
		}
	}
}

func TestPortsRest(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	first := uint16(telephonytest.Ports(t, 8))
	p := ports{addr: netip.MustParseAddr("127.0.0.1"), span: PortRange{first, first + 3}, rest: 30 * time.Second,
		now: func() time.Time { return now }}
	var used []int
	for range 2 {
		rtp, rtcp, err := p.open(true)
		if err != nil {
			t.Fatal(err)
		}
		port := portOf(rtp)
		used = append(used, port)
		rtp.Close()
		rtcp.Close()
		p.release(port)
	}
	if used[0] == used[1] || used[0]%2 == 1 {
		t.Errorf("ports %v", used)
	}
	if _, _, err := p.open(true); err == nil {
		t.Error("a resting port was used")
	}
	now = now.Add(31 * time.Second)
	rtp, rtcp, err := p.open(true)
	if err != nil {
		t.Fatal(err)
	}
	rtp.Close()
	rtcp.Close()
}

func TestSendDoesNotAllocate(t *testing.T) {
	d := newDriver(t, nil)
	legs, _, _ := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	p := newRTPPeer(t)
	u.establish(basicSDP(portOf(p.conn)))
	leg := <-legs
	f := audio.Frame{PCM: make([]int16, 160), Rate: 8000}
	if n := testing.AllocsPerRun(200, func() {
		if err := leg.Send(f); err != nil && !errors.Is(err, telephony.ErrSlow) {
			t.Fatal(err)
		}
	}); n > 0.5 {
		t.Errorf("%.1f allocations a frame sent", n)
	}
}

func TestKeysInBandCountWithoutTelephoneEvents(t *testing.T) {
	t.Parallel()
	tones, err := audio.DTMF("5#", 8000, 120*time.Millisecond, 120*time.Millisecond, -10)
	if err != nil {
		t.Fatal(err)
	}
	for _, events := range []bool{false, true} {
		d := newDriver(t, nil)
		_, _, got := listenTo(t, d)
		u := newRawUA(t, d, "udp")
		p := newRTPPeer(t)
		body := basicSDP(portOf(p.conn))
		if !events {
			body = strings.ReplaceAll(strings.Replace(body, "AVP 0 101", "AVP 0", 1), "a=rtpmap:101 telephone-event/8000\r\n", "")
		}
		p.talkTo(u.establish(body))
		for at := 0; at+160 <= len(tones); at += 160 {
			p.send(0, audio.EncodeULaw(nil, tones[at:at+160]), 160)
		}
		if events {
			s, err := audio.NewTelephoneEventSender('9', 100*time.Millisecond, 8000)
			if err != nil {
				t.Fatal(err)
			}
			for e, ok := s.Next(); ok; e, ok = s.Next() {
				p.send(101, e.Event.AppendTo(nil), 0)
			}
			if ev := next(t, got); ev.Digit != '9' {
				t.Errorf("with telephone events: got %+v, want the 9 alone", ev)
			}
			continue
		}
		for _, want := range "5#" {
			if ev := next(t, got); ev.Kind != telephony.KindDigit || ev.Digit != want {
				t.Errorf("in band: got %+v, want %c", ev, want)
			}
		}
	}
}

// A far end may send each codec that its answer lists, and change with each packet;
// what has another rate than the leg is brought to it.
func TestEveryAgreedCodecIsHeard(t *testing.T) {
	t.Parallel()
	m, _ := silentMedia(t, nil)
	r := newReceiver(&leg{media: m}, nil)
	r.st = stream{codec: codecG722, pt: 9, formats: [3]format{{9, codecG722, true}, {0, codecPCMU, true}, {8, codecPCMA, true}}, eventPT: noPT, noisePT: noPT}
	r.reformat(codecG722)
	level := int16(8000)
	pcm := make([]int16, 160)
	for i := range pcm {
		pcm[i] = level
	}
	for _, c := range []struct {
		pt      uint8
		payload []byte
	}{{0, audio.EncodeULaw(nil, pcm)}, {8, audio.EncodeALaw(nil, pcm)}, {0, audio.EncodeULaw(nil, pcm)}} {
		if got := r.decode(nil, c.pt, c.payload); len(got) != 320 || c.pt == 8 && (got[300] < level-400 || got[300] > level+400) {
			t.Errorf("payload type %d: %d samples, one of them %d", c.pt, len(got), got[min(300, len(got)-1)])
		}
	}
	if got := r.decode(nil, 9, audio.NewG722Encoder().Encode(nil, make([]int16, 320))); len(got) != 320 {
		t.Errorf("G.722: %d samples", len(got))
	}
}

func TestTickRate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ step, ticks uint32 }{"as defined": {160, 160}, "twice as fast": {320, 160}} {
		var r tickRate
		first := uint16(65500)
		at, ts := uint32(0), uint32(0xfffffe00)
		for i := range uint16(100) {
			was := at
			at = r.settle(rtpHeader{seq: first + i, timestamp: ts}, 160)
			ts += test.step
			if i > 3 && at-was != test.ticks {
				t.Errorf("%s: packet %d is %d ticks after the one before", name, i, at-was)
			}
		}
		late := r.settle(rtpHeader{seq: first + 97, timestamp: ts - 3*test.step}, 160)
		if at-late != 2*test.ticks {
			t.Errorf("%s: a late packet is %d ticks behind", name, at-late)
		}
	}
}

// A far end that was away for a second and goes on with later numbers, as one whose
// process was taken over, was away for one second in media time too.
func TestAwayCountsOnce(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, frames, _ := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	peer := newRTPPeer(t)
	peer.talkTo(u.establish(basicSDP(portOf(peer.conn))))
	<-legs
	peer.say(2000, 5)
	next := func() heardFrame {
		select {
		case f := <-frames:
			return f
		case <-time.After(20 * time.Second):
			t.Fatal("no sound")
			return heardFrame{}
		}
	}
	away := 0
	for heard := false; away < 50; {
		switch f := next(); {
		case !f.missing:
			heard, away = true, 0
		case heard:
			away++
		}
	}
	peer.h.seq += 500
	peer.h.timestamp += uint32(away * 160)
	peer.say(8000, 3)
	for f := next(); f.missing; f = next() {
		away++
	}
	if away > 70 { // 50 of them while the sender was away, up to 10 while its numbers are awaited
		t.Errorf("%d frames are missing, of a second", away)
	}
}
