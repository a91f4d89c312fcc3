package sip

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

const (
	// maxMessage bounds a SIP message on TCP, maxUnknownMessage one of an unknown source.
	maxMessage, maxUnknownMessage = 64 << 10, 8 << 10
	// tcpIdle closes connections on which nothing comes.
	tcpIdle = 30 * time.Minute
	// tcpPartial bounds how long a message may take to arrive in full.
	tcpPartial = 30 * time.Second
	// tcpUnknown closes idle connections of unknown sources.
	tcpUnknown = 10 * time.Second
	// connectFor bounds how long a connection may take to open, with the handshake of
	// TLS.
	connectFor = 10 * time.Second
	// tcpWrite bounds a write to a peer that does not read.
	tcpWrite = 5 * time.Second
	// lastWords is how long is waited for why a connection cannot be written to.
	lastWords = 100 * time.Millisecond
	// maxConnections bounds the TCP connections.
	maxConnections = 4096
	// maxUnknown bounds those of unknown sources, so that they take less than 10 MiB;
	// maxOfSource those of one.
	maxUnknown, maxOfSource = 256, 16
)

// peer is where a message came from and where responses go.
type peer struct {
	addr netip.AddrPort
	tcp  *tcpConn // nil on UDP
	sips bool     // our Contact must be a sips URI
}

func (p peer) reliable() bool { return p.tcp != nil }

// secure reports whether messages to and from p are encrypted.
func (p peer) secure() bool { return p.tcp != nil && p.tcp.key.security != "" }

// lost is closed when the connection is gone; on UDP it never is.
func (p peer) lost() <-chan struct{} {
	if p.tcp == nil {
		return nil
	}
	return p.tcp.gone
}

// close ends the connection; on UDP there is none.
func (p peer) close() {
	if p.tcp != nil {
		_ = p.tcp.conn.Close()
	}
}

// network is the transport's name as Via and Contact have it.
func (p peer) network() string {
	switch {
	case p.secure():
		return "TLS"
	case p.tcp != nil:
		return "TCP"
	}
	return "UDP"
}

// connKey is what connections are found by, to be used again. A connection over TLS
// is used again only by whom it was made for: others may trust another authority,
// or show another certificate.
type connKey struct {
	addr     netip.AddrPort
	security string // empty without TLS
}

// tcpConn is one connection, with or without TLS; its reader is its only goroutine.
type tcpConn struct {
	conn net.Conn
	addr netip.AddrPort
	key  connKey
	gone chan struct{} // closed when the connection is
	mu   sync.Mutex    // one writer at a time

	unknown bool   // counted as an unknown source's; transport.mu
	proved  *Trunk // whose certificate the far end has shown; nil for none, set before the first message
	pings   pings
	why     error // what ended it; read it after gone
}

func newConn(conn net.Conn, key connKey) *tcpConn {
	return &tcpConn{conn: conn, addr: key.addr, key: key, gone: make(chan struct{})}
}

func (c *tcpConn) network() string { return peer{tcp: c}.network() }

func (c *tcpConn) write(raw []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.conn.SetWriteDeadline(time.Now().Add(tcpWrite))
	if err == nil {
		_, err = c.conn.Write(raw)
	}
	if err == nil {
		return nil
	}
	// The reader may be about to read why, such as a certificate that is refused.
	select {
	case <-c.gone:
	case <-time.After(lastWords):
	}
	_ = c.conn.Close() // half a message cannot be taken back
	if closed(c.gone) && c.why != nil {
		return fmt.Errorf("connection lost: %w", tlsError(c.why, ""))
	}
	return err
}

// abort closes the connection without a farewell, for which TLS may wait.
func (c *tcpConn) abort() {
	conn := c.conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close()
}

