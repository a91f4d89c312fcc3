package sip

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// tortures are the messages of RFC 4475 with the statuses that the RFC gives an end
// that is called, or allows it. reached is one that the application chose: the request
// was understood. Nothing means that there is no response, and no harm.
func tortures() map[string][]string {
	const reached, nothing = "480", ""
	bad := []string{"400"}
	return map[string][]string{
		// 3.1.1: valid syntax.
		"wsinv":      {"481"}, // it has a To tag, of no call of ours
		"intmeth":    {"405", "501"},
		"esc01":      {reached},
		"escnull":    {"200"},
		"esc02":      {"405", "501"},
		"lwsdisp":    {"200"},
		"longreq":    {reached},
		"dblreq":     {"200"}, // what follows in the datagram is ignored
		"semiuri":    {"200"},
		"transports": {"200"},
		"mpart01":    {"405"}, // MESSAGE
		"unreason":   {nothing},
		"noreason":   {nothing},
		// 3.1.2: invalid syntax. Where two are listed the RFC lets one be liberal.
		"badinv01":   bad,
		"clerr":      bad,
		"ncl":        bad,
		"scalar02":   bad,
		"scalarlg":   {nothing},
		"quotbal":    bad,
		"ltgtruri":   bad,
		"lwsruri":    bad,
		"lwsstart":   bad,
		"trws":       bad,
		"escruri":    {"400", reached},
		"baddate":    {"400", reached},
		"regbadct":   {"400", "200"},
		"badaspec":   bad,
		"baddn":      bad,
		"badvers":    {"505"},
		"mismatch01": bad,
		"mismatch02": {"400", "501"},
		"bigcode":    {nothing},
		// 3.2: transactions.
		"badbranch": {"400", "200"},
		// 3.3: what it means.
		"insuf":    bad,
		"unkscm":   {"416"},
		"novelsc":  {"416"},
		"unksm2":   bad,
		"bext01":   {"420"},
		"invut":    {"415"},
		"regaut01": {"401"},
		"multi01":  bad,
		"mcl01":    bad,
		"bcast":    {nothing},
		"zeromf":   {"200"},
		"cparam01": {"200"},
		"cparam02": {"200"},
		"regescrt": {"200"},
		// Its Accept header has no application/sdp; the RFC says that it could be refused
		// with 406. Phones that forget SDP there get their call.
		"sdp01": {"406", reached},
		// 3.4: for those who take calls by RFC 2543.
		"inv2543": {reached},
	}
}

// Each message of RFC 4475 gets what the RFC says, and the driver goes on.
func TestRFC4475(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/rfc4475/*.dat")
	if err != nil || len(files) != len(tortures()) {
		t.Fatalf("%d messages for %d rows: %v", len(files), len(tortures()), err)
	}
	for name, want := range tortures() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, func(c *Config) { c.Users = []User{{Name: "j.user", Password: "secret"}} })
			serve(t, d, func(ctx context.Context, leg telephony.Leg) { _ = leg.Hangup(ctx, telephony.CauseUnavailable) })
			raw, err := os.ReadFile("testdata/rfc4475/" + name + ".dat")
			if err != nil {
				t.Fatal(err)
			}
			u := newRawUA(t, d, "udp")
			u.send(string(raw))
			if got := tortured(u, want); !slices.Contains(want, got) {
				t.Errorf("got %q, want one of %q", got, want)
			}
		})
	}
}

// tortured is the status of the final response that comes, of the next request where
// none is to come.
func tortured(u *rawUA, want []string) string {
	if want[0] == "" { // the driver reads in order: what it answers next it has answered before
		u.send(u.request("OPTIONS", 1, ""))
		if msg := u.receive(20 * time.Second); headerOf(msg, "Call-ID") == u.callID && strings.HasPrefix(msg, "SIP/2.0 200") {
			return ""
		}
		return "another response"
	}
	for {
		msg := u.receive(20 * time.Second)
		if msg == "" {
			return ""
		}
		if status := msg[8:11]; status >= "200" {
			return status
		}
	}
}

// What of the answers matters besides their status.
func TestRFC4475Headers(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"bext01":   "Unsupported: nothingSupportsThis, nothingSupportsThisEither",
		"intmeth":  "Allow: " + allowed,
		"regaut01": `WWW-Authenticate: Digest realm="sidetone"`,
		"regescrt": "Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>;expires=3600",
		"invut":    "Accept: ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, func(c *Config) { c.Users = []User{{Name: "j.user", Password: "secret"}} })
			raw, err := os.ReadFile("testdata/rfc4475/" + name + ".dat")
			if err != nil {
				t.Fatal(err)
			}
			u := newRawUA(t, d, "udp")
			u.send(string(raw))
			if msg := u.receive(20 * time.Second); !strings.Contains(msg, "\r\n"+want) {
				t.Errorf("no %q in\n%s", want, msg)
			}
		})
	}
}
