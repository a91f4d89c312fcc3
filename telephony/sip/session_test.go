package sip

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// The flows of RFC 4028 as the called party: a request, and what the response says.
func TestSessionsOfCallers(t *testing.T) {
	t.Parallel()
	type exchange struct {
		method, body string
		headers      []string
		status       int
		expires      string // Session-Expires of the response
		require      string
		min          string // Min-SE
	}
	sdp := basicSDP(4000)
	const supports = "Supported: timer"
	start := exchange{"INVITE", sdp, []string{supports, "Session-Expires: 1800"}, 200, "1800;refresher=uac", "timer", ""}
	tests := map[string][]exchange{
		"none":                            {{"INVITE", sdp, []string{supports}, 200, "", "", ""}},
		"nobody named":                    {start},
		"the caller":                      {{"INVITE", sdp, []string{supports, "Session-Expires: 600;refresher=uac"}, 200, "600;refresher=uac", "timer", ""}},
		"us":                              {{"INVITE", sdp, []string{supports, "Session-Expires: 600;refresher=uas"}, 200, "600;refresher=uas", "", ""}},
		"required":                        {{"INVITE", sdp, []string{"Require: timer", "Session-Expires: 600"}, 200, "600;refresher=uac", "timer", ""}},
		"of a proxy, the caller has none": {{"INVITE", sdp, []string{"Session-Expires: 600"}, 200, "600;refresher=uas", "", ""}},
		"compact":                         {{"INVITE", sdp, []string{"k: timer", "x: 600"}, 200, "600;refresher=uac", "timer", ""}},
		"with a minimum":                  {{"INVITE", sdp, []string{supports, "Session-Expires: 900", "Min-SE: 900"}, 200, "900;refresher=uac", "timer", ""}},
		"the shortest":                    {{"INVITE", sdp, []string{supports, "Session-Expires: 90"}, 200, "90;refresher=uac", "timer", ""}},
		"too short, then longer": {
			{"INVITE", sdp, []string{supports, "Session-Expires: 89"}, 422, "", "", "90"},
			{"INVITE", sdp, []string{supports, "Session-Expires: 90", "Min-SE: 90"}, 200, "90;refresher=uac", "timer", ""}},
		"us, in capitals":        {{"INVITE", sdp, []string{supports, "Session-Expires: 600;Refresher=UAS"}, 200, "600;refresher=uas", "", ""}},
		"us, with blanks":        {{"INVITE", sdp, []string{supports, "Session-Expires: 600 ; refresher =\tuas"}, 200, "600;refresher=uas", "", ""}},
		"us, in quotes":          {{"INVITE", sdp, []string{supports, `Session-Expires: 600;refresher="uas"`}, 200, "600;refresher=uas", "", ""}},
		"us, after others":       {{"INVITE", sdp, []string{supports, `Session-Expires: 600;x="refresher=uac;";REFRESHER=uas`}, 200, "600;refresher=uas", "", ""}},
		"others with such names": {{"INVITE", sdp, []string{supports, "Session-Expires: 600;old-refresher=uas;refresher=uac"}, 200, "600;refresher=uac", "timer", ""}},
		"no number":              {{"INVITE", sdp, []string{supports, "Session-Expires: soon"}, 200, "", "", ""}},
		"handed to us in capitals": {start,
			{"UPDATE", "", []string{supports, "Session-Expires: 1800;Refresher = UAS"}, 200, "1800;refresher=uas", "", ""}},
		"refreshed by UPDATE": {start,
			{"UPDATE", "", []string{supports, "Session-Expires: 1800;refresher=uac"}, 200, "1800;refresher=uac", "timer", ""}},
		"refreshed by INVITE": {start,
			{"INVITE", sdp, []string{supports, "Session-Expires: 1800;refresher=uac"}, 200, "1800;refresher=uac", "timer", ""}},
		"longer from now on": {start,
			{"UPDATE", "", []string{supports, "Session-Expires: 3600;refresher=uac"}, 200, "3600;refresher=uac", "timer", ""}},
		"handed to us": {start,
			{"UPDATE", "", []string{supports, "Session-Expires: 1800;refresher=uas"}, 200, "1800;refresher=uas", "", ""}},
		"a refresh that is too short": {start,
			{"UPDATE", "", []string{supports, "Session-Expires: 30;refresher=uac"}, 422, "", "", "90"},
			{"UPDATE", "", []string{supports, "Session-Expires: 90;refresher=uac"}, 200, "90;refresher=uac", "timer", ""}},
		"a re-INVITE that is too short": {start,
			{"INVITE", sdp, []string{supports, "Session-Expires: 30;refresher=uac"}, 422, "", "", "90"},
			{"INVITE", sdp, []string{supports, "Session-Expires: 1800;refresher=uac"}, 200, "1800;refresher=uac", "timer", ""}},
	}
	for name, exchanges := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			serve(t, d, accept)
			u := newRawUA(t, d, "udp")
			u.callID = strings.ReplaceAll(u.callID, ",", "")
			for i, x := range exchanges {
				u.send(u.request(x.method, i+1, x.body, x.headers...))
				got := u.status(x.method, x.status)
				for header, want := range map[string]string{"Session-Expires": x.expires, "Require": x.require, "Min-SE": x.min} {
					if value := headerOf(got, header); value != want {
						t.Errorf("exchange %d: %s is %q, want %q", i, header, value, want)
					}
				}
				if x.method != "INVITE" {
					continue
				}
				if tag := u.toTag; x.status == 200 && tag == "" {
					_, u.toTag, _ = strings.Cut(headerOf(got, "To"), ";tag=")
				} else if tag == "" {
					_, u.toTag, _ = strings.Cut(headerOf(got, "To"), ";tag=")
					u.ack(i+1, "")
					u.toTag = ""
					continue
				}
				u.ack(i+1, "")
			}
		})
	}
}

