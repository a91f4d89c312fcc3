package sip

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// referStep is one step of a far end that is asked to transfer: a response to REFER,
// or a NOTIFY with its answer, or what it wants from us.
type referStep struct {
	respond string   // to the REFER
	headers []string // of the response, or of the NOTIFY
	notify  string   // the fragment of a NOTIFY; "-" for none
	state   string   // its Subscription-State
	answer  string   // our status to it
	want    string   // a request of ours, which is answered with 200
	hangUp  bool     // a BYE
}

// transferred is what came of a transfer.
type transferred struct {
	err      error
	progress []int
}

// The flows of RFC 3515, section 4, and what real far ends make of them.
func TestTransfers(t *testing.T) {
	t.Parallel()
	const active, terminated = "active;expires=60", "terminated;reason=noresource"
	accept := referStep{respond: "202 Accepted"}
	trying := referStep{notify: "SIP/2.0 100 Trying\r\n", state: active, answer: "200"}
	success := referStep{notify: "SIP/2.0 200 OK\r\n", state: terminated, answer: "200"}
	bye := referStep{want: "BYE"}
	for _, test := range []struct {
		name     string
		steps    []referStep
		within   time.Duration
		status   int
		accepted bool
		ok       bool
		progress []int
	}{
		{name: "success", steps: []referStep{accept, trying, {notify: "SIP/2.0 180 Ringing", state: active, answer: "200"}, success, bye},
			ok: true, progress: []int{0, 180}},
		{name: "accepted with 200", steps: []referStep{{respond: "200 OK"}, success, bye}, ok: true, progress: []int{0}},
		{name: "reported before it was accepted", steps: []referStep{trying, success, accept, bye}, ok: true, progress: []int{0}},
		{name: "success while the subscription goes on", ok: true, progress: []int{0},
			steps: []referStep{accept, {notify: "SIP/2.0 200 OK\r\n", state: active, answer: "200"}, {want: "SUBSCRIBE or BYE"}, {want: "SUBSCRIBE or BYE"}}},
		{name: "busy", steps: []referStep{accept, trying, {notify: "SIP/2.0 486 Busy Here\r\n", state: terminated, answer: "200"}, {want: "nothing"}},
			status: 486, accepted: true, progress: []int{0}},
		{name: "busy while the subscription goes on", status: 486, accepted: true, progress: []int{0},
			steps: []referStep{accept, {notify: "SIP/2.0 486 Busy Here\r\n", state: active, answer: "200"}, {want: "SUBSCRIBE"},
				{notify: "SIP/2.0 486 Busy Here\r\n", state: terminated, answer: "481"}}},
		{name: "refused", steps: []referStep{{respond: "603 Decline"}, {want: "nothing"}}, status: 603},
		{name: "not known", steps: []referStep{{respond: "405 Method Not Allowed"}}, status: 405},
		{name: "reports nothing", steps: []referStep{{respond: "202 Accepted", headers: []string{"Refer-Sub: false"}}, {want: "nothing"}}, accepted: true, progress: []int{0}},
		{name: "ends the subscription by its time", steps: []referStep{accept, {notify: "-", state: "Active ; Expires = 0", answer: "200"}}, accepted: true, progress: []int{0}},
		{name: "a subscription that goes on for some seconds", ok: true, progress: []int{0},
			steps: []referStep{accept, {notify: "-", state: "active;expires=05", headers: []string{"Event: Refer ; ID = CSEQ"}, answer: "200"}, success, bye}},
		{name: "ends the subscription without a word", steps: []referStep{accept, {notify: "-", state: terminated, answer: "200"}}, accepted: true, progress: []int{0}},
		{name: "hangs up without a word", steps: []referStep{accept, {hangUp: true}}, accepted: true, progress: []int{0}},
		{name: "never tells", steps: []referStep{accept, trying, {want: "SUBSCRIBE"}, {notify: "SIP/2.0 200 OK\r\n", state: terminated, answer: "481"}},
			within: time.Second, accepted: true, progress: []int{0}},
		{name: "names the REFER", ok: true, progress: []int{0},
			steps: []referStep{accept, {notify: "SIP/2.0 200 OK", state: terminated, headers: []string{"Event: refer;id=99999999"}, answer: "481"},
				{notify: "SIP/2.0 200 OK", state: terminated, headers: []string{"Event: refer;id=CSEQ"}, answer: "200"}, bye}},
		{name: "reports nonsense first", ok: true, progress: []int{0},
			steps: []referStep{accept, {notify: "BYE", state: active, answer: "400"}, {notify: "SIP/2.0 9999 x", state: active, answer: "400"},
				{notify: "SIP/2.0 200 OK", headers: []string{"Event: presence"}, state: active, answer: "489"},
				{notify: "SIP/2.0 200 OK", headers: []string{"Content-Type: text/plain"}, state: active, answer: "415"}, success, bye}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			p := placeCall(t, c)
			c.answer(c.expect("INVITE"), "200 OK", basicSDP(4000))
			ack := c.expect("ACK")
			leg := <-p.legs
			out := make(chan transferred, 1)
			go func() {
				var got transferred
				req := telephony.TransferRequest{To: "+12025550142", Within: test.within, Progress: func(s int) { got.progress = append(got.progress, s) }}
				got.err = leg.(telephony.Transferer).Transfer(context.Background(), req)
				out <- got
			}()
			refer := c.expect("REFER")
			if to := headerOf(refer, "Refer-To"); to != "<sip:+12025550142@"+c.conn.LocalAddr().String()+">" {
				t.Errorf("Refer-To is %q", to)
			}
			c.transfer(ack, refer, test.steps)
			var got transferred
			select {
			case got = <-out:
			case <-time.After(20 * time.Second):
				t.Fatal("the transfer does not end")
			}
			var failed *telephony.TransferError
			switch {
			case test.ok && got.err != nil:
				t.Errorf("got %v", got.err)
			case !test.ok && (!errors.As(got.err, &failed) || failed.Status != test.status || failed.Accepted != test.accepted):
				t.Errorf("got %v, want status %d, accepted %v", got.err, test.status, test.accepted)
			case !slices.Equal(got.progress, test.progress):
				t.Errorf("progress %v, want %v", got.progress, test.progress)
			}
		})
	}
}

