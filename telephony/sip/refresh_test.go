package sip

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// reply answers a request of the driver's.
func (u *rawUA) reply(req, status, body string, headers ...string) {
	u.t.Helper()
	lines := []string{"SIP/2.0 " + status}
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		lines = append(lines, name+": "+headerOf(req, name))
	}
	if body != "" {
		lines = append(lines, "Content-Type: application/sdp")
		if !strings.Contains(strings.Join(headers, ""), "Contact: ") {
			lines = append(lines, "Contact: <sip:raw@"+u.conn.LocalAddr().String()+">")
		}
	}
	lines = append(append(lines, headers...), fmt.Sprintf("Content-Length: %d", len(body)))
	if _, err := io.WriteString(u.conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+body); err != nil {
		u.t.Fatal(err)
	}
}

// ask waits for the next request with one of the methods, over copies of those that
// came before.
func (u *rawUA) ask(methods string) string {
	u.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		msg := u.receive(time.Until(deadline))
		method, _, _ := strings.Cut(msg, " ")
		if method != "" && strings.Contains(methods, method) && !u.seen[headerOf(msg, "CSeq")] {
			if u.seen == nil {
				u.seen = make(map[string]bool)
			}
			u.seen[headerOf(msg, "CSeq")] = true
			return msg
		}
	}
	u.t.Fatalf("no %s came", methods)
	return ""
}

// impatient asks far ends at once, and waits for long for what they say.
func impatient(c *Config) {
	c.Life = Life{First: 50 * time.Millisecond, Later: 50 * time.Millisecond, Held: 50 * time.Millisecond, Proof: 50 * time.Millisecond, Answer: 20 * time.Second}
}

// A phone that is muted, or on hold, and answers keeps its call.
func TestFarEndThatAnswersKeepsItsCall(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sdp, allow string
		answers    []string // method and status
	}{
		"muted with UPDATE":         {"", "INVITE, UPDATE", []string{"UPDATE 200 OK", "UPDATE 200 OK", "UPDATE 488 No", "UPDATE 500 No"}},
		"muted without UPDATE":      {"", "INVITE", []string{"INVITE 200 OK", "INVITE 200 OK", "INVITE 488 No", "INVITE 200 OK"}},
		"UPDATE refused":            {"", "UPDATE", []string{"UPDATE 405 No", "INVITE 200 OK", "INVITE 200 OK"}},
		"UPDATE not understood":     {"", "UPDATE", []string{"UPDATE 501 No", "INVITE 501 No", "INVITE 405 No", "INVITE 200 OK"}},
		"on hold":                   {"a=sendonly\r\n", "", []string{"INVITE 200 OK", "INVITE 200 OK"}},
		"both at once":              {"", "", []string{"INVITE 491 Later", "INVITE 200 OK"}},
		"no description in the 200": {"", "", []string{"INVITE 204 Fine", "INVITE 200 OK"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, impatient)
			_, events := tape(t, d)
			u := newRawUA(t, d, "udp")
			u.send(u.request("INVITE", 1, basicSDP(4000, test.sdp), "Allow: "+test.allow))
			_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 200), "To"), ";tag=")
			u.ack(1, "")
			for _, want := range test.answers {
				method, status, _ := strings.Cut(want, " ")
				req := u.ask("UPDATE INVITE BYE")
				if !strings.HasPrefix(req, method+" sip:raw@") {
					t.Fatalf("got %q, want %s", req, method)
				}
				body := ""
				if method == "INVITE" {
					if status == "200 OK" {
						body = basicSDP(4000, test.sdp)
					}
					if direction := strings.Contains(req, "a=recvonly"); direction != (test.sdp != "") {
						t.Errorf("the offer is\n%s", req)
					}
				}
				u.reply(req, status, body)
				if method == "INVITE" {
					if ack := u.ask("ACK BYE"); !strings.HasPrefix(ack, "ACK ") || strings.Fields(headerOf(ack, "CSeq"))[0] != strings.Fields(headerOf(req, "CSeq"))[0] {
						t.Errorf("got %q, want the ACK of %q", ack, headerOf(req, "CSeq"))
					}
				}
			}
			for len(events) > 0 {
				if ev := <-events; ev.Kind != telephony.KindHeld {
					t.Errorf("event %+v", ev)
				}
			}
		})
	}
}

