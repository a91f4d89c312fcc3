package sip

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// unackedCall is a call of u whose answer u has not acknowledged.
func unackedCall(t *testing.T, change func(*Config), network string) (*Driver, *rawUA, *leg, chan telephony.Event) {
	t.Helper()
	d := newDriver(t, change)
	legs, events := tape(t, d)
	u := newRawUA(t, d, network)
	u.send(u.request("INVITE", 1, basicSDP(4000)))
	_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 200), "To"), ";tag=")
	return d, u, (<-legs).(*leg), events
}

// hangsUp hangs up without waiting, and wants to be told why the far end is not.
func hangsUp(t *testing.T, l *leg, events chan telephony.Event) {
	t.Helper()
	if err := l.Hangup(withoutWaiting(), telephony.CauseNormal); !errors.Is(err, telephony.ErrUnacknowledged) {
		t.Errorf("Hangup: %v", err)
	}
	if ev := next(t, events); ev.Kind != telephony.KindEnded {
		t.Errorf("event %+v", ev)
	}
}

// A callee that hangs up at once sends BYE when its answer was acknowledged, not
// before; until then it repeats the answer.
func TestByeWaitsForTheACK(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			d, u, l, events := unackedCall(t, nil, network)
			hangsUp(t, l, events)
			if n := d.Calls(); n != 0 {
				t.Errorf("%d calls are alive", n)
			}
			for range 2 {
				if msg := u.receive(20 * time.Second); !strings.HasPrefix(msg, "SIP/2.0 200 ") {
					t.Fatalf("got %q, want the answer again", msg)
				}
			}
			u.send(u.request("INFO", 2, ""))
			u.status("INFO", 481)
			u.send(u.request("ACK", 7, "")) // of another INVITE
			if msg := u.receive(20 * time.Second); !strings.HasPrefix(msg, "SIP/2.0 200 ") {
				t.Fatalf("got %q, want the answer again", msg)
			}
			u.ack(1, "")
			bye := u.ask("BYE")
			u.reply(bye, "200 OK", "")
			if err := l.Hangup(t.Context(), telephony.CauseNormal); err != nil {
				t.Errorf("Hangup: %v", err)
			}
			eventually(t, "nothing to be left", func() bool { return nothingLeft(d) })
		})
	}
}

// nothingLeft reports whether a driver has forgotten its calls and their hosts.
func nothingLeft(d *Driver) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.calls)+len(d.partings)+len(d.hosts) == 0
}

// A caller that hangs up itself meanwhile gets no BYE. One from another host is none.
func TestBothHangUpBeforeTheACK(t *testing.T) {
	t.Parallel()
	d, u, l, events := unackedCall(t, nil, "udp")
	hangsUp(t, l, events)
	stranger := newRawUAFrom(t, d, "udp", "127.0.0.9")
	stranger.callID, stranger.toTag = u.callID, u.toTag
	stranger.ack(1, "")
	stranger.send(stranger.request("BYE", 2, ""))
	if msg := stranger.receive(300 * time.Millisecond); msg != "" {
		t.Errorf("a stranger got %q", msg)
	}
	u.send(u.request("BYE", 2, ""))
	u.status("BYE", 200)
	if err := l.Hangup(t.Context(), telephony.CauseNormal); err != nil {
		t.Errorf("Hangup: %v", err)
	}
	eventually(t, "nothing to be left", func() bool { return nothingLeft(d) })
	if msg := u.receive(300 * time.Millisecond); msg != "" {
		t.Errorf("then came %q", msg)
	}
}

