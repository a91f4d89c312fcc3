package sip

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// The flows of RFC 3262 as the caller: what we acknowledge, and how.
func TestReliableResponsesToUs(t *testing.T) {
	t.Parallel()
	const ringing, progress = "180 Ringing", "183 Session Progress"
	rel := func(number string, more ...string) []string {
		return append([]string{"Require: 100rel", "RSeq: " + number}, more...)
	}
	answered := []step{{send: "200 OK", body: basicSDP(4000)}, {want: "ACK"}}
	tests := map[string][]step{
		"one": {
			{send: ringing, headers: rel("4711", "Record-Route: <sip:proxy@127.0.0.1;lr>, <sip:CARRIER;lr>")},
			{want: "PRACK", has: []string{"RAck: 4711 CSEQ", "To: <sip:+12125550101@CARRIER>;tag=carrier", "Content-Length: 0"}},
			{send: "200 OK", to: "PRACK"},
		},
		"the highest number": {
			{send: ringing, headers: rel("4294967295")},
			{want: "PRACK", has: []string{"RAck: 4294967295 CSEQ"}},
			{send: "200 OK", to: "PRACK"},
		},
		"two in order": {
			{send: ringing, headers: rel("1")}, {want: "PRACK", has: []string{"RAck: 1 CSEQ"}}, {send: "200 OK", to: "PRACK"},
			{send: progress, headers: rel("2")}, {want: "PRACK", has: []string{"RAck: 2 CSEQ"}}, {send: "200 OK", to: "PRACK"},
		},
		"a repetition": {
			{send: ringing, headers: rel("77")}, {want: "PRACK"}, {send: "200 OK", to: "PRACK"},
			{send: ringing, headers: rel("77")}, {want: "nothing"},
		},
		"one that comes too early": {
			{send: ringing, headers: rel("5")}, {want: "PRACK"}, {send: "200 OK", to: "PRACK"},
			{send: progress, headers: rel("7")}, {want: "nothing"},
			{send: progress, headers: rel("6")}, {want: "PRACK", has: []string{"RAck: 6 CSEQ"}}, {send: "200 OK", to: "PRACK"},
			{send: progress, headers: rel("7")}, {want: "PRACK", has: []string{"RAck: 7 CSEQ"}}, {send: "200 OK", to: "PRACK"},
		},
		"one that is older": {
			{send: ringing, headers: rel("5")}, {want: "PRACK"}, {send: "200 OK", to: "PRACK"},
			{send: ringing, headers: rel("4")}, {want: "nothing"},
		},
		"numbers of two dialogs": {
			{send: ringing, tag: "a", headers: rel("5")}, {want: "PRACK", has: []string{"RAck: 5 CSEQ"}}, {send: "200 OK", to: "PRACK"},
			{send: ringing, tag: "b", headers: rel("900")}, {want: "PRACK", has: []string{"RAck: 900 CSEQ"}}, {send: "200 OK", to: "PRACK"},
			{send: progress, tag: "a", headers: rel("6")}, {want: "PRACK", has: []string{"RAck: 6 CSEQ"}}, {send: "200 OK", to: "PRACK"},
		},
		"a PRACK that is challenged": {
			{send: ringing, headers: rel("3")}, {want: "PRACK", has: []string{"Proxy-Authorization: "}},
			{send: "407 Proxy Authentication Required", to: "PRACK", headers: []string{`Proxy-Authenticate: Digest realm="r", nonce="n", algorithm=MD5`}},
			{want: "PRACK", has: []string{"RAck: 3 CSEQ"}}, {send: "200 OK", to: "PRACK"},
		},
		"a PRACK that is refused": {
			{send: ringing, headers: rel("3")}, {want: "PRACK"}, {send: "481 Call/Transaction Does Not Exist", to: "PRACK"},
			{send: progress, headers: rel("4")}, {want: "PRACK", has: []string{"RAck: 4 CSEQ"}}, {send: "200 OK", to: "PRACK"},
		},
		"not required":                {{send: ringing, headers: []string{"Supported: 100rel", "RSeq: 1"}}, {want: "nothing"}},
		"without a number":            {{send: ringing, headers: []string{"Require: 100rel"}}, {want: "nothing"}},
		"with a number of no meaning": {{send: ringing, headers: rel("x")}, {want: "nothing"}},
		"the number zero":             {{send: ringing, headers: rel("0")}, {want: "nothing"}},
		"100 is never reliable":       {{send: "100 Trying", headers: rel("1")}, {want: "nothing"}},
		"a PRACK nobody answers": {
			{send: ringing, headers: rel("3")}, {want: "PRACK"}, {want: "PRACK", has: []string{"RAck: 3 CSEQ"}}, {send: "200 OK", to: "PRACK"}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			p := placeCall(t, c)
			addr := c.conn.LocalAddr().String()
			for i, s := range steps {
				steps[i].headers, steps[i].has = replaced(s.headers, "CARRIER", addr), replaced(s.has, "CARRIER", addr)
			}
			invite := c.receive()
			if got := headerOf(invite, "Supported"); got != supported {
				t.Errorf("Supported: %q", got)
			}
			last := c.play(invite, steps)
			c.play(invite, answered)
			leg := <-p.legs
			go leg.Hangup(context.Background(), telephony.CauseNormal) // its BYE is looked at below
			bye := c.expect("BYE")
			if prack := last["PRACK"]; prack != "" && seqOf(bye) <= seqOf(invite) ||
				strings.Contains(headerOf(prack, "To"), ";tag=carrier") && seqOf(bye) <= seqOf(prack) {
				t.Errorf("BYE has number %d after a PRACK with %d", seqOf(bye), seqOf(prack))
			}
			c.respond(bye, "200 OK", "", "")
		})
	}
}