// transport owns the sockets.
type transport struct {
	udp     *net.UDPConn
	tcp     *net.TCPListener
	tls     *net.TCPListener // nil: TLS is not listened for
	log     *slog.Logger
	receive func(peer, sip.Message)
	watcher telephony.Watcher // nil: nobody sees the messages
	broken  func(peer, []byte, error)
	// reads says whether a message or connection of a source is looked at,
	// admitted whether the source is known; refused counts those that are not.
	reads    func(addr netip.Addr, network string) bool
	admitted func(netip.Addr) bool
	refused  func(addr netip.Addr, network string, why Reason)
	// serverTLS is for connections to the TLS listener; proves names the trunk
	// whose certificate a far end has shown.
	serverTLS *tls.Config
	proves    func(netip.Addr, tls.ConnectionState) *Trunk

	wg        sync.WaitGroup
	mu        sync.Mutex
	conns     map[connKey]*tcpConn
	unknown   map[netip.Addr]int // connections of unknown sources
	strangers []*tcpConn         // these connections, the oldest first
	closed    bool
}

// listen binds UDP and TCP on the same port, and TLS when there is an address for it.
func (t *transport) listen(address, secure string) error {
	if err := t.listenPlain(address); err != nil {
		return err
	}
	if err := t.listenTLS(secure); err != nil {
		return errors.Join(err, t.udp.Close(), t.tcp.Close())
	}
	return nil
}

func (t *transport) listenPlain(address string) error {
	t.conns, t.unknown = make(map[connKey]*tcpConn), make(map[netip.Addr]int)
	ua, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return fmt.Errorf("listen address: %w", err)
	}
	for range 20 {
		if t.udp, err = net.ListenUDP("udp", ua); err != nil {
			return fmt.Errorf("listen for sip: %w", err)
		}
		_ = t.udp.SetReadBuffer(4 << 20) // bursts; the system may grant less
		local := t.udp.LocalAddr().(*net.UDPAddr)
		t.tcp, err = net.ListenTCP("tcp", &net.TCPAddr{IP: local.IP, Port: local.Port, Zone: local.Zone})
		if err == nil {
			return nil
		}
		_ = t.udp.Close()
		if ua.Port != 0 {
			break
		}
	}
	return fmt.Errorf("listen for sip: %w", err)
}

// start runs the readers.
func (t *transport) start() {
	t.wg.Go(t.readUDP)
	t.wg.Go(func() { t.accept(t.tcp, "") })
	if t.tls != nil {
		t.wg.Go(func() { t.accept(t.tls, inboundTLS) })
	}
}

// close ends the readers and waits for them.
func (t *transport) close() {
	t.mu.Lock()
	t.closed = true
	for _, c := range t.conns {
		_ = c.conn.Close()
	}
	t.mu.Unlock()
	_ = t.udp.Close()
	_ = t.tcp.Close()
	if t.tls != nil {
		_ = t.tls.Close()
	}
	t.wg.Wait()
}

func (t *transport) addr() netip.AddrPort { return unmap(t.udp.LocalAddr().(*net.UDPAddr).AddrPort()) }

// send writes a message to p.
func (t *transport) send(p peer, raw []byte) (err error) {
	at := time.Now()
	if p.tcp != nil {
		err = p.tcp.write(raw)
	} else {
		_, err = t.udp.WriteToUDPAddrPort(raw, p.addr)
	}
	if err == nil {
		t.sent(p, raw, at)
	}
	return err
}

func (t *transport) readUDP() {
	parser := newParser()
	buf := make([]byte, 65536)
	for {
		n, from, err := t.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		from = unmap(from)
		if n <= 4 || !t.reads(from.Addr(), "UDP") {
			continue // n <= 4: keep-alives
		}
		if raw := bytes.TrimLeft(buf[:n], "\r\n"); len(raw) > 0 {
			t.parse(parser, peer{addr: from}, raw)
		}
	}
}

