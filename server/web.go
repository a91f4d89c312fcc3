package server

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Limits of the HTTP server. An event stream and a recording clear the deadlines
// of their own connection; nothing else may last longer.
const (
	headerWithin  = 5 * time.Second
	requestWithin = 30 * time.Second // header and body
	idleWithin    = 60 * time.Second
	maxHeader     = 32 << 10
)

// newWeb returns the server of the API, which serves on l.
func newWeb(handler http.Handler, l *limitedListener, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerWithin, ReadTimeout: requestWithin, IdleTimeout: idleWithin,
		MaxHeaderBytes: maxHeader, ConnState: l.state, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		DisableGeneralOptionsHandler: true, // it waits for the body of OPTIONS *
	}
}

// File descriptors by what needs them.
const (
	ownDescriptors     = 96 // listeners, database, logs and the runtime's own
	callDescriptors    = 4  // RTP, RTCP, recording, SIP over TCP
	offlineDescriptors = 8  // pipes to the speech programs
	// An HTTP connection needs one for itself and may need one for a recording.
	connectionDescriptors = 2
	minConnections        = 64
	maxConnections        = 4096
)

// connectionLimit returns how many HTTP connections may be open at a time, so
// that calls always find the file descriptors that they need; enough is false
// when limit, the process's own, is too low for the configured calls anyway.
func connectionLimit(limit uint64, c CallsConfig) (connections int, enough bool) {
	calls := ownDescriptors + callDescriptors*c.Max + offlineDescriptors*c.Offline
	left := (int(min(limit, 1<<30)) - calls) / connectionDescriptors
	return max(minConnections, min(left, maxConnections)), left >= minConnections
}

// limited returns listener with the limit that this process's file descriptors
// allow. Go has raised the soft limit to the hard one before.
func limited(listener net.Listener, c CallsConfig, log *slog.Logger) *limitedListener {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		log.Warn("read the limit of file descriptors", slog.Any("error", err))
		return newLimitedListener(listener, minConnections)
	}
	most, enough := connectionLimit(limit.Cur, c)
	if !enough {
		log.Warn("the limit of file descriptors (ulimit -n, LimitNOFILE) is too low for calls.max; calls above it will be refused",
			slog.Uint64("limit", limit.Cur), slog.Int("calls_max", c.Max), slog.Int("http_connections", most))
	}
	return newLimitedListener(listener, most)
}

// limitedListener bounds how many of its connections are open at a time. A
// connection above that waits until another one closes; idle ones are closed for
// it. Its methods may be called concurrently.
type limitedListener struct {
	net.Listener
	slots  chan struct{} // holds one element for each open connection
	closed chan struct{}
	close  func() error

	mu      sync.Mutex
	waiting bool // a new connection waits for a slot
	idle    map[net.Conn]bool
}

func newLimitedListener(l net.Listener, most int) *limitedListener {
	out := &limitedListener{Listener: l, slots: make(chan struct{}, most), closed: make(chan struct{}), idle: map[net.Conn]bool{}}
	out.close = sync.OnceValue(func() error {
		close(out.closed)
		return l.Close()
	})
	return out
}

// Close implements net.Listener.
func (l *limitedListener) Close() error { return l.close() }

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case l.slots <- struct{}{}:
		return l.counted(c), nil
	default:
	}
	l.wait(true)
	defer l.wait(false)
	select {
	case l.slots <- struct{}{}:
		return l.counted(c), nil
	case <-l.closed:
		_ = c.Close() // nobody serves it
		return nil, net.ErrClosed
	}
}

// wait notes whether a new connection waits, and closes an idle one for it.
func (l *limitedListener) wait(waiting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = waiting
	if !waiting {
		return
	}
	for c := range l.idle {
		delete(l.idle, c)
		_ = c.Close() // the server sees it closed
		return
	}
}

// state follows the connections of an http.Server.
func (l *limitedListener) state(c net.Conn, s http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.idle, c)
	switch {
	case s != http.StateIdle:
	case l.waiting:
		_ = c.Close()
	default:
		l.idle[c] = true
	}
}

// counted returns c, which gives its slot back when it is closed.
func (l *limitedListener) counted(c net.Conn) net.Conn {
	return &countedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}
}

// countedConn is a connection that occupies a slot until it is closed.
type countedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite lets net/http end an answer without cutting it off.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
