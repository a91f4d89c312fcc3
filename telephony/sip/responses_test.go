package sip

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// refuse is an application that refuses every call with a cause.
func refuse(cause telephony.Cause, reason string) func(context.Context, telephony.Leg) {
	return func(ctx context.Context, leg telephony.Leg) {
		leg.(telephony.Refuser).Refuse(ctx, telephony.Refusal{Cause: cause, Reason: reason})
	}
}

func TestAnswersOfTheApplication(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cause  telephony.Cause
		status int
		header string
		want   string
	}{
		{telephony.CauseUnknownNumber, 404, "", ""},
		{telephony.CauseUnavailable, 480, "Reason", `SIP;cause=480;text="why, \"not"`},
		{telephony.CauseBusy, 486, "", ""},
		{telephony.CauseOverload, 503, "Retry-After", "5"},
		{telephony.CauseFailure, 500, "", ""},
	}
	for _, test := range tests {
		t.Run(strconv.Itoa(test.status), func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			serve(t, d, refuse(test.cause, `why, "not`))
			u := newRawUA(t, d, "udp")
			u.send(u.request("INVITE", 1, basicSDP(4000)))
			got := u.status("INVITE", test.status)
			want := strings.ReplaceAll(test.want, `\"`, " ")
			if test.header != "" && headerOf(got, test.header) != want {
				t.Errorf("%s: %q, want %q", test.header, headerOf(got, test.header), want)
			}
			_, u.toTag, _ = strings.Cut(headerOf(got, "To"), ";tag=")
			u.ack(1, "")
			if again := u.receive(700 * time.Millisecond); again != "" {
				t.Errorf("repeated after the ACK: %q", again)
			}
		})
	}
}

func TestAnswersOfTheDriver(t *testing.T) {
	t.Parallel()
	good := basicSDP(4000)
	tests := []struct {
		name, method, body string
		headers            []string
		status             int
		header, want       string
	}{
		{"no common codec", "INVITE", strings.Replace(good, "RTP/AVP 0 101", "RTP/AVP 18 101", 1), nil, 488, "Warning", `305 sidetone "no common codec"`},
		{"only srtp", "INVITE", strings.Replace(good, "RTP/AVP", "RTP/SAVP", 1), nil, 488, "Warning", `302 sidetone "transport RTP/SAVP is not supported"`},
		{"no audio line", "INVITE", "v=0\r\ns=-\r\nm=video 4000 RTP/AVP 96\r\n", nil, 488, "Warning", `304 sidetone "no audio line"`},
		{"broken sdp", "INVITE", "v=0\r\nm=audio x RTP/AVP 0\r\n", nil, 400, "", ""},
		{"not even sdp", "INVITE", "hello\r\n", nil, 400, "", ""},
		{"another body", "INVITE", "hello", []string{"Content-Type: text/plain"}, 415, "Accept", "application/sdp, multipart/mixed"},
		{"require an unknown option", "INVITE", good, []string{"Require: 100rel, timer, x-y"}, 420, "Unsupported", "x-y"},
		{"short session", "INVITE", good, []string{"Session-Expires: 60"}, 422, "Min-SE", "90"},
		{"unknown method", "PUBLISH", "", nil, 405, "Allow", allowed},
		{"bye without dialog", "BYE", "", []string{"To: <sip:a@b>;tag=none"}, 481, "", ""},
		{"reinvite without dialog", "INVITE", good, []string{"To: <sip:a@b>;tag=none"}, 481, "", ""},
		{"update without dialog", "UPDATE", "", nil, 481, "", ""},
		{"options", "OPTIONS", "", nil, 200, "Allow", allowed},
		{"cseq of another method", "INVITE", good, []string{"CSeq: 1 BYE"}, 400, "", ""},
		{"length too long", "INVITE", good, []string{"Content-Length: 9999"}, 400, "", ""},
		{"not serving", "INVITE", good, nil, 503, "Retry-After", "5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			u := newRawUA(t, d, "udp")
			u.send(u.request(test.method, 1, test.body, test.headers...))
			method := test.method
			if test.name == "cseq of another method" {
				method = "BYE"
			}
			got := u.status(method, test.status)
			if test.header != "" && headerOf(got, test.header) != test.want {
				t.Errorf("%s: %q, want %q", test.header, headerOf(got, test.header), test.want)
			}
			if d.Calls() != 0 {
				t.Errorf("%d calls are left", d.Calls())
			}
		})
	}
}

func TestCancelWhileRinging(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			ended := make(chan telephony.Event, 1)
			serve(t, d, func(ctx context.Context, leg telephony.Leg) {
				for ev := range leg.Events(ctx) {
					ended <- ev
				}
			})
			u := newRawUA(t, d, network)
			u.send(u.request("INVITE", 1, basicSDP(4000)))
			u.status("INVITE", 180)
			u.send(u.request("CANCEL", 1, ""))
			u.status("CANCEL", 200)
			u.status("INVITE", 487)
			u.ack(1, "")
			if ev := <-ended; ev.Cause != telephony.CauseCancelled || !ev.Remote {
				t.Errorf("ended %+v", ev)
			}
		})
	}
}

