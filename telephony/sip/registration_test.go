package sip

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// lineLog keeps what is logged about trunks.
type lineLog struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func (l *lineLog) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.HasPrefix(r.Message, "trunk: ") {
		l.lines = append(l.lines, r.Message)
	}
	return nil
}

func (l *lineLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *lineLog) WithAttrs([]slog.Attr) slog.Handler       { return l }

func (l *lineLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// account is a trunk that we register with.
func account(c *carrier) Trunk {
	return Trunk{Name: "carrier", Host: c.conn.LocalAddr().String(), Username: "acct", Password: "pw",
		Register: Registration{On: true, Numbers: []string{"+12125550123", "+12125550124"}}}
}

// registering returns a driver that registers with a carrier once it serves.
func registering(t *testing.T, c *carrier) *Driver {
	t.Helper()
	d := newDriver(t, func(cfg *Config) {
		cfg.LocalSources, cfg.Trunks = []netip.Prefix{}, []Trunk{account(c)}
	})
	// Closed before the carrier is, it takes the registration back.
	t.Cleanup(func() { go c.answerAll(t) })
	return d
}

// answerAll answers everything until the socket is closed.
func (c *carrier) answerAll(t *testing.T) {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		c.from = from
		if msg := string(buf[:n]); n > 4 && !strings.HasPrefix(msg, "SIP/2.0") {
			c.answer(msg, "200 OK", "")
		}
	}
}

// Each try is a table: what the registrar answers to each REGISTER, and what the last
// one had.
func TestRegistrationFlows(t *testing.T) {
	t.Parallel()
	const www, proxy = "WWW-Authenticate: Digest ", "Proxy-Authenticate: Digest "
	type answer struct {
		status string
		header string
	}
	tests := map[string]struct {
		answers []answer
		want    map[string]string // headers of the last REGISTER, or what they contain
		state   TrunkState
	}{
		"taken at once": {[]answer{{"200 OK", "Expires: 600"}}, map[string]string{"Expires": "600"}, TrunkState{Registered: true}},
		"challenged":    {[]answer{{"401 Unauthorized", www + `realm="r", nonce="1", qop="auth"`}, {"200 OK", "Expires: 600"}}, map[string]string{"Authorization": `nonce="1"`}, TrunkState{Registered: true}},
		"by two":        {[]answer{{"407 Proxy", proxy + `realm="p", nonce="1"`}, {"401 No", www + `realm="r", nonce="2"`}, {"200 OK", "Expires: 600"}}, map[string]string{"Authorization": `nonce="2"`, "Proxy-Authorization": `nonce="1"`}, TrunkState{Registered: true}},
		"a stale nonce": {[]answer{{"401 No", www + `realm="r", nonce="1"`}, {"401 No", www + `realm="r", nonce="2", stale=true`}, {"200 OK", "Expires: 600"}}, map[string]string{"Authorization": `nonce="2"`}, TrunkState{Registered: true}},
		"too brief":     {[]answer{{"423 Interval Too Brief", "Min-Expires: 1800"}, {"200 OK", "Expires: 1800"}}, map[string]string{"Expires": "1800"}, TrunkState{Registered: true}},
		"too brief, challenged": {[]answer{{"401 No", www + `realm="r", nonce="1"`}, {"423 Interval Too Brief", "Min-Expires: 1800"}, {"401 No", www + `realm="r", nonce="2"`}, {"200 OK", "Expires: 1800"}},
			map[string]string{"Expires": "1800", "Authorization": `nonce="2"`}, TrunkState{Registered: true}},
		"a wrong password":  {[]answer{{"401 No", www + `realm="r", nonce="1"`}, {"401 No", www + `realm="r", nonce="2"`}}, map[string]string{"Authorization": `nonce="1"`}, TrunkState{Problem: "status 401"}},
		"forbidden":         {[]answer{{"403 Forbidden", ""}}, nil, TrunkState{Problem: "status 403"}},
		"too brief for all": {[]answer{{"423 Interval Too Brief", "Min-Expires: 999999999"}}, nil, TrunkState{Problem: "status 423"}},
		"out of service":    {[]answer{{"503 Service Unavailable", ""}}, nil, TrunkState{Problem: "status 503"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			d := registering(t, c)
			serve(t, d, accept)
			var last, callID string
			for i, a := range test.answers {
				last = c.receive()
				if !strings.HasPrefix(last, "REGISTER sip:"+c.conn.LocalAddr().String()+" ") || headerOf(last, "To") != "<sip:acct@"+c.conn.LocalAddr().String()+">" {
					t.Fatalf("got\n%s", last)
				}
				if i > 0 && headerOf(last, "Call-ID") != callID {
					t.Error("another Call-ID")
				}
				callID = headerOf(last, "Call-ID")
				c.answer(last, a.status, "", a.header)
			}
			for header, want := range test.want {
				if got := headerOf(last, header); !strings.Contains(got, want) {
					t.Errorf("%s: %q, want something with %q", header, got, want)
				}
			}
			if want := "<sip:acct@" + d.Addr().String() + ">"; headerOf(last, "Contact") != want {
				t.Errorf("Contact %q, want %q", headerOf(last, "Contact"), want)
			}
			eventually(t, "the state", func() bool {
				s := d.TrunkStates()[0]
				return s.Registers && s.Registered == test.state.Registered && s.Problem == test.state.Problem
			})
		})
	}
}

