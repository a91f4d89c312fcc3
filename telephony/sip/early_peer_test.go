package sip

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// SIPp announces early media in a reliable 183 and plays it; nobody answers.
func TestEarlyMediaOfSIPp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tone := audio.EncodeULaw(nil, audio.Sine(8000, 8000, 440, -12))
	if err := os.WriteFile(filepath.Join(dir, "tone.ulaw"), tone, 0o600); err != nil {
		t.Fatal(err)
	}
	scenario, err := filepath.Abs("testdata/peers/early.xml")
	if err != nil {
		t.Fatal(err)
	}
	port := telephonytest.Ports(t, 2)
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		run(t, dir, "sipp", "-sf", scenario, "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", itoa(port),
			"-mp", itoa(telephonytest.Ports(t, 100)), "-m", "1", "-nostdin", "-trace_err")
	}()
	d := newDriver(t, func(c *Config) { c.Trunks = []Trunk{{Name: "sipp", Host: "127.0.0.1:" + itoa(port)}} })
	calling, stop := context.WithTimeout(t.Context(), 25*time.Second)
	defer stop()
	loud := 0
	req := telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "sipp"}
	req.Early = func(ev telephony.Event) {
		for _, v := range ev.Audio.PCM {
			if v > 1000 || v < -1000 {
				loud++
			}
		}
		if loud > 4000 {
			stop() // that is enough
		}
	}
	_, err = d.Dial(calling, req, nil) // the INVITE is repeated until SIPp is up
	var failed *telephony.DialError
	if !errors.As(err, &failed) || failed.Cause != telephony.CauseCancelled {
		t.Errorf("Dial: %v", err)
	}
	if loud <= 4000 {
		t.Errorf("heard %d loud samples before the answer", loud)
	}
	<-ran
}

// SIPp requires that our 180 is reliable.
func TestReliableRingingForSIPp(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"u1", "t1"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			ended := make(chan telephony.Event, 1)
			serve(t, d, func(ctx context.Context, call telephony.Leg) {
				l := call.(*leg)
				l.Ring(ctx)
				l.mu.Lock()
				ringing := l.reliable
				l.mu.Unlock()
				if ringing == nil {
					t.Error("the ringing is not reliable")
					return
				}
				<-ringing.finished // the scenario has one order
				if l.Accept(ctx) != nil {
					return
				}
				for ev := range l.Events(ctx) {
					if ev.Kind == telephony.KindEnded {
						ended <- ev
					}
				}
			})
			scenario, err := filepath.Abs("testdata/peers/reliable.xml")
			if err != nil {
				t.Fatal(err)
			}
			run(t, t.TempDir(), "sipp", d.Addr().String(), "-sf", scenario, "-s", "+12125550123", "-t", mode, "-i", "127.0.0.1", "-mi", "127.0.0.1",
				"-p", itoa(telephonytest.Ports(t, 2)), "-mp", itoa(telephonytest.Ports(t, 4)), "-m", "1", "-nostdin", "-trace_err")
			if ev := <-ended; !ev.Remote || ev.Cause != telephony.CauseNormal {
				t.Errorf("ended with %+v", ev)
			}
		})
	}
}

// A word that overtakes the answer is early in the receive loop's time, and what comes
// after it goes on from there.
func TestOffsetsOfWhatOvertakes(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	p := placeCall(t, c)
	invite := c.receive()
	r := newRTPPeer(t)
	r.talkTo(invite)
	began := time.Now()
	r.say(8000, 10)
	said := time.Now()
	c.respond(invite, "200 OK", "", basicSDP(portOf(r.conn)))
	c.expect("ACK")
	heard := (<-p.legs).Info().Heard
	if heard.Before(began.Add(-slot)) || !heard.Before(said.Add(-slot+time.Second)) {
		t.Errorf("it was heard from %v on, and said from %v to %v", heard, began, said)
	}
	r.say(8000, 5)
	var last int64
	for i := range 15 {
		f := <-p.frames
		if i > 0 && f.offset != last+audio.Samples(audio.FrameDuration, 8000) {
			t.Errorf("frame %d is at %d, after %d", i, f.offset, last)
		}
		last = f.offset
	}
}
