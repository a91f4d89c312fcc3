package sip

import (
	"errors"
	"strings"
	"testing"

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
