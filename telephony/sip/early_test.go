package sip

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// What comes before the answer: ring-back tones and announcements are early media, the
// called party's first word is the call's.
func TestSoundBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	const tone, word = -5000, 8000
	tests := map[string]struct {
		// early is what the 183 describes: "", "e" or "r"; the 200 describes r, or
		// nothing with none.
		early string
		none  bool
		// before and after the answer, as e, r or s (which nothing describes) say it;
		// R is another stream of r's.
		before func(e, r, other, stray *rtpPeer)
		after  func(e, r, other, stray *rtpPeer)
		tones  int // of early media
		words  int // of the call
	}{
		"a word overtakes the answer": {
			before: func(_, r, _, _ *rtpPeer) { r.say(word, 7) },
			after:  func(_, r, _, _ *rtpPeer) { r.say(word, 1) }, words: 8},
		"a word overtakes the answer after early media from another port": {early: "e",
			before: func(e, r, _, _ *rtpPeer) { e.say(tone, 5); r.say(word, 4); e.say(tone, 5) },
			after:  func(e, r, _, _ *rtpPeer) { r.say(word, 2); e.say(tone, 9); r.say(word, 1) }, tones: 10, words: 7},
		"early media from where the call's sound comes": {early: "r",
			before: func(_, r, _, _ *rtpPeer) { r.say(tone, 11) },
			after:  func(_, r, _, _ *rtpPeer) { r.say(word, 3) }, tones: 11, words: 3},
		"early media and no other description": {early: "r", none: true,
			before: func(_, r, _, _ *rtpPeer) { r.say(tone, 6) },
			after:  func(_, r, _, _ *rtpPeer) { r.say(word, 2) }, tones: 6, words: 2},
		"a word on another stream of the same port": {early: "r",
			before: func(_, r, other, _ *rtpPeer) { r.say(tone, 6); other.say(word, 4) },
			after:  func(_, _, other, _ *rtpPeer) { other.say(word, 2) }, tones: 6, words: 6},
		"early media that overtakes its description": {early: "r",
			before: func(_, r, _, _ *rtpPeer) { r.say(tone, 6) }, // see the test
			after:  func(_, r, _, _ *rtpPeer) { r.say(word, 2) }, tones: 6, words: 2},
		"who spoke before is nobody's choice": {
			before: func(_, _, _, s *rtpPeer) { s.say(-9000, 12) },
			after:  func(_, r, _, s *rtpPeer) { s.say(-9000, 2); r.say(word, 4); s.say(-9000, 5) }, words: 4},
		"who is chosen after it has said it before": {
			before: func(_, _, _, s *rtpPeer) { s.say(word, 6) },
			after:  func(_, _, _, s *rtpPeer) { s.say(word, 3) }, words: 9}, // once there are three in sequence
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			p := placeCall(t, c)
			invite := c.receive()
			e, r, s := newRTPPeer(t), newRTPPeer(t), newRTPPeer(t)
			other := &rtpPeer{t: t, conn: r.conn, h: rtpHeader{ssrc: 21, seq: 9000, timestamp: 77}}
			e.h.ssrc, s.h.ssrc = 8, 9
			for _, peer := range []*rtpPeer{e, r, other, s} {
				peer.talkTo(invite)
			}
			overtakes := strings.Contains(name, "overtakes its")
			if overtakes {
				test.before(e, r, other, s)
			}
			switch test.early {
			case "":
				c.respond(invite, "180 Ringing", "", "")
			case "e":
				c.respond(invite, "183 Session Progress", "", basicSDP(portOf(e.conn)))
			case "r":
				c.respond(invite, "183 Session Progress", "", basicSDP(portOf(r.conn)))
			}
			if overtakes { // one that comes later brings the others along
				got := 0
				for deadline := time.Now().Add(20 * time.Second); got == 0 && time.Now().Before(deadline); {
					r.say(tone, 1)
					select {
					case <-p.early:
						got++
					case <-time.After(20 * time.Millisecond):
					}
				}
				levels(t, p.early, test.tones, tone)
				drainFrames(p.early)
			} else if test.early != "" { // the description has come when it is followed
				peer := map[string]*rtpPeer{"e": e, "r": r}[test.early]
				followed := false
				for deadline := time.Now().Add(20 * time.Second); !followed && time.Now().Before(deadline); {
					peer.say(tone, 1)
					select {
					case <-p.early:
						followed = true
					case <-time.After(20 * time.Millisecond):
					}
				}
				drainFrames(p.early)
			}
			if !overtakes {
				test.before(e, r, other, s)
				if test.tones > 0 {
					levels(t, p.early, test.tones, tone)
				}
			}
			body := basicSDP(portOf(r.conn))
			if test.none {
				body = ""
			}
			c.respond(invite, "200 OK", "", body)
			c.expect("ACK")
			<-p.legs
			test.after(e, r, other, s)
			levels(t, p.frames, test.words, word)
			none(t, p.frames)
			none(t, p.early)
		})
	}
}

