package sip

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"github.com/sidetone/sidetone/telephony"
)

// carrier is a trunk made of a socket and text.
type carrier struct {
	t    *testing.T
	conn *net.UDPConn
	from *net.UDPAddr
	// change is done to what it answers with; nil: nothing.
	change func(string) string

	received []string
}

func newCarrier(t *testing.T) *carrier {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &carrier{t: t, conn: conn}
}

// receive returns the next message. An INVITE and a BYE are repeated when the
// answer takes half a second, as it does on a busy machine; such copies are
// passed over.
func (c *carrier) receive() string {
	c.t.Helper()
	buf := make([]byte, 65536)
	c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		n, from, err := c.conn.ReadFromUDP(buf)
		if err != nil {
			c.t.Fatal(err)
		}
		c.from = from
		msg := string(buf[:n])
		method, _, _ := strings.Cut(msg, " ")
		if (method == "INVITE" || method == "BYE") && slices.Contains(c.received, msg) {
			continue
		}
		c.received = append(c.received, msg)
		return msg
	}
}

// answer answers a request.
func (c *carrier) answer(req, status, body string, headers ...string) {
	c.t.Helper()
	to := headerOf(req, "To")
	if !strings.Contains(to, ";tag=") && !strings.HasPrefix(status, "100") {
		to += ";tag=carrier"
	}
	lines := []string{"SIP/2.0 " + status, "Via: " + headerOf(req, "Via"), "From: " + headerOf(req, "From"), "To: " + to,
		"Call-ID: " + headerOf(req, "Call-ID"), "CSeq: " + headerOf(req, "CSeq")}
	if body != "" {
		lines = append(lines, "Content-Type: application/sdp")
		if !strings.Contains(strings.Join(headers, ""), "Contact: ") {
			lines = append(lines, "Contact: <sip:carrier@"+c.conn.LocalAddr().String()+">")
		}
	}
	lines = append(lines, headers...)
	text := strings.Join(lines, "\r\n") + "\r\n\r\n" + body
	if c.change != nil {
		text = c.change(text)
	}
	if _, err := c.conn.WriteToUDP([]byte(text), c.from); err != nil {
		c.t.Fatal(err)
	}
}

// dialThrough starts a call through a carrier.
func dialThrough(t *testing.T, c *carrier, ctx context.Context, change func(*Trunk)) chan error {
	t.Helper()
	trunk := Trunk{Name: "carrier", Host: c.conn.LocalAddr().String(), Username: "acct", Password: "pw", FromDomain: "example.com"}
	if change != nil {
		change(&trunk)
	}
	d := newDriver(t, func(cfg *Config) { cfg.Trunks = []Trunk{trunk} })
	out := make(chan error, 1)
	go func() {
		leg, err := d.Dial(ctx, telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
		if err == nil {
			for ev := range leg.Events(ctx) {
				if ev.Kind == telephony.KindEnded {
					err = ev.Err
				}
			}
		}
		out <- err
	}()
	return out
}

// A BYE is challenged too: the trunk's own challenges are answered, at most twice;
// that of another realm is not.
func TestChallengedBye(t *testing.T) {
	t.Parallel()
	const www, proxy = "401 Unauthorized", "407 Proxy Authentication Required"
	for name, test := range map[string]struct {
		asks  []string // status, realm, status, realm, ...
		sent  int      // BYEs
		realm string
	}{
		"once":                  {asks: []string{proxy, "r"}, sent: 2},
		"by two":                {asks: []string{proxy, "p", www, "s"}, sent: 3},
		"a third time":          {asks: []string{proxy, "p", www, "s", www, "s"}, sent: 3},
		"with another realm":    {asks: []string{www, "stranger"}, sent: 1, realm: "carrier"},
		"with the trunk's name": {asks: []string{www, "carrier"}, sent: 2, realm: "carrier"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			d := newDriver(t, func(cfg *Config) {
				cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), Username: "acct", Password: "pw", Realm: test.realm}}
			})
			hungUp := make(chan error, 1)
			go func() {
				leg, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
				if err == nil {
					err = leg.Hangup(t.Context(), telephony.CauseNormal)
				}
				hungUp <- err
			}()
			c.answer(c.receive(), "200 OK", basicSDP(4000))
			c.receive() // the ACK
			seqs := map[string]bool{}
			for i := 0; i < test.sent; i++ {
				bye := c.receive()
				seqs[headerOf(bye, "CSeq")] = true
				if i > 0 && headerOf(bye, "Authorization")+headerOf(bye, "Proxy-Authorization") == "" {
					t.Errorf("BYE %d without credentials", i+1)
				}
				if 2*i == len(test.asks) {
					c.answer(bye, "200 OK", "")
					break
				}
				ask := "WWW-Authenticate"
				if test.asks[2*i] == proxy {
					ask = "Proxy-Authenticate"
				}
				c.answer(bye, test.asks[2*i], "", ask+`: Digest realm="`+test.asks[2*i+1]+`", nonce="n`+strconv.Itoa(i)+`", stale=true, qop="auth"`)
			}
			err := <-hungUp
			if accepted := 2*(test.sent-1) == len(test.asks); accepted != (err == nil) || len(seqs) != test.sent {
				t.Errorf("%v after %d requests", err, len(seqs))
			}
		})
	}
}

