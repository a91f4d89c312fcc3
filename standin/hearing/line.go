package hearing

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/sidetone/sidetone/standin"
)

// Message is what a client sent.
type Message struct {
	Data   []byte
	Binary bool
}

// Line is a WebSocket to a client. It carries out the faults that are alike for all
// vendors: Mute, Reset, Close, Slow, InBand, Malformed, Unknown, Null, Oversized
// and SlowPong. Send and End belong to the goroutine of the request.
type Line struct {
	// Error is the message with which the vendor reports a failure in band, after
	// which it closes with ErrorCode.
	Error     func() any
	ErrorCode int
	// Nulls are the members that the vendor may leave null.
	Nulls []string

	r        *standin.Request
	conn     *websocket.Conn
	ctx      context.Context //nolint:containedctx // the request's
	cancel   context.CancelFunc
	messages chan Message
	sent     int
	over     bool
}

// oversize is the length of a message that no client accepts.
const oversize = 8 << 20

// slowness is the time between two messages when a fault names none.
const slowness = 100 * time.Millisecond

// Accept answers the upgrade and starts to read. It must be ended by End.
func Accept(w http.ResponseWriter, r *standin.Request) (*Line, error) {
	o := &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled}
	for _, offered := range r.Header.Values("Sec-WebSocket-Protocol") {
		// Browsers' clients show the key as a protocol.
		o.Subprotocols = append(o.Subprotocols, strings.TrimSpace(strings.Split(offered, ",")[0]))
	}
	if r.Fault.Kind == standin.SlowPong {
		o.OnPingReceived = func(ctx context.Context, _ []byte) bool {
			select {
			case <-ctx.Done():
			case <-time.After(max(r.Fault.Delay, slowness)):
			}
			return true
		}
	}
	conn, err := websocket.Accept(w, r.Request, o)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	l := &Line{r: r, conn: conn, messages: make(chan Message, 16), ErrorCode: int(websocket.StatusInternalError)}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	go l.read()
	return l, nil
}

// read passes on what the client sends until it leaves; sound is not kept in the
// ledger. It ends with the connection, which End closes.
func (l *Line) read() {
	defer close(l.messages)
	for {
		kind, data, err := l.conn.Read(l.ctx)
		if err != nil {
			return
		}
		binary := kind == websocket.MessageBinary
		if !binary && len(data) < 4096 {
			l.r.Note(data)
		}
		select {
		case l.messages <- Message{data, binary}:
		case <-l.ctx.Done():
			return
		}
	}
}

// Messages yields what the client sends; it is closed when the client left.
func (l *Line) Messages() <-chan Message { return l.messages }

// Send sends a message, unless a fault says otherwise.
func (l *Line) Send(v any) {
	if l.over || l.r.Fault.Kind == standin.Mute {
		return
	}
	if l.sent >= l.r.Fault.After && l.fail() {
		return
	}
	l.sent++
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // a stand-in sent what has no JSON
	}
	switch l.r.Fault.Kind {
	case standin.Slow:
		l.wait(l.r.Fault.Delay)
	case standin.Unknown:
		l.write([]byte(`{"type":"zz_new","zz":{"list":[1,null,"x"]}}`))
		raw = l.changed(raw, func(m map[string]any) { m["zz_member"] = []any{1, nil, map[string]any{"zz": true}} })
	case standin.Null:
		raw = l.changed(raw, func(m map[string]any) {
			for name := range m {
				if slices.Contains(l.Nulls, name) {
					m[name] = nil
				}
			}
		})
	}
	l.write(raw)
}

// fail carries out the fault that ends the line; ok is false when there is none.
func (l *Line) fail() (ok bool) {
	f := l.r.Fault
	switch f.Kind {
	case standin.Reset:
		_ = l.conn.CloseNow() // it may be over
	case standin.Close:
		l.shut(f.Status, f.Reason)
	case standin.InBand:
		raw, _ := json.Marshal(l.Error())
		l.write(raw)
		l.shut(l.ErrorCode, f.Reason)
	case standin.Malformed:
		l.write([]byte(`{"this is": not JSON`))
	case standin.Oversized:
		l.write([]byte(`{"type":"` + strings.Repeat("x", oversize) + `"}`))
	default:
		return false
	}
	l.over = true
	return true
}

// Shut ends the line with a close code; 0 stands for none.
func (l *Line) Shut(code int, reason string) {
	if !l.over && l.r.Fault.Kind != standin.Mute {
		l.over = true
		l.shut(code, reason)
	}
}

func (l *Line) shut(code int, reason string) {
	if code == 0 {
		code = int(websocket.StatusNormalClosure)
	}
	_ = l.conn.Close(websocket.StatusCode(code), reason) // the client may have left
}

// changed applies change to every object in a JSON text.
func (l *Line) changed(raw []byte, change func(map[string]any)) []byte {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return raw
	}
	walk(v, change)
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}

func walk(v any, change func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			walk(member, change)
		}
		change(v)
	case []any:
		for _, element := range v {
			walk(element, change)
		}
	}
}

func (l *Line) write(raw []byte) {
	if l.conn.Write(l.ctx, websocket.MessageText, raw) != nil {
		l.over = true
	}
}

func (l *Line) wait(d time.Duration) {
	if d == 0 {
		d = slowness
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.ctx.Done():
	}
}

// End closes the connection and waits until nothing is read any more.
func (l *Line) End() {
	l.cancel()
	_ = l.conn.CloseNow()  // it may be over
	for range l.messages { //nolint:revive // what is left has no reader
	}
}
