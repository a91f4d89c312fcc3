package sip

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"github.com/sidetone/sidetone/telephony"
)

// overhear returns a peer at another address that knows everything about the
// call of u.
func overhear(t *testing.T, d *Driver, u *rawUA, ip string) *rawUA {
	t.Helper()
	o := newRawUAFrom(t, d, "udp", ip)
	o.callID, o.toTag = u.callID, u.toTag
	o.branch = 1000 // no repetitions
	return o
}

// listening is a driver whose local sources are those addresses; 127.0.0.9 is a
// trunk's.
func listening(t *testing.T, sources ...string) *Driver {
	t.Helper()
	return newDriver(t, func(c *Config) {
		c.LocalSources = nil
		for _, s := range sources {
			c.LocalSources = append(c.LocalSources, netip.MustParsePrefix(s+"/32"))
		}
		c.Trunks = []Trunk{{Name: "carrier", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}}}
		c.Users = []User{{Name: "desk", Password: "secret"}, {Name: "hall", Password: "secret"}} // so that everybody is read
	})
}

// Who knows the tags of a call but has no part in it changes nothing and hears
// nothing, whatever he sends.
func TestRequestsOfACallFromElsewhere(t *testing.T) {
	t.Parallel()
	var refused refusals
	d := listening(t, "127.0.0.2", "127.0.0.8")
	d.sources.refused = refused.add
	_, events := tape(t, d)
	u := newRawUAFrom(t, d, "udp", "127.0.0.2")
	u.establish(basicSDP(4000))
	for i, from := range []string{"127.0.0.3", "127.0.0.9", "127.0.0.8"} { // unknown, of another trunk, and a neighbour that may call, too
		o := overhear(t, d, u, from)
		o.send(o.request("INVITE", 50, basicSDP(4002, "a=sendonly\r\n")))
		o.send(o.request("UPDATE", 51, basicSDP(4002, "a=inactive\r\n")))
		o.send(o.request("INFO", 52, "Signal=5", "Content-Type: application/dtmf-relay"))
		o.send(o.request("OPTIONS", 53, ""))
		o.send(o.request("PRACK", 54, "", "RAck: 1 1 INVITE"))
		o.send(o.request("REFER", 55, "", "Refer-To: <sip:+12025550142@"+from+">"))
		o.send(o.request("NOTIFY", 56, "SIP/2.0 200 OK", "Content-Type: message/sipfrag", "Event: refer", "Subscription-State: terminated"))
		// Who he says to be, and by which way he says to come, admits him no more.
		forged := []string{"Via: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bKforged;rport", "Contact: <sip:a@127.0.0.2>", "Record-Route: <sip:" + from + ";lr>"}
		o.send(o.request("BYE", 57, "", forged...))
		o.send(o.request("BYE", 58, ""))
		eventually(t, "the refusals", func() bool { return refused.of(RefusedForeign) == 9*(i+1) })
		if msg := o.receive(300 * time.Millisecond); msg != "" {
			t.Errorf("%s got %q", from, msg)
		}
	}
	if d.Calls() != 1 {
		t.Fatal("the call is over")
	}
	u.send(u.request("BYE", 2, "")) // whose sequence number nobody else used up
	u.status("BYE", 200)
	if ev := next(t, events); ev.Kind != telephony.KindEnded || !ev.Remote {
		t.Errorf("event %+v", ev)
	}
}

// Hosts that the INVITE names may end its call.
func TestRequestsOfACallFromHostsOfItsInvite(t *testing.T) {
	t.Parallel()
	via := "Via: SIP/2.0/UDP 127.0.0.4;branch=z9hG4bKfirst, SIP/2.0/UDP 192.0.2.1;received=127.0.0.5;branch=z9hG4bKsecond"
	for from, header := range map[string]string{
		"127.0.0.3": "Contact: <sip:a@127.0.0.3:5070>",
		"127.0.0.4": via,
		"127.0.0.5": via,
		"127.0.0.6": "Record-Route: <sip:127.0.0.7;lr>, <sip:127.0.0.6;lr>",
		"127.0.0.1": "Contact: <sip:a@localhost:5070>",
		"127.0.0.2": "X-None: x", // where it came from
	} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			d := listening(t, "127.0.0.2")
			serve(t, d, accept)
			u := newRawUAFrom(t, d, "udp", "127.0.0.2")
			u.send(strings.Replace(u.request("INVITE", 1, basicSDP(4000), header), via, "Via: "+u.via+";branch=z9hG4bKtop\r\n"+via, 1))
			ok := u.status("INVITE", 200)
			_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
			u.ack(1, "")
			o := overhear(t, d, u, from)
			bye := o.request("BYE", 2, "")
			eventually(t, "the response to BYE", func() bool { // names are looked up meanwhile
				o.send(bye)
				return strings.HasPrefix(o.receive(200*time.Millisecond), "SIP/2.0 200")
			})
		})
	}
}

