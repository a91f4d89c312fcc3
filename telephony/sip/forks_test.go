package sip

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// describing is a response to an INVITE: its status, the tag of its dialog, the peer that
// it describes, or what it has instead, and more headers.
type describing struct {
	status, tag, names string
	headers            []string
}

// many are early dialogs.
func many(n int) (out []describing) {
	for i := range n {
		out = append(out, describing{"183 Session Progress", strconv.Itoa(i + 1), "e", nil})
	}
	return out
}

// Which description is the answer: the first one of the dialog that answers, or a
// different one that comes later, but not after a reliable one.
func TestDescriptionsOfDialogs(t *testing.T) {
	t.Parallel()
	const progress, ok = "183 Session Progress", "200 OK"
	reliable := []string{"Require: 100rel", "RSeq: 9"}
	type res = describing
	tests := map[string]struct {
		responses []res
		want      string // who hears us; "" when the call fails
	}{
		"the 200 has the only one":                    {[]res{{"180 Ringing", "a", "", nil}, {ok, "a", "r", nil}}, "r"},
		"the 200 has none":                            {[]res{{progress, "a", "e", nil}, {ok, "a", "", nil}}, "e"},
		"the 200 has an equal one":                    {[]res{{progress, "a", "e", nil}, {ok, "a", "e", nil}}, "e"},
		"the 200 has another one":                     {[]res{{progress, "a", "e", nil}, {ok, "a", "r", nil}}, "r"},
		"the 200 has none that can be used":           {[]res{{progress, "a", "e", nil}, {ok, "a", "bad", nil}}, "e"},
		"the 183 has none that can be used":           {[]res{{progress, "a", "bad", nil}, {ok, "a", "r", nil}}, "r"},
		"a later 183 has another one":                 {[]res{{progress, "a", "e", nil}, {progress, "a", "r", nil}, {ok, "a", "", nil}}, "r"},
		"a later 180 has none":                        {[]res{{progress, "a", "e", nil}, {"180 Ringing", "a", "", nil}, {ok, "a", "", nil}}, "e"},
		"the 200 has another one after a reliable":    {[]res{{progress, "a", "e", reliable}, {ok, "a", "r", nil}}, "e"},
		"a later 183 has another after a reliable":    {[]res{{progress, "a", "e", reliable}, {progress, "a", "r", []string{"Require: 100rel", "RSeq: 10"}}, {ok, "a", "", nil}}, "e"},
		"a reliable one after an unreliable":          {[]res{{progress, "a", "e", nil}, {progress, "a", "r", reliable}, {ok, "a", "e", nil}}, "r"},
		"two dialogs, the first answers":              {[]res{{progress, "a", "e", nil}, {progress, "b", "r", nil}, {ok, "a", "", nil}}, "e"},
		"two dialogs, the second answers":             {[]res{{progress, "a", "e", nil}, {progress, "b", "r", nil}, {ok, "b", "", nil}}, "r"},
		"a reliable one of another dialog":            {[]res{{progress, "a", "e", reliable}, {ok, "b", "r", nil}}, "r"},
		"the dialog that answers has none":            {[]res{{progress, "a", "e", nil}, {ok, "b", "", nil}}, ""},
		"no description":                              {[]res{{"180 Ringing", "a", "", nil}, {ok, "a", "", nil}}, ""},
		"more dialogs than are kept, a ninth answers": {append(many(9), res{ok, "9", "r", nil}), "r"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			p := placeCall(t, c)
			invite := c.receive()
			peers := map[string]*rtpPeer{"e": newRTPPeer(t), "r": newRTPPeer(t)}
			bodies := map[string]string{"": "", "bad": "v=0\r\nm=audio 4000 RTP/AVP 18\r\nc=IN IP4 127.0.0.1\r\n"}
			for name, peer := range peers {
				bodies[name] = basicSDP(portOf(peer.conn))
			}
			for _, r := range test.responses {
				c.respond(invite, r.status, r.tag, bodies[r.names], r.headers...)
				if r.headers != nil {
					c.respond(c.expect("PRACK"), "200 OK", "", "")
				}
			}
			c.expect("ACK")
			if test.want == "" {
				c.respond(c.expect("BYE"), "200 OK", "", "")
				var failed *telephony.DialError
				if err := <-p.err; !errors.As(err, &failed) || failed.Cause != telephony.CauseNotAcceptable {
					t.Errorf("Dial: %v", err)
				}
				return
			}
			leg := <-p.legs
			if err := leg.Send(audio.Frame{PCM: make([]int16, 160), Rate: 8000}); err != nil {
				t.Fatal(err)
			}
			for name, peer := range peers {
				limit := 50 * time.Millisecond
				if name == test.want {
					limit = 20 * time.Second
				}
				if _, _, ok := peer.receive(limit); ok != (name == test.want) {
					t.Errorf("%s hears us: %v", name, ok)
				}
			}
		})
	}
}

// Sound is heard from the dialog that answered; another one that answers too is hung up.
func TestForkThatAnswersToo(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	p := placeCall(t, c)
	a, b := newRTPPeer(t), newRTPPeer(t)
	invite := c.receive()
	a.talkTo(invite)
	b.talkTo(invite)
	c.respond(invite, "183 Session Progress", "a", basicSDP(portOf(a.conn)))
	c.respond(invite, "183 Session Progress", "b", basicSDP(portOf(b.conn)))
	c.respond(invite, "200 OK", "a", "")
	c.expect("ACK")
	<-p.legs
	c.respond(invite, "200 OK", "b", "")
	for _, method := range []string{"ACK", "BYE"} {
		got := c.expect(method)
		if to := headerOf(got, "To"); !strings.HasSuffix(to, ";tag=b") {
			t.Errorf("%s goes to %q", method, to)
		}
		if method == "BYE" {
			c.respond(got, "200 OK", "", "")
		}
	}
	b.say(-9000, 5)
	a.say(5000, 5)
	levels(t, p.frames, 5, 5000)
	none(t, p.frames)
}

