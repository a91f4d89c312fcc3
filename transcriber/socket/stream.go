package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
)

const (
	// longest is how much sound one message carries at most; at least two Chunks.
	longest = 200 * time.Millisecond
	// idleSound is how much silence keeps a connection open.
	idleSound = 100 * time.Millisecond
	// closeWait is how long a closed stream waits for the vendor to end the
	// session, and closeLimit for everything.
	closeWait  = 500 * time.Millisecond
	closeLimit = 800 * time.Millisecond
	// reasonWait is how long a failed write waits for the reason that the vendor
	// gives.
	reasonWait = 300 * time.Millisecond
	// flushSlack is how much longer than its own time a Finalize waits when it
	// could not be sent yet.
	flushSlack = 2 * time.Second
)

// Stream implements transcriber.Stream and transcriber.Lagger on a socket.
type Stream struct {
	dialect Dialect
	meter   *provider.Meter // nil: nobody counts
	rate    int
	life    context.Context //nolint:containedctx // the goroutines', see transcriber.Driver
	end     context.CancelFunc
	unwatch func() bool
	queue   transcriber.Queue
	owned   sync.WaitGroup
	wake    chan struct{} // tells speak that there is something to send, capacity 1
	due     chan struct{} // tells keepTime that there is something to wait for, capacity 1
	leaving chan struct{} // closed when the stream is to end
	piece   []int16       // what speak is sending

	mu       sync.Mutex
	current  *connection
	pending  []int16 // not sent yet
	written  int64   // samples ever written
	sent     int64   // samples of them that were sent
	first    int64   // samples of the first Write
	marks    []int64 // where a Finalize lies, in samples written
	flushes  []flush // Finalizes without an answer
	asked    int64   // where the newest Finalize lies that the vendor knows of
	settled  int64   // where the newest Finalize lies that was answered
	closed   bool
	heard    heard
	rotation rotation
}

// flush is a Finalize that waits for its answer.
type flush struct {
	at     int64     // samples that were written before it
	sent   bool      // the vendor was asked
	latest time.Time // when it is answered with what is known
}

// connection is a socket to the vendor.
type connection struct {
	socket  *provider.Socket
	session Session
	ended   chan struct{} // closed when nothing more is read from it
	opened  time.Time
	id      string // the vendor's name of the session; "" while only the socket has one
	origin  int64  // the sample of the stream at which its sound begins
	length  int64  // samples that were sent on it
	greeted bool
	sounded bool // sound of the stream was sent on it
	silence []silence
}

// silence is what was inserted to keep a connection open, in the connection's
// samples.
type silence struct{ at, length int64 }

// mostSilences is how many insertions are told apart; words are younger than that.
const mostSilences = 64

// insert notes n samples of silence that nobody wrote.
func (c *connection) insert(n int64) {
	at := c.length
	c.length += n
	if i := len(c.silence) - 1; i >= 0 && c.silence[i].at+c.silence[i].length == at {
		c.silence[i].length += n
		return
	}
	c.silence = append(c.silence, silence{at, n})
	if len(c.silence) > mostSilences {
		c.silence[1] = silence{c.silence[0].at, c.silence[0].length + c.silence[1].length}
		c.silence = c.silence[1:]
	}
}

// place returns the sample of the stream that a sample of the connection is.
func (c *connection) place(sample int64) int64 {
	at := sample
	for _, s := range c.silence {
		if s.at >= sample {
			break
		}
		at -= min(s.length, sample-s.at)
	}
	return c.origin + at
}

// Open starts a stream of sound at rate Hz. It returns once the vendor accepted
// the connection, or with the vendor's failure. The stream closes when ctx ends.
func Open(ctx context.Context, rate int, d Dialect) (*Stream, error) {
	conn, err := d.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("open a recogniser: %w", err)
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	s := &Stream{dialect: d, meter: provider.MeterOf(ctx), rate: rate, life: life, end: end, wake: make(chan struct{}, 1), due: make(chan struct{}, 1), leaving: make(chan struct{})}
	first := s.connect(conn)
	s.current = first
	s.owned.Go(func() { s.read(first) })
	s.owned.Go(s.speak)
	s.owned.Go(s.keepTime)
	s.unwatch = context.AfterFunc(ctx, s.leave)
	return s, nil
}