func TestTrunkWithDigest(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	out := dialThrough(t, c, t.Context(), nil)
	invite := c.receive()
	if !strings.HasPrefix(headerOf(invite, "From"), "<sip:+12125550100@example.com>;tag=") {
		t.Errorf("From %q", headerOf(invite, "From"))
	}
	for _, want := range []string{"m=audio ", "RTP/AVP 9 0 8 101", "a=rtcp-mux"} {
		if !strings.Contains(invite, want) {
			t.Errorf("offer without %q", want)
		}
	}
	c.answer(invite, "407 Proxy Authentication Required", "", `Proxy-Authenticate: Digest realm="r", nonce="n", algorithm=MD5, qop="auth"`)
	if ack := c.receive(); !strings.HasPrefix(ack, "ACK ") || headerOf(ack, "Via") != headerOf(invite, "Via") {
		t.Fatalf("got %q, want the ACK of the refusal", ack)
	}
	again := c.receive()
	cred, err := digest.ParseCredentials(headerOf(again, "Proxy-Authorization"))
	if err != nil || cred.Username != "acct" || cred.URI != strings.Fields(again)[1] {
		t.Fatalf("credentials %+v, %v", cred, err)
	}
	c.answer(again, "100 Trying", "")
	c.answer(again, "200 OK", basicSDP(4000))
	ack := c.receive()
	if !strings.HasPrefix(ack, "ACK sip:carrier@") {
		t.Fatalf("got %q, want an ACK", ack)
	}
	c.answer(again, "200 OK", basicSDP(4000)) // as if the ACK had been lost
	if repeated := c.receive(); repeated != ack {
		t.Errorf("got %q, want the ACK again", repeated)
	}
	c.conn.WriteToUDP([]byte("BYE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP "+c.conn.LocalAddr().String()+";branch=z9hG4bKbye\r\nFrom: "+
		headerOf(ack, "To")+"\r\nTo: "+headerOf(ack, "From")+"\r\nCall-ID: "+headerOf(ack, "Call-ID")+
		"\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"), c.from)
	if ok := c.receive(); !strings.HasPrefix(ok, "SIP/2.0 200") {
		t.Errorf("got %q", ok)
	}
	if err := <-out; err != nil {
		t.Errorf("the call: %v", err)
	}
}

func TestTrunkRefusesOurPasswordOnce(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	out := dialThrough(t, c, t.Context(), nil)
	for range 2 {
		c.answer(c.receive(), "401 Unauthorized", "", `WWW-Authenticate: Digest realm="r", nonce="n"`)
		c.receive()
	}
	var got *telephony.DialError
	if err := <-out; !errors.As(err, &got) || got.Cause != telephony.CauseUnauthorised || got.Status != 401 || !got.Sent {
		t.Errorf("Dial: %v", err)
	}
}

func TestCancelOfACallThroughATrunk(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := dialThrough(t, c, ctx, nil)
	invite := c.receive()
	c.answer(invite, "180 Ringing", "")
	cancel()
	stop := c.receive()
	if !strings.HasPrefix(stop, "CANCEL ") || headerOf(stop, "Via") != headerOf(invite, "Via") {
		t.Fatalf("got %q, want a CANCEL with the INVITE's branch", stop)
	}
	c.answer(stop, "200 OK", "")
	c.answer(invite, "200 OK", basicSDP(4000)) // the answer crossed the CANCEL
	for _, want := range []string{"ACK ", "BYE "} {
		msg := c.receive()
		if !strings.HasPrefix(msg, want) {
			t.Fatalf("got %q, want %s", msg, want)
		}
		if want == "BYE " {
			c.answer(msg, "200 OK", "")
		}
	}
	var got *telephony.DialError
	if err := <-out; !errors.As(err, &got) || got.Cause != telephony.CauseCancelled {
		t.Errorf("Dial: %v", err)
	}
}

