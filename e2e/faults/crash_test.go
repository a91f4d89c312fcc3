package faults

import (
	"bufio"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// hangUpSoon is how soon after its start a server has hung up the calls of the one
// that was killed.
const hangUpSoon = 5 * time.Second

// After kill -9 the next process hangs up: every far end gets a BYE within its call.
func TestKilledServersCallsAreHungUp(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, settings, _ string) { crash(t, settings, 3) })
}

// crash kills a server with live calls, one of them over TCP, and starts it again.
func crash(t *testing.T, settings string, calls int) {
	t.Helper()
	n := serve(t, settings+"server: {resume: false}\n")
	number := n.number(echo)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	callers := make([]*caller, calls)
	for i := range callers {
		if i == 0 {
			callers[i] = dial(t, n, "tcp")
			callers[i].invite(number, "Contact: <sip:raw@"+listener.Addr().String()+";transport=tcp>")
		} else {
			callers[i] = dial(t, n, "udp")
			callers[i].invite(number)
		}
		callers[i].take(callers[i].status("INVITE", 200))
	}
	until(t, 20*time.Second, "the calls to be under way", func() bool {
		live := 0
		for _, c := range n.calls() {
			if c.Status == "in_progress" {
				live++
			}
		}
		return live == calls
	})
	n.kill()
	n.sip = n.ready.SIP
	var all sync.WaitGroup
	began := time.Now()
	for i, c := range callers {
		all.Go(func() {
			if i == 0 {
				conn, err := listener.Accept()
				if err != nil {
					t.Errorf("nobody called back: %v", err)
					return
				}
				c.conn, c.in = conn, bufio.NewReader(conn)
			}
			var bye string
			for deadline := began.Add(40 * time.Second); time.Now().Before(deadline) && !strings.HasPrefix(bye, "BYE "); {
				bye = c.receive(time.Until(deadline)) // while no server listens, nothing can be received
			}
			if !strings.HasPrefix(bye, "BYE ") || header(bye, "Call-ID") != c.callID || !strings.Contains(header(bye, "From"), c.toTag) || !strings.Contains(header(bye, "To"), "tag=caller") {
				t.Errorf("caller %d got %q", i, bye)
				return
			}
			took := time.Since(began)
			t.Logf("caller %d: BYE %s after the restart began", i, took.Round(time.Millisecond))
			if took > hangUpSoon {
				t.Errorf("caller %d: BYE %s after the restart began", i, took)
			}
			c.answer(bye)
		})
	}
	n.start()
	all.Wait()
	for _, c := range n.calls() {
		if c.Status != "error" || c.EndReason != "server_restart" {
			t.Errorf("after the restart: %+v", c)
		}
	}
	n.healthy(number)
}