// connect wraps a socket. Its origin is set when it gets its first sound.
func (s *Stream) connect(conn *provider.Socket) *connection {
	c := &connection{socket: conn, ended: make(chan struct{}), opened: time.Now()}
	c.session = s.dialect.Begin(&Feed{stream: s, conn: c})
	conn.Use(s.meter)
	return c
}

// Write queues the frame.
func (s *Stream) Write(f audio.Frame) error {
	if f.Rate != s.rate {
		return fmt.Errorf("write to a recogniser: frame of %d Hz, want %d", f.Rate, s.rate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return transcriber.ErrClosed
	}
	size := int64(len(f.PCM))
	if s.written == 0 {
		s.first = size
	}
	if s.written-s.sent+size > audio.Samples(transcriber.MaxBehind, s.rate)+max(0, s.first-s.sent) {
		s.failLocked(transcriber.ErrBehind)
		return transcriber.ErrBehind
	}
	s.pending = append(s.pending, f.PCM...)
	s.written += size
	signal(s.wake)
	return nil
}

// Behind implements transcriber.Lagger.
func (s *Stream) Behind() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return audio.Span(s.written-s.sent, s.rate)
}

// Finalize asks the vendor for the final of all sound so far. When nothing was
// written since the last answer, the answer is empty and comes at once.
func (s *Stream) Finalize() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if len(s.flushes) == 0 && s.settled == s.written {
		s.queue.Push(transcriber.Event{Kind: transcriber.Final, Flushed: true})
		return
	}
	s.marks = append(s.marks, s.written)
	s.flushes = append(s.flushes, flush{at: s.written, latest: time.Now().Add(s.dialect.FlushWait + flushSlack)})
	signal(s.wake)
	signal(s.due)
}

// Events yields the results.
func (s *Stream) Events() iter.Seq2[transcriber.Event, error] { return s.queue.Events() }

// Close tells the vendor that the session is over and ends the stream, within 1 s.
func (s *Stream) Close() error {
	s.unwatch()
	s.leave()
	s.owned.Wait()
	return nil
}

// leave begins the end of a stream that is not needed any more.
func (s *Stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.queue.End(nil)
	close(s.leaving)
	time.AfterFunc(closeLimit, s.end)
}

// fail ends the stream with err.
func (s *Stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(err)
}

// failLocked is fail for who holds s.mu.
func (s *Stream) failLocked(err error) {
	if s.closed {
		return
	}
	s.closed = true
	if f := (*provider.Failure)(nil); errors.As(err, &f) && s.dialect.Ended != nil {
		s.dialect.Ended(f)
	}
	s.queue.End(err)
	s.end()
}

// read takes what the vendor says on a connection until it ends.
func (s *Stream) read(c *connection) {
	defer close(c.ended)
	defer s.count(c)
	defer c.socket.Close()
	for {
		data, _, err := c.socket.Read(s.life)
		if err == nil {
			s.mu.Lock()
			c.greeted = true
			s.mu.Unlock()
			err = c.session.Receive(data)
		}
		if err != nil {
			s.lost(c, err)
			return
		}
	}
}

// count tells the meter how much sound was sent on a connection that is over.
func (s *Stream) count(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter.Used(provider.AudioSeconds, audio.Span(c.length, s.rate).Seconds())
}

// lost ends the stream with the current connection.
func (s *Stream) lost(c *connection, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c {
	case s.rotation.next:
		s.rotation.next = nil
		if !s.closed {
			s.owned.Go(func() { s.dialNext(redialAfter) })
		}
	case s.current:
		if f := (*provider.Failure)(nil); errors.As(err, &f) && f.RequestID == "" {
			f.RequestID = cmp.Or(c.socket.RequestID(), c.id)
		}
		s.failLocked(err)
	}
}

// signal wakes whoever receives from c, once.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