// A registration is refreshed before what the registrar granted ends, and taken back
// in the end.
func TestRegistrationIsRefreshedAndTakenBack(t *testing.T) {
	t.Parallel()
	for name, grant := range map[string]func(contact string) []string{
		"by Contact": func(contact string) []string {
			return []string{"Contact: <sip:acct@192.0.2.1>;expires=3600", "Contact: " + contact + ";expires=1", "Expires: 900"}
		},
		"by Contact in capitals": func(contact string) []string { return []string{"Contact: " + contact + ";Expires=1"} },
		"by Contact in quotes":   func(contact string) []string { return []string{"Contact: " + contact + `;expires="1"`} },
		"by Contact with blanks": func(contact string) []string { return []string{"Contact: " + contact + " ;\texpires =  1"} },
		"by Contact after others": func(contact string) []string {
			return []string{`Contact: "a;expires=9" ` + contact + `;q=1;+sip.instance="<urn:x;expires=8>";EXPIRES=1`}
		},
		"by Contact with parameters": func(contact string) []string {
			return []string{"Contact: " + strings.Replace(contact, ">", ";transport=udp;ob>", 1) + ";expires=1"}
		},
		"by Contact that was rewritten": func(string) []string { return []string{"Contact: <sip:other@9.9.9.9:1234>;expires=1", "Expires: 900"} },
		"by Contact that was rewritten, of several": func(string) []string {
			return []string{"Contact: <sip:acct@9.9.9.9:1234>;expires=1, <sip:hall@192.0.2.1>;expires=3600", "Contact: <sip:acct@9.9.9.9:1235>;expires=0"}
		},
		"by Expires": func(contact string) []string { return []string{"Contact: " + contact, "Expires: 1"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			d := registering(t, c)
			serve(t, d, accept)
			first := c.receive()
			c.answer(first, "200 OK", "", grant(headerOf(first, "Contact"))...)
			second := c.receive()
			if headerOf(second, "CSeq") != "2 REGISTER" || headerOf(second, "Expires") != "600" {
				t.Errorf("refresh\n%s", second)
			}
			c.answer(second, "200 OK", "", "Expires: 600")
			eventually(t, "the second one", func() bool { return d.TrunkStates()[0].Registered })
			done := make(chan struct{})
			go func() {
				d.Withdraw()
				close(done)
			}()
			third := c.receive()
			if headerOf(third, "Expires") != "0" || headerOf(third, "Contact") != headerOf(first, "Contact") {
				t.Errorf("taking back\n%s", third)
			}
			c.answer(third, "200 OK", "")
			<-done
			if d.TrunkStates()[0].Registered {
				t.Error("still registered")
			}
		})
	}
}

