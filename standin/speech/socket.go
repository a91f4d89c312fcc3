package speech

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/sidetone/sidetone/standin"
)

// Socket is the WebSocket of one request. It belongs to the goroutine of its
// request.
type Socket struct {
	request  *standin.Request
	conn     *websocket.Conn
	ctx      context.Context
	cancel   context.CancelFunc
	messages chan []byte
	pending  [][]byte // came while an utterance was delivered
	done     chan struct{}
}

// Upgrade makes a WebSocket of a request; false when that failed. The caller
// calls Close.
func Upgrade(w http.ResponseWriter, r *standin.Request) (*Socket, bool) {
	conn, err := websocket.Accept(w, r.Request, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil, false
	}
	s := &Socket{request: r, conn: conn, messages: make(chan []byte, 256), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(r.Context())
	go s.read()
	return s, true
}

// read notes what comes, until the socket ends.
func (s *Socket) read() {
	defer close(s.done)
	defer s.cancel()
	for {
		_, data, err := s.conn.Read(s.ctx)
		if err != nil {
			return
		}
		s.request.Note(data)
		select {
		case s.messages <- data:
		case <-s.ctx.Done():
			return
		}
	}
}

// Context ends with the socket.
func (s *Socket) Context() context.Context { return s.ctx }

// Next waits for a message; false when the socket ended.
func (s *Socket) Next() ([]byte, bool) {
	if len(s.pending) > 0 {
		m := s.pending[0]
		s.pending = s.pending[1:]
		return m, true
	}
	select {
	case m := <-s.messages:
		return m, true
	case <-s.ctx.Done():
		return nil, false
	}
}

// Await waits for a message that fits, for at most d, and reports whether it came.
// Others are left for Next.
func (s *Socket) Await(d time.Duration, fits func([]byte) bool) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	for {
		select {
		case m := <-s.messages:
			if fits(m) {
				return true
			}
			s.pending = append(s.pending, m)
			continue
		default:
		}
		select {
		case m := <-s.messages:
			if fits(m) {
				return true
			}
			s.pending = append(s.pending, m)
		case <-timer.C:
			return false
		case <-s.ctx.Done():
			return false
		}
	}
}

// JSON sends a value as text.
func (s *Socket) JSON(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.Text(data)
}

// Text sends a text message.
func (s *Socket) Text(data []byte) error { return s.conn.Write(s.ctx, websocket.MessageText, data) }

// Binary sends a binary message.
func (s *Socket) Binary(data []byte) error {
	return s.conn.Write(s.ctx, websocket.MessageBinary, data)
}

// End closes the socket with a code and a reason; code 0 breaks it off.
func (s *Socket) End(code int, reason string) {
	if code == 0 {
		_ = s.conn.CloseNow() // the peer finds out
		return
	}
	_ = s.conn.Close(websocket.StatusCode(code), reason) // the peer may have left
}

// Close ends the socket and its reader.
func (s *Socket) Close() {
	s.cancel()
	_ = s.conn.CloseNow() // it may be over already
	<-s.done
}
