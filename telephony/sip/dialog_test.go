package sip

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// tape serves calls: it accepts and passes on every event but audio.
func tape(t *testing.T, d *Driver) (legs chan telephony.Leg, events chan telephony.Event) {
	legs, events = make(chan telephony.Leg, 4), make(chan telephony.Event, 64)
	serve(t, d, func(ctx context.Context, leg telephony.Leg) {
		if leg.Accept(ctx) != nil {
			return
		}
		legs <- leg
		for ev := range leg.Events(ctx) {
			if ev.Kind != telephony.KindAudio {
				events <- ev
			}
		}
	})
	return legs, events
}

// next returns the next event that is no audio.
func next(t *testing.T, events chan telephony.Event) telephony.Event {
	t.Helper()
	select {
	case ev := <-events:
		return ev
	case <-time.After(20 * time.Second):
		t.Fatal("no event came")
		return telephony.Event{}
	}
}

func TestReinvite(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, events := tape(t, d)
	u := newRawUA(t, d, "udp")
	u.establish(basicSDP(4000))
	leg := <-legs
	seq := 1
	change := func(body, want string) {
		t.Helper()
		seq++
		u.send(u.request("INVITE", seq, body))
		if got := u.status("INVITE", 200); !strings.Contains(got, want) {
			t.Errorf("answer without %q:\n%s", want, got)
		}
		u.ack(seq, "")
	}
	change(basicSDP(4000, "a=sendonly\r\n"), "a=recvonly")
	if ev := next(t, events); ev.Kind != telephony.KindHeld {
		t.Errorf("event %+v, want held", ev)
	}
	change(basicSDP(4000), "a=sendrecv")
	if ev := next(t, events); ev.Kind != telephony.KindResumed {
		t.Errorf("event %+v, want resumed", ev)
	}
	change(strings.Replace(basicSDP(4000), "c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0", 1), "a=recvonly")
	if ev := next(t, events); ev.Kind != telephony.KindHeld {
		t.Errorf("event %+v, want held", ev)
	}
	change(strings.Replace(basicSDP(4002), "AVP 0", "AVP 9", 1), "G722/8000")
	if ev := next(t, events); ev.Kind != telephony.KindFormatChanged || leg.Info().Rate != 16000 {
		t.Errorf("event %+v, info %+v", ev, leg.Info())
	}
	if ev := next(t, events); ev.Kind != telephony.KindResumed {
		t.Errorf("event %+v, want resumed", ev)
	}
	seq++
	u.send(u.request("INVITE", seq, strings.Replace(basicSDP(4000), "AVP 0", "AVP 18", 1)))
	u.status("INVITE", 488) // and the call goes on as it was
	u.ack(seq, "")
	u.send(u.request("BYE", seq+1, ""))
	u.status("BYE", 200)
	if ev := next(t, events); ev.Kind != telephony.KindEnded || !ev.Remote {
		t.Errorf("event %+v, want ended", ev)
	}
}

func TestReinviteWhileOneIsPending(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	tape(t, d)
	u := newRawUA(t, d, "udp")
	u.establish(basicSDP(4000))
	u.send(u.request("INVITE", 2, basicSDP(4000)))
	u.status("INVITE", 200)
	u.send(u.request("INVITE", 3, basicSDP(4000)))
	for {
		msg := u.receive(20 * time.Second)
		if strings.HasPrefix(msg, "SIP/2.0 491") {
			break
		}
		if msg == "" || strings.HasPrefix(headerOf(msg, "CSeq"), "3") {
			t.Fatalf("got %q, want 491", msg)
		}
	}
	u.send(u.request("UPDATE", 1, ""))
	u.status("UPDATE", 500)
}

// What was agreed holds when the answer to an offer in our response to a re-INVITE
// cannot be used, or is not there; the first answer there must be.
func TestAnswersInTheAck(t *testing.T) {
	t.Parallel()
	good := basicSDP(4000)
	for name, answer := range map[string]string{
		"none": "", "garbage": "v=0\r\nfoo", "another codec": strings.Replace(good, "RTP/AVP 0 101", "RTP/AVP 18 101", 1),
		"declined": strings.Replace(good, "audio 4000", "audio 0", 1), "video": "v=0\r\nm=video 4000 RTP/AVP 96\r\n",
	} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(name+" "+network, func(t *testing.T) {
				t.Parallel()
				d := newDriver(t, nil)
				legs, frames, _ := listenTo(t, d)
				u := newRawUA(t, d, network)
				p := newRTPPeer(t)
				p.talkTo(u.establish(basicSDP(portOf(p.conn))))
				<-legs
				u.send(u.request("INVITE", 2, ""))
				u.status("INVITE", 200)
				u.ack(2, answer)
				u.send(u.request("OPTIONS", 3, ""))
				u.status("OPTIONS", 200)
				p.send(0, sound(8000, 160), 160)
				wantLevel(t, frames, 8000)
				u.send(u.request("INVITE", 4, basicSDP(portOf(p.conn)))) // and it can be changed again
				u.status("INVITE", 200)
				u.ack(4, "")
				u.send(u.request("BYE", 5, ""))
				u.status("BYE", 200)
			})
		}
		t.Run(name+" first", func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			serve(t, d, accept)
			u := newRawUA(t, d, "udp")
			u.send(u.request("INVITE", 1, ""))
			_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 200), "To"), ";tag=")
			u.ack(1, answer)
			u.ask("BYE")
		})
	}
}

