package sip

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// answeredCall is a call of u to d.
func answeredCall(t *testing.T, change func(*Config), network string, headers ...string) (*Driver, *rawUA, *leg, chan telephony.Event) {
	t.Helper()
	d := newDriver(t, change)
	legs, events := tape(t, d)
	u := newRawUA(t, d, network)
	u.send(u.request("INVITE", 1, basicSDP(4000), headers...))
	_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 200), "To"), ";tag=")
	u.ack(1, "")
	l := (<-legs).(*leg)
	eventually(t, "the ACK is taken", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.unacked == nil
	})
	return d, u, l, events
}

// A BYE is answered once and for all, or sent again.
func TestByeIsSentUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers []string
		closed  bool
	}{
		"taken":                     {[]string{"200 OK"}, true},
		"no such call":              {[]string{"481 Gone"}, true},
		"an overloaded server":      {[]string{"503 Later", "200 OK"}, true},
		"nobody there but 481":      {[]string{"408 Nobody", "481 Gone"}, true},
		"another request under way": {[]string{"491 Later", "500 Later", "200 OK"}, true},
		"forbidden":                 {[]string{"403 No"}, false},
		"not understood":            {[]string{"501 No"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var unconfirmed atomic.Int64
			_, u, l, _ := answeredCall(t, func(c *Config) { c.Unconfirmed = func() { unconfirmed.Add(1) } }, "udp")
			hungUp := make(chan error, 1)
			go func() { hungUp <- l.Hangup(t.Context(), telephony.CauseNormal) }()
			for _, a := range test.answers {
				u.reply(u.ask("BYE"), a, "")
			}
			err := <-hungUp
			if (err == nil) != test.closed || (unconfirmed.Load() == 0) != test.closed {
				t.Errorf("%v, %d not confirmed", err, unconfirmed.Load())
			}
			if again := l.Hangup(t.Context(), telephony.CauseNormal); !errors.Is(again, err) {
				t.Errorf("a second hang-up says %v", again)
			}
		})
	}
}

// Nobody has to wait for a far end that does not answer; whoever hung up is told so,
// and the BYE goes on.
func TestHangupIsNotConfirmed(t *testing.T) {
	t.Parallel()
	var unconfirmed atomic.Int64
	d, u, l, events := answeredCall(t, func(c *Config) { c.Unconfirmed = func() { unconfirmed.Add(1) } }, "udp")
	if err := l.Hangup(withoutWaiting(), telephony.CauseNormal); !errors.Is(err, telephony.ErrUnconfirmed) {
		t.Errorf("Hangup: %v", err)
	}
	if ev := next(t, events); ev.Kind != telephony.KindEnded {
		t.Errorf("event %+v", ev)
	}
	first := u.receive(20 * time.Second)
	if again := u.receive(20 * time.Second); !strings.HasPrefix(first, "BYE ") || again != first {
		t.Errorf("got %q and %q, want a BYE twice", first, again)
	}
	d.Close()
	if unconfirmed.Load() != 1 {
		t.Errorf("%d are counted", unconfirmed.Load())
	}
}

// Over TCP a BYE whose connection fails is sent over another one, also when nobody
// listens for a while.
func TestByeOverAnotherConnection(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, u, l, _ := answeredCall(t, nil, "tcp", "Contact: <sip:raw@"+listener.Addr().String()+";transport=tcp>")
	hungUp := make(chan error, 1)
	go func() { hungUp <- l.Hangup(t.Context(), telephony.CauseNormal) }()
	u.ask("BYE")
	u.conn.Close() // without an answer
	first, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	first.Close() // and once more
	second, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	u.conn, u.in = second, bufio.NewReader(second)
	u.reply(u.ask("BYE"), "200 OK", "")
	if err := <-hungUp; err != nil {
		t.Errorf("Hangup: %v", err)
	}
}

