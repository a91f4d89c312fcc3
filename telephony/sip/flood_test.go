package sip

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// newRawUAFrom is a peer at another address of this machine.
func newRawUAFrom(t testing.TB, d *Driver, network, ip string) *rawUA {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(ip)}}
	if network == "tcp" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(ip)}
	}
	conn, err := dialer.DialContext(t.Context(), network, d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newRawUAOn(t, network, conn)
}

// guarded is a driver that knows 127.0.0.2 and asks everybody else for digest
// credentials.
func guarded(t *testing.T, change func(*Config)) *Driver {
	t.Helper()
	return newDriver(t, func(c *Config) {
		c.LocalSources = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
		c.Users = []User{{Name: "desk", Password: "secret"}}
		if change != nil {
			change(c)
		}
	})
}

// However many requests come from sources that nobody knows, those that are
// known place their calls.
func TestFloodOfUnknownRequests(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"REGISTER", "INVITE", "OPTIONS", "BYE", "CANCEL"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			d := guarded(t, func(c *Config) { c.MaxTransactions = 20 })
			serve(t, d, accept)
			flood := newRawUAFrom(t, d, "udp", "127.0.0.1")
			known := newRawUAFrom(t, d, "udp", "127.0.0.2")
			for i := range 300 {
				flood.branch++ // for CANCEL, which else repeats the last one
				flood.send(flood.request(method, i+1, ""))
			}
			known.establish(basicSDP(4000))
			known.send(known.request("BYE", 2, ""))
			known.status("BYE", 200)
		})
	}
}

// A call that stands is not disturbed either, though its far end is at an
// address from which nothing else would be read; and what was refused is counted.
func TestFloodDuringACall(t *testing.T) {
	t.Parallel()
	var refused refusals
	d := guarded(t, func(c *Config) { c.MaxTransactions, c.Refused = 20, refused.add })
	_, events := tape(t, d)
	known := newRawUAFrom(t, d, "udp", "127.0.0.2")
	moved := newRawUAFrom(t, d, "udp", "127.0.0.3")
	known.send(known.request("INVITE", 1, basicSDP(4000), "Contact: <sip:a@"+moved.conn.LocalAddr().String()+">"))
	ok := known.status("INVITE", 200)
	_, known.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
	known.ack(1, "")
	neighbour := newRawUAFrom(t, d, "udp", "127.0.0.3") // at the host that will end the call
	for i := range 300 {
		neighbour.send(neighbour.request("REGISTER", i+1, ""))
	}
	moved.callID, moved.toTag = known.callID, known.toTag
	moved.send(moved.request("BYE", 2, ""))
	moved.status("BYE", 200)
	if ev := next(t, events); !ev.Remote {
		t.Errorf("event %+v", ev)
	}
	flood := newRawUAFrom(t, d, "udp", "127.0.0.1")
	for i := range 300 {
		flood.send(flood.request("REGISTER", i+1, ""))
	}
	eventually(t, "the flood to be counted", func() bool { return refused.of(RefusedRate) >= 200 })
	if n := refused.of(RefusedOverload); n != 0 {
		t.Errorf("%d requests found the table full", n)
	}
}

// An unknown source gets the challenge for every copy of its request, with the
// same tag, and nothing is stored for it.
func TestChallengesNeedNoMemory(t *testing.T) {
	t.Parallel()
	d := guarded(t, nil)
	u := newRawUAFrom(t, d, "udp", "127.0.0.1")
	invite := u.request("INVITE", 1, basicSDP(4000))
	u.send(invite)
	first := u.status("INVITE", 401)
	u.send(invite)
	if again := u.status("INVITE", 401); headerOf(again, "To") != headerOf(first, "To") {
		t.Errorf("To is %q, then %q", headerOf(first, "To"), headerOf(again, "To"))
	}
	if msg := u.receive(700 * time.Millisecond); msg != "" {
		t.Errorf("repeated without being asked: %q", msg)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.txs) != 0 {
		t.Errorf("%d transactions", len(d.txs))
	}
}

// Where the table is full of requests of a known source, its calls still end.
func TestCallsEndWhileTheTableIsFull(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) { c.MaxTransactions = 3 })
	serve(t, d, accept)
	u := newRawUA(t, d, "udp")
	u.establish(basicSDP(4000))
	other := newRawUA(t, d, "udp")
	for i := range 2 {
		other.send(other.request("OPTIONS", i+1, ""))
		other.status("OPTIONS", 200)
	}
	other.send(other.request("OPTIONS", 3, ""))
	other.status("OPTIONS", 503)
	u.send(u.request("BYE", 2, ""))
	u.status("BYE", 200)
}

// One unknown source may hold 16 connections; others are not affected.
func TestConnectionsOfOneUnknownSource(t *testing.T) {
	t.Parallel()
	d := guarded(t, nil)
	for range maxOfSource {
		newRawUAFrom(t, d, "tcp", "127.0.0.1")
	}
	eventually(t, "the connections", func() bool {
		d.transport.mu.Lock()
		defer d.transport.mu.Unlock()
		return len(d.transport.strangers) == maxOfSource
	})
	more := newRawUAFrom(t, d, "tcp", "127.0.0.1")
	more.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := more.conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("one more is open: %v", err)
	}
	for _, other := range []string{"127.0.0.2", "127.0.0.3"} {
		u := newRawUAFrom(t, d, "tcp", other)
		u.send(u.request("OPTIONS", 1, ""))
		if got := u.receive(20 * time.Second); !strings.HasPrefix(got, "SIP/2.0 ") {
			t.Errorf("%s got %q", other, got)
		}
	}
}

// When unknown sources have too many connections together, the oldest makes room: who
// comes now may be a phone, which proves at once who it is.
func TestConnectionsOfManyUnknownSources(t *testing.T) {
	t.Parallel()
	d := guarded(t, nil)
	first := newRawUAFrom(t, d, "tcp", "127.0.1.1")
	for i := range maxUnknown {
		newRawUAFrom(t, d, "tcp", "127.0.1."+strconv.Itoa(2+i/8))
	}
	first.conn.SetReadDeadline(time.Now().Add(5 * time.Second)) // without a word it may stay for tcpUnknown
	if _, err := first.conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the oldest is open: %v", err)
	}
	phone := newRawUAFrom(t, d, "tcp", "127.0.0.3")
	login(t, phone, "OPTIONS", "desk", "secret", "")
	phone.status("OPTIONS", 200)
	d.transport.mu.Lock()
	defer d.transport.mu.Unlock()
	if n := len(d.transport.strangers); n > maxUnknown {
		t.Errorf("%d connections of unknown sources", n)
	}
}

// Messages of unknown sources are short; those of known ones may be long.
func TestLongMessagesOfUnknownSources(t *testing.T) {
	t.Parallel()
	d := guarded(t, nil)
	for host, want := range map[string]bool{"127.0.0.1": false, "127.0.0.2": true} {
		u := newRawUAFrom(t, d, "tcp", host)
		u.send(u.request("OPTIONS", 1, "", "Subject: "+strings.Repeat("x", maxUnknownMessage)))
		if got := u.receive(20 * time.Second); strings.HasPrefix(got, "SIP/2.0 200") != want {
			t.Errorf("%s got %q", host, got)
		}
	}
}