// A change is logged once, not each try.
func TestRegistrationIsLoggedOnce(t *testing.T) {
	t.Parallel()
	log := &lineLog{}
	d := newDriver(t, func(c *Config) { c.Logger = slog.New(log) })
	l := &line{d: d, trunk: Trunk{Name: "carrier"}}
	r := newRegistration(d, l.trunk, "acct", "acct", time.Minute)
	forbidden := &telephony.DialError{Status: 403}
	for _, err := range []error{nil, nil, forbidden, forbidden, context.DeadlineExceeded, context.DeadlineExceeded, nil, nil} {
		l.noteRegistration(r, time.Minute, err)
	}
	want := []string{"trunk: registered", "trunk: not registered", "trunk: not registered", "trunk: registered"}
	if got := log.all(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRetriesGrow(t *testing.T) {
	t.Parallel()
	failure := func(status int) error {
		if status == 0 {
			return context.DeadlineExceeded
		}
		return &telephony.DialError{Status: status}
	}
	for _, test := range []struct {
		failures int
		status   int
		longest  time.Duration
	}{
		{1, 0, 2 * time.Second}, {2, 0, 4 * time.Second}, {3, 503, 8 * time.Second}, {9, 0, 512 * time.Second}, {60, 0, 30 * time.Minute},
		{1, 403, 30 * time.Second}, {2, 401, time.Minute}, {60, 403, 30 * time.Minute},
	} {
		for range 20 {
			if got := retryAfterFailure(test.failures, failure(test.status)); got < test.longest/2 || got > test.longest {
				t.Errorf("%d failures, status %d: %s, want up to %s", test.failures, test.status, got, test.longest)
			}
		}
	}
	for text, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "7 (soon);duration=5": 7 * time.Second, "soon": 0, "-1": 0, "999999": time.Hour} {
		if got := retryIn(challengeOf(t, 503, "Retry-After: "+text)); got != want {
			t.Errorf("Retry-After %q: %s, want %s", text, got, want)
		}
	}
	for granted, want := range map[time.Duration]time.Duration{time.Minute: 30 * time.Second, 20 * time.Minute: 10 * time.Minute, time.Hour: 50 * time.Minute} {
		if got := refreshAfter(granted); got != want {
			t.Errorf("%s: %s, want %s", granted, got, want)
		}
	}
}

// invite calls the contact that was registered.
func (c *carrier) invite(uri, to string, headers ...string) {
	c.t.Helper()
	lines := append([]string{"INVITE " + uri + " SIP/2.0", "Via: SIP/2.0/UDP " + c.conn.LocalAddr().String() + ";branch=z9hG4bK" + c.t.Name() + strconv.Itoa(len(c.received)),
		"From: <sip:+14155550177@carrier.example>;tag=f", "To: " + to, "Call-ID: " + c.t.Name() + strconv.Itoa(len(c.received)), "CSeq: 1 INVITE",
		"Contact: <sip:carrier@" + c.conn.LocalAddr().String() + ">", "Max-Forwards: 70", "Content-Type: application/sdp"}, headers...)
	body := basicSDP(4000)
	if _, err := c.conn.WriteToUDP([]byte(strings.Join(lines, "\r\n")+"\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body), c.from); err != nil {
		c.t.Fatal(err)
	}
}

// Calls to the contact come by the trunk, from nobody it knows by its address, and for
// the number that they name, be it in P-Called-Party-ID or To; the account itself is
// the first of its numbers.
func TestCallsToTheContact(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		user, to string
		headers  []string
		want     string
	}{
		"by To":                {"acct", "<sip:+12125550124@carrier.example>", nil, "+12125550124"},
		"by P-Called-Party-ID": {"acct", "<sip:acct@carrier.example>", []string{"P-Called-Party-ID: <sip:+12125550124@carrier.example>"}, "+12125550124"},
		"both":                 {"acct", "<sip:+12125550199@carrier.example>", []string{"P-Called-Party-ID: \"x\" <tel:+12125550124>"}, "+12125550124"},
		"the account":          {"acct", "<sip:acct@carrier.example>", nil, "+12125550123"},
		"a number itself":      {"+12125550124", "<sip:acct@carrier.example>", nil, "+12125550124"},
		"another number":       {"12125550124", "<sip:12125550124@carrier.example>", nil, "12125550124"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t)
			d := registering(t, c)
			legs, _ := tape(t, d)
			c.answer(c.receive(), "200 OK", "", "Expires: 600")
			eventually(t, "registration", func() bool { return d.TrunkStates()[0].Registered })
			c.invite("sip:"+test.user+"@"+d.Addr().String(), test.to, test.headers...)
			select {
			case l := <-legs:
				if info := l.Info(); info.Trunk != "carrier" || info.To != test.want {
					t.Errorf("trunk %q, to %q, want %q", info.Trunk, info.To, test.want)
				}
			case <-time.After(20 * time.Second):
				t.Error("no call")
			}
		})
	}
}