// INVITE and CANCEL back to back, in either order, must always end the call.
func TestCancelBackToBack(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	serve(t, d, func(ctx context.Context, leg telephony.Leg) {
		for range leg.Events(ctx) {
		}
	})
	var all sync.WaitGroup
	turn := make(chan struct{}, 8) // a burst of 200 messages would overrun the socket
	for i := range 100 {
		u := newRawUA(t, d, "udp")
		invite := u.request("INVITE", 1, basicSDP(4000))
		cancel := u.request("CANCEL", 1, "")
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			if i%2 == 1 {
				invite, cancel = cancel, invite
			}
			u.send(invite)
			u.send(cancel)
			seen := ""
			for !strings.Contains(seen, " CANCEL") || !strings.Contains(seen, "SIP/2.0 487") {
				msg := u.receive(3 * time.Second)
				if msg == "" {
					t.Errorf("call %d: got only %q", i, seen)
					return
				}
				seen += msg[:11] + headerOf(msg, "CSeq") + "; "
			}
			if strings.Contains(seen, "481") {
				t.Errorf("call %d: %s", i, seen)
			}
			u.ack(1, "")
		})
	}
	all.Wait()
	eventually(t, "the calls to end", func() bool { return d.Calls() == 0 })
}

func TestCancelWithoutInvite(t *testing.T) {
	t.Parallel()
	u := newRawUA(t, newDriver(t, nil), "udp")
	u.send(u.request("CANCEL", 1, ""))
	u.status("CANCEL", 481)
}

func TestUnknownSourcesGetNoResponse(t *testing.T) {
	t.Parallel()
	var refused refusals
	d := newDriver(t, func(c *Config) {
		c.LocalSources = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		c.Refused = refused.add
	})
	serve(t, d, accept)
	u := newRawUA(t, d, "udp")
	for _, method := range []string{"INVITE", "OPTIONS", "REGISTER"} {
		u.send(u.request(method, 1, ""))
	}
	if msg := u.receive(300 * time.Millisecond); msg != "" {
		t.Errorf("an unknown source got %q", msg)
	}
	conn, err := net.Dial("tcp", d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("its connection was not closed: %v", err)
	}
	if got := refused.of(RefusedSource); got != 4 {
		t.Errorf("%d refusals counted, want 4", got)
	}
}

func TestTooManyTransactions(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) { c.MaxTransactions = 3 })
	u := newRawUA(t, d, "udp")
	for i := range 3 {
		u.send(u.request("OPTIONS", i+1, ""))
		u.status("OPTIONS", 200)
	}
	u.send(u.request("OPTIONS", 9, ""))
	if got := u.status("OPTIONS", 503); headerOf(got, "Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

func TestRetransmissionsGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	calls := make(chan struct{}, 8)
	serve(t, d, func(ctx context.Context, leg telephony.Leg) {
		calls <- struct{}{}
		accept(ctx, leg)
	})
	u := newRawUA(t, d, "udp")
	invite := u.request("INVITE", 1, basicSDP(4000))
	start := time.Now()
	u.send(invite)
	first := u.status("INVITE", 200)
	u.send(invite)
	if again := u.status("INVITE", 200); again != first {
		t.Errorf("answers differ:\n%s\n%s", first, again)
	}
	// Without an ACK the 200 comes again by itself, after 0.5 and 1 s: never
	// earlier, and later only as a busy machine is late.
	for _, want := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond} {
		u.status("INVITE", 200)
		if at := time.Since(start); at < want || at > want+2*time.Second {
			t.Errorf("repeated after %s, want %s", at, want)
		}
	}
	_, u.toTag, _ = strings.Cut(headerOf(first, "To"), ";tag=")
	u.ack(1, "")
	u.send(u.request("BYE", 2, ""))
	u.status("BYE", 200)
	if len(calls) != 1 {
		t.Errorf("%d calls", len(calls))
	}
}

// Every file of the torture corpus, and junk, must leave the driver alive.
func TestTorture(t *testing.T) {
	t.Parallel()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/emiago/sipgo").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "sip/testdata/torture/*/*.dat"))
	if more, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "sip/testdata/torture/*.dat")); err == nil {
		files = append(files, more...)
	}
	if len(files) < 40 {
		t.Fatalf("%d files of the corpus found: %v", len(files), err)
	}
	for _, network := range []string{"udp", "tcp"} {
		d := newDriver(t, nil)
		serve(t, d, refuse(telephony.CauseUnknownNumber, ""))
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			u := newRawUA(t, d, network)
			u.conn.Write(raw)
			u.conn.Write(raw[:len(raw)/2])
		}
		junk := newRawUA(t, d, network)
		junk.conn.Write([]byte(strings.Repeat("\x00\xff", 20000)))
		junk.conn.Write([]byte("INVITE sip:a@b SIP/2.0\r\n" + strings.Repeat("X: y\r\n", 8000)))
		u := newRawUA(t, d, network)
		u.send(u.request("OPTIONS", 1, ""))
		u.status("OPTIONS", 200)
		eventually(t, "no call to be left", func() bool { return d.Calls() == 0 })
	}
}
