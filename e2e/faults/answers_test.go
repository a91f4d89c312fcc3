package faults

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/client"
)

// offering changes the offer of an INVITE.
func offering(c *caller, old, new string) string {
	return c.request("INVITE", 1, strings.Replace(c.sdp(), old, new, 1))
}

// Every row of the table of answers that needs no special server.
func TestAnswers(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	good := n.number(echo)
	noAgent, outbound, mindless := n.number(""), n.number(echo), n.number("")
	if _, err := n.api.Numbers().Update(t.Context(), outbound, client.Change{"outbound_only": true}); err != nil {
		t.Fatal(err)
	}
	vendors := n.create(`{"prompt":{"content":"Be brief."},"provider":"openai"}`) // which nobody has configured
	if _, err := n.api.Numbers().Update(t.Context(), mindless, client.Change{"inbound_agent": vendors}); err != nil {
		t.Fatal(err)
	}
	inactive := n.number(echo)
	if _, err := n.api.Numbers().Cancel(t.Context(), inactive); err != nil {
		t.Fatal(err)
	}
	n.healthy(good)
	steady := n.steady()
	tests := []struct {
		name, number, method string
		make                 func(c *caller) string
		status               int
		header, want         string
	}{
		{"unknown number", "+12125550199", "INVITE", nil, 404, "Reason", "nobody has this number"},
		{"no agent", noAgent, "INVITE", nil, 480, "Reason", "no agent"},
		{"outbound only", outbound, "INVITE", nil, 480, "Reason", "outbound only"},
		{"given back", inactive, "INVITE", nil, 404, "Reason", "nobody has this number"},
		{"nothing to think with", mindless, "INVITE", nil, 480, "Reason", "nothing to think with"},
		{"no common codec", good, "INVITE", func(c *caller) string { return offering(c, "AVP 0 101", "AVP 18 101") }, 488, "Warning", "no common codec"},
		{"only SAVP", good, "INVITE", func(c *caller) string { return offering(c, "RTP/AVP", "RTP/SAVP") }, 488, "Warning", "RTP/SAVP"},
		{"no audio line", good, "INVITE", func(c *caller) string { return offering(c, "m=audio", "m=video") }, 488, "Warning", "no audio line"},
		{"broken SDP", good, "INVITE", func(c *caller) string { return offering(c, "m=audio", "m=audio x") }, 400, "", ""},
		{"no SDP at all in the body", good, "INVITE", func(c *caller) string { return c.request("INVITE", 1, "hello") }, 400, "", ""},
		{"unknown extension", good, "INVITE", func(c *caller) string { return c.request("INVITE", 1, c.sdp(), "Require: x-none") }, 420, "Unsupported", "x-none"},
		{"session too short", good, "INVITE", func(c *caller) string { return c.request("INVITE", 1, c.sdp(), "Session-Expires: 60") }, 422, "Min-SE", "90"},
		{"unknown method", good, "PUBLISH", func(c *caller) string { return c.request("PUBLISH", 1, "") }, 405, "Allow", "INVITE"},
		{"BYE of no dialog", good, "BYE", func(c *caller) string { return c.request("BYE", 1, "", "To: <sip:a@b>;tag=x") }, 481, "", ""},
		{"re-INVITE of no dialog", good, "INVITE", func(c *caller) string { return c.request("INVITE", 1, c.sdp(), "To: <sip:a@b>;tag=x") }, 481, "", ""},
		{"UPDATE of no dialog", good, "UPDATE", func(c *caller) string { return c.request("UPDATE", 1, "", "To: <sip:a@b>;tag=x") }, 481, "", ""},
		{"CANCEL of nothing", good, "CANCEL", func(c *caller) string { return c.request("CANCEL", 1, "") }, 481, "", ""},
	}
	for _, network := range []string{"udp", "tcp"} {
		for _, test := range tests {
			c := dial(t, n, network)
			c.number = test.number
			if test.make == nil {
				c.invite(test.number)
			} else {
				c.send(test.make(c))
			}
			got := c.status(test.method, test.status)
			if test.header != "" && !strings.Contains(header(got, test.header), test.want) {
				t.Errorf("%s over %s: %s is %q, want %q in it", test.name, network, test.header, header(got, test.header), test.want)
			}
			if test.method == "INVITE" {
				_, c.toTag, _ = strings.Cut(header(got, "To"), ";tag=")
				c.send(c.request("ACK", 1, ""))
			}
			c.close()
		}
	}
	until(t, 20*time.Second, "no call to be open", func() bool { return n.open() == 0 })
	n.healthy(good)
	steady()
	want := map[string]int{noAgent + " the number has no agent": 2, outbound + " the number takes no calls (outbound only)": 2,
		mindless + ` the agent has nothing to think with: provider "openai" is not configured here, and the prompt has no playbook`: 2}
	// What the driver refuses by itself is recorded, too; rows of one second are few, but
	// each call is counted.
	byDriver := map[string]int{"400 Bad Request: session description": 4, "420 Bad Extension": 2, "422 Session Interval Too Small": 2,
		`488 Not Acceptable Here: 302 sidetone "transport RTP/SAVP is not supported"`: 2, `488 Not Acceptable Here: 304 sidetone "no audio line"`: 2,
		`488 Not Acceptable Here: 305 sidetone "no common codec"`: 2}
	var refused, driver map[string]int
	until(t, 20*time.Second, "the refused calls in the record", func() bool { // written after the refusal
		refused, driver = map[string]int{}, map[string]int{}
		for _, c := range n.calls() {
			switch {
			case c.RefusedCount == 0:
			case c.Status != "error" || !c.StartTime.IsZero():
				t.Errorf("a refused call: %+v", c)
			case byDriver[c.ErrorMessage] > 0:
				driver[c.ErrorMessage] += c.RefusedCount
			default:
				refused[c.ToNumber+" "+c.ErrorMessage] += c.RefusedCount
			}
		}
		return cmp.Equal(want, refused) && cmp.Equal(byDriver, driver)
	})
	page, err := n.api.Refusals(t.Context(), client.Query{Size: 100})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for _, r := range page.Items {
		if byDriver[r.Reason] > 0 {
			told[r.Reason] += r.Count
		}
	}
	if diff := cmp.Diff(byDriver, told); diff != "" {
		t.Errorf("refusals that are listed (-want +got)\n%s", diff)
	}
}