// The flows of RFC 4028 as the caller.
func TestSessionsOfOurCalls(t *testing.T) {
	t.Parallel()
	type refresh struct {
		method, expires string
		status          int
		want, require   string // Session-Expires and Require of our response
	}
	tests := map[string]struct {
		minimum string // the carrier's 422 has it
		again   string // Session-Expires and Min-SE of our second INVITE; "" when there is none
		expires string // of the 200
		refresh []refresh
	}{
		"none":                               {},
		"we refresh":                         {expires: "1800;refresher=uac"},
		"the carrier refreshes":              {expires: "1800;refresher=uas", refresh: []refresh{{"UPDATE", "1800;refresher=uac", 200, "1800;refresher=uac", "timer"}, {"INVITE", "1800;refresher=uac", 200, "1800;refresher=uac", "timer"}}},
		"the carrier refreshes, in capitals": {expires: "1800 ; Refresher = UAS", refresh: []refresh{{"UPDATE", "1800;refresher=uac", 200, "1800;refresher=uac", "timer"}}},
		"the carrier hands over":             {expires: "1800;refresher=uas", refresh: []refresh{{"UPDATE", "1800;refresher=uas", 200, "1800;refresher=uas", ""}}},
		"the carrier's refresh is too short": {expires: "1800;refresher=uas", refresh: []refresh{{"UPDATE", "45;refresher=uac", 422, "", ""}, {"UPDATE", "90;refresher=uac", 200, "90;refresher=uac", "timer"}}},
		"too short for a proxy":              {minimum: "240", again: "240", expires: "240;refresher=uac"},
		"a minimum below the lowest":         {minimum: "1", again: "90", expires: "90;refresher=uac"},
		"a minimum of no meaning":            {minimum: "long"},
		"a minimum of days":                  {minimum: "999999"},
		"a short session is kept":            {expires: "60;refresher=uas", refresh: []refresh{{"UPDATE", "60;refresher=uac", 200, "60;refresher=uac", "timer"}, {"UPDATE", "45;refresher=uac", 422, "", ""}, {"INVITE", "60;refresher=uac", 200, "60;refresher=uac", "timer"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			p := placeCall(t, c)
			invite := c.receive()
			for header, want := range map[string]string{"Session-Expires": "", "Min-SE": "", "Supported": supported} {
				if got := headerOf(invite, header); got != want {
					t.Errorf("%s of the INVITE is %q, want %q", header, got, want)
				}
			}
			if test.minimum != "" {
				c.respond(invite, "422 Session Interval Too Small", "", "", "Min-SE: "+test.minimum)
				c.expect("ACK")
				if test.again == "" {
					var failed *telephony.DialError
					if err := <-p.err; !errors.As(err, &failed) || failed.Status != 422 {
						t.Errorf("Dial: %v", err)
					}
					return
				}
				invite = c.expect("INVITE")
				if headerOf(invite, "Session-Expires") != test.again || headerOf(invite, "Min-SE") != test.again {
					t.Errorf("the second INVITE has\n%s", invite)
				}
			}
			var headers []string
			if test.expires != "" {
				headers = []string{"Require: timer", "Session-Expires: " + test.expires}
			}
			c.respond(invite, "200 OK", "", basicSDP(4000), headers...)
			ack := c.expect("ACK")
			for i, r := range test.refresh {
				body := ""
				if r.method == "INVITE" {
					body = basicSDP(4000)
				}
				res := c.ask(ack, r.method, i+1, body, "Supported: timer", "Session-Expires: "+r.expires)
				if !strings.HasPrefix(res, "SIP/2.0 "+itoa(r.status)) || headerOf(res, "Session-Expires") != r.want || headerOf(res, "Require") != r.require {
					t.Errorf("refresh %d has the response\n%s", i, res)
				}
			}
		})
	}
}

// A refresh of ours that is too short for the far end or a proxy is sent again at once
// for as long as they want, as is each later one (RFC 4028, section 7.4).
func TestRefreshesThatAreTooShort(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		invite, allow string // Session-Expires and Min-SE of the caller's INVITE, and its Allow
		minimums      []string
		sent          []string // Session-Expires and Min-SE of the requests, without the 2xx at the end
		later         string   // the same of the refresh after that
	}{
		"by UPDATE":               {"90;refresher=uas", "UPDATE", []string{"120"}, []string{"90;refresher=uac", "120;refresher=uac 120"}, "120;refresher=uac 120"},
		"by INVITE":               {"90;refresher=uas", "", []string{"120"}, []string{"90;refresher=uac", "120;refresher=uac 120"}, "120;refresher=uac 120"},
		"of two proxies":          {"90;refresher=uas", "UPDATE", []string{"120", "240 ; x"}, []string{"90;refresher=uac", "120;refresher=uac 120", "240;refresher=uac 240"}, "240;refresher=uac 240"},
		"the far end refreshes":   {"600;refresher=uac", "UPDATE", []string{"900"}, []string{"600;refresher=uas", "900;refresher=uas 900"}, "900;refresher=uas 900"},
		"no session":              {"", "UPDATE", []string{"300"}, []string{"", "300 300"}, "300;refresher=uac 300"},
		"the caller had a least":  {"900;refresher=uas 600", "UPDATE", []string{"1200"}, []string{"900;refresher=uac 600", "1200;refresher=uac 1200"}, "1200;refresher=uac 1200"},
		"a least below the usual": {"90;refresher=uas", "UPDATE", []string{"20"}, []string{"90;refresher=uac", "90;refresher=uac 90"}, "90;refresher=uac 90"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, impatient)
			tape(t, d)
			u := newRawUA(t, d, "udp")
			u.send(u.request("INVITE", 1, basicSDP(4000), append(sessionHeaders(test.invite), "Supported: timer", "Allow: "+test.allow)...))
			_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 200), "To"), ";tag=")
			u.ack(1, "")
			check := func(want string) string {
				req := u.ask("UPDATE INVITE BYE")
				if got := strings.TrimSpace(headerOf(req, "Session-Expires") + " " + headerOf(req, "Min-SE")); got != want || strings.HasPrefix(req, "BYE") {
					t.Fatalf("got %q with %q, want %q", strings.SplitN(req, " ", 2)[0], got, want)
				}
				return req
			}
			for i, want := range test.sent {
				req := check(want)
				if i < len(test.minimums) {
					u.reply(req, "422 Session Interval Too Small", "", "Min-SE: "+test.minimums[i])
				} else {
					body := ""
					if strings.HasPrefix(req, "INVITE") {
						body = basicSDP(4000)
					}
					expires := headerOf(req, "Session-Expires")
					if !strings.Contains(expires, "refresher") {
						expires += ";refresher=uac"
					}
					u.reply(req, "200 OK", body, "Session-Expires: "+expires)
				}
				if strings.HasPrefix(req, "INVITE") {
					u.ask("ACK")
				}
			}
			check(test.later)
		})
	}
}

