package storetest

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// cutter stands between a store and Postgres and, once armed, cuts the next
// connection that sends a COMMIT of a writing transaction: before the server sees it, or after the server
// has carried it out and before the store learns of it.
type cutter struct {
	armed atomic.Bool
	// after says that the server carries the COMMIT out.
	after bool
}

// serve passes connections on to the socket of the server until l is closed.
func (c *cutter) serve(l net.Listener, server string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go c.pass(client, server)
	}
}

func (c *cutter) pass(client net.Conn, server string) {
	defer func() { _ = client.Close() }()
	upstream, err := new(net.Dialer).DialContext(context.Background(), "unix", server)
	if err != nil {
		return
	}
	defer func() { _ = upstream.Close() }()
	var cut atomic.Bool
	back := make(chan struct{})
	go func() {
		defer close(back)
		b := make([]byte, 1<<16)
		for {
			n, err := upstream.Read(b)
			if err != nil || cut.Load() {
				_ = client.Close()
				return
			}
			if _, err := client.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	readOnly := false
	b := make([]byte, 1<<16)
	for {
		n, err := client.Read(b)
		if err != nil {
			_ = upstream.Close()
			<-back
			return
		}
		if bytes.Contains(b[:n], []byte("begin ")) {
			readOnly = bytes.Contains(b[:n], []byte(" read only"))
		}
		if !readOnly && bytes.Contains(b[:n], []byte("commit\x00")) && c.armed.CompareAndSwap(true, false) {
			cut.Store(true)
			if !c.after {
				return
			}
		}
		if _, err := upstream.Write(b[:n]); err != nil {
			return
		}
	}
}

// CutCommit returns an address through which the Postgres database at address is
// reached, and a function that makes the next COMMIT of a writing transaction lose its connection:
// before the server sees it, or, with carriedOut, before the client learns that
// the server carried it out.
func CutCommit(t testing.TB, address string, carriedOut bool) (through string, arm func()) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := &cutter{after: carriedOut}
	q := u.Query()
	go c.serve(l, filepath.Join(q.Get("host"), ".s.PGSQL.5432"))
	host, port, _ := strings.Cut(l.Addr().String(), ":")
	q.Set("host", host)
	q.Set("port", port)
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return u.String(), func() { c.armed.Store(true) }
}
