package sip

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// expect takes messages of the named methods, in that order, and returns the
// last one.
func (c *carrier) expect(methods ...string) (last string) {
	c.t.Helper()
	for _, m := range methods {
		if last = c.receive(); !strings.HasPrefix(last, m+" ") {
			c.t.Fatalf("got %q, want %s", last, m)
		}
	}
	return last
}

// silent checks that nothing more comes.
func (c *carrier) silent() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	buf := make([]byte, 65536)
	if n, _, err := c.conn.ReadFromUDP(buf); err == nil {
		c.t.Errorf("got %q, want nothing more", buf[:n])
	}
}

// Somebody who answers long after we gave up is not left on a dead line.
func TestAnswerLongAfterCancel(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := dialThrough(t, c, ctx, nil)
	invite := c.receive()
	c.answer(invite, "180 Ringing", "")
	cancel()
	c.answer(c.expect("CANCEL"), "200 OK", "")
	var got *telephony.DialError
	if err := <-out; !errors.As(err, &got) || got.Cause != telephony.CauseCancelled || !got.Sent {
		t.Fatalf("Dial: %v", err)
	}
	c.answer(invite, "200 OK", basicSDP(4000))
	ack := c.expect("ACK")
	bye := c.expect("BYE")
	for name, want := range map[string]string{"Call-ID": headerOf(invite, "Call-ID"), "To": headerOf(ack, "To"), "From": headerOf(invite, "From")} {
		if headerOf(bye, name) != want {
			t.Errorf("%s of the BYE is %q, want %q", name, headerOf(bye, name), want)
		}
	}
	if !strings.Contains(headerOf(bye, "To"), ";tag=carrier") || !strings.HasPrefix(ack, "ACK sip:carrier@") {
		t.Errorf("the call that was answered is not the one that is ended:\n%s", bye)
	}
	c.answer(bye, "200 OK", "")
	c.answer(invite, "200 OK", basicSDP(4000)) // as if the ACK had been lost
	if again := c.expect("ACK"); again != ack {
		t.Errorf("got %q, want the ACK again", again)
	}
	c.silent()
}

// A far end that wakes up late is cancelled again, and its refusal confirmed.
func TestRingingLongAfterCancel(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := dialThrough(t, c, ctx, nil)
	invite := c.receive()
	cancel()
	c.answer(c.expect("CANCEL"), "481 Call/Transaction Does Not Exist", "")
	<-out
	c.answer(invite, "180 Ringing", "")
	c.answer(c.expect("CANCEL"), "200 OK", "")
	c.answer(invite, "487 Request Terminated", "")
	if ack := c.expect("ACK"); headerOf(ack, "Via") != headerOf(invite, "Via") {
		t.Errorf("got %q, want the ACK of the refusal", ack)
	}
	c.silent()
}

// Where a proxy rang two phones and both were picked up, one call stands.
func TestTwoAnswersToOneInvite(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	out := dialThrough(t, c, t.Context(), nil)
	invite := c.receive()
	c.answer(invite, "200 OK", basicSDP(4000))
	first := c.expect("ACK")
	second := strings.Replace(invite, "\r\nTo: "+headerOf(invite, "To"), "\r\nTo: "+headerOf(invite, "To")+";tag=other", 1)
	c.answer(second, "200 OK", basicSDP(4000))
	if ack := c.expect("ACK"); headerOf(ack, "To") == headerOf(first, "To") {
		t.Fatalf("got %q, want an ACK to the other phone", ack)
	}
	bye := c.expect("BYE")
	if !strings.Contains(headerOf(bye, "To"), ";tag=other") {
		t.Errorf("the wrong phone is hung up: %s", bye)
	}
	c.answer(bye, "200 OK", "")
	select {
	case err := <-out:
		t.Fatalf("the call that stands ended: %v", err)
	default:
	}
	c.answer(invite, "200 OK", basicSDP(4000))
	if again := c.expect("ACK"); again != first {
		t.Errorf("got %q, want the first ACK again", again)
	}
}
