package sip

import (
	"context"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
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
func goesOnWith(t *testing.T, before, after heardPacket, outage time.Duration) {
	t.Helper()
	if after.ssrc != before.ssrc || !after.marker {
		t.Errorf("the stream is %d after %d, marked: %t", after.ssrc, before.ssrc, after.marker)
	}
	if ahead := int16(after.seq - before.seq); ahead <= 0 {
		t.Errorf("number %d after %d", after.seq, before.seq)
	}
	passed := after.at.Sub(before.at) + outage
	told := time.Duration(after.timestamp-before.timestamp) * time.Second / rtpClock
	if off := told - passed; off < -40*time.Millisecond || off > 40*time.Millisecond {
		t.Errorf("the timestamp moved by %s in %s", told, passed)
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
			goesOnWith(t, before[len(before)-1], after[0], outage)
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
