package sip

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// step is one message of an exchange with a carrier that we call: one that it sends, or
// one that it wants from us.
type step struct {
	// send is a response to the INVITE, or, with to, to the last request of that method.
	send, to string
	tag      string // of the carrier, "carrier" by itself
	body     string
	headers  []string
	// want is the method of a request of ours, which has these headers; "nothing" is
	// no request for a while.
	want string
	has  []string
}

// play plays an exchange and returns the last request of each method.
func (c *carrier) play(invite string, steps []step) map[string]string {
	c.t.Helper()
	last := map[string]string{"INVITE": invite}
	for i, s := range steps {
		switch {
		case s.want == "nothing":
			c.silent()
		case s.want != "":
			got := c.expect(s.want)
			last[s.want] = got
			for _, h := range s.has {
				name, value, _ := strings.Cut(h, ": ")
				if value = strings.ReplaceAll(value, "CSEQ", headerOf(invite, "CSeq")); headerOf(got, name) != value {
					c.t.Errorf("step %d: %s is %q, want %q", i, name, headerOf(got, name), value)
				}
			}
		default:
			method := s.to
			if method == "" {
				method = "INVITE"
			}
			c.respond(last[method], s.send, s.tag, s.body, s.headers...)
		}
	}
	return last
}

// respond answers a request in the dialog of a tag. Responses have a Contact.
func (c *carrier) respond(req, status, tag, body string, headers ...string) {
	c.t.Helper()
	if to := headerOf(req, "To"); tag != "" && !strings.Contains(to, ";tag=") {
		req = strings.Replace(req, "\r\nTo: "+to, "\r\nTo: "+to+";tag="+tag, 1)
	}
	if body == "" {
		headers = append(headers, "Contact: <sip:carrier@"+c.conn.LocalAddr().String()+">")
	}
	c.answer(req, status, body, headers...)
}

// placed is a call that the driver places to a carrier.
type placed struct {
	legs   chan telephony.Leg
	frames chan heardFrame // of the call
	early  chan heardFrame // before its answer
	keys   chan rune
	err    chan error // of Dial
	cancel func()
}

// placeCall places a call whose early media is listened to.
func placeCall(t *testing.T, c *carrier) placed {
	t.Helper()
	d := newDriver(t, func(cfg *Config) {
		cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), Username: "acct", Password: "pw"}}
	})
	ctx, cancel := context.WithCancel(context.Background())
	p := placed{make(chan telephony.Leg, 1), make(chan heardFrame, 4096), make(chan heardFrame, 4096), make(chan rune, 64), make(chan error, 1), cancel}
	pass := func(frames chan heardFrame, ev telephony.Event) {
		if ev.Kind == telephony.KindAudio && !ev.Audio.Missing {
			frames <- heardFrame{ev.Audio.PCM[0], ev.Audio.Offset, false, len(ev.Audio.PCM), ev.Behind}
		}
	}
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		req := telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}
		req.Early = func(ev telephony.Event) {
			if !ev.Early {
				t.Error("early media is not marked")
			}
			pass(p.early, ev)
		}
		leg, err := d.Dial(ctx, req, nil)
		p.err <- err
		if err != nil {
			return
		}
		p.legs <- leg
		for ev := range leg.Events(ctx) {
			if ev.Early {
				t.Error("the call's sound is marked as early")
			}
			pass(p.frames, ev)
			if ev.Kind == telephony.KindDigit {
				p.keys <- ev.Digit
			}
		}
	}()
	return p
}

// levels takes n frames of about the levels that are allowed and counts them.
func levels(t *testing.T, frames chan heardFrame, n int, allowed ...int16) map[int16]int {
	t.Helper()
	counts := map[int16]int{}
	limit := time.After(20 * time.Second)
	for range n {
		select {
		case f := <-frames:
			level := nearest(f.level, allowed)
			if level == 0 {
				t.Fatalf("heard %d, want only %v", f.level, allowed)
			}
			counts[level]++
		case <-limit:
			t.Fatalf("heard only %v, want %d frames", counts, n)
		}
	}
	return counts
}

// nearest is the level that a sound has, 0 when it is none of them.
func nearest(level int16, of []int16) int16 {
	for _, want := range of {
		if d := level - want; d > -300 && d < 300 {
			return want
		}
	}
	return 0
}

// none checks that nothing more is heard.
func none(t *testing.T, frames chan heardFrame) {
	t.Helper()
	select {
	case f := <-frames:
		t.Errorf("heard %d, want nothing", f.level)
	case <-time.After(100 * time.Millisecond):
	}
}

// say sends packets of a level.
func (p *rtpPeer) say(level int16, n int) {
	p.t.Helper()
	for range n {
		p.send(0, sound(level, 160), 160)
	}
}

// seqOf is the number of a request.
func seqOf(msg string) int {
	n, _, _ := strings.Cut(headerOf(msg, "CSeq"), " ")
	seq, _ := strconv.Atoi(n)
	return seq
}

func itoa(n int) string { return strconv.Itoa(n) }

// ask sends a request in the dialog of an ACK of ours and returns its final response; an
// INVITE is acknowledged.
func (c *carrier) ask(ack, method string, seq int, body string, headers ...string) string {
	c.t.Helper()
	_, uri, _ := strings.Cut(ack, "\r\nVia: ")
	host, _, _ := strings.Cut(strings.Fields(uri)[1], ";")
	send := func(method string, body string, headers ...string) {
		lines := append([]string{method + " sip:sidetone@" + host + " SIP/2.0",
			"Via: SIP/2.0/UDP " + c.conn.LocalAddr().String() + ";branch=z9hG4bKask" + method + itoa(seq),
			"From: " + headerOf(ack, "To"), "To: " + headerOf(ack, "From"), "Call-ID: " + headerOf(ack, "Call-ID"),
			"CSeq: " + itoa(seq) + " " + method, "Max-Forwards: 70", "Contact: <sip:carrier@" + c.conn.LocalAddr().String() + ">"}, headers...)
		if body != "" && !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Content-Type:") }) {
			lines = append(lines, "Content-Type: application/sdp")
		}
		lines = append(lines, "Content-Length: "+itoa(len(body)))
		if _, err := c.conn.WriteToUDP([]byte(strings.Join(lines, "\r\n")+"\r\n\r\n"+body), c.from); err != nil {
			c.t.Fatal(err)
		}
	}
	send(method, body, headers...)
	for {
		got := c.receive()
		if strings.HasPrefix(got, "SIP/2.0 ") && !strings.HasPrefix(got, "SIP/2.0 1") && headerOf(got, "CSeq") == itoa(seq)+" "+method {
			if method == "INVITE" {
				send("ACK", "")
			}
			return got
		}
	}
}
