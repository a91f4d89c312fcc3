package stream

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sidetone/sidetone/provider"
)

const (
	// idleLimit is how long a socket without work stays open.
	idleLimit = 2 * time.Minute
	// aheadWait is how long an utterance waits for a socket that is being opened,
	// before it opens one of its own: longer than handshakes take.
	aheadWait = 500 * time.Millisecond
	// maxIdle is how many such sockets a driver keeps.
	maxIdle = 3
)

// Message is what came over a socket.
type Message struct {
	Data   []byte
	Binary bool
}

// Rules say how a vendor wants its sockets used.
type Rules struct {
	// Header is sent with each upgrade.
	Header http.Header
	// Once: a socket serves one utterance; the next one is opened ahead.
	Once bool
	// PerMinute is how many utterances a socket may serve in a minute; 0: any
	// number.
	PerMinute int
}

// Sockets are the WebSockets of one driver, kept open between utterances. An
// utterance has its socket for itself. Safe for concurrent use.
type Sockets struct {
	client *provider.Client
	rules  Rules
	life   context.Context // ended by Close
	end    context.CancelFunc
	wait   sync.WaitGroup

	mu    sync.Mutex
	open  map[*Line]bool
	idle  []*Line
	ahead map[string]chan struct{} // sockets that are being opened, by address; closed when they are
}

// NewSockets opens nothing yet. Close must be called.
func NewSockets(client *provider.Client, rules Rules) *Sockets {
	s := &Sockets{client: client, rules: rules, open: map[*Line]bool{}, ahead: map[string]chan struct{}{}}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Close ends all sockets, those in use too, and waits for what reads them. It may
// be called more than once.
func (s *Sockets) Close() error {
	s.mu.Lock()
	lines := make([]*Line, 0, len(s.open))
	for l := range s.open {
		lines = append(lines, l)
	}
	s.end()
	s.mu.Unlock()
	for _, l := range lines {
		l.socket.Close() // whoever uses it finds out
	}
	s.wait.Wait()
	return nil
}

// Take returns a socket to an address, an idle one or a new one. The caller ends
// its use with End or Drop.
func (s *Sockets) Take(ctx context.Context, url string) (*Line, error) {
	l := s.rested(url)
	if l == nil && s.awaitAhead(ctx, url) {
		l = s.rested(url)
	}
	if l == nil {
		var err error
		if l, err = s.dial(ctx, url); err != nil {
			return nil, err
		}
	}
	l.begin()
	l.socket.Use(provider.MeterOf(ctx))
	if s.rules.Once {
		s.prepare(url)
	}
	return l, nil
}

// rested takes an idle socket to that address that may be used; nil for none.
func (s *Sockets) rested(url string) *Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range s.idle {
		if l.url == url && l.fit(s.rules.PerMinute) {
			s.idle = slices.Delete(s.idle, i, i+1)
			return l
		}
	}
	return nil
}

// dial opens a socket and starts its reader.
func (s *Sockets) dial(ctx context.Context, url string) (*Line, error) {
	socket, err := s.client.Dial(ctx, url, s.rules.Header)
	if err != nil {
		return nil, err
	}
	l := &Line{sockets: s, socket: socket, url: url, over: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		socket.Close()
		return nil, s.client.Fail(provider.Unreachable, "the voice was closed")
	}
	s.open[l] = true
	s.wait.Add(1)
	go func() {
		defer s.wait.Done()
		l.read()
	}()
	return l, nil
}

// Warm opens a socket for the first utterance ahead, if its address is one with TLS.
func (s *Sockets) Warm(url string) {
	if provider.Secure(url) {
		s.prepare(url)
	}
}

// awaitAhead waits for a socket that is being opened ahead, which is sooner there than
// another one; false when none is.
func (s *Sockets) awaitAhead(ctx context.Context, url string) bool {
	s.mu.Lock()
	opened := s.ahead[url]
	s.mu.Unlock()
	if opened == nil {
		return false
	}
	late := time.NewTimer(aheadWait)
	defer late.Stop()
	select {
	case <-opened:
	case <-late.C:
	case <-ctx.Done():
	}
	return true
}

// prepare opens a socket before the utterance that needs it. What goes wrong is found
// by that one.
func (s *Sockets) prepare(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil || s.ahead[url] != nil || slices.ContainsFunc(s.idle, func(l *Line) bool { return l.url == url }) {
		return
	}
	opened := make(chan struct{})
	s.ahead[url] = opened
	s.wait.Add(1)
	go func() {
		defer s.wait.Done()
		defer close(opened)
		l, err := s.dial(s.life, url)
		s.mu.Lock()
		delete(s.ahead, url)
		s.mu.Unlock()
		if err == nil {
			s.rest(l)
		}
	}()
}