// Two accounts at one carrier: the contact, or the number, tells whose call it is.
func TestTwoAccountsAtOneCarrier(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	d := newDriver(t, func(cfg *Config) {
		cfg.LocalSources = []netip.Prefix{}
		for _, one := range []struct{ name, number string }{{"a", "+12125550100"}, {"b", "+12125550200"}} {
			cfg.Trunks = append(cfg.Trunks, Trunk{Name: one.name, Host: c.conn.LocalAddr().String(), Username: one.name, Password: "pw",
				Register: Registration{On: true, Numbers: []string{one.number}}})
		}
	})
	t.Cleanup(func() { go c.answerAll(t) })
	legs, _ := tape(t, d)
	for range 2 {
		c.answer(c.receive(), "200 OK", "", "Expires: 600")
	}
	eventually(t, "registrations", func() bool {
		return !slices.ContainsFunc(d.TrunkStates(), func(s TrunkState) bool { return !s.Registered })
	})
	for _, test := range []struct{ user, trunk, number string }{
		{"b", "b", "+12125550200"}, {"a", "a", "+12125550100"}, {"+12125550200", "b", "+12125550200"}, {"12125550100", "a", "12125550100"},
	} {
		c.invite("sip:"+test.user+"@"+d.Addr().String(), "<sip:x@carrier.example>")
		l := <-legs
		if info := l.Info(); info.Trunk != test.trunk || test.user != test.trunk && info.To != test.number {
			t.Errorf("%s: trunk %q, to %q", test.user, info.Trunk, info.To)
		}
		c.received = append(c.received, test.user) // another Call-ID
	}
}

// A call from who is not the registrar is no call of the trunk.
func TestStrangersDoNotReachTheContact(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	d := registering(t, c)
	serve(t, d, accept)
	c.answer(c.receive(), "200 OK", "", "Expires: 600")
	eventually(t, "registration", func() bool { return d.TrunkStates()[0].Registered })
	for _, l := range d.allLines() {
		for from, want := range map[string]bool{c.conn.LocalAddr().String(): true, "127.0.0.1:9": true, "192.0.2.1:5060": false} {
			if _, ok := l.sends(peer{addr: netip.MustParseAddrPort(from)}); ok != want {
				t.Errorf("%s: %t", from, ok)
			}
		}
	}
}

// When the connection is lost by which the registrar reaches us, we register again.
func TestRegistrationOverALostConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := newDriver(t, func(c *Config) {
		c.Trunks = []Trunk{{Name: "carrier", Host: l.Addr().String(), Transport: "tcp", Username: "acct", Register: Registration{On: true}}}
	})
	serve(t, d, accept)
	var last *rawUA
	for range 3 {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		last = &rawUA{t: t, conn: conn, in: bufio.NewReader(conn)}
		register := last.receive(20 * time.Second)
		if !strings.HasPrefix(register, "REGISTER ") || !strings.Contains(headerOf(register, "Contact"), ";transport=tcp>") {
			t.Fatalf("got %q", register)
		}
		last.respond(register, "200 OK", "", "Expires: 600")
		eventually(t, "registration", func() bool { return d.TrunkStates()[0].Registered })
		if headerOf(register, "CSeq") != "3 REGISTER" {
			conn.Close()
		}
	}
	go func() { last.respond(last.receive(20*time.Second), "200 OK", "") }()
}

// Registered over TLS with our own registrar, with digest: calls come back over the
// connection.
func TestRegistrationOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	server := newDriver(t, func(c *Config) {
		digestOnly(c)
		c.TLS = ca.listener(t)
	})
	serve(t, server, accept)
	phone := newDriver(t, func(c *Config) {
		c.LocalSources = []netip.Prefix{}
		c.Trunks = []Trunk{{Name: "server", Host: server.TLSAddr().String(), Transport: "tls", TLS: TrunkTLS{CAFile: ca.file},
			Username: "+12125550101", Password: "pw", Register: Registration{On: true}}}
	})
	legs, _ := tape(t, phone)
	eventually(t, "registration", func() bool {
		s := phone.TrunkStates()
		return len(s) == 1 && s[0].Registered
	})
	leg, err := server.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info := (<-legs).Info(); info.Trunk != "server" || info.To != "+12125550101" {
		t.Errorf("info %+v", info)
	}
	if err := leg.Hangup(t.Context(), telephony.CauseNormal); err != nil {
		t.Errorf("Hangup: %v", err)
	}
	phone.Close()
	if _, ok := server.registrar.find("+12125550101"); ok {
		t.Error("the registration is still there")
	}
}

func FuzzAddressIn(f *testing.F) {
	for _, text := range []string{"<sip:a@b>;expires=60", "\"x\" <tel:+1>", "sip:a@[::1]:5060;x=y", "<", "\"", "<sip:>", "sips:a%@b;=;", "*"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		uri, params, ok := addressIn(text)
		if ok {
			number(&uri)
			params.Get("expires")
		}
	})
}