func replaced(all []string, was, by string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = strings.ReplaceAll(s, was, by)
	}
	return out
}

// A PRACK goes where the dialog's route leads, and to the contact of who rings.
func TestRouteOfAPrack(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	placeCall(t, c)
	invite := c.receive()
	addr := c.conn.LocalAddr().String()
	c.answer(invite, "180 Ringing", "", "Require: 100rel", "RSeq: 1", "Contact: <sip:phone@192.0.2.7:5080>",
		"Record-Route: <sip:first@"+addr+";lr>", "Record-Route: <sip:second@"+addr+";lr>")
	prack := c.expect("PRACK")
	if !strings.HasPrefix(prack, "PRACK sip:phone@192.0.2.7:5080 SIP/2.0\r\n") {
		t.Errorf("got %q", prack)
	}
	routes := strings.Split(prack, "\r\nRoute: ")
	if len(routes) != 3 || !strings.HasPrefix(routes[1], "<sip:second@") || !strings.HasPrefix(routes[2], "<sip:first@") {
		t.Errorf("the route set is not the reversed one of the response:\n%s", prack)
	}
	if seqOf(prack) <= seqOf(invite) {
		t.Errorf("number %d, after %d of the INVITE", seqOf(prack), seqOf(invite))
	}
	c.respond(prack, "200 OK", "", "")
}

// called is one exchange of a caller: a request, and the response that it wants.
type called struct {
	method  string
	body    string
	headers []string // RSEQ is the number of the 180
	want    int      // status; 0 for none
	of      string   // method that it answers, method by itself
	has     []string // as in step
	content string   // a body that it has; "-" for none
}

