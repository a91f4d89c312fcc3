package transcribertest

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/transcriber"
)

// Stub is a transcriber.Driver that hears nothing and answers every Finalize at
// once with the next text it was given. It is deterministic, starts no
// goroutine but one that watches each stream's context, and works inside a
// testing/synctest bubble. The zero Stub is ready; its methods may be called
// concurrently.
type Stub struct {
	// Otherwise is the text of a Finalize when no text is queued. Set it
	// before the first Open.
	Otherwise string
	// Carrier makes the streams report that they detect a carrier, as a TTY
	// modem does. Set it before the first Open.
	Carrier bool
	// Limit is how many streams may be open at once; 0 means no limit. Set it
	// before the first Open.
	Limit int

	mu      sync.Mutex
	texts   []string
	openErr error
	silent  bool
	opened  []*StubStream
}

// NewStub returns a Stub whose first Finalize calls are answered by texts.
func NewStub(texts ...string) *Stub { return &Stub{texts: texts} }

// Queue adds texts for the Finalize calls to come, of whatever stream.
func (s *Stub) Queue(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = append(s.texts, texts...)
}

// FailOpen makes every Open return err; nil makes Open work again.
func (s *Stub) FailOpen(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.openErr = err
}

// Mute makes Finalize go unanswered while silent is true, as a recogniser that
// hangs does. Queued texts stay queued.
func (s *Stub) Mute(silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = silent
}

// Streams returns every stream opened so far, oldest first, closed ones too.
func (s *Stub) Streams() []*StubStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*StubStream(nil), s.opened...)
}

// Emit delivers e to every open stream and returns how many there were.
func (s *Stub) Emit(e transcriber.Event) int {
	n := 0
	for _, stream := range s.Streams() {
		if stream.Emit(e) {
			n++
		}
	}
	return n
}

// Fail ends every open stream with err, as a recogniser that dies does.
func (s *Stub) Fail(err error) {
	for _, stream := range s.Streams() {
		stream.queue.End(err)
	}
}

// Open returns a new *StubStream.
func (s *Stub) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	if c.Rate != 8000 && c.Rate != 16000 {
		return nil, fmt.Errorf("open a stub stream: rate %d Hz is neither 8000 nor 16000", c.Rate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.openErr != nil {
		return nil, s.openErr
	}
	if s.Limit > 0 && s.open() >= s.Limit {
		return nil, transcriber.ErrBusy
	}
	stream := &StubStream{stub: s, config: c}
	stream.unwatch = context.AfterFunc(ctx, func() { stream.close() })
	s.opened = append(s.opened, stream)
	return stream, nil
}

// open counts the streams that are not closed; s.mu is held.
func (s *Stub) open() int {
	n := 0
	for _, stream := range s.opened {
		if !stream.Closed() {
			n++
		}
	}
	return n
}

// answer returns the text of a Finalize; ok is false while the stub is mute.
func (s *Stub) answer() (text string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent {
		return "", false
	}
	if len(s.texts) == 0 {
		return s.Otherwise, true
	}
	text = s.texts[0]
	s.texts = s.texts[1:]
	return text, true
}

// StubStream is a stream of a Stub. Its methods may be called concurrently.
type StubStream struct {
	stub    *Stub
	config  transcriber.Config
	unwatch func() bool
	queue   transcriber.Queue

	mu        sync.Mutex
	samples   int64
	finalizes int
	closed    bool
}

// Write counts the samples.
func (s *StubStream) Write(f audio.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return transcriber.ErrClosed
	}
	if f.Rate != s.config.Rate {
		return fmt.Errorf("write to the stub stream: frame of %d Hz on a stream of %d Hz", f.Rate, s.config.Rate)
	}
	s.samples += int64(len(f.PCM))
	return nil
}

// Finalize answers at once with a flushed Final.
func (s *StubStream) Finalize() {
	s.mu.Lock()
	s.finalizes++
	s.mu.Unlock()
	if text, ok := s.stub.answer(); ok {
		s.queue.Push(transcriber.Event{Kind: transcriber.Final, Text: text, Flushed: true})
	}
}

// Events yields the events.
func (s *StubStream) Events() iter.Seq2[transcriber.Event, error] { return s.queue.Events() }

// Close ends the stream; it always returns nil.
func (s *StubStream) Close() error {
	s.unwatch()
	s.close()
	return nil
}

func (s *StubStream) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.queue.End(nil)
}

// DetectsCarrier returns the stub's Carrier.
func (s *StubStream) DetectsCarrier() bool { return s.stub.Carrier }

// Emit delivers e and reports whether the stream was still open.
func (s *StubStream) Emit(e transcriber.Event) bool { return s.queue.Push(e) }

// Fail ends the stream's events with err.
func (s *StubStream) Fail(err error) { s.queue.End(err) }

// Config returns what the stream was opened with.
func (s *StubStream) Config() transcriber.Config { return s.config }

// Samples returns how many samples were written.
func (s *StubStream) Samples() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.samples
}

// Finalizes returns how often Finalize was called.
func (s *StubStream) Finalizes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.finalizes
}

// Closed reports whether the stream was closed or its context ended.
func (s *StubStream) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