// parse takes one message. What makes the parser panic is a broken message
// like any other.
func (t *transport) parse(parser *sip.Parser, p peer, raw []byte) {
	defer t.recoverFrom(p)
	msg, err := parseMessage(parser, raw)
	if err != nil {
		t.broken(p, raw, err)
		return
	}
	if n := msg.ContentLength(); n != nil && int(*n) > len(msg.Body()) {
		t.broken(p, raw, errors.New("body shorter than Content-Length"))
		return
	}
	t.received(p, msg, raw)
	t.receive(p, msg)
}

func (t *transport) accept(on *net.TCPListener, security string) {
	for {
		conn, err := on.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(50 * time.Millisecond) // out of descriptors: let some go
			continue
		}
		key := connKey{unmap(conn.RemoteAddr().(*net.TCPAddr).AddrPort()), security}
		if security != "" {
			conn = tls.Server(conn, t.serverTLS)
		}
		if c := newConn(conn, key); t.open(c) {
			t.wg.Go(func() { t.serve(c) })
		}
	}
}

// serve reads a connection that was made to us.
func (t *transport) serve(c *tcpConn) {
	if c.key.security == "" || t.shakeHands(c) {
		t.readTCP(c)
	} else {
		t.forget(c)
	}
}

// open takes a connection into the list unless its source is refused or has
// too many.
func (t *transport) open(c *tcpConn) bool {
	if !t.reads(c.addr.Addr(), c.network()) {
		_ = c.conn.Close()
		return false
	}
	unknown := !t.admitted(c.addr.Addr())
	t.mu.Lock()
	full := t.closed || len(t.conns) >= maxConnections || unknown && t.unknown[sourceOf(c.addr.Addr())] >= maxOfSource
	var oldest *tcpConn
	if !full {
		t.conns[c.key] = c
		if unknown {
			oldest = t.count(c)
		}
	}
	t.mu.Unlock()
	if full {
		oldest = c
	}
	if oldest != nil && (full || !t.admitted(oldest.addr.Addr())) { // another connection may have made it known
		t.refused(oldest.addr.Addr(), oldest.network(), RefusedConnection)
		oldest.abort()
	}
	return !full
}

// count counts a connection of an unknown source. When there are too many of them it
// returns the oldest, which has had the longest time to become known; t.mu is held.
func (t *transport) count(c *tcpConn) (oldest *tcpConn) {
	if len(t.strangers) >= maxUnknown {
		oldest = t.strangers[0]
		t.uncount(oldest)
	}
	c.unknown = true
	t.unknown[sourceOf(c.addr.Addr())]++
	t.strangers = append(t.strangers, c)
	return oldest
}

// uncount takes a connection out of those of unknown sources; t.mu is held.
func (t *transport) uncount(c *tcpConn) {
	if !c.unknown {
		return
	}
	c.unknown = false
	t.strangers = slices.DeleteFunc(t.strangers, func(other *tcpConn) bool { return other == c })
	source := sourceOf(c.addr.Addr())
	if t.unknown[source]--; t.unknown[source] <= 0 {
		delete(t.unknown, source)
	}
}

// recoverFrom takes a panic of the parser, which outside data caused, for a broken
// message: the process goes on.
func (t *transport) recoverFrom(p peer) {
	if cause := recover(); cause != nil {
		t.log.Error("sip message ignored", "source", p.addr.String(), "panic", fmt.Sprint(cause))
		if p.tcp != nil {
			_ = p.tcp.conn.Close()
		}
	}
}

// existing returns the open connection with that key, or nil.
func (t *transport) existing(key connKey) *tcpConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conns[key]
}

// connect returns the open connection with that key or makes one, over TLS when
// there is a configuration for it.
func (t *transport) connect(ctx context.Context, key connKey, secure *tls.Config) (*tcpConn, error) {
	if c := t.existing(key); c != nil {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectFor)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", key.addr.String())
	if err != nil {
		return nil, err
	}
	if secure != nil {
		client := tls.Client(conn, secure)
		if err := client.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = client
	}
	c := newConn(conn, key)
	c.pings.ours = true
	t.mu.Lock()
	defer t.mu.Unlock()
	switch other := t.conns[key]; {
	case t.closed:
		_ = conn.Close()
		return nil, net.ErrClosed
	case other != nil: // somebody was faster
		_ = conn.Close()
		return other, nil
	}
	t.conns[key] = c
	t.wg.Go(func() { t.readTCP(c) })
	return c, nil
}