// A far end that says that it has no such call, or nothing at all, is gone: the call
// ends, also on hold, and a BYE is sent.
func TestFarEndThatIsGone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sdp, allow string
		answers    []string
	}{
		"481 to UPDATE":                 {"", "UPDATE", []string{"UPDATE 481 Gone"}},
		"481 to a re-INVITE":            {"", "", []string{"INVITE 481 Gone"}},
		"on hold":                       {"a=inactive\r\n", "", []string{"INVITE 481 Gone"}},
		"405 to UPDATE after its BYE":   {"", "UPDATE", []string{"UPDATE 405 No", "INVITE 481 Gone"}},
		"silent":                        {"", "", []string{"INVITE", "INVITE"}},
		"silent with UPDATE":            {"", "UPDATE", []string{"UPDATE", "INVITE"}},
		"silent on hold":                {"a=sendonly\r\n", "", []string{"INVITE", "INVITE"}},
		"only a proxy says something":   {"", "", []string{"INVITE 100 Trying", "INVITE 100 Trying"}},
		"silent after it refused twice": {"", "", []string{"INVITE 488 No", "INVITE 488 No", "INVITE", "INVITE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			silent := !strings.Contains(strings.Join(test.answers, ""), "481")
			d := newDriver(t, func(c *Config) {
				impatient(c)
				if silent {
					c.Life.Answer = 700 * time.Millisecond // the first copy of a request is repeated at 500 ms
				}
			})
			_, events := tape(t, d)
			u := newRawUA(t, d, "udp")
			u.send(u.request("INVITE", 1, basicSDP(4000, test.sdp), "Allow: "+test.allow))
			_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 200), "To"), ";tag=")
			u.ack(1, "")
			for _, want := range test.answers {
				method, status, _ := strings.Cut(want, " ")
				req := u.ask("UPDATE INVITE BYE")
				if !silent && !strings.HasPrefix(req, method+" ") {
					t.Fatalf("got %q, want %s", req, method)
				}
				if status != "" && strings.HasPrefix(req, method+" ") { // a busy machine may have been too late for one
					u.reply(req, status, "")
				}
			}
			for {
				if ev := next(t, events); ev.Kind != telephony.KindHeld {
					if ev.Kind != telephony.KindEnded || ev.Cause != telephony.CauseFarEndGone || ev.Remote {
						t.Errorf("event %+v", ev)
					}
					break
				}
			}
			u.ask("BYE")
		})
	}
}

// The late answer to a re-INVITE that was given up is acknowledged: who gets no ACK
// hangs up.
func TestLateAnswerToARefresh(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"200 OK", "488 No"} {
		d := newDriver(t, func(c *Config) {
			impatient(c)
			c.Life.Answer = 300 * time.Millisecond
		})
		tape(t, d)
		u := newRawUA(t, d, "udp")
		u.establish(basicSDP(4000))
		first := u.ask("INVITE")
		second := u.ask("INVITE") // the first one was given up
		u.reply(first, status, "")
		u.reply(second, "488 No", "")
		for range 2 {
			ack := u.ask("ACK")
			if seq := strings.Fields(headerOf(ack, "CSeq"))[0]; seq != strings.Fields(headerOf(first, "CSeq"))[0] && seq != strings.Fields(headerOf(second, "CSeq"))[0] {
				t.Errorf("%s: an ACK for %s", status, seq)
			}
		}
	}
}

// Our re-INVITE that refreshes lets the far end's own wait, but not its UPDATE.
func TestRequestsThatCrossOurRefresh(t *testing.T) {
	t.Parallel()
	d := newDriver(t, impatient)
	tape(t, d)
	u := newRawUA(t, d, "udp")
	u.establish(basicSDP(4000))
	refresh := u.ask("INVITE")
	u.send(u.request("INVITE", 2, basicSDP(4000)))
	u.status("INVITE", 491)
	u.ack(2, "")
	u.send(u.request("UPDATE", 3, "", "Session-Expires: 90;refresher=uac", "Supported: timer"))
	if ok := u.status("UPDATE", 200); headerOf(ok, "Session-Expires") != "90;refresher=uac" || headerOf(ok, "Require") != "timer" {
		t.Errorf("answer\n%s", ok)
	}
	u.reply(refresh, "200 OK", basicSDP(4000), "Session-Expires: 90;refresher=uas")
	u.ask("ACK")
	if again := u.ask("INVITE"); headerOf(again, "Session-Expires") != "90;refresher=uas" || headerOf(again, "Require") != "" {
		t.Errorf("the next refresh is\n%s", again)
	}
}

// Whoever refreshes in a call goes on doing so, and says it by the role that he has in
// the message.
func TestRefreshersByRole(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ours              bool
		request, response string
	}{{true, "1800;refresher=uac", "1800;refresher=uas"}, {false, "1800;refresher=uas", "1800;refresher=uac"}} {
		s := sessionTimer{interval: 30 * time.Minute, ours: test.ours}
		if in, out := s.inRequest()[0].value, s.inResponse()[0].value; in != test.request || out != test.response {
			t.Errorf("ours %t: %q in a request, %q in a response", test.ours, in, out)
		}
	}
	var none sessionTimer
	if none.inRequest() != nil || none.inResponse() != nil || !none.end().IsZero() || !none.half().IsZero() {
		t.Error("a call without a session timer has one")
	}
}

// A refresh is followed where its answer says: to another contact.
func TestRefreshMovesTheTarget(t *testing.T) {
	t.Parallel()
	d := newDriver(t, impatient)
	legs, events := tape(t, d)
	u := newRawUA(t, d, "udp")
	u.establish(basicSDP(4000))
	l := (<-legs).(*leg)
	if l.Dialog() == "" {
		t.Fatal("no dialog")
	}
	u.reply(u.ask("INVITE"), "200 OK", basicSDP(4000), "X: y")
	u.ask("ACK")
	l.mu.Lock()
	l.target.User = "old"
	l.mu.Unlock()
	u.reply(u.ask("INVITE"), "200 OK", basicSDP(4000))
	if ack := u.ask("ACK"); !strings.HasPrefix(ack, "ACK sip:raw@") {
		t.Errorf("got %q", ack)
	}
	select {
	case ev := <-events:
		t.Errorf("event %+v", ev) // it is where it was
	default:
	}
	_ = l.Hangup(withoutWaiting(), telephony.CauseNormal)
}

func withoutWaiting() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