// drainFrames takes what was heard until nothing more comes.
func drainFrames(frames chan heardFrame) {
	for {
		select {
		case <-frames:
		case <-time.After(60 * time.Millisecond):
			return
		}
	}
}

// A key that overtakes the answer counts once, and one in early media does not count.
func TestKeysBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	p := placeCall(t, c)
	invite := c.receive()
	e, r := newRTPPeer(t), newRTPPeer(t)
	e.talkTo(invite)
	r.talkTo(invite)
	press := func(p *rtpPeer, code byte) { // as senders do: one timestamp, three ends
		for i, n := range []int{160, 320, 480, 640, 800, 800, 800} {
			end := byte(10)
			if i >= 4 {
				end |= 0x80
			}
			p.h.marker = i == 0
			p.send(101, []byte{code, end, byte(n >> 8), byte(n)}, 0)
		}
		p.h.marker = false
		p.h.timestamp += 800
	}
	c.respond(invite, "183 Session Progress", "", basicSDP(portOf(e.conn)))
	for heard := false; !heard; {
		e.say(-5000, 1)
		select {
		case <-p.early:
			heard = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	press(e, 1)
	e.say(-5000, 1)
	r.say(8000, 2)
	press(r, 7)
	r.say(8000, 2)
	press(r, 7)
	<-time.After(500 * time.Millisecond) // far longer than between the packets of a press
	c.respond(invite, "200 OK", "", basicSDP(portOf(r.conn)))
	c.expect("ACK")
	<-p.legs
	r.say(8000, 1)
	press(r, 3)
	r.say(8000, 5)
	for i, want := range "773" {
		select {
		case got := <-p.keys:
			if got != want {
				t.Errorf("key %d is %c, want %c", i, got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("key %d never came", i)
		}
	}
	select {
	case got := <-p.keys:
		t.Errorf("one more key: %c", got)
	case <-time.After(400 * time.Millisecond):
	}
}

// Each dialog has its own early media: the newest one is heard.
func TestEarlyMediaOfForks(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	p := placeCall(t, c)
	invite := c.receive()
	a, b := newRTPPeer(t), newRTPPeer(t)
	a.talkTo(invite)
	b.talkTo(invite)
	until := func(peer *rtpPeer, level int16) {
		t.Helper()
		for range 1000 {
			peer.say(level, 1)
			select {
			case f := <-p.early:
				if nearest(f.level, []int16{level}) != 0 {
					return
				}
			case <-time.After(20 * time.Millisecond):
			}
		}
		t.Fatalf("never heard %d", level)
	}
	c.respond(invite, "183 Session Progress", "a", basicSDP(portOf(a.conn)))
	until(a, 3000)
	c.respond(invite, "183 Session Progress", "b", basicSDP(portOf(b.conn)))
	until(b, 7000)
	drainFrames(p.early)
	a.say(3000, 10)
	b.say(7000, 2)
	levels(t, p.early, 2, 7000)
	none(t, p.early)
	c.respond(invite, "200 OK", "a", "") // the first one answers after all
	c.expect("ACK")
	<-p.legs
	b.say(7000, 2)
	a.say(3000, 5)
	levels(t, p.frames, 5, 3000)
	none(t, p.frames)
}

// A re-INVITE starts afresh: what waited in the socket does not choose, and is not
// lost when its source is chosen.
func TestSoundBeforeAReinvite(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	frames, came := make(chan int16), make(chan struct{}, 4096)
	serve(t, d, func(ctx context.Context, leg telephony.Leg) {
		if leg.Accept(ctx) != nil {
			return
		}
		for ev := range leg.Events(ctx) {
			if ev.Kind == telephony.KindAudio && !ev.Audio.Missing {
				came <- struct{}{}
				select {
				case frames <- ev.Audio.PCM[len(ev.Audio.PCM)-1]: // a stream that begins within a frame is at its end
				case <-ctx.Done():
				}
			}
		}
	})
	u := newRawUA(t, d, "udp")
	was, now, stray := newRTPPeer(t), newRTPPeer(t), newRTPPeer(t)
	stray.h.ssrc, now.h.ssrc = 66, 5
	ok := u.establish(basicSDP(portOf(was.conn)))
	for _, peer := range []*rtpPeer{was, now, stray} {
		peer.talkTo(ok)
	}
	was.say(2000, 1)
	took := func(level int16) {
		t.Helper()
		select {
		case got := <-frames:
			if nearest(got, []int16{level}) == 0 {
				t.Fatalf("heard %d, want %d", got, level)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("never heard %d", level)
		}
	}
	took(2000)
	was.say(2000, 1)
	<-came
	<-came // the loop waits in its body for this frame to be taken
	stray.say(-9000, 6)
	now.say(8000, 4)
	u.send(u.request("INVITE", 2, basicSDP(portOf(now.conn))))
	u.status("INVITE", 200)
	u.ack(2, "")
	took(2000)
	heard := make(chan struct{})
	var more sync.WaitGroup
	more.Go(func() { // more of it, until what waited was heard
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				now.say(4000, 1)
			case <-heard:
				return
			}
		}
	})
	defer func() { close(heard); more.Wait() }()
	for range 4 {
		took(8000)
	}
	for range 3 {
		stray.say(-9000, 1)
		took(4000)
	}
}

// What comes between a 200 with our offer and the ACK with the answer is not lost.
func TestSoundBeforeTheAck(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, frames, _ := listenTo(t, d)
	u := newRawUA(t, d, "udp")
	u.send(u.request("INVITE", 1, ""))
	ok := u.status("INVITE", 200)
	_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
	peer := newRTPPeer(t)
	peer.talkTo(ok)
	<-legs
	peer.say(6000, 5)
	u.ack(1, basicSDP(portOf(peer.conn)))
	got := 0
	for deadline := time.Now().Add(20 * time.Second); got < 5 && time.Now().Before(deadline); {
		peer.say(2000, 1)
		for limit := time.After(20 * time.Millisecond); limit != nil; {
			select {
			case f := <-frames:
				if !f.missing && nearest(f.level, []int16{6000}) != 0 {
					got++
				}
			case <-limit:
				limit = nil
			}
		}
	}
	if got != 5 {
		t.Errorf("heard %d frames of before the ACK, want 5", got)
	}
}

func TestBacklog(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	packet := func(ssrc uint32, size int) []byte {
		return append(appendRTP(nil, rtpHeader{ssrc: ssrc}), make([]byte, size)...)
	}
	place := func(n int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 4000)
	}
	tests := map[string]struct {
		fill func(b *backlog)
		from int
		at   int
		want int
	}{
		"at most 2 s": {func(b *backlog) {
			for ms := 0; ms < 5000; ms += 20 {
				b.add(at(ms), place(1), packet(1, 160), false)
			}
		}, 1, 4980, 101},
		"packets of 10 ms": {func(b *backlog) {
			for ms := 0; ms < 9000; ms += 10 {
				b.add(at(ms), place(1), packet(1, 80), false)
			}
		}, 1, 8990, 201},
		"too many of them": {func(b *backlog) {
			for range 10000 {
				b.add(at(0), place(1), packet(1, 20), false)
			}
		}, 1, 0, heldPackets},
		"all too old":              {func(b *backlog) { b.add(at(0), place(1), packet(1, 160), false) }, 1, 2001, 0},
		"another stream":           {func(b *backlog) { b.add(at(0), place(1), packet(2, 160), false) }, 1, 0, 0},
		"a packet too long":        {func(b *backlog) { b.add(at(0), place(1), packet(1, heldSize), false) }, 1, 0, 0},
		"no packet":                {func(b *backlog) { b.add(at(0), place(1), []byte("hello"), false) }, 1, 0, 0},
		"early media":              {func(b *backlog) { announce(b, at(0), place(1), packet(1, 160)) }, 1, 0, 0},
		"a ninth source":           {func(b *backlog) { crowd(b, at(0), place, packet); b.add(at(0), place(99), packet(1, 160), false) }, 99, 0, 0},
		"a ninth after a pause":    {func(b *backlog) { crowd(b, at(0), place, packet); b.add(at(2001), place(99), packet(1, 160), false) }, 99, 2001, 1},
		"a ninth of the far end's": {func(b *backlog) { crowd(b, at(0), place, packet); b.add(at(0), place(200), packet(1, 160), false) }, 200, 0, 1},
		"nine of the far end's":    {func(b *backlog) { crowd(b, at(0), func(int) netip.AddrPort { return place(200) }, packet) }, 200, 0, 1},
		"a source that went and came": {func(b *backlog) {
			b.add(at(0), place(1), packet(1, 9), false)
			b.add(at(3000), place(1), packet(1, 9), false)
		}, 1, 3000, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &backlog{near: []netip.Addr{place(200).Addr()}}
			test.fill(b)
			got := b.take(heldKey{place(test.from), 1}, at(test.at))
			if len(got) != test.want {
				t.Errorf("%d packets are kept, want %d", len(got), test.want)
			}
			for i := 1; i < len(got); i++ {
				if got[i].at.Before(got[i-1].at) {
					t.Fatal("packets out of order")
				}
			}
			if len(b.sources) > maxCandidates {
				t.Errorf("%d sources are kept", len(b.sources))
			}
			if again := b.take(heldKey{place(test.from), 1}, at(test.at)); len(again) > 0 {
				t.Error("packets are handed out twice")
			}
		})
	}
}