// A number whose recogniser is taken is busy.
func TestAnswerBusy(t *testing.T) {
	t.Parallel()
	n := serve(t, "calls: {offline: 0}")
	number := n.number(`"initial_message":"hello"`)
	c := dial(t, n, "udp")
	c.number = number
	c.send(c.request("INVITE", 1, strings.Replace(c.sdp(), "AVP 0 101", "AVP 9 101", 1)))
	if got := header(c.refused(486), "Reason"); !strings.Contains(got, "no free recogniser") {
		t.Errorf("Reason: %q", got)
	}
	n.healthy(n.number(echo))
}

// A full node says when to come back, and takes calls again when one has ended.
func TestAnswerFull(t *testing.T) {
	t.Parallel()
	n := serve(t, "calls: {max: 1}")
	number := n.number(echo)
	first := dial(t, n, "udp")
	first.invite(number)
	first.answered()
	second := dial(t, n, "tcp")
	second.invite(number)
	if got := header(second.refused(503), "Retry-After"); got == "" {
		t.Error("503 without Retry-After")
	}
	first.bye()
	n.last(20 * time.Second)
	n.healthy(number)
}

// A number that has all the calls it takes is busy, and only that number.
func TestAnswerNumberFull(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number, other := n.number(echo), n.number(echo)
	if got, err := n.api.Numbers().Update(t.Context(), number, client.Change{"max_concurrent_calls": 2}); err != nil || got.MaxConcurrentCalls != 2 {
		t.Fatalf("number %+v, %v", got, err)
	}
	var taken []*caller
	for range 2 {
		c := dial(t, n, "udp")
		c.invite(number)
		c.answered()
		taken = append(taken, c)
	}
	third := dial(t, n, "tcp")
	third.invite(number)
	if got := header(third.refused(486), "Reason"); !strings.Contains(got, "no more than 2 calls") {
		t.Errorf("Reason: %q", got)
	}
	elsewhere := dial(t, n, "udp")
	elsewhere.invite(other)
	elsewhere.answered()
	elsewhere.bye()
	taken[0].bye()
	until(t, 20*time.Second, "one call fewer", func() bool { return n.open() == 1 })
	again := dial(t, n, "udp")
	again.invite(number)
	again.answered()
	taken = append(taken, again)
	if _, err := n.api.Numbers().Update(t.Context(), number, client.Change{"max_concurrent_calls": 0}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c := dial(t, n, "udp")
		c.invite(number)
		c.answered()
		taken = append(taken, c)
	}
	for _, c := range taken[1:] {
		c.bye()
	}
	n.last(20 * time.Second)
}

