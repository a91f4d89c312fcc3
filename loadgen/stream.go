package loadgen

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// behaviour is what one call says, and what it makes of what it hears. Its
// methods are called one at a time.
type behaviour interface {
	// fill writes the next frame into pcm, which holds zeros. now is the time.
	fill(pcm []int16, now time.Duration)
	// sent is told when the frame filled last was handed to the kernel.
	sent(at time.Duration)
	// heard is told a received frame and its kernel receive time.
	heard(pcm []int16, at time.Duration)
	// done says that the call has nothing more to do.
	done() bool
	// report adds what was measured.
	report(t *tally)
}

// window is the measured part of a run. It may be read while it is set.
type window struct{ begin, end atomic.Int64 }

// open starts the window at a time, shut ends it.
func (w *window) open(at time.Duration) { w.begin.Store(int64(at)) }
func (w *window) shut(at time.Duration) { w.end.Store(int64(at)) }

// holds says whether at lies in the window.
func (w *window) holds(at time.Duration) bool {
	begin, end := w.begin.Load(), w.end.Load()
	return begin > 0 && int64(at) >= begin && (end == 0 || int64(at) <= end)
}

// stream is one call's audio: a socket of its own, paced by the wheel, read by
// a goroutine of its own.
type stream struct {
	socket   *socket
	codec    Codec
	coder    *coder
	act      behaviour
	window   *window
	finished chan struct{}
	ended    chan struct{}

	started bool
	cipher  *cipher // nil: nothing is encrypted

	mu       sync.Mutex
	stopped  bool
	over     bool
	to       netip.AddrPort
	sequence uint16
	stamp    uint32
	ssrc     uint32
	pcm      []int16
	out      []byte
	ear      []int16
	said     []int16 // as the codec holds it
	echoed   *echoed // nil: what comes back is not compared

	// Reception, touched by the receiving goroutine and, after it ended, by
	// whoever closed the stream.
	counter counter
	strays  int
	forged  int
	last    time.Duration
	gaps    []time.Duration
}

// newStream binds a socket for the codec; act may be set until start.
func newStream(local netip.Addr, c clock, codec Codec, w *window, random *rand.Rand) (*stream, error) {
	s, err := openSocket(local, c)
	if err != nil {
		return nil, err
	}
	return &stream{
		socket: s, codec: codec, coder: newCoder(codec), window: w,
		finished: make(chan struct{}), ended: make(chan struct{}),
		sequence: uint16(random.Uint32()), stamp: random.Uint32(), ssrc: random.Uint32(),
		pcm: make([]int16, codec.frame()), out: make([]byte, 0, rtpHeader+frameTicks+srtpTag),
		ear: make([]int16, 0, packetSize*2), said: make([]int16, 0, codec.frame()),
	}, nil
}

const (
	errCodec = Error("answer without the offered codec")
	errClear = Error("answer without the offered encryption")
)

// agree takes the far end's answer to our offer with key, which is nil when nothing is
// to be encrypted.
func (s *stream) agree(sdp []byte, key masterKey) error {
	to, ok := answered(sdp, s.codec)
	if !ok {
		return errCodec
	}
	s.to = to
	if key == nil {
		return nil
	}
	theirs, ok := agreedKey(sdp)
	if !ok {
		return errClear
	}
	var err error
	s.cipher, err = newCipher(key, theirs)
	return err
}

// start sends from the wheel's next free millisecond on, one packet every
// period, and receives until close.
func (s *stream) start(w *wheel, from, period time.Duration) {
	s.started = true
	go s.receive()
	w.join(from, period, s.fire)
}

// fire sends one frame. It runs on the wheel's goroutine.
func (s *stream) fire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	clear(s.pcm)
	s.act.fill(s.pcm, s.socket.clock.now())
	s.out = appendHeader(s.out[:0], s.codec.payloadType(), s.sequence, s.stamp, s.ssrc)
	s.out = s.coder.encode(s.out, s.pcm)
	if s.echoed != nil {
		s.said = s.coder.decode(s.said[:0], s.out[rtpHeader:])
		s.echoed.say(s.said)
	}
	s.sequence++
	s.stamp += frameTicks
	at := s.socket.clock.now()
	// A full or refused socket is a lost packet, which the far end will show; so is one
	// that cannot be encrypted.
	if sealed, err := s.cipher.seal(s.out); err == nil {
		_ = s.socket.send(sealed, s.to)
	}
	s.act.sent(at)
	if !s.over && s.act.done() {
		s.over = true
		close(s.finished)
	}
	return true
}

// receive reads packets until the socket is closed.
func (s *stream) receive() {
	defer close(s.ended)
	b := make([]byte, packetSize)
	for {
		n, at, _, err := s.socket.receive(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // An ICMP error of an earlier packet, for one.
		}
		s.take(b[:n], at)
	}
}

// take measures one received packet.
func (s *stream) take(b []byte, at time.Duration) {
	if isRTCP(b) { // of another call, whose port lies beside ours
		s.strays++
		return
	}
	b, err := s.cipher.open(b)
	if err != nil {
		s.forged++
		return
	}
	p, ok := parsePacket(b)
	if !ok || p.payloadType != s.codec.payloadType() {
		s.strays++
		return
	}
	s.counter.count(p)
	counts := s.window.holds(at) && s.window.holds(s.last)
	if counts {
		s.gaps = append(s.gaps, at-s.last)
	}
	s.last = at
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.ear = s.coder.decode(s.ear[:0], p.payload)
	if s.echoed != nil && counts {
		s.echoed.hear(s.ear)
	}
	s.act.heard(s.ear, at)
}

// stop ends sending and listening; nothing is called on the behaviour after it
// returned.
func (s *stream) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}

// close stops the stream and waits for its goroutine. It may be called twice.
func (s *stream) close() {
	s.stop()
	s.socket.close()
	if s.started {
		<-s.ended
	}
}

// tally collects what the calls of a run measured. Its method add may be called
// concurrently.
type tally struct {
	mu sync.Mutex

	placed, answered int
	failures         map[string]int

	setup, gaps            []time.Duration
	rtt, added             []time.Duration
	bargeIn, silence       []time.Duration
	received, lost, strays int
	forged, own, other     int
	strange                int // calls
	discarded, unanswered  int
	resumed                int
	clicks                 []Click
	farEnds                []FarEnd
}

// add runs f with the tally to itself.
func (t *tally) add(f func(t *tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t)
}

// fail counts a failed call under its reason.
func (t *tally) fail(reason string) {
	t.add(func(t *tally) { t.failed(reason, 1) })
}

// failed counts failed calls; t.mu is held.
func (t *tally) failed(reason string, calls int) {
	if t.failures == nil {
		t.failures = map[string]int{}
	}
	t.failures[reason] += calls
}

// report adds the stream's own figures and its behaviour's. A call to which packets came
// that are not of who has the key failed.
func (s *stream) report(t *tally) {
	t.add(func(t *tally) {
		t.gaps = append(t.gaps, s.gaps...)
		t.received += s.counter.received
		t.lost += s.counter.lost()
		t.strays += s.strays
		t.forged += s.forged
		if s.echoed != nil {
			t.own += s.echoed.own
			t.other += s.echoed.other
			if s.echoed.strange() {
				t.strange++
			}
		}
		s.act.report(t)
	})
	if s.forged > 0 {
		t.fail("packets that are not encrypted with the agreed key")
	}
}