func announce(b *backlog, at time.Time, from netip.AddrPort, raw []byte) {
	b.add(at, from, raw, false)
	b.isEarly(heldKey{from, 1}, at)
	b.add(at, from, raw, false)
}

// crowd lets nine sources send, each its own stream.
func crowd(b *backlog, at time.Time, place func(int) netip.AddrPort, packet func(uint32, int) []byte) {
	for n := range uint32(9) {
		b.add(at, place(int(n)+1), packet(n+1, 160), false)
	}
}

// A full backlog keeps packets without allocating.
func TestBacklogAllocates(t *testing.T) {
	b := &backlog{}
	raw := append(appendRTP(nil, rtpHeader{ssrc: 1}), make([]byte, 160)...)
	now := time.Now()
	for range heldPackets {
		b.add(now, described, raw, false)
	}
	if n := testing.AllocsPerRun(500, func() { b.add(now, described, raw, false) }); n > 0 {
		t.Errorf("%v allocations for each packet", n)
	}
}

// No packet of a peer's makes the backlog grow or panic.
func FuzzBacklog(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xff})
	f.Add([]byte{0xb0, 0x80, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := &backlog{}
		now := time.Now()
		for n := range byte(20) {
			b.add(now, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 1), raw, false)
		}
		if len(b.sources) > maxCandidates {
			t.Errorf("%d sources", len(b.sources))
		}
		for _, s := range b.sources {
			for _, p := range b.take(s.key, now) {
				if len(p.raw) > heldSize {
					t.Errorf("%d bytes", len(p.raw))
				}
			}
		}
	})
}
