package faults

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/client"
)

// intruder is a socket that belongs to no call.
type intruder struct {
	conn *net.UDPConn
	got  int
	wg   sync.WaitGroup
}

func newIntruder(t *testing.T, ip string) *intruder {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	in := &intruder{conn: conn}
	in.wg.Go(func() {
		buf := make([]byte, 2048)
		for {
			if _, _, err := conn.ReadFromUDP(buf); err != nil {
				return
			}
			in.got++
		}
	})
	return in
}

// close returns how many packets the intruder was sent.
func (in *intruder) close() int {
	in.conn.Close()
	in.wg.Wait()
	return in.got
}

// recorded returns the caller's channel of a call's recording.
func recorded(t *testing.T, n *node, id string) (left []int16, rate int) {
	t.Helper()
	var wav bytes.Buffer
	if _, err := n.api.Calls().Recording(t.Context(), id, client.WAV, &wav); err != nil {
		t.Fatal(err)
	}
	pcm, format, err := audio.ReadWAV(&wav)
	if err != nil || format.Channels != 2 {
		t.Fatalf("recording: %+v, %v", format, err)
	}
	for i := 0; i < len(pcm); i += 2 {
		left = append(left, pcm[i])
	}
	return left, format.Rate
}

const (
	callerTone   = 500.0
	intruderTone = 1700.0
	// present is an amplitude that a tone of 8000 surely has, absent one that
	// none has.
	present, absent = 4000, 150
)

// Sound of a third party before, during and after the latch is in no recording
// and makes nobody send to it. The caller speaks from another port than its SDP
// says, so that there is a latch.
func TestThirdPartySound(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	c := dial(t, n, "udp")
	c.invite(number)
	c.take(c.status("INVITE", 200))
	late, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	third := newIntruder(t, "127.0.0.2")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { c.talk(third.conn, intruderTone, 0, 99, stop) })
	wait(time.Second) // before the latch
	wg.Go(func() { c.talk(late, callerTone, 2*time.Second, 7, stop) })
	wait(time.Second) // the latch is behind
	same := newIntruder(t, "127.0.0.1")
	wg.Go(func() { c.talk(same.conn, intruderTone, 0, 7, stop) }) // the right host and SSRC, another port
	got := make([]byte, 2048)
	late.SetReadDeadline(time.Now().Add(5 * time.Second))
	if k, _, err := late.ReadFromUDP(got); err != nil || k < 172 {
		t.Errorf("the caller got no sound at its latched address: %v", err)
	}
	wait(1500 * time.Millisecond)
	close(stop)
	wg.Wait()
	c.bye()
	ended := n.last(20 * time.Second)
	if k := third.close(); k != 0 {
		t.Errorf("%d packets went to the third party", k)
	}
	if k := same.close(); k != 0 {
		t.Errorf("%d packets went to the other port", k)
	}
	pcm, rate := recorded(t, n, ended.ID)
	if got := level(pcm, rate, callerTone); got < present {
		t.Errorf("the caller's tone has an amplitude of %.0f", got)
	}
	if got := level(pcm, rate, intruderTone); got > absent {
		t.Errorf("the third party's tone has an amplitude of %.0f", got)
	}
	n.healthy(number)
}

// Without a latch too: the caller speaks from where it said.
func TestThirdPartySoundWithoutLatch(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	c := dial(t, n, "udp")
	c.invite(number)
	c.take(c.status("INVITE", 200))
	thirds := []*intruder{newIntruder(t, "127.0.0.1"), newIntruder(t, "127.0.0.2")}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { c.talk(c.rtp, callerTone, 0, 7, stop) })
	wait(200 * time.Millisecond)
	for _, third := range thirds {
		wg.Go(func() { c.talk(third.conn, intruderTone, 0, 7, stop) })
	}
	wait(2 * time.Second)
	close(stop)
	wg.Wait()
	c.bye()
	ended := n.last(20 * time.Second)
	for _, third := range thirds {
		if k := third.close(); k != 0 {
			t.Errorf("%d packets went to a third party", k)
		}
	}
	pcm, rate := recorded(t, n, ended.ID)
	if got := level(pcm, rate, callerTone); got < present {
		t.Errorf("the caller's tone has an amplitude of %.0f", got)
	}
	if got := level(pcm, rate, intruderTone); got > absent {
		t.Errorf("a third party's tone has an amplitude of %.0f", got)
	}
}

// Packets of the caller that make no sense change nothing.
func TestJunkSound(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	c := dial(t, n, "udp")
	c.invite(number)
	c.take(c.status("INVITE", 200))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { c.talk(c.rtp, callerTone, 0, 7, stop) })
	good := toneFrame(intruderTone, 3, 7)
	with := func(at int, v byte) []byte { b := bytes.Clone(good); b[at] = v; return b }
	junk := [][]byte{{}, {0x80}, good[:11], good[:12], with(0, 0x00), with(0, 0xc0), with(0, 0x8f), with(0, 0x90), with(0, 0xa0),
		with(1, 18), with(1, 96), with(1, 127), with(1, 101), with(1, 200), with(1, 201), with(1, 203), bytes.Repeat([]byte{0xff}, 1400),
		bytes.Repeat([]byte{0}, 1400), append(bytes.Clone(good), make([]byte, 60_000)...)}
	rtcp := *c.remote.Load()
	rtcp.Port++
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	until(t, 20*time.Second, "the caller's stream to be ahead of the junk", func() bool { return c.heard() > 10 })
	for i := range 300 {
		<-tick.C
		c.rtp.WriteToUDP(junk[i%len(junk)], c.remote.Load())
		c.rtp.WriteToUDP(junk[i%len(junk)], &rtcp)
	}
	was := c.heard()
	until(t, 20*time.Second, "sound to come back still", func() bool { return c.heard() > was+20 })
	close(stop)
	wg.Wait()
	c.bye()
	ended := n.last(20 * time.Second)
	pcm, rate := recorded(t, n, ended.ID)
	if got := level(pcm, rate, callerTone); got < present {
		t.Errorf("the caller's tone has an amplitude of %.0f", got)
	}
	if got := level(pcm, rate, intruderTone); got > absent {
		t.Errorf("junk has an amplitude of %.0f", got)
	}
	n.healthy(number)
}

// Callers that vanish without BYE are noticed by what they do not send.
func TestCallerVanishes(t *testing.T) {
	t.Parallel()
	n := serve(t, "sip: {ask_after: 2s, ask_after_first: 3s}")
	number := n.number(echo)
	for _, test := range []struct {
		name    string
		spoke   bool
		network string
	}{{"after speaking", true, "udp"}, {"without a packet", false, "udp"}, {"with its connection", true, "tcp"}} {
		c := dial(t, n, test.network)
		c.invite(number)
		if test.spoke {
			c.answered()
			until(t, 20*time.Second, "sound", func() bool { return c.heard() > 10 })
		} else {
			c.take(c.status("INVITE", 200))
		}
		c.close()
		got := n.last(time.Minute) // its row was there before the 200; two requests get no response in 16 s each
		if got.Status != "error" || got.EndReason != "far_end_gone" || got.ErrorMessage == "" {
			t.Errorf("%s: status %s, reason %q, message %q", test.name, got.Status, got.EndReason, got.ErrorMessage)
		}
		events := n.events(got.ID)
		if last := events[len(events)-1]; last.Type != "ended" || last.Text != "far_end_gone" {
			t.Errorf("%s: the last event is %+v", test.name, last)
		}
	}
	n.healthy(number)
}
