package provider

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	// dialTimeout bounds opening a WebSocket.
	dialTimeout = 3 * time.Second
	// writeTimeout is how long a peer may not take what is written.
	writeTimeout = 5 * time.Second
)

// Socket is a WebSocket to a vendor, RFC 6455. One goroutine may read while
// another writes; Close may be called by any, more than once.
type Socket struct {
	client    *Client
	conn      *websocket.Conn
	host      string
	requestID string
	stuck     *time.Timer // closes a socket whose peer takes nothing
}

// Dial opens a WebSocket: the address begins with ws or wss. A refused upgrade is a
// *Failure with the status that the vendor gave. The socket outlives ctx. The meter
// of ctx counts an upgrade that was sent and did not succeed, whose address may say
// something of a call; of one that did it learns from Socket.Use.
func (c *Client) Dial(ctx context.Context, address string, header http.Header) (*Socket, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	h := header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if c.Authorise != nil {
		c.Authorise(h)
	}
	s := &Socket{client: c}
	if u, err := url.Parse(address); err == nil {
		s.host = u.Hostname()
	}
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	conn, response, err := websocket.Dial(httptrace.WithClientTrace(ctx, trace), address, &websocket.DialOptions{HTTPClient: c.HTTP, HTTPHeader: h})
	if err != nil {
		if m := MeterOf(ctx); sent.Load() {
			m.Sent(s.host)
			c.Named(m, c.nameOf(response))
		}
		return nil, c.refused(response, err)
	}
	conn.SetReadLimit(EventLimit)
	s.conn = conn
	s.requestID = c.nameOf(response)
	s.stuck = time.AfterFunc(time.Hour, func() { _ = conn.CloseNow() })
	s.stuck.Stop()
	return s, nil
}

// nameOf is the vendor's own name of an answered request; "" for none.
func (c *Client) nameOf(response *http.Response) string {
	if response == nil {
		return ""
	}
	return c.RequestID(response.Header)
}

// refused is the failure of an upgrade.
func (c *Client) refused(response *http.Response, err error) error {
	if response == nil || response.StatusCode == http.StatusSwitchingProtocols {
		return c.reach(err)
	}
	var body []byte
	if response.Body != nil {
		body, _ = io.ReadAll(io.LimitReader(response.Body, errorLimit)) // what came of it is enough
		_ = response.Body.Close()
	}
	return c.Refusal(response.StatusCode, response.Header, body)
}

// RequestID is the vendor's own name of the connection; "" for none.
func (s *Socket) RequestID() string { return s.requestID }

// Use tells a meter that sound or text goes over the socket, once for each stream,
// utterance or request. A socket may have been opened long before.
func (s *Socket) Use(m *Meter) {
	m.Sent(s.host)
	s.client.Named(m, s.requestID)
}

// Read returns the next message; a *Failure when the connection ends, whose
// Status is the close code and Message the vendor's reason. It returns when ctx
// ends, which also ends the socket.
func (s *Socket) Read(ctx context.Context) (data []byte, binary bool, err error) {
	kind, data, err := s.conn.Read(ctx)
	if err != nil {
		return nil, false, s.ended(err)
	}
	return data, kind == websocket.MessageBinary, nil
}

// ended is the failure of a connection that is over.
func (s *Socket) ended(err error) error {
	closed := websocket.CloseError{}
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return s.client.Fail(Broken, "a message is longer than 4 MiB")
	case !errors.As(err, &closed):
		return s.client.reach(err)
	}
	kind := Broken
	if closed.Code == websocket.StatusNormalClosure || closed.Code == websocket.StatusGoingAway || closed.Code == websocket.StatusNoStatusRcvd {
		kind = Unreachable
	}
	return &Failure{Vendor: s.client.Vendor, Kind: kind, Status: int(closed.Code), Message: s.client.shown(closed.Reason, messageLimit), RequestID: s.requestID}
}

// Text sends a text message.
func (s *Socket) Text(ctx context.Context, data []byte) error {
	return s.write(ctx, websocket.MessageText, data)
}

// Binary sends a binary message.
func (s *Socket) Binary(ctx context.Context, data []byte) error {
	return s.write(ctx, websocket.MessageBinary, data)
}

func (s *Socket) write(ctx context.Context, kind websocket.MessageType, data []byte) error {
	s.stuck.Reset(writeTimeout)
	defer s.stuck.Stop()
	if err := s.conn.Write(ctx, kind, data); err != nil {
		return s.ended(err)
	}
	return nil
}

// Close ends the connection at once, without waiting for the peer.
func (s *Socket) Close() {
	s.stuck.Stop()
	_ = s.conn.CloseNow() // it may be over already
}