// sessionHeaders are Session-Expires and, after a blank, Min-SE.
func sessionHeaders(text string) (out []string) {
	expires, least, ok := strings.Cut(text, " ")
	if expires != "" {
		out = append(out, "Session-Expires: "+expires)
	}
	if ok {
		out = append(out, "Min-SE: "+least)
	}
	return out
}

// A 422 that asks for what was asked for, or for nothing, is not answered at once.
func TestTooShortWithoutEnd(t *testing.T) {
	t.Parallel()
	for _, minimum := range []string{"90", "soon", "999999", ""} {
		d := newDriver(t, impatient)
		tape(t, d)
		u := newRawUA(t, d, "udp")
		u.send(u.request("INVITE", 1, basicSDP(4000), "Supported: timer", "Allow: UPDATE", "Session-Expires: 900;refresher=uas", "Min-SE: 900"))
		_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 200), "To"), ";tag=")
		u.ack(1, "")
		u.reply(u.ask("UPDATE"), "422 Session Interval Too Small", "", "Min-SE: "+minimum)
		if got := u.receive(time.Second); got != "" && !strings.HasPrefix(got, "UPDATE") || strings.Contains(got, "CSeq: 3") {
			t.Errorf("after Min-SE %q: %q", minimum, got)
		}
	}
}