func TestRequestsOfADialog(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	_, events := tape(t, d)
	u := newRawUA(t, d, "udp")
	u.establish(basicSDP(4000))
	tests := []struct {
		kind, body string
		status     int
		digit      rune
		held       time.Duration
	}{
		{"application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 200, '5', 160 * time.Millisecond},
		{"application/dtmf-relay", "Signal= * \r\n", 200, '*', 100 * time.Millisecond},
		{"application/dtmf", "11", 200, '#', 100 * time.Millisecond},
		{"application/dtmf", "x", 400, 0, 0},
		{"text/plain", "5", 415, 0, 0},
	}
	for i, test := range tests {
		u.send(u.request("INFO", i+2, test.body, "Content-Type: "+test.kind))
		u.status("INFO", test.status)
		if test.digit == 0 {
			continue
		}
		if ev := next(t, events); ev.Kind != telephony.KindDigit || ev.Digit != test.digit || ev.Duration != test.held {
			t.Errorf("%q: event %+v", test.body, ev)
		}
	}
	u.send(u.request("OPTIONS", 20, ""))
	u.status("OPTIONS", 200)
	u.send(u.request("UPDATE", 21, "", "Session-Expires: 1800;refresher=uac", "Supported: timer"))
	if got := u.status("UPDATE", 200); headerOf(got, "Session-Expires") != "1800;refresher=uac" {
		t.Errorf("Session-Expires %q", headerOf(got, "Session-Expires"))
	}
	u.send(u.request("UPDATE", 22, basicSDP(4000, "a=inactive\r\n")))
	if got := u.status("UPDATE", 200); !strings.Contains(got, "a=inactive") {
		t.Errorf("answer %s", got)
	}
	u.send(u.request("REFER", 23, ""))
	u.status("REFER", 603)
}

func TestLateOffer(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, events := tape(t, d)
	u := newRawUA(t, d, "udp")
	u.send(u.request("INVITE", 1, ""))
	ok := u.status("INVITE", 200)
	for _, want := range []string{"RTP/AVP 9 0 8 101", "a=rtpmap:9 G722/8000", "telephone-event/8000"} {
		if !strings.Contains(ok, want) {
			t.Errorf("offer without %q:\n%s", want, ok)
		}
	}
	_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
	u.ack(1, basicSDP(4000))
	if ev := next(t, events); ev.Kind != telephony.KindFormatChanged {
		t.Errorf("event %+v", ev)
	}
	if info := (<-legs).Info(); info.Codec != "PCMU" || info.Rate != 8000 {
		t.Errorf("info %+v", info)
	}
}

func TestAnswerKeepsTheOffersShape(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	tape(t, d)
	u := newRawUA(t, d, "udp")
	ok := u.establish("v=0\r\no=u 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=video 5000 RTP/AVP 96 97\r\na=rtpmap:96 H264/90000\r\n" +
		"m=audio 4000 RTP/AVP 8 110 100 13\r\na=rtpmap:110 G722/8000\r\na=rtpmap:100 telephone-event/8000\r\na=rtcp-mux\r\n" +
		"m=audio 4004 RTP/SAVP 0\r\n")
	_, body, _ := strings.Cut(ok, "\r\n\r\n")
	video := strings.Index(body, "m=video 0 RTP/AVP 96 97\r\n")
	sound := strings.Index(body, " RTP/AVP 110 100 13\r\na=rtpmap:110 G722/8000\r\n")
	last := strings.Index(body, "m=audio 0 RTP/SAVP 0\r\n")
	if video < 0 || sound < video || last < sound || !strings.Contains(body, "a=rtcp-mux") {
		t.Errorf("answer\n%s", body)
	}
}

func TestRecordRouteAndContact(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, _ := tape(t, d)
	proxy := newRawUA(t, d, "udp")
	u := newRawUA(t, d, "udp")
	route := "<sip:" + proxy.conn.LocalAddr().String() + ";lr>"
	u.send(u.request("INVITE", 1, basicSDP(4000), "Record-Route: "+route, "Contact: <sip:me@192.0.2.77:7777>"))
	ok := u.status("INVITE", 200)
	if headerOf(ok, "Record-Route") != route {
		t.Errorf("Record-Route %q", headerOf(ok, "Record-Route"))
	}
	_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
	u.ack(1, "")
	leg := <-legs
	done := make(chan error, 1)
	go func() { done <- leg.Hangup(t.Context(), telephony.CauseNormal) }()
	bye := proxy.receive(20 * time.Second)
	if !strings.HasPrefix(bye, "BYE sip:me@192.0.2.77:7777 SIP/2.0") || headerOf(bye, "Route") != route {
		t.Fatalf("through the proxy came %q", bye)
	}
	proxy.send("SIP/2.0 200 OK\r\nVia: " + headerOf(bye, "Via") + "\r\nFrom: " + headerOf(bye, "From") + "\r\nTo: " +
		headerOf(bye, "To") + "\r\nCall-ID: " + headerOf(bye, "Call-ID") + "\r\nCSeq: " + headerOf(bye, "CSeq") +
		"\r\nContent-Length: 0\r\n\r\n")
	if err := <-done; err != nil {
		t.Errorf("Hangup: %v", err)
	}
}

func TestDialogSurvivesATCPReconnect(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	_, events := tape(t, d)
	u := newRawUA(t, d, "tcp")
	u.establish(basicSDP(4000))
	u.conn.Close()
	again := newRawUA(t, d, "tcp")
	again.callID, again.toTag = u.callID, u.toTag
	again.send(again.request("BYE", 2, ""))
	again.status("BYE", 200)
	if ev := next(t, events); ev.Kind != telephony.KindEnded {
		t.Errorf("event %+v", ev)
	}
}

func TestTCPFraming(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	u := newRawUA(t, d, "tcp")
	two := u.request("OPTIONS", 1, "") + "\r\n\r\n" + u.request("OPTIONS", 2, "")
	for _, piece := range []string{two[:40], two[40:333], two[333:]} {
		u.send(piece)
	}
	for range 2 {
		u.status("OPTIONS", 200)
	}
}

func TestRegisterAndDialLocally(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	serve(t, d, refuse(telephony.CauseUnknownNumber, "")) // nobody else is called that
	u := newRawUA(t, d, "udp")
	u.send(u.request("REGISTER", 1, "", "Expires: 3600"))
	if got := u.status("REGISTER", 200); !strings.Contains(headerOf(got, "Contact"), "expires=3600") {
		t.Errorf("Contact %q", headerOf(got, "Contact"))
	}
	u.send(u.request("REGISTER", 2, "", "Expires: 5"))
	u.status("REGISTER", 423)
	req := telephony.DialRequest{From: "+12125550100", To: "+12125550123"}
	done := make(chan error, 1)
	go func() {
		_, err := d.Dial(t.Context(), req, nil)
		done <- err
	}()
	invite := u.receive(20 * time.Second)
	if !strings.HasPrefix(invite, "INVITE sip:raw@") {
		t.Fatalf("got %q", invite)
	}
	u.send("SIP/2.0 486 Busy Here\r\nVia: " + headerOf(invite, "Via") + "\r\nFrom: " + headerOf(invite, "From") + "\r\nTo: " +
		headerOf(invite, "To") + ";tag=x\r\nCall-ID: " + headerOf(invite, "Call-ID") + "\r\nCSeq: " + headerOf(invite, "CSeq") +
		"\r\nContent-Length: 0\r\n\r\n")
	if err := <-done; err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("Dial: %v", err)
	}
	if ack := u.receive(20 * time.Second); !strings.HasPrefix(ack, "ACK ") {
		t.Errorf("got %q, want the ACK", ack)
	}
	u.send(u.request("REGISTER", 3, "", "Expires: 0"))
	u.status("REGISTER", 200)
	if _, err := d.Dial(t.Context(), req, nil); err == nil || !strings.Contains(err.Error(), "unknown_number") {
		t.Errorf("Dial after the end of the registration: %v", err)
	}
}

func TestListenEverywhere(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:0", "[::]:0"} {
		d := newDriver(t, func(c *Config) { c.Listen = listen })
		legs, frames, _ := listenTo(t, d)
		u := newRawUAAt(t, "udp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), d.Addr().Port()))
		p := newRTPPeer(t)
		ok := u.establish(basicSDP(portOf(p.conn)))
		if !strings.Contains(ok, "c=IN IP4 127.0.0.1\r\n") || !strings.Contains(headerOf(ok, "Contact"), "@127.0.0.1:") {
			t.Errorf("%s: answer\n%s", listen, ok)
		}
		p.talkTo(ok)
		p.send(0, sound(8000, 160), 160)
		wantLevel(t, frames, 8000)
		if err := (<-legs).Send(audio.Frame{PCM: make([]int16, 160), Rate: 8000}); err != nil {
			t.Error(err)
		}
		if _, _, ok := p.receive(20 * time.Second); !ok {
			t.Errorf("%s: nothing was sent", listen)
		}
		u.send(u.request("BYE", 2, ""))
		u.status("BYE", 200)
	}
}
