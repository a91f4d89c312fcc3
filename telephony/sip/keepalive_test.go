package sip

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// A trunk that is asked is up while it responds, whatever it thinks of OPTIONS, and
// down when it is out of service; each change is logged once.
func TestKeepAliveStates(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	log := &lineLog{}
	d := newDriver(t, func(cfg *Config) {
		cfg.Logger = slog.New(log)
		cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), KeepAlive: time.Second}}
	})
	serve(t, d, accept)
	for _, test := range []struct {
		status string
		up     bool
	}{{"200 OK", true}, {"405 Method Not Allowed", true}, {"503 Service Unavailable", false}, {"503 Service Unavailable", false}, {"404 Not Found", true}} {
		msg := c.receive()
		if !strings.HasPrefix(msg, "OPTIONS sip:"+c.conn.LocalAddr().String()+" ") {
			t.Fatalf("got\n%s", msg)
		}
		c.answer(msg, test.status, "")
		eventually(t, test.status, func() bool {
			s := d.TrunkStates()
			return len(s) == 1 && s[0].Asked && s[0].Up == test.up && !s[0].Since.IsZero() && s[0].RoundTrip > 0 && !s[0].Registers
		})
	}
	want := []string{"trunk: up", "trunk: down", "trunk: up"}
	if got := log.all(); !slices.Equal(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	far := newDriver(t, func(c *Config) { c.TLS = ca.listener(t) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there any more
	d := newDriver(t, func(c *Config) {
		c.Trunks = []Trunk{{Name: "udp", Host: far.Addr().String()}, {Name: "tcp", Host: far.Addr().String(), Transport: "tcp"},
			{Name: "tls", Host: far.TLSAddr().String(), Transport: "tls", TLS: TrunkTLS{CAFile: ca.file}},
			{Name: "untrusted", Host: far.TLSAddr().String(), Transport: "tls"},
			{Name: "nobody", Host: l.Addr().String(), Transport: "tcp"}}
	})
	for name, want := range map[string]string{"udp": "", "tcp": "", "tls": "", "untrusted": "tls.ca_file", "nobody": "refused", "unknown": "no trunk"} {
		p, err := d.Probe(t.Context(), name)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want something with %q", name, err, want)
		case want == "" && (err != nil || !p.Up() || p.Status != 200 || p.RoundTrip <= 0 || p.Transport != strings.ToUpper(name)):
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	silent := newCarrier(t)
	quiet := newDriver(t, func(c *Config) { c.Trunks = []Trunk{{Name: "silent", Host: silent.conn.LocalAddr().String()}} })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := quiet.Probe(ctx, "silent"); err == nil || !strings.Contains(err.Error(), "no response to OPTIONS") {
		t.Errorf("silent: %v", err)
	}
}

// ownConnection is the far end of a connection that we made, in a bubble; closed tells
// when it was given up.
func ownConnection() (far net.Conn, closed chan time.Duration) {
	near, far := net.Pipe()
	tr := &transport{conns: make(map[connKey]*tcpConn), log: slog.New(slog.DiscardHandler),
		reads: func(netip.Addr, string) bool { return true }, admitted: func(netip.Addr) bool { return true },
		refused: func(netip.Addr, string, Reason) {}, receive: func(peer, sip.Message) {}, broken: func(peer, []byte, error) {}}
	c := newConn(near, connKey{addr: netip.MustParseAddrPort("192.0.2.1:5060")})
	c.pings.ours = true
	closed = make(chan time.Duration, 1)
	begun := time.Now()
	go func() {
		tr.readTCP(c)
		closed <- time.Since(begun)
	}()
	return far, closed
}

// A connection of ours is pinged while nothing comes. It is given up when a far end
// that used to answer is silent for 10 s, and after half an hour when it never did.
func TestPings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pongs int
		want  time.Duration
	}{
		"never answered":    {0, 18*pingEvery + pingEvery},
		"answered once":     {1, 2*pingEvery + pongWithin},
		"answered 20 times": {20, 21*pingEvery + pongWithin},
	} {
		synctest.Test(t, func(t *testing.T) {
			far, closed := ownConnection()
			go func() {
				buf := make([]byte, 64)
				for n := 0; ; n++ {
					size, err := far.Read(buf)
					if err != nil {
						return
					}
					if string(buf[:size]) != ping {
						t.Errorf("%s: got %q", name, buf[:size])
					}
					if n < test.pongs {
						io.WriteString(far, pong)
					}
				}
			}()
			if got := <-closed; got != test.want {
				t.Errorf("%s: given up after %s, want %s", name, got, test.want)
			}
			far.Close()
		})
	}
}

// Pings are answered however they are cut, pongs are not, and line ends around
// messages are neither.
func TestPingsAreAnswered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ours  bool
		parts []string
		want  int
	}{
		"a ping":                  {false, []string{"\r\n\r\n"}, 1},
		"in two":                  {false, []string{"\r\n", "\r\n"}, 1},
		"byte by byte":            {false, []string{"\r", "\n", "\r", "\n"}, 1},
		"two pings":               {false, []string{"\r\n\r\n\r\n\r\n"}, 2},
		"half of one":             {false, []string{"\r\n"}, 0},
		"a pong, then a ping":     {true, []string{"\r\n", "\r\n\r\n"}, 1},
		"pongs":                   {true, []string{"\r\n"}, 0},
		"an end before a message": {false, []string{"\r\n", "OPTIONS", "\r\n"}, 0},
	} {
		p := pings{ours: test.ours}
		p.due(os.ErrDeadlineExceeded, true)
		got := 0
		for _, part := range test.parts {
			pongs, _ := p.take([]byte(part))
			got += pongs
		}
		if got != test.want || test.ours && !p.answers {
			t.Errorf("%s: %d pongs, want %d", name, got, test.want)
		}
	}
}

// A ping over TLS leaves the connection usable: what comes after the reader looked up
// is read.
func TestPingsOverTLS(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	d, trunk := secureTrunk(t, func(_ int, u *rawUA) {
		for {
			msg := u.receive(20 * time.Second)
			if msg != "\r\n" {
				u.respond(msg, "200 OK", "")
				return
			}
			select {
			case got <- msg:
			default:
			}
		}
	})
	addr := netip.MustParseAddrPort(trunk.Host)
	p, err := d.reach(t.Context(), &trunk, target{transport: "tls", address: addr, domain: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a ping", func() bool {
		p.tcp.conn.SetReadDeadline(time.Now()) // as after 100 s
		return len(got) > 0
	})
	if r, err := d.Probe(t.Context(), "carrier"); err != nil || r.Status != 200 {
		t.Errorf("after it: %+v, %v", r, err)
	}
}