// readTCP cuts the stream into messages. A message that cannot be framed, or
// does not arrive in time, ends the connection.
func (t *transport) readTCP(c *tcpConn) {
	defer t.forget(c)
	parser, frames := newParser(), new(framer)
	p := peer{addr: c.addr, tcp: c}
	buf := make([]byte, 4096)
	var begun time.Time // when the first byte of the message under way came
	known := time.Now() // when the source was admitted last, or came
	for {
		deadline := t.deadline(c, begun, &known)
		if c.conn.SetReadDeadline(c.pings.until(deadline)) != nil {
			return
		}
		n, err := c.conn.Read(buf)
		if err != nil && time.Now().Before(deadline) && c.pings.due(err, begun.IsZero()) && c.write([]byte(ping)) == nil {
			continue
		}
		if err != nil {
			c.why = err
			if errors.Is(err, os.ErrDeadlineExceeded) && !t.admitted(c.addr.Addr()) {
				t.refused(c.addr.Addr(), c.network(), RefusedConnection)
			}
			return
		}
		if pongs, only := c.pings.take(buf[:n]); only && begun.IsZero() {
			if pongs > 0 && c.write([]byte(strings.Repeat(pong, pongs))) != nil {
				return
			}
			continue
		}
		frames.longest = t.longest(c)
		if begun, err = t.cut(frames, parser, p, buf[:n], begun); err != nil {
			c.why = err
			t.broken(p, frames.in.Bytes(), err)
			return
		}
	}
}

// longest is how long a message may be.
func (t *transport) longest(c *tcpConn) int {
	if t.admitted(c.addr.Addr()) {
		return maxMessage
	}
	return maxUnknownMessage
}

// deadline is until when something must come on a connection. An unknown source
// has a fixed time in which to become known, however much it sends; known is
// when it was that last, or when it came.
func (t *transport) deadline(c *tcpConn, begun time.Time, known *time.Time) time.Time {
	now := time.Now()
	deadline := now.Add(tcpIdle)
	if !begun.IsZero() {
		deadline = begun.Add(tcpPartial)
	}
	if !t.admitted(c.addr.Addr()) {
		return earlier(deadline, known.Add(tcpUnknown))
	}
	*known = now
	t.mu.Lock()
	defer t.mu.Unlock()
	t.uncount(c)
	return deadline
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// cut hands on the messages that data completes. It takes and returns when the
// message under way began, zero between messages.
func (t *transport) cut(frames *framer, parser *sip.Parser, p peer, data []byte, begun time.Time) (time.Time, error) {
	frames.in.Write(data)
	for {
		if skipLineEnds(&frames.in) == 0 {
			return time.Time{}, nil
		}
		raw, err := frames.next()
		if err != nil {
			return begun, err
		}
		if raw == nil {
			if begun.IsZero() {
				begun = time.Now()
			}
			return begun, nil
		}
		begun = time.Time{}
		if !t.reads(p.addr.Addr(), p.network()) {
			p.close() // the next read fails
			return begun, nil
		}
		t.parse(parser, p, raw)
	}
}

// skipLineEnds drops what may stand between messages and returns what is left
// (https://www.rfc-editor.org/rfc/rfc3261#section-7.5).
func skipLineEnds(b *bytes.Buffer) int {
	for b.Len() > 0 && (b.Bytes()[0] == '\r' || b.Bytes()[0] == '\n') {
		b.Next(1)
	}
	return b.Len()
}

func (t *transport) forget(c *tcpConn) {
	_ = c.conn.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.uncount(c)
	if t.conns[c.key] == c {
		delete(t.conns, c.key)
	}
	close(c.gone)
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
