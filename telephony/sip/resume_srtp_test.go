package sip

import (
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// hearNext returns the header of the next packet, and when it came.
func (p *securePeer) hearNext() heardPacket {
	p.t.Helper()
	h, _ := p.next()
	return heardPacket{h, time.Now()}
}

// listens lets a leg send n frames in real time, all of which the far end decrypts.
func (p *securePeer) listens(leg telephony.Leg, n int) (out []heardPacket) {
	p.t.Helper()
	tick := time.NewTicker(slot)
	defer tick.Stop()
	for range n {
		<-tick.C
		if err := leg.Send(levelFrame(5000)); err != nil {
			p.t.Fatal(err)
		}
		out = append(out, p.hearNext())
	}
	return out
}

// reads lets a leg report and decrypts that.
func (p *securePeer) reads(l *leg) {
	p.t.Helper()
	l.media.mu.Lock()
	l.media.report(l.media.now(), nil, false)
	l.media.mu.Unlock()
	buf := make([]byte, 2048)
	p.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			p.t.Fatal(err)
		}
		if !isRTCP(buf[:n]) {
			continue
		}
		if _, err := p.in.DecryptRTCP(nil, buf[:n], nil); err != nil {
			p.t.Fatalf("decrypt our report: %v", err)
		}
		return
	}
}

// An encrypted call goes on over the gap, also when the numbers of the one end or of the
// other begin anew before what is stored, between that and the end of the process, or
// after it. What either end has had is not taken a second time.
func TestResumeSRTP(t *testing.T) {
	t.Parallel()
	for s := range suites {
		for _, test := range []struct {
			name          string
			ours          uint64 // our first number
			theirs        uint16 // and the far end's
			skipped       int    // what the far end sends in the outage
			outage        time.Duration
			before, after int // packets either way before and after what is stored
		}{
			{"no rollover", 100, 100, 500, 10 * time.Second, 5, 5},
			{"before it is stored", 65530, 65530, 500, 10 * time.Second, 10, 5},
			{"before the end", 65530, 65530, 500, 10 * time.Second, 4, 10},
			{"in the outage", 65400, 65400, 500, 10 * time.Second, 5, 5},
			{"the far end's after the outage", 100, 65000, 523, 10 * time.Second, 5, 5},
			{"a long outage", 40000, 40000, 30000, 590 * time.Second, 5, 5},
			{"the far end's alone", 100, 65530, 100, time.Second, 3, 10},
			{"ours alone", 65530, 100, 100, time.Second, 3, 10},
		} {
			t.Run(s.String()+" "+test.name, func(t *testing.T) {
				t.Parallel()
				d := srtpDriver(t, "require", true, nil)
				legs, frames, _ := listenTo(t, d)
				u, p := newRawUA(t, d, "udp"), newSecurePeer(t, s, 1)
				p.h.seq = test.theirs
				p.talkTo(u.establish(secureSDP("RTP/SAVP", portOf(p.conn), "a=rtcp-mux", keyLine("1", s, 1))), s)
				l := (<-legs).(*leg)
				l.media.mu.Lock()
				l.media.out.seq = test.ours
				l.media.mu.Unlock()
				talk := func(frames chan heardFrame, level int16, n int) {
					t.Helper()
					for range n {
						p.say(level)
					}
					wantLevel(t, frames, level)
				}
				talk(frames, 8000, test.before)
				before := p.listens(l, test.before)
				p.reads(l)
				wasTheirs := uint32((int(test.theirs) + test.before - 1) >> 16)
				eventually(t, "the far end's rollovers are noted", func() bool {
					l.media.mu.Lock()
					defer l.media.mu.Unlock()
					return l.media.theirs == rollover{p.h.ssrc, wasTheirs}
				})
				dialog := l.Dialog()
				for range test.after {
					p.say(4000)
				}
				eventually(t, "the rest is heard", func() bool { f := <-frames; return f.level > 3700 && f.level < 4300 })
				before = append(before, p.listens(l, test.after)...)
				p.reads(l)
				p.reads(l)
				die(d)
				for range test.skipped {
					p.packet(sound(0, 160))
				}
				replayed := p.packet(sound(6000, 160))
				up := resume(t, nextDriver(t, d, test.outage), dialog)
				goesOnWith(t, before, p.listens(up, 5), test.outage)
				p.reads(up.leg)
				p.write(replayed, p.to)
				talk(up.frames, 6000, 40)
				refused := up.Refused()
				p.write(replayed, p.to)
				eventually(t, "what came before is refused", func() bool { return up.Refused() == refused+1 })
				p.listens(up, 20)
				roc := uint32((int(test.theirs) + test.before + test.after + test.skipped + 40) >> 16)
				eventually(t, "the far end's rollovers go on", func() bool { return rollovers(up.leg, p.h.ssrc) == roc })
				u.send(u.request("INVITE", 2, secureSDP("RTP/SAVP", portOf(p.conn), "a=rtcp-mux", keyLine("1", s, 1)))) // the same keys
				u.status("INVITE", 200)
				u.ack(2, "")
				p.listens(up, 2)
			})
		}
	}
}