// A carrier may refresh an early dialog; what it wants to change waits for the answer.
func TestRequestsOfAnEarlyDialog(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, body, tag string
		status            string
	}{
		"a refresh":                {"UPDATE", "", "carrier", "200"},
		"a question":               {"OPTIONS", "", "carrier", "200"},
		"a change":                 {"UPDATE", basicSDP(4000), "carrier", "491"},
		"a hang-up":                {"BYE", "", "carrier", "481"},
		"of a dialog that is none": {"UPDATE", "", "other", "481"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			p := placeCall(t, c)
			invite := c.receive()
			c.respond(invite, "180 Ringing", "", "", "Require: 100rel", "RSeq: 1")
			prack := c.expect("PRACK")
			c.respond(prack, "200 OK", "", "")
			as := strings.Replace(prack, ";tag=carrier", ";tag="+test.tag, 1)
			// The number is higher than those that the dialog begins with after the answer.
			if got := c.ask(as, test.method, 50, test.body); !strings.HasPrefix(got, "SIP/2.0 "+test.status) {
				t.Errorf("got %q, want %s", got, test.status)
			}
			c.respond(invite, "200 OK", "", basicSDP(4000))
			ack := c.expect("ACK")
			<-p.legs
			if got := c.ask(ack, "OPTIONS", 1, ""); !strings.HasPrefix(got, "SIP/2.0 200") {
				t.Errorf("after the answer: %q", got)
			}
		})
	}
}

// Requests that end a dialog have higher numbers than its PRACK had: of a call that we
// gave up as it was answered, and of another phone that answered too.
func TestNumbersAfterAPrack(t *testing.T) {
	t.Parallel()
	for _, cancelled := range []bool{true, false} {
		t.Run(strconv.FormatBool(cancelled), func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			p := placeCall(t, c)
			invite := c.receive()
			var prack string
			for _, tag := range []string{"a", "b"} {
				for _, number := range []string{"1", "2", "3"} {
					c.respond(invite, "180 Ringing", tag, "", "Require: 100rel", "RSeq: "+number)
					prack = c.expect("PRACK")
					c.respond(prack, "200 OK", "", "")
				}
			}
			if cancelled {
				p.cancel()
				c.respond(c.expect("CANCEL"), "200 OK", "", "")
				<-p.err // the answer comes after we stopped waiting for it
			} else {
				c.respond(invite, "200 OK", "a", basicSDP(4000))
				c.expect("ACK")
				<-p.legs
			}
			c.respond(invite, "200 OK", "b", basicSDP(4000))
			c.expect("ACK")
			bye := c.expect("BYE")
			if !strings.Contains(headerOf(bye, "To"), ";tag=b") || seqOf(bye) <= seqOf(prack) {
				t.Errorf("after a PRACK with number %d:\n%s", seqOf(prack), bye)
			}
			c.respond(bye, "200 OK", "", "")
		})
	}
}

// A far end that hangs up as soon as it has answered: its BYE comes right behind its 200,
// or before it. Without an answer there is nothing to hang up.
func TestByeAtTheAnswer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rings, overtakes bool
		answer, want     string
	}{
		"at once":                   {false, false, "200 OK", "200"},
		"after ringing":             {true, false, "200 OK", "200"},
		"before the answer":         {false, true, "200 OK", "200"},
		"ringing, before":           {true, true, "200 OK", "200"},
		"before a refusal":          {false, true, "486 Busy Here", "481"},
		"ringing, before a refusal": {true, true, "486 Busy Here", "481"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			p := placeCall(t, c)
			invite := c.receive()
			if test.rings {
				c.answer(invite, "180 Ringing", "")
			}
			via, _, _ := strings.Cut(headerOf(invite, "Via"), ";")
			bye := strings.Join([]string{"BYE sip:sidetone@" + strings.Fields(via)[1] + " SIP/2.0", "Via: SIP/2.0/UDP " + c.conn.LocalAddr().String() + ";branch=z9hG4bKbye",
				"From: " + headerOf(invite, "To") + ";tag=carrier", "To: " + headerOf(invite, "From"), "Call-ID: " + headerOf(invite, "Call-ID"),
				"CSeq: 1 BYE", "Max-Forwards: 70", "Content-Length: 0", "", ""}, "\r\n")
			send := func() {
				if _, err := c.conn.WriteToUDP([]byte(bye), c.from); err != nil {
					t.Fatal(err)
				}
			}
			if test.overtakes {
				send()
			}
			c.answer(invite, test.answer, basicSDP(4000))
			if !test.overtakes {
				send()
			}
			answered := <-p.err == nil
			if answered != (test.want == "200") {
				t.Fatalf("answered: %v", answered)
			}
			var status string
			for status == "" {
				if got := c.receive(); strings.HasPrefix(got, "SIP/2.0 ") && headerOf(got, "CSeq") == "1 BYE" {
					status = got
				}
			}
			if !strings.HasPrefix(status, "SIP/2.0 "+test.want) {
				t.Errorf("the BYE is answered with %.12q", status)
			}
			if !answered {
				return
			}
			l := (<-p.legs).(*leg)
			<-l.gone
			if ev := l.endedEvent(); !ev.Remote || ev.Cause != telephony.CauseNormal {
				t.Errorf("the call ended with %+v", ev)
			}
		})
	}
}