// A call that is asked for while the node is full waits for its turn.
func TestCallOutOfAFullNode(t *testing.T) {
	t.Parallel()
	n := serve(t, "calls: {max: 1}")
	number := n.number(echo)
	first := dial(t, n, "udp")
	first.invite(number)
	first.answered()
	made, err := n.api.Calls().Create(t.Context(), client.CallRequest{FromNumber: number, ToNumber: "+12125550177", Agent: n.agent(echo)})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second) // it must not be tried and given up meanwhile
	if c, err := n.api.Calls().Get(t.Context(), made.ID); err != nil || c.Over() {
		t.Errorf("while the node is full: %+v, %v", c, err)
	}
	first.bye()
	until(t, 20*time.Second, "the call to be placed", func() bool {
		c, err := n.api.Calls().Get(t.Context(), made.ID)
		return err == nil && c.Over()
	})
	c, err := n.api.Calls().Get(t.Context(), made.ID)
	// It was rung at ourselves, and there is no room for both ends of it.
	if err != nil || !strings.Contains(c.ErrorMessage, "status 503") {
		t.Errorf("the call was not placed: %+v, %v", c, err)
	}
}

func TestAnswerCancelled(t *testing.T) {
	t.Parallel()
	n := serve(t, "calls: {answer_after: 2s}")
	number := n.number(echo)
	for _, network := range []string{"udp", "tcp"} {
		c := dial(t, n, network)
		c.invite(number)
		c.status("INVITE", 180)
		c.send(c.request("CANCEL", 1, ""))
		c.status("CANCEL", 200)
		c.refused(487)
		if got := n.last(20 * time.Second); got.EndReason != "cancelled" || got.StageOutcome != "call_did_not_connect" {
			t.Errorf("%s: reason %s, outcome %s", network, got.EndReason, got.StageOutcome)
		}
	}
	n.healthy(number)
}

// A second re-INVITE before the ACK of the first has to wait.
func TestAnswerPending(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	c := dial(t, n, "udp")
	c.invite(number)
	c.answered()
	c.send(c.request("INVITE", 2, c.sdp()))
	first := c.status("INVITE", 200)
	c.send(c.request("INVITE", 3, c.sdp()))
	c.status("INVITE", 491)
	c.send(c.request("ACK", 3, ""))
	c.take(first)
	c.send(c.request("INVITE", 4, c.sdp()))
	c.take(c.status("INVITE", 200))
	c.bye()
	n.last(20 * time.Second)
	n.healthy(number)
}