// oddContacts are headers of a far end to whose addresses nothing can be sent.
func oddContacts() map[string][]string {
	return map[string][]string{
		"a bare host name":          {"Contact: <sip:uas@asterisk>"},
		"a name of another net":     {"Contact: <sip:uas@pbx.local:5060>"},
		"a name by TCP":             {"Contact: <sip:uas@pbx.local;transport=tcp>"},
		"a name by TLS":             {"Contact: <sips:uas@pbx.local>"},
		"a port of nothing":         {"Contact: <sip:uas@127.0.0.1:port>"},
		"no host":                   {"Contact: <sip:>"},
		"none":                      {"Contact:"},
		"empty":                     {"Contact: <>"},
		"no address":                {"Contact: uas"},
		"every address":             {"Contact: *"},
		"another scheme":            {"Contact: <tel:+12125550101>"},
		"a route that nobody knows": {"Contact: <sip:uas@127.0.0.1:9>", "Record-Route: <sip:sbc.local;lr>"},
		"a route of nothing":        {"Contact: <sip:uas@asterisk>", "Record-Route: <sip:;lr>"},
	}
}

// nobodyKnows is a name service without names.
func nobodyKnows(context.Context, string) ([]netip.Addr, error) {
	return nil, errors.New("no such host")
}

// Whatever the far end calls itself, our BYE goes at least to where its messages come
// from.
func TestByeToOddContacts(t *testing.T) {
	t.Parallel()
	expectBye := func(t *testing.T, bye string) {
		t.Helper()
		if uri := strings.Fields(bye)[1]; !strings.HasPrefix(uri, "sip") || len(uri) < len("sips:x") {
			t.Errorf("a BYE for %q", uri)
		}
	}
	for name, headers := range oddContacts() {
		t.Run("called with "+name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			d := newDriver(t, func(cfg *Config) {
				cfg.Lookup = nobodyKnows
				cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String()}}
			})
			hungUp := make(chan error, 1)
			go func() {
				leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
				if err == nil {
					err = leg.Hangup(t.Context(), telephony.CauseNormal)
				}
				hungUp <- err
			}()
			c.answer(c.receive(), "200 OK", basicSDP(4000), headers...)
			c.expect("ACK")
			bye := c.expect("BYE")
			expectBye(t, bye)
			c.answer(bye, "200 OK", "")
			if err := <-hungUp; err != nil {
				t.Errorf("Hangup: %v", err)
			}
		})
		t.Run("calling with "+name, func(t *testing.T) {
			t.Parallel()
			_, u, l, _ := answeredCall(t, func(c *Config) { c.Lookup = nobodyKnows }, "udp", headers...)
			hungUp := make(chan error, 1)
			go func() { hungUp <- l.Hangup(t.Context(), telephony.CauseNormal) }()
			bye := u.ask("BYE")
			expectBye(t, bye)
			u.reply(bye, "200 OK", "")
			if err := <-hungUp; err != nil {
				t.Errorf("Hangup: %v", err)
			}
		})
	}
}

// A far end with such a contact whose connection is gone is called back where it was,
// a caller at the port that it names.
func TestByeToOddContactsOverAnotherConnection(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	d, u, l, _ := answeredCall(t, func(c *Config) { c.Lookup = nobodyKnows }, "tcp", "Contact: <sip:uas@asterisk:"+port+";transport=tcp>")
	u.conn.Close()
	eventually(t, "the connection to be gone", func() bool {
		d.transport.mu.Lock()
		defer d.transport.mu.Unlock()
		return len(d.transport.conns) == 0
	})
	hungUp := make(chan error, 1)
	go func() { hungUp <- l.Hangup(t.Context(), telephony.CauseNormal) }()
	again, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	u = newRawUAOn(t, "tcp", again)
	u.reply(u.ask("BYE"), "200 OK", "")
	if err := <-hungUp; err != nil {
		t.Errorf("Hangup: %v", err)
	}
}