// A far end that does not respond at all is given up after the time that it may be silent.
func TestTransferWithoutAResponse(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	p := placeCall(t, c)
	c.answer(c.expect("INVITE"), "200 OK", basicSDP(4000))
	c.expect("ACK")
	leg := <-p.legs
	out := make(chan error, 1)
	go func() {
		out <- leg.(telephony.Transferer).Transfer(context.Background(), telephony.TransferRequest{To: "+12025550142", Silence: 300 * time.Millisecond})
	}()
	c.expect("REFER")
	select {
	case err := <-out:
		var failed *telephony.TransferError
		if !errors.As(err, &failed) || failed.Accepted || failed.Status != 0 {
			t.Errorf("got %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the far end is awaited for longer than it may be silent")
	}
}

// transfer plays the steps of a far end.
func (c *carrier) transfer(ack, refer string, steps []referStep) {
	c.t.Helper()
	seq := 100
	for i, s := range steps {
		seq++
		switch {
		case s.hangUp:
			c.ask(ack, "BYE", seq, "")
		case s.want == "nothing":
			c.silent()
		case s.want != "":
			got := c.receive()
			if method, _, _ := strings.Cut(got, " "); !slices.Contains(strings.Split(s.want, " or "), method) {
				c.t.Fatalf("step %d: got %q, want %s", i, got, s.want)
			}
			c.respond(got, "200 OK", "", "")
		case s.respond != "":
			c.respond(refer, s.respond, "", "", s.headers...)
		default:
			headers := slices.Clone(s.headers)
			for i := range headers {
				headers[i] = strings.ReplaceAll(headers[i], "CSEQ", itoa(seqOf(refer)))
			}
			usual := []string{"Event: refer", "Subscription-State: " + s.state}
			body := s.notify
			if body == "-" {
				body = ""
			} else {
				usual = append(usual, "Content-Type: message/sipfrag;version=2.0")
			}
			for _, h := range usual {
				name, _, _ := strings.Cut(h, ":")
				if !slices.ContainsFunc(headers, func(own string) bool { return strings.HasPrefix(own, name+":") }) {
					headers = append(headers, h)
				}
			}
			if got := c.ask(ack, "NOTIFY", seq, body, headers...); !strings.HasPrefix(got, "SIP/2.0 "+s.answer) {
				c.t.Errorf("step %d: %q, want %s", i, got, s.answer)
			}
		}
	}
}

// A REFER to us is declined, in a call and outside; the call goes on.
func TestReferToUs(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	_, _ = tape(t, d)
	u := newRawUA(t, d, "udp")
	u.send(u.request("REFER", 1, "", "Refer-To: <sip:+12025550142@example.com>"))
	u.status("REFER", 603)
	u.establish(basicSDP(4000))
	u.send(u.request("REFER", 2, "", "Refer-To: <sip:+12025550142@example.com>"))
	u.status("REFER", 603)
	u.send(u.request("NOTIFY", 3, "", "Event: refer", "Subscription-State: active"))
	u.status("NOTIFY", 481) // we have asked for nothing
	u.send(u.request("BYE", 4, ""))
	u.status("BYE", 200)
}

// Fragments tell a status or are refused; they never do harm.
func FuzzParseFragment(f *testing.F) {
	for _, seed := range []string{"SIP/2.0 200 OK\r\n", "SIP/2.0 100", "\r\nSIP/2.0 486 Busy\r\nTo: x", "sip/2.0  180  Ringing", "SIP/2.0 -1 x", "", "SIP/2.0", "BYE sip:a SIP/2.0"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if status, err := parseFragment(body); err == nil && (status < 100 || status > 699) {
			t.Errorf("status %d of %q", status, body)
		}
	})
}