// The flows of RFC 3262 as the called party.
func TestReliableResponsesOfOurs(t *testing.T) {
	t.Parallel()
	good, bad := basicSDP(4000), strings.Replace(basicSDP(4000), "AVP 0", "AVP 18", 1)
	require := []string{"Require: 100rel"}
	rack := []string{"RAck: RSEQ 1 INVITE"}
	ring := called{method: "INVITE", body: good, headers: require, want: 180, has: []string{"Require: 100rel"}, content: "-"}
	open := called{method: "INVITE", headers: require, want: 180, has: []string{"Require: 100rel"}, content: "m=audio"}
	prack := called{method: "PRACK", headers: rack, want: 200}
	accept := called{method: "accept"}
	answer := called{want: 200, of: "INVITE", content: "m=audio"}
	tests := map[string][]called{
		"required": {ring, prack, accept, answer},
		"supported only": {
			{method: "INVITE", body: good, headers: []string{"Supported: 100rel"}, want: 180, has: []string{"Require: ", "RSeq: "}}, accept, answer},
		"not mentioned": {
			{method: "INVITE", body: good, want: 180, has: []string{"Require: ", "RSeq: "}}, accept, answer},
		"repeated until it is acknowledged": {
			ring, {want: 180, of: "INVITE", has: []string{"Require: 100rel", "RSeq: RSEQ"}}, prack, accept, answer},
		"another number": {
			ring, {method: "PRACK", headers: []string{"RAck: 1 1 INVITE"}, want: 481}, prack, accept, answer},
		"another INVITE": {
			ring, {method: "PRACK", headers: []string{"RAck: RSEQ 2 INVITE"}, want: 481}, prack, accept, answer},
		"another method": {
			ring, {method: "PRACK", headers: []string{"RAck: RSEQ 1 UPDATE"}, want: 481}, prack, accept, answer},
		"no number":             {ring, {method: "PRACK", want: 481}, prack, accept, answer},
		"a second PRACK":        {ring, prack, {method: "PRACK", headers: rack, want: 481}, accept, answer},
		"blanks in the number":  {ring, {method: "PRACK", headers: []string{"RAck:  RSEQ   1  INVITE "}, want: 200}, accept, answer},
		"nothing is unreliable": {{method: "INVITE", body: good, headers: []string{"Require: timer"}, want: 180}, {method: "PRACK", headers: rack, want: 481}, accept, answer},
		"an offer that comes too soon": {
			ring, {method: "PRACK", body: good, headers: rack, want: 488}, accept, answer},
		"answered before the PRACK": {ring, accept, answer, prack},
		"our offer":                 {open, {method: "PRACK", body: good, headers: rack, want: 200}, accept, {want: 200, of: "INVITE", content: "-"}},
		"our offer and the 2xx waits": {
			open, accept, {method: "OPTIONS", want: 200}, {method: "PRACK", body: good, headers: rack, want: 200}, {want: 200, of: "INVITE", content: "-"}},
		"our offer and no answer":          {open, {method: "PRACK", headers: rack, want: 200}, {want: 488, of: "INVITE"}},
		"our offer and an unusable answer": {open, {method: "PRACK", body: bad, headers: rack, want: 200}, {want: 488, of: "INVITE"}},
		"given up":                         {ring, {method: "CANCEL", want: 200}, {want: 487, of: "INVITE"}},
		"refused":                          {ring, {method: "refuse"}, {want: 486, of: "INVITE"}},
		"with another extension": {
			{method: "INVITE", body: good, headers: []string{"Require: 100rel, x-y"}, want: 420, has: []string{"Unsupported: x-y"}}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			do := map[string]chan struct{}{"accept": make(chan struct{}), "refuse": make(chan struct{})}
			serve(t, d, func(ctx context.Context, leg telephony.Leg) {
				leg.(telephony.Ringer).Ring(ctx)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					for range leg.Events(ctx) {
					}
				}()
				select {
				case <-do["accept"]:
					leg.Accept(ctx)
				case <-do["refuse"]:
					leg.Hangup(ctx, telephony.CauseBusy)
				case <-ended:
				}
				<-ended
			})
			u := newRawUA(t, d, "udp")
			rseq, seq := "", 1
			for i, s := range steps {
				if act := do[s.method]; act != nil {
					close(act)
					continue
				}
				if s.method != "" {
					u.send(u.request(s.method, numberOf(s.method, &seq), s.body, replaced(s.headers, "RSEQ", rseq)...))
				}
				of := s.of
				if of == "" {
					of = s.method
				}
				got := u.status(of, s.want)
				if s.want == 180 {
					if again := headerOf(got, "RSeq"); rseq == "" {
						rseq = again
					}
					_, u.toTag, _ = strings.Cut(headerOf(got, "To"), ";tag=")
				}
				for _, h := range replaced(s.has, "RSEQ", rseq) {
					name, value, _ := strings.Cut(h, ": ")
					if headerOf(got, name) != value {
						t.Errorf("step %d: %s is %q, want %q", i, name, headerOf(got, name), value)
					}
				}
				_, body, _ := strings.Cut(got, "\r\n\r\n")
				if s.content == "-" && body != "" || s.content != "-" && !strings.Contains(body, s.content) {
					t.Errorf("step %d: body %q, want %q", i, body, s.content)
				}
			}
			u.ack(1, "")
		})
	}
}

