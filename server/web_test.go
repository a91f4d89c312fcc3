package server

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes, so that they run on the clock
// of a synctest bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// dial returns the client's end of a new connection.
func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// serveWeb serves a handler on at most so many connections within a bubble.
func serveWeb(t *testing.T, most int, handler http.HandlerFunc) *pipes {
	t.Helper()
	p := newPipes()
	l := newLimitedListener(p, most)
	web := newWeb(handler, l, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- web.Serve(l) }()
	t.Cleanup(func() {
		_ = web.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return p
}

// drip writes text a byte a second until the connection is closed.
func drip(c net.Conn, text string) {
	for i := range text {
		time.Sleep(time.Second) // of the bubble
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
	}
}

// A header or body that arrives too slowly ends the connection, although each byte
// comes in time.
func TestSlowRequestsAreCutOff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		begin string
		rest  int
		most  time.Duration
	}{
		"header": {"GET / HTTP/1.1\r\nHost: a\r\nX: ", 1000, headerWithin},
		"body":   {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", 1000, requestWithin},
		"chunks": {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n", 1000, requestWithin},
		"idle":   {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, idleWithin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := serveWeb(t, 1, func(_ http.ResponseWriter, r *http.Request) {
					if _, err := io.Copy(io.Discard, r.Body); test.rest > 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("the body ends with %v", err)
					}
				})
				c := p.dial()
				begun := time.Now()
				var client sync.WaitGroup
				client.Go(func() {
					_, _ = io.WriteString(c, test.begin)
					drip(c, strings.Repeat("x", test.rest))
				})
				_, _ = io.Copy(io.Discard, c)
				if took := time.Since(begun); took > test.most+time.Second {
					t.Errorf("the connection was open for %s, want %s", took, test.most)
				}
				_ = c.Close()
				client.Wait()
			})
		})
	}
}

// A connection above the limit waits for another one to end, and idle ones end
// for it at once.
// OPTIONS * reaches the handler, which answers before the body.
func TestOptionsOfTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := serveWeb(t, 1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close") // as the API does when a body is left
			w.WriteHeader(http.StatusNotFound)
		})
		c := p.dial()
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); res.StatusCode != http.StatusNotFound || took > 0 {
			t.Errorf("%s after %s", res.Status, took)
		}
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := serveWeb(t, 2, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-release
			}
			_, _ = io.WriteString(w, "ok")
		})
		ask := func(c net.Conn, path string) {
			if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				t.Error(err)
				return
			}
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
		}
		slow, idle := p.dial(), p.dial()
		slowDone := make(chan struct{})
		go func() { ask(slow, "/slow"); close(slowDone) }()
		ask(idle, "/")
		synctest.Wait()
		begun := time.Now()
		third := p.dial() // takes the place of the idle one
		ask(third, "/slow2")
		if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the idle connection: %v", err)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("a new connection waited %s for an idle one", took)
		}
		go func() { _, _ = io.WriteString(third, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") }()
		synctest.Wait()
		fourth := p.dial()
		answered := make(chan struct{})
		go func() { ask(fourth, "/"); close(answered) }()
		synctest.Wait()
		select {
		case <-answered:
			t.Error("a third connection was served at a limit of 2")
		default:
		}
		close(release)
		<-slowDone
		<-answered
		for _, c := range []net.Conn{slow, third, fourth} {
			_ = c.Close()
		}
	})
}

// A server that stops while a connection waits closes it.
func TestWaitingConnectionEndsWithTheListener(t *testing.T) {
	t.Parallel()
	p := newPipes()
	l := newLimitedListener(p, 1)
	first := p.dialSoon()
	if _, err := l.Accept(); err != nil {
		t.Fatal(err)
	}
	second := p.dialSoon()
	done := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		done <- err
	}()
	c := <-second
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	_ = (<-first).Close()
}

// dialSoon dials as soon as somebody accepts.
func (p *pipes) dialSoon() <-chan net.Conn {
	out := make(chan net.Conn, 1)
	go func() { out <- p.dial() }()
	return out
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		limit  uint64
		calls  CallsConfig
		most   int
		enough bool
	}{
		{20_000, CallsConfig{Max: 1000, Offline: 4}, maxConnections, true},
		{6000, CallsConfig{Max: 1000, Offline: 4}, (6000 - 96 - 4000 - 32) / 2, true},
		{1024, CallsConfig{Max: 100, Offline: 4}, (1024 - 96 - 400 - 32) / 2, true},
		{1024, CallsConfig{Max: 1000, Offline: 4}, minConnections, false},
		{64, CallsConfig{Max: 1}, minConnections, false},
		{^uint64(0), CallsConfig{Max: 1000}, maxConnections, true},
	} {
		if most, enough := connectionLimit(test.limit, test.calls); most != test.most || enough != test.enough {
			t.Errorf("%d descriptors for %d calls: %d connections, enough: %v; want %d, %v", test.limit, test.calls.Max, most, enough, test.most, test.enough)
		}
	}
}