func TestDialThatCannotStart(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) { c.Trunks = []Trunk{{Name: "in only"}} })
	for _, req := range []telephony.DialRequest{
		{From: "+12125550100", To: "+12125550101", Trunk: "unknown"},
		{From: "+12125550100", To: "+12125550101", Trunk: "in only"},
		{From: "+12125550100", To: "a>\r\nX: y"},
		{From: "\"", To: "+12125550101"},
		{From: "+12125550100", To: ""},
	} {
		var got *telephony.DialError
		if _, err := d.Dial(t.Context(), req, nil); !errors.As(err, &got) || got.Sent || got.Cause != telephony.CauseFailure {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

func TestSessionOfAnInvite(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	tape(t, d)
	tests := []struct {
		headers []string
		want    string
		require string
	}{
		{nil, "", ""},
		{[]string{"Session-Expires: 1800", "Supported: timer"}, "1800;refresher=uac", "timer"},
		{[]string{"Session-Expires: 90;refresher=uas", "Supported: timer"}, "90;refresher=uas", ""},
		{[]string{"Session-Expires: 300"}, "300;refresher=uas", ""},
	}
	for _, test := range tests {
		u := newRawUA(t, d, "udp")
		u.send(u.request("INVITE", 1, basicSDP(4000), test.headers...))
		got := u.status("INVITE", 200)
		if headerOf(got, "Session-Expires") != test.want || headerOf(got, "Require") != test.require {
			t.Errorf("%q: Session-Expires %q, Require %q", test.headers, headerOf(got, "Session-Expires"), headerOf(got, "Require"))
		}
		_, u.toTag, _ = strings.Cut(headerOf(got, "To"), ";tag=")
		u.ack(1, "")
		u.send(u.request("BYE", 2, ""))
		u.status("BYE", 200)
	}
}

func TestSessionTimerRunsOut(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	legs, events := tape(t, d)
	u := newRawUA(t, d, "udp")
	u.establish(basicSDP(4000))
	l := (<-legs).(*leg)
	l.mu.Lock()
	l.session.interval = 150 * time.Millisecond
	l.armSession()
	l.mu.Unlock()
	if ev := next(t, events); ev.Kind != telephony.KindEnded || ev.Cause != telephony.CauseSessionTimeout {
		t.Errorf("event %+v", ev)
	}
	if bye := u.receive(20 * time.Second); !strings.HasPrefix(bye, "BYE ") {
		t.Errorf("got %q", bye)
	}
}

func TestWeRefreshTheSession(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"UPDATE", "INVITE"} {
		d := newDriver(t, nil)
		legs, _ := tape(t, d)
		u := newRawUA(t, d, "udp")
		u.send(u.request("INVITE", 1, basicSDP(4000), "Allow: "+method))
		ok := u.status("INVITE", 200)
		_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
		u.ack(1, "")
		l := (<-legs).(*leg)
		l.mu.Lock()
		l.session.interval, l.session.ours = 200*time.Millisecond, true
		l.armSession()
		l.mu.Unlock()
		if got := u.receive(20 * time.Second); !strings.HasPrefix(got, method+" sip:raw@") || headerOf(got, "Session-Expires") == "" {
			t.Errorf("got %q, want %s", got, method)
		}
	}
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	far := newDriver(t, func(c *Config) { c.Listen = "[::1]:0" })
	legs, _ := tape(t, far)
	near := newDriver(t, func(c *Config) {
		c.Listen, c.Trunks = "[::1]:0", []Trunk{{Name: "far", Host: far.Addr().String()}}
	})
	leg, err := near.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "far"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info := (<-legs).Info(); info.To != "+12125550101" || info.Codec != "G722" {
		t.Errorf("info %+v", info)
	}
	if err := leg.Hangup(t.Context(), telephony.CauseNormal); err != nil {
		t.Errorf("Hangup: %v", err)
	}
}

func TestAdvertisedAddress(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) { c.Advertise = "203.0.113.9" })
	tape(t, d)
	u := newRawUA(t, d, "udp")
	ok := u.establish(basicSDP(4000))
	if !strings.Contains(ok, "c=IN IP4 203.0.113.9\r\n") || !strings.Contains(headerOf(ok, "Contact"), "@203.0.113.9:") {
		t.Errorf("answer\n%s", ok)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"no name":      {Trunks: []Trunk{{}}},
		"twice":        {Trunks: []Trunk{{Name: "a"}, {Name: "a"}}},
		"transport":    {Trunks: []Trunk{{Name: "a", Transport: "sctp"}}},
		"user":         {Users: []User{{Name: "a"}}},
		"user's trunk": {Users: []User{{Name: "a", Password: "b", Trunk: "c"}}},
		"advertise":    {Advertise: "example.com"},
		"ports":        {RTPPorts: PortRange{2, 1}},
		"listen":       {Listen: "nowhere"},
	} {
		if d, err := New(cfg); err == nil {
			d.Close()
			t.Errorf("%s: no error", name)
		}
	}
	d := newDriver(t, nil)
	if other, err := New(Config{Listen: d.Addr().String()}); err == nil {
		other.Close()
		t.Error("two drivers on one port")
	}
	if s := (Trunk{Password: "x"}).Password; s.String() != "[secret]" || Secret("").String() != "" {
		t.Error("a secret shows")
	}
}