// A trunk whose contact is behind a NAT is called back where it was called.
func TestByeToATrunkWhoseConnectionFailed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	d := newDriver(t, func(c *Config) {
		c.Trunks = []Trunk{{Name: "far", Host: listener.Addr().String(), Transport: "tcp"}}
	})
	hungUp := make(chan error, 1)
	lost := make(chan struct{})
	go func() {
		leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "far"}, nil)
		if err == nil {
			<-lost
			err = leg.Hangup(t.Context(), telephony.CauseNormal)
		}
		hungUp <- err
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	u := newRawUAOn(t, "tcp", conn)
	u.reply(u.ask("INVITE"), "200 OK", basicSDP(4000), "Contact: <sip:raw@10.1.2.3:5060;transport=tcp>")
	u.ask("ACK")
	conn.Close()
	eventually(t, "the connection to be gone", func() bool {
		d.transport.mu.Lock()
		defer d.transport.mu.Unlock()
		return len(d.transport.conns) == 0
	})
	close(lost)
	again, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	u = newRawUAOn(t, "tcp", again)
	u.reply(u.ask("BYE"), "200 OK", "")
	if err := <-hungUp; err != nil {
		t.Errorf("Hangup: %v", err)
	}
}

// Another process hangs up what it reads about a call: inbound and outbound, through a
// proxy, with a challenge, with numbers that are higher than any that were used.
func TestAnotherProcessHangsUp(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	trunks := func(cfg *Config) {
		cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), Username: "acct", Password: "pw"}}
	}
	near := newDriver(t, trunks)
	out := make(chan telephony.Leg, 1)
	go func() {
		leg, err := near.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
		if err != nil {
			t.Error(err)
		}
		out <- leg
	}()
	invite := c.receive()
	c.answer(invite, "200 OK", basicSDP(4000), "Record-Route: <sip:"+c.conn.LocalAddr().String()+";lr>")
	ack := c.receive()
	leg := <-out
	dialog := leg.(telephony.DialogHolder).Dialog()
	if strings.Contains(dialog, "pw") || strings.Contains(dialog, "acct") {
		t.Errorf("the stored dialog tells secrets: %s", dialog)
	}
	far := newDriver(t, trunks) // the next process
	closed := make(chan error, 1)
	go func() { closed <- far.CloseDialog(t.Context(), dialog) }()
	bye := c.receive()
	for _, same := range []string{"Call-ID", "To", "From", "Route"} {
		if !strings.HasPrefix(bye, "BYE "+strings.Fields(ack)[1]) || headerOf(bye, same) != headerOf(ack, same) {
			t.Errorf("the BYE is\n%swant one within the call of\n%s", bye, ack)
		}
	}
	if cseqOf(t, bye) < cseqOf(t, invite)+dialogGap {
		t.Errorf("the BYE has number %d after %d", cseqOf(t, bye), cseqOf(t, invite))
	}
	c.answer(bye, "407 Who", "", `Proxy-Authenticate: Digest realm="r", nonce="n"`)
	again := c.receive()
	if headerOf(again, "Proxy-Authorization") == "" {
		t.Errorf("the challenge is answered with\n%s", again)
	}
	c.answer(again, "200 OK", "")
	if err := <-closed; err != nil {
		t.Errorf("CloseDialog: %v", err)
	}
}

func cseqOf(t *testing.T, msg string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.Fields(headerOf(msg, "CSeq"))[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The far end of a call that came in is hung up by another process, too; one that does
// not answer is counted.
func TestAnotherProcessHangsUpACaller(t *testing.T) {
	t.Parallel()
	_, u, l, _ := answeredCall(t, nil, "udp")
	dialog := l.Dialog()
	var unconfirmed atomic.Int64
	other := newDriver(t, func(c *Config) { c.Unconfirmed = func() { unconfirmed.Add(1) } })
	var s savedDialog
	if err := json.Unmarshal([]byte(dialog), &s); err != nil || s.Peer != u.conn.LocalAddr().String() || s.RemoteTag != "caller" {
		t.Fatalf("%s, %v", dialog, err)
	}
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s.Target, s.Peer = "sip:raw@"+silent.LocalAddr().String(), silent.LocalAddr().String()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan error, 1)
	go func() { closed <- other.CloseDialog(ctx, string(raw)) }()
	buf := make([]byte, 2048)
	silent.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := silent.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "BYE sip:raw@") || !strings.Contains(string(buf[:n]), ";tag="+u.toTag) {
		t.Errorf("got %q, %v", buf[:n], err)
	}
	cancel()
	if err := <-closed; !errors.Is(err, telephony.ErrUnconfirmed) || unconfirmed.Load() != 1 {
		t.Errorf("CloseDialog: %v, %d counted", err, unconfirmed.Load())
	}
}