// An answer may settle on less than anybody may ask for: whoever refreshes then does it
// in time, and the session is not given up before.
func TestShortSessionsOfAnswers(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]struct{ half, end time.Duration }{
		"60": {30 * time.Second, 40 * time.Second}, "60;refresher=uac": {30 * time.Second, 40 * time.Second}, "60;refresher=uas": {0, 40 * time.Second},
		"89": {44500 * time.Millisecond, 89*time.Second - 89*time.Second/3}, "30": {15 * time.Second, 20 * time.Second},
		"1": {5 * time.Second, 10*time.Second - 10*time.Second/3}, "0": {}, "soon": {}, "": {}, "-60": {},
	} {
		res := sip.NewResponse(200, "OK")
		res.AppendHeader(sip.NewHeader("Session-Expires", value))
		s := sessionOfAnswer(res)
		began := time.Now()
		s.began = began
		var half, end time.Duration
		if at := s.half(); !at.IsZero() {
			half = at.Sub(began)
		}
		if at := s.end(); !at.IsZero() {
			end = at.Sub(began)
		}
		if half != want.half || end != want.end {
			t.Errorf("%q: refreshed after %s, given up after %s; want %s and %s", value, half, end, want.half, want.end)
		}
		if s.interval > 0 && s.interval < 90*time.Second && !strings.HasPrefix(s.inRequest()[0].value, "90;") {
			t.Errorf("%q: we ask for %v", value, s.inRequest())
		}
	}
}

// A call that we placed and whose far end wants a short session is refreshed, also after
// its INVITE was too short for a proxy.
func TestOurCallsWithShortSessions(t *testing.T) {
	t.Parallel()
	for minimum, want := range map[string]string{"": "90;refresher=uac", "240": "240;refresher=uac 240"} {
		c := newCarrier(t)
		placeCall(t, c)
		invite := c.receive()
		if minimum != "" {
			c.respond(invite, "422 Session Interval Too Small", "", "", "Min-SE: "+minimum)
			c.expect("ACK")
			invite = c.expect("INVITE")
		}
		c.respond(invite, "200 OK", "", basicSDP(4000), "Allow: UPDATE", "Session-Expires: 10;refresher=uac")
		c.expect("ACK")
		refresh := c.expect("UPDATE")
		if got := strings.TrimSpace(headerOf(refresh, "Session-Expires") + " " + headerOf(refresh, "Min-SE")); got != want {
			t.Errorf("after a least of %q: the refresh has %q, want %q", minimum, got, want)
		}
	}
}