// Trunks without addresses and desk phones prove themselves by digest; a
// simulated number rings for the desk phone only.
func TestAnswerDigest(t *testing.T) {
	t.Parallel()
	n := serve(t, "sip: {loopback: false, users: [{name: desk, password: secret}], trunks: [{name: carrier, username: line, password: secret}]}")
	number := n.number(echo)
	c := dial(t, n, "udp")
	c.invite(number)
	challenge := header(c.refused(401), "WWW-Authenticate")
	if !strings.Contains(challenge, `nonce="`) || !strings.Contains(challenge, `realm="`) {
		t.Errorf("WWW-Authenticate: %q", challenge)
	}
	for _, uri := range []string{"sip:" + number + "@sidetone", "sip:x"} { // 400 is for who knows the password
		c.invite(number, `Authorization: Digest username="line", realm="sidetone", nonce="old", qop=auth, nc=00000001, cnonce="a", uri="`+uri+`", response="00000000000000000000000000000000"`)
		c.refused(401)
	}
	foreign := launch(t, nil, "call", "--server", n.ready.SIP, "--user", "line", "--pass", "secret", "--codec", "PCMU", number)
	if !foreign.ended(20*time.Second) || !strings.Contains(foreign.out.String(), "404") {
		t.Errorf("a simulated number rang for a trunk: %v\n%s", foreign.err, foreign.out.String())
	}
	call := launch(t, nil, "call", "--server", n.ready.SIP, "--user", "desk", "--pass", "secret", "--codec", "PCMU",
		"--length", "2s", "--stay", number)
	if !call.ended(20*time.Second) || call.err != nil {
		t.Errorf("with the right password: %v\n%s", call.err, call.out.String())
	}
	wrong := launch(t, nil, "call", "--server", n.ready.SIP, "--user", "desk", "--pass", "guess", "--codec", "PCMU", number)
	if !wrong.ended(20*time.Second) || wrong.err == nil || !strings.Contains(wrong.out.String(), "unauthorised") {
		t.Errorf("with a wrong password: %v\n%s", wrong.err, wrong.out.String())
	}
	if got := n.last(20 * time.Second); got.Status != "ended" || len(n.calls()) != 1 {
		t.Errorf("%d calls, the last %s", len(n.calls()), got.Status)
	}
}

// A source that belongs to no trunk hears nothing; it is logged once a minute.
func TestAnswerStranger(t *testing.T) {
	t.Parallel()
	n := serve(t, "sip: {loopback: false, sources: [127.0.0.1]}")
	number := n.number(echo)
	c := dial(t, n, "udp", "127.0.0.2")
	for i := range 5 {
		c.number = number
		c.send(c.request("INVITE", i+1, c.sdp()))
		c.send(c.request("OPTIONS", i+1, ""))
	}
	if got := c.receive(500 * time.Millisecond); got != "" {
		t.Errorf("a stranger got %q", got)
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := d.DialContext(t.Context(), "tcp", n.ready.SIP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(conn); os.IsTimeout(err) {
		t.Error("a stranger's connection stays open")
	}
	if got := strings.Count(n.out.String(), `msg="sip refused" source=127.0.0.2`); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
	if len(n.calls()) != 0 {
		t.Errorf("%d calls of a stranger", len(n.calls()))
	}
	n.healthy(number)
}

// Bad HTTP gets a clear answer; the details are the business of api's tests.
func TestBadHTTP(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	for _, test := range []struct {
		path, body string
		status     int
	}{
		{"/v1/agents/create", `{"prompt":`, http.StatusBadRequest},
		{"/v1/agents/create", strings.Repeat("[", 100_000), http.StatusBadRequest},
		{"/v1/nothing", `{}`, http.StatusNotFound},
		{"/v1/calls/end?id=00000000-0000-4000-8000-000000000000", ``, http.StatusNotFound},
	} {
		if status, body := n.post(test.path, test.body); status != test.status || !strings.Contains(body, `"message"`) {
			t.Errorf("%s: %d %s", test.path, status, body)
		}
	}
	n.key = "wrong"
	if status, _ := n.post("/v1/agents/create", `{}`); status != http.StatusUnauthorized {
		t.Errorf("a wrong key: %d", status)
	}
	raw, err := net.Dial("tcp", strings.TrimPrefix(n.ready.HTTP, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	io.WriteString(raw, "\x00\xffGET nonsense\r\n\r\n")
	raw.SetReadDeadline(time.Now().Add(5 * time.Second))
	if got, _ := io.ReadAll(raw); !strings.Contains(string(got), " 400 ") {
		t.Errorf("junk: %q", got)
	}
	n.key = n.ready.APIKey
	if _, err := n.api.Agents().List(t.Context(), client.Query{}); err != nil {
		t.Error(err)
	}
	n.healthy(n.number(echo))
}
