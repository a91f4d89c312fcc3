package sip

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// A call that is redirected goes on to the other number, once, where the trunk allows
// it and the number may be called; it never goes to another host.
func TestRedirects(t *testing.T) {
	t.Parallel()
	const first, second = "+12125550101", "+12025550142"
	for _, test := range []struct {
		name     string
		status   string
		contacts []string
		off      bool     // the trunk does not allow it
		nobody   bool     // the application does not
		calls    string   // the second number that is called; empty: none
		then     string   // how it is answered
		asked    []string // what the application is asked for
		want     int      // the status of the failure; 0: the call is answered
	}{
		{name: "moved temporarily", status: "302 Moved Temporarily", contacts: []string{"<sip:" + second + "@192.0.2.77:5099>"},
			calls: second, then: "200 OK", asked: []string{second}},
		{name: "moved permanently", status: "301 Moved Permanently", contacts: []string{"<tel:" + second + ">"}, calls: second, then: "200 OK", asked: []string{second}},
		{name: "the preferred one", status: "302 Moved", contacts: []string{"<sip:+12025550100@a>;q=0.1", "<sip:" + second + "@b>;q=0.7", "<mailto:a@b>"},
			calls: second, then: "200 OK", asked: []string{second}},
		{name: "busy there", status: "302 Moved", contacts: []string{"<sip:" + second + "@a>"}, calls: second, then: "486 Busy Here", asked: []string{second}, want: 486},
		{name: "redirected again", status: "302 Moved", contacts: []string{"<sip:" + second + "@a>"}, calls: second, then: "302 Moved", asked: []string{second}, want: 302},
		{name: "off", status: "302 Moved", contacts: []string{"<sip:" + second + "@a>"}, off: true, want: 302},
		{name: "the application does not", status: "302 Moved", contacts: []string{"<sip:" + second + "@a>"}, nobody: true, want: 302},
		{name: "a number that must not be called", status: "302 Moved", contacts: []string{"<sip:911@a>"}, asked: []string{"911"}, want: 302},
		{name: "no number", status: "302 Moved", contacts: []string{"<http://example.com>"}, want: 302},
		{name: "no contact", status: "302 Moved", want: 302},
		{name: "a choice", status: "300 Multiple Choices", contacts: []string{"<sip:" + second + "@a>"}, want: 300},
		{name: "a proxy", status: "305 Use Proxy", contacts: []string{"<sip:" + second + "@a>"}, want: 305},
		{name: "another service", status: "380 Alternative Service", contacts: []string{"<sip:" + second + "@a>"}, want: 380},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			d := newDriver(t, func(cfg *Config) {
				cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), Redirects: !test.off}}
			})
			var asked []string
			req := telephony.DialRequest{From: "+12125550100", To: first, Trunk: "carrier"}
			if !test.nobody {
				req.Redirect = func(_ context.Context, number string) (string, error) {
					asked = append(asked, number)
					if number == "911" {
						return "", errors.New("never called")
					}
					return number, nil
				}
			}
			type outcome struct {
				leg telephony.Leg
				err error
			}
			out := make(chan outcome, 1)
			go func() {
				leg, err := d.Dial(t.Context(), req, nil)
				out <- outcome{leg, err}
			}()
			var headers []string
			for _, contact := range test.contacts {
				headers = append(headers, "Contact: "+contact)
			}
			c.answer(c.expect("INVITE"), test.status, "", headers...)
			c.expect("ACK")
			if test.calls != "" {
				invite := c.expect("INVITE")
				if want := "INVITE sip:" + test.calls + "@" + c.conn.LocalAddr().String() + " SIP/2.0"; !strings.HasPrefix(invite, want) {
					t.Errorf("called %q, want %q", strings.SplitN(invite, "\r\n", 2)[0], want)
				}
				body := ""
				if test.then == "200 OK" {
					body = basicSDP(4000)
				}
				c.answer(invite, test.then, body, "Contact: <sip:"+first+"@"+c.conn.LocalAddr().String()+">")
				c.expect("ACK")
			} else {
				c.silent()
			}
			var got outcome
			select {
			case got = <-out:
			case <-time.After(20 * time.Second):
				t.Fatal("Dial does not return")
			}
			if strings.Join(asked, " ") != strings.Join(test.asked, " ") {
				t.Errorf("asked for %v, want %v", asked, test.asked)
			}
			if test.want == 0 {
				if got.err != nil {
					t.Fatal(got.err)
				}
				if info := got.leg.Info(); info.RedirectedTo != test.calls || len(info.Tries) != 2 {
					t.Errorf("the leg says %+v", info)
				}
				return
			}
			var failed *telephony.DialError
			if !errors.As(got.err, &failed) || failed.Status != test.want || failed.RedirectedTo != test.calls || !failed.Sent {
				t.Errorf("got %v, want status %d after a redirection to %q", got.err, test.want, test.calls)
			}
		})
	}
}