// numberOf is the CSeq of a request: that of the INVITE, or one more each time.
func numberOf(method string, seq *int) int {
	if method == "INVITE" || method == "CANCEL" {
		return 1
	}
	*seq++
	return *seq
}

// With our offer in the 180 and the answer in the PRACK both sides hear each other.
func TestSoundAfterAnOfferInTheRinging(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	heard := make(chan heardFrame, 4096)
	serve(t, d, func(ctx context.Context, leg telephony.Leg) {
		leg.(telephony.Ringer).Ring(ctx)
		if leg.Accept(ctx) != nil {
			return
		}
		leg.Send(audio.Frame{PCM: make([]int16, 160), Rate: 8000})
		for ev := range leg.Events(ctx) {
			if ev.Kind == telephony.KindAudio && !ev.Audio.Missing {
				heard <- heardFrame{level: ev.Audio.PCM[0]}
			}
		}
	})
	u := newRawUA(t, d, "udp")
	u.send(u.request("INVITE", 1, "", "Require: 100rel"))
	ring := u.status("INVITE", 180)
	_, u.toTag, _ = strings.Cut(headerOf(ring, "To"), ";tag=")
	peer := newRTPPeer(t)
	peer.talkTo(ring)
	u.send(u.request("PRACK", 2, basicSDP(portOf(peer.conn)), "RAck: "+headerOf(ring, "RSeq")+" 1 INVITE"))
	u.status("INVITE", 200)
	u.ack(1, "")
	if _, _, ok := peer.receive(20 * time.Second); !ok {
		t.Error("nothing is heard from us")
	}
	peer.say(6000, 3)
	levels(t, heard, 3, 6000)
}

// Who never acknowledges that it rings is refused with 500.
func TestRingingThatIsNeverAcknowledged(t *testing.T) {
	t.Parallel()
	var wait, total time.Duration
	times := 0
	for r := (resends{}); ; times++ {
		if wait = r.next(); wait == 0 {
			break
		}
		total += wait
	}
	if total != t64 || times != 7 { // 0.5, 1, 2, 4, 8, 16 s, and the rest
		t.Errorf("repeated for %v, %d waits", total, times)
	}
	d := newDriver(t, nil)
	legs, ended := make(chan *leg, 1), make(chan telephony.Event, 1)
	serve(t, d, func(ctx context.Context, l telephony.Leg) {
		l.(telephony.Ringer).Ring(ctx)
		legs <- l.(*leg)
		for ev := range l.Events(ctx) {
			ended <- ev
		}
	})
	u := newRawUA(t, d, "udp")
	u.send(u.request("INVITE", 1, basicSDP(4000), "Require: 100rel"))
	u.status("INVITE", 180)
	(<-legs).refuseUnheard()
	got := u.status("INVITE", 500)
	_, u.toTag, _ = strings.Cut(headerOf(got, "To"), ";tag=")
	u.ack(1, "")
	if ev := <-ended; ev.Cause != telephony.CauseFailure || ev.Err == nil {
		t.Errorf("ended with %+v", ev)
	}
	eventually(t, "the end of the call", func() bool { return d.Calls() == 0 })
}