// What is stored of a dialog is another text when the far end moves, or when numbers
// come near to those of whoever takes the call over.
func TestDialogChanges(t *testing.T) {
	t.Parallel()
	_, u, l, events := answeredCall(t, nil, "udp")
	before := l.Dialog()
	u.send(u.request("INFO", 2, ""))
	u.status("INFO", 200)
	u.send(u.request("UPDATE", 3, "", "Contact: <sip:moved@"+u.conn.LocalAddr().String()+">"))
	u.status("UPDATE", 200)
	if ev := next(t, events); ev.Kind != telephony.KindDialogChanged {
		t.Errorf("event %+v", ev)
	}
	if after := l.Dialog(); after == before || !strings.Contains(after, "sip:moved@") {
		t.Errorf("the dialog is %s", after)
	}
	l.mu.Lock()
	l.localSeq += dialogGap / 2
	l.mu.Unlock()
	u.send(u.request("INFO", 4, ""))
	u.status("INFO", 200)
	if ev := next(t, events); ev.Kind != telephony.KindDialogChanged {
		t.Errorf("event %+v", ev)
	}
	if len(events) > 0 {
		t.Errorf("one more event: %+v", <-events)
	}
}

// A phone that answered a call that was given up is hung up with credentials, too.
func TestForkIsHungUpWithCredentials(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := dialThrough(t, c, ctx, nil)
	invite := c.receive()
	c.answer(invite, "180 Ringing", "")
	cancel()
	c.answer(c.receive(), "200 OK", "") // the CANCEL
	c.answer(invite, "487 Over", "")
	<-out
	for msg := c.receive(); !strings.HasPrefix(msg, "ACK "); msg = c.receive() {
	}
	c.answer(invite, "200 OK", basicSDP(4000)) // a fork
	for _, want := range []string{"ACK ", "BYE "} {
		msg := c.receive()
		if !strings.HasPrefix(msg, want) {
			t.Fatalf("got %q, want %s", msg, want)
		}
		if want == "BYE " {
			c.answer(msg, "407 Who", "", `Proxy-Authenticate: Digest realm="r", nonce="n"`)
		}
	}
	if again := c.receive(); !strings.HasPrefix(again, "BYE ") || headerOf(again, "Proxy-Authorization") == "" {
		t.Errorf("got\n%s", again)
	} else {
		c.answer(again, "200 OK", "")
	}
}

// Whatever is stored, it is a dialog or an error; and a BYE of it is one message.
func FuzzStoredDialog(f *testing.F) {
	f.Add(`{"call_id":"a@b","local":"<sip:a@b>","local_tag":"1","remote":"<sip:c@d>","remote_tag":"2","target":"sip:c@192.0.2.1:5062;transport=tcp","routes":["<sip:p;lr>"],"peer":"192.0.2.1:5060","network":"TCP","trunk":"x","cseq":4294967295}`)
	f.Add(`{"call_id":"a\r\nX: y","target":"sip:a@b","peer":"[::1]:1"}`)
	f.Add(`{}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, text string) {
		d := &Driver{cfg: Config{Advertise: "192.0.2.2"}}
		d.roster.Store(new(roster))
		stored, err := readDialog(text)
		if err != nil {
			return
		}
		l, err := d.revive(stored)
		if err != nil {
			return
		}
		for _, part := range append([]string{l.callID, l.local, l.localTag, l.remote, l.remoteTag, l.target.String()}, l.routes...) {
			if strings.ContainsAny(part, "\r\n") {
				t.Errorf("%q has more than one line", part)
			}
		}
		if !l.peer.addr.IsValid() || l.peer.addr == (netip.AddrPort{}) {
			t.Errorf("peer %v", l.peer.addr)
		}
	})
}