// A caller that never acknowledges the answer gets it again at growing distances, and
// the BYE when the wait is over.
func TestByeWithoutAnACK(t *testing.T) {
	t.Parallel()
	began := time.Now()
	d, u, l, events := unackedCall(t, func(c *Config) { c.AckWait = 7 * t1 }, "udp")
	hangsUp(t, l, events)
	for range 2 { // after 1 and after 3 times T1
		if msg := u.receive(20 * time.Second); !strings.HasPrefix(msg, "SIP/2.0 200 ") {
			t.Fatalf("got %q, want the answer again", msg)
		}
	}
	msg := u.receive(20 * time.Second)
	if waited := time.Since(began); !strings.HasPrefix(msg, "BYE ") || waited < d.cfg.AckWait {
		t.Fatalf("got %q after %s, want BYE after %s", msg, waited, d.cfg.AckWait)
	}
	if err := l.Hangup(withoutWaiting(), telephony.CauseNormal); !errors.Is(err, telephony.ErrUnacknowledged) {
		t.Errorf("Hangup: %v", err)
	}
}

// An answer is repeated for 64 times T1, as RFC 3261 says.
func TestAnAnswerWaitsForItsACK(t *testing.T) {
	t.Parallel()
	if d := newDriver(t, nil); d.cfg.AckWait != 64*500*time.Millisecond {
		t.Errorf("for %s", d.cfg.AckWait)
	}
}

// A driver that closes sends BYE at once: nobody would later.
func TestCloseDoesNotWaitForTheACK(t *testing.T) {
	t.Parallel()
	for name, hungUp := range map[string]bool{"a call that waits": true, "a live call": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, u, l, events := unackedCall(t, nil, "udp")
			if hungUp {
				hangsUp(t, l, events)
			}
			closed := make(chan error, 1)
			go func() { closed <- d.Close() }()
			msg := u.receive(20 * time.Second)
			for strings.HasPrefix(msg, "SIP/2.0 200 ") {
				msg = u.receive(20 * time.Second)
			}
			if !strings.HasPrefix(msg, "BYE ") {
				t.Errorf("got %q, want BYE", msg)
			}
			if err := <-closed; err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// A CANCEL that crosses the answer leaves a call that the caller has to acknowledge.
func TestCancelCrossesTheAnswer(t *testing.T) {
	t.Parallel()
	_, u, l, events := unackedCall(t, nil, "udp")
	l.end(telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseCancelled, Remote: true}) // it rang when the CANCEL was looked at
	l.takeLeave()
	if ev := next(t, events); ev.Kind != telephony.KindEnded {
		t.Errorf("event %+v", ev)
	}
	if msg := u.receive(20 * time.Second); !strings.HasPrefix(msg, "SIP/2.0 200 ") {
		t.Fatalf("got %q, want the answer again", msg)
	}
	u.ack(1, "")
	u.reply(u.ask("BYE"), "200 OK", "")
	if err := l.Hangup(t.Context(), telephony.CauseNormal); err != nil {
		t.Errorf("Hangup: %v", err)
	}
}

// A dialog that another one replaces before its answer was acknowledged is hung up when
// it is; the call goes on.
func TestReplacedBeforeTheACK(t *testing.T) {
	t.Parallel()
	d, u, l, _ := unackedCall(t, nil, "udp")
	o, header := replacing(t, d, u, "127.0.0.1")
	o.send(o.request("INVITE", 1, basicSDP(4002), header))
	_, o.toTag, _ = strings.Cut(headerOf(o.status("INVITE", 200), "To"), ";tag=")
	o.ack(1, "")
	if msg := u.receive(20 * time.Second); !strings.HasPrefix(msg, "SIP/2.0 200 ") {
		t.Fatalf("got %q, want the answer again", msg)
	}
	u.ack(1, "")
	u.reply(u.ask("BYE"), "200 OK", "")
	if n := d.Calls(); n != 1 {
		t.Errorf("%d calls are alive", n)
	}
	hungUp := make(chan error, 1)
	go func() { hungUp <- l.Hangup(t.Context(), telephony.CauseNormal) }()
	o.reply(o.ask("BYE"), "200 OK", "")
	if err := <-hungUp; err != nil {
		t.Errorf("Hangup: %v", err)
	}
	eventually(t, "nothing to be left", func() bool { return nothingLeft(d) })
}