// rest keeps a socket for later.
func (s *Sockets) rest(l *Line) {
	s.mu.Lock()
	full := s.life.Err() != nil || !s.open[l] || len(s.idle) >= maxIdle
	if !full {
		s.idle = append(s.idle, l)
		l.mu.Lock()
		l.timer = time.AfterFunc(idleLimit, func() { s.expire(l) })
		l.mu.Unlock()
	}
	s.mu.Unlock()
	if full {
		l.Drop()
	}
}

// expire ends a socket that has been idle for long.
func (s *Sockets) expire(l *Line) {
	s.mu.Lock()
	i := slices.Index(s.idle, l)
	if i >= 0 {
		s.idle = slices.Delete(s.idle, i, i+1)
	}
	s.mu.Unlock()
	if i >= 0 {
		l.Drop()
	}
}

// forget drops a socket that is over.
func (s *Sockets) forget(l *Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, l)
	s.idle = slices.DeleteFunc(s.idle, func(other *Line) bool { return other == l })
}

// Line is one socket in use. Its methods belong to one goroutine.
type Line struct {
	sockets *Sockets
	socket  *provider.Socket
	url     string
	over    chan struct{} // closed when the reader has ended
	failure error         // why; set before over is closed

	mu     sync.Mutex
	uses   []time.Time
	timer  *time.Timer        // ends an idle socket
	turn   *turn              // nil: nobody listens
	settle func(Message) bool // nil: no late message is waited for
}

// turn is one use of a socket.
type turn struct {
	messages chan Message
	over     chan struct{}
}

// RequestID is the vendor's own name of the connection; "" for none.
func (l *Line) RequestID() string { return l.socket.RequestID() }

// fit reports whether an idle socket may serve an utterance.
func (l *Line) fit(perMinute int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.over:
		return false
	default:
	}
	l.uses = slices.DeleteFunc(l.uses, func(at time.Time) bool { return time.Since(at) >= time.Minute })
	return l.settle == nil && (perMinute == 0 || len(l.uses) < perMinute)
}

// begin starts a use.
func (l *Line) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	l.uses = append(l.uses, time.Now())
	l.turn = &turn{messages: make(chan Message), over: make(chan struct{})}
}

// finish ends a use; settle is until of End.
func (l *Line) finish(settle func(Message) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn != nil {
		close(l.turn.over)
		l.turn = nil
	}
	l.settle = settle
}

// read hands messages to the utterance that uses the socket, until it ends. It
// reads on when nobody listens: the vendor's pings are answered then, too.
func (l *Line) read() {
	defer close(l.over)
	defer l.sockets.forget(l)
	defer l.socket.Close()
	for {
		data, binary, err := l.socket.Read(context.Background())
		if err != nil {
			l.failure = Judge(err)
			return
		}
		l.deliver(Message{data, binary})
	}
}

func (l *Line) deliver(m Message) {
	l.mu.Lock()
	t := l.turn
	if t == nil && l.settle != nil && l.settle(m) {
		l.settle = nil
	}
	l.mu.Unlock()
	if t == nil {
		return
	}
	select {
	case t.messages <- m:
	case <-t.over:
	case <-l.sockets.life.Done():
	}
}

// Send writes a value as a text message of JSON.
func (l *Line) Send(ctx context.Context, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return l.socket.Text(ctx, data)
}

// Next waits for the next message. The end of the socket is a *provider.Failure.
func (l *Line) Next(ctx context.Context) (Message, error) {
	select {
	case m := <-l.turn.messages:
		return m, nil
	case <-l.over:
		return Message{}, l.failure
	case <-ctx.Done():
		if cause := context.Cause(ctx); errors.Is(cause, errLate) {
			return Message{}, cause
		}
		return Message{}, ctx.Err() // whatever the listener's reason
	}
}

// Each hands the data of messages to take until that is done or fails.
func (l *Line) Each(ctx context.Context, take func(data []byte) (done bool, err error)) error {
	for {
		m, err := l.Next(ctx)
		if err != nil {
			return err
		}
		if done, err := take(m.Data); done || err != nil {
			return err
		}
	}
}

// End ends an utterance as its error says. After a good end the socket serves the
// next one. When the listener left, cancel is sent and the socket serves again
// after until, unless nil, returned true of a message. Any other error drops it.
func (l *Line) End(err error, cancel any, until func(Message) bool) {
	switch {
	case err == nil:
		l.finish(nil)
		l.sockets.rest(l)
	case errors.Is(err, errLeft), errors.Is(err, context.Canceled):
		l.finish(until)
		l.cancel(cancel)
	default:
		l.Drop()
	}
}

func (l *Line) cancel(value any) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if l.Send(ctx, value) != nil {
		l.Drop()
		return
	}
	l.sockets.rest(l)
}

// Drop ends the socket.
func (l *Line) Drop() {
	l.finish(nil)
	l.socket.Close()
}
