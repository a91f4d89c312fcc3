package loadgen

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// signalling carries a phone's messages. One goroutine may receive while others send.
type signalling interface {
	// transport is the name that Via has for it.
	transport() string
	// reliable says that what was sent is not to be repeated.
	reliable() bool
	// address is our end.
	address() netip.AddrPort
	// send sends one message; a connection leads to one place, whatever to says.
	send(b []byte, to netip.AddrPort) error
	// receive returns the next message, when it came and from where. An error that is
	// net.ErrClosed is the last one; others are of one message.
	receive() (b []byte, at time.Duration, from netip.AddrPort, err error)
	// close ends receive.
	close()
}

// datagrams are SIP over UDP.
type datagrams struct {
	*socket
	buffer []byte
}

// openDatagrams binds a free port of local.
func openDatagrams(local netip.Addr, c clock) (*datagrams, error) {
	s, err := openSocket(local, c)
	if err != nil {
		return nil, err
	}
	return &datagrams{socket: s, buffer: make([]byte, longestMessage)}, nil
}

func (d *datagrams) transport() string { return "UDP" }
func (d *datagrams) reliable() bool    { return false }

func (d *datagrams) receive() ([]byte, time.Duration, netip.AddrPort, error) {
	n, at, from, err := d.socket.receive(d.buffer)
	return bytes.Clone(d.buffer[:n]), at, from, err
}

const (
	// longestMessage bounds a SIP message.
	longestMessage = 65535
	// connectFor bounds how long a connection may take to open, and a write to leave.
	connectFor = 10 * time.Second
)

// connection is SIP over one connection that is encrypted by TLS. What it received is
// timed when it was decrypted, not by the kernel.
type connection struct {
	conn   *tls.Conn
	reader *bufio.Reader
	remote netip.AddrPort
	clock  clock
}

// connect opens the connection to target from local, with the handshake.
func connect(ctx context.Context, target netip.AddrPort, local netip.Addr, cfg *tls.Config, c clock) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, connectFor)
	defer cancel()
	d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))}, Config: cfg}
	conn, err := d.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return nil, fmt.Errorf("connect over tls: %w", err)
	}
	secure := conn.(*tls.Conn)
	return &connection{conn: secure, reader: bufio.NewReaderSize(secure, longestMessage), remote: target, clock: c}, nil
}

func (c *connection) transport() string { return "TLS" }
func (c *connection) reliable() bool    { return true }
func (c *connection) close()            { _ = c.conn.Close() }

func (c *connection) address() netip.AddrPort {
	addr, _ := netip.ParseAddrPort(c.conn.LocalAddr().String())
	return unmap(addr)
}

// send writes one message, which is one record.
func (c *connection) send(b []byte, _ netip.AddrPort) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(connectFor)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

// receive cuts the stream into messages by their Content-Length (RFC 3261, section
// 18.3). The end of the connection, and what cannot be cut, is net.ErrClosed.
func (c *connection) receive() ([]byte, time.Duration, netip.AddrPort, error) {
	b, err := readMessage(c.reader)
	if err != nil {
		return nil, 0, c.remote, errors.Join(net.ErrClosed, err)
	}
	return b, c.clock.now(), c.remote, nil
}

// errMessage is what is not a SIP message of a stream.
const errMessage = Error("no sip message with a content length")

// readMessage reads the next message of a stream.
func readMessage(r *bufio.Reader) ([]byte, error) {
	var head []byte
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		blank := len(bytes.TrimRight(line, "\r\n")) == 0
		if blank && len(head) == 0 {
			continue // keep-alives stand between messages
		}
		if head = append(head, line...); len(head) > longestMessage {
			return nil, errMessage
		}
		if blank {
			break
		}
		if name, value, found := bytes.Cut(line, []byte(":")); found && longName(string(name)) == "content-length" {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, errMessage
			}
		}
	}
	if length < 0 || length > longestMessage {
		return nil, errMessage
	}
	whole := append(head, make([]byte, length)...)
	_, err := io.ReadFull(r, whole[len(head):])
	return whole, err
}