// The far end may move: a re-INVITE that is taken names where from requests
// come next.
func TestRequestsOfACallFromANewContact(t *testing.T) {
	t.Parallel()
	d := listening(t, "127.0.0.2")
	serve(t, d, accept)
	u := newRawUAFrom(t, d, "udp", "127.0.0.2")
	u.establish(basicSDP(4000))
	u.send(u.request("INVITE", 2, basicSDP(4000), "Contact: <sip:a@127.0.0.3>"))
	u.status("INVITE", 200)
	u.ack(2, "")
	o := overhear(t, d, u, "127.0.0.3")
	o.send(o.request("BYE", 3, ""))
	o.status("BYE", 200)
}

// A digest user's call is followed to where he registers next; other local
// sources and other users have no part in it.
func TestRequestsOfADigestUsersCall(t *testing.T) {
	t.Parallel()
	d := listening(t, "127.0.0.2")
	serve(t, d, accept)
	u := newRawUAFrom(t, d, "udp", "127.0.0.3")
	login(t, u, "INVITE", "desk", "secret", basicSDP(4000))
	_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 200), "To"), ";tag=")
	u.ack(u.last, "")
	for _, from := range []string{"127.0.0.2", "127.0.0.4", "127.0.0.9"} {
		o := overhear(t, d, u, from)
		o.send(o.request("BYE", 50, ""))
		if msg := o.receive(300 * time.Millisecond); msg != "" {
			t.Errorf("%s got %q", from, msg)
		}
	}
	other := newRawUAFrom(t, d, "udp", "127.0.0.4")
	login(t, other, "REGISTER", "hall", "secret", "", "To: <sip:hall@sidetone>")
	other.status("REGISTER", 200)
	moved := newRawUAFrom(t, d, "udp", "127.0.0.5")
	login(t, moved, "REGISTER", "desk", "secret", "", "To: <sip:desk@sidetone>")
	moved.status("REGISTER", 200)
	o := overhear(t, d, u, "127.0.0.4")
	o.send(o.request("BYE", 50, ""))
	if msg := o.receive(300 * time.Millisecond); msg != "" {
		t.Errorf("another user got %q", msg)
	}
	o = overhear(t, d, u, "127.0.0.5")
	o.send(o.request("BYE", 50, ""))
	o.status("BYE", 200)
}

// login sends a request, answers its challenge and leaves the response to the
// second one.
func login(t *testing.T, u *rawUA, method, user, password, body string, headers ...string) {
	t.Helper()
	u.last++
	u.send(u.request(method, u.last, body, headers...))
	ask := u.status(method, 401)
	challenge, err := digest.ParseChallenge(headerOf(ask, "WWW-Authenticate"))
	if err != nil {
		t.Fatal(err)
	}
	cred, err := digest.Digest(challenge, digest.Options{Method: method, URI: "sip:+12125550123@sidetone",
		Count: 1, Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	u.last++
	u.send(u.request(method, u.last, body, append(headers, "Authorization: "+cred.String())...))
}

// A call that we placed is changed by the trunk's addresses and the hosts that
// its response names, and by nobody else.
func TestRequestsOfACallThatWePlaced(t *testing.T) {
	t.Parallel()
	for from, taken := range map[string]bool{"127.0.0.2": true, "127.0.0.3": true, "127.0.0.4": true, "127.0.0.9": true,
		"127.0.0.5": false, "127.0.0.1": false} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			c := &carrier{t: t, conn: conn}
			d := newDriver(t, func(cfg *Config) {
				cfg.LocalSources = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
				cfg.Users = []User{{Name: "desk", Password: "secret"}} // so that everybody is read
				cfg.Trunks = []Trunk{{Name: "carrier", Host: conn.LocalAddr().String(),
					Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}}}
			})
			dialled := make(chan error, 1)
			go func() {
				_, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
				dialled <- err
			}()
			invite := c.receive()
			c.answer(invite, "200 OK", basicSDP(4000), "Record-Route: <sip:127.0.0.3;lr>, <sip:127.0.0.4;lr>")
			if err := <-dialled; err != nil {
				t.Fatal(err)
			}
			o := newRawUAFrom(t, d, "udp", from)
			o.send("BYE sip:a@b SIP/2.0\r\nVia: " + o.via + ";branch=z9hG4bKbye\r\nFrom: " + headerOf(invite, "To") +
				";tag=carrier\r\nTo: " + headerOf(invite, "From") + "\r\nCall-ID: " + headerOf(invite, "Call-ID") +
				"\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n")
			if taken {
				o.status("BYE", 200)
				eventually(t, "the call to end", func() bool { return d.Calls() == 0 })
			} else if msg := o.receive(300 * time.Millisecond); msg != "" || d.Calls() != 1 {
				t.Errorf("got %q, %d calls are left", msg, d.Calls())
			}
		})
	}
}

// A CANCEL from another host than the INVITE's ends nothing.
func TestCancelFromElsewhere(t *testing.T) {
	t.Parallel()
	d := listening(t, "127.0.0.2", "127.0.0.3")
	serve(t, d, func(ctx context.Context, leg telephony.Leg) {
		for range leg.Events(ctx) {
		}
	})
	u := newRawUAFrom(t, d, "udp", "127.0.0.2")
	u.send(u.request("INVITE", 1, basicSDP(4000)))
	u.status("INVITE", 180)
	o := newRawUAFrom(t, d, "udp", "127.0.0.3")
	o.send(u.request("CANCEL", 1, ""))
	if msg := o.receive(300 * time.Millisecond); msg != "" || d.Calls() != 1 {
		t.Errorf("got %q, %d calls", msg, d.Calls())
	}
	u.send(u.request("CANCEL", 1, ""))
	u.status("INVITE", 487)
}

// An ACK from elsewhere confirms nothing: the 200 comes again.
func TestAckFromElsewhere(t *testing.T) {
	t.Parallel()
	d := listening(t, "127.0.0.2")
	serve(t, d, accept)
	u := newRawUAFrom(t, d, "udp", "127.0.0.2")
	u.send(u.request("INVITE", 1, basicSDP(4000)))
	_, u.toTag, _ = strings.Cut(headerOf(u.status("INVITE", 200), "To"), ";tag=")
	o := newRawUAFrom(t, d, "udp", "127.0.0.3")
	o.send(u.request("ACK", 1, ""))
	u.status("INVITE", 200)
	u.status("INVITE", 200)
	u.ack(1, "")
	if msg := u.receive(5 * time.Second); msg != "" { // the next one is due after 2 s
		t.Errorf("repeated after its ACK: %q", msg)
	}
}

// Requests whose From tag is not the far end's belong to no call; an ACK of
// that kind confirms nothing.
func TestFromTagOfACall(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	serve(t, d, accept)
	u := newRawUA(t, d, "udp")
	u.send(u.request("INVITE", 1, basicSDP(4000)))
	ok := u.status("INVITE", 200)
	_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
	const other = "From: <sip:+12125550100@127.0.0.1>;tag=other"
	u.send(u.request("ACK", 1, "", other))
	u.status("INVITE", 200) // again, for it was not confirmed
	u.ack(1, "")
	for i, method := range []string{"BYE", "INFO", "UPDATE", "OPTIONS", "INVITE"} {
		u.send(u.request(method, i+2, "", other))
		u.status(method, 481)
		if method == "INVITE" {
			u.send(u.request("ACK", i+2, "", other))
		}
	}
	if d.Calls() != 1 {
		t.Fatal("the call is over")
	}
	u.send(u.request("BYE", 20, ""))
	u.status("BYE", 200)
}

// What a call counts as its hosts is forgotten with it, however it ends.
func TestHostsOfCallsAreForgotten(t *testing.T) {
	t.Parallel()
	far := newDriver(t, nil)
	serve(t, far, accept)
	near := newDriver(t, func(c *Config) { c.Trunks = []Trunk{{Name: "far", Host: far.Addr().String()}} })
	for _, trunk := range []string{"far", ""} { // one is answered, one refused
		leg, err := near.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: trunk}, nil)
		if err == nil {
			err = leg.Hangup(t.Context(), telephony.CauseNormal)
		}
		if (err == nil) != (trunk == "far") {
			t.Errorf("trunk %q: %v", trunk, err)
		}
	}
	for _, d := range []*Driver{near, far} {
		eventually(t, "the hosts to be forgotten", func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return len(d.hosts) == 0
		})
	}
}
