package pocketsphinx

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/process"
	"github.com/sidetone/sidetone/transcriber"
)

const (
	// idleNoise is above the largest sample of a codec that transmits silence (4)
	// and of the comfort noise that covers a loss or a pause (28).
	idleNoise = 40

	// maxBehind is how much sound may wait for the recogniser, in bytes.
	maxBehind = int64(transcriber.MaxBehind/time.Second) * rate * 2
	// flushSound is the low noise that ends a running utterance: 0.8 s.
	flushSound = rate * 8 / 10
	// audible is the sample value above which a block of 10 ms may be speech:
	// -50 dBFS.
	audible = 104
	// speechBlocks is how many audible blocks make the recogniser likely to
	// have an utterance running.
	speechBlocks = 4
	// maxLine bounds a recognised line in bytes.
	maxLine = 64 << 10
)

// stream is one child process. Three goroutines serve it: feed writes to the
// child, read reads from it and waits for its end, answer times Finalize; Close
// waits for all of them.
type stream struct {
	options Options
	rate    int             // of the frames
	ctx     context.Context //nolint:containedctx // the stream's life, see transcriber.Driver
	cancel  context.CancelCauseFunc
	cmd     *exec.Cmd
	stdin   *os.File
	stdout  io.ReadCloser
	stderr  process.Tail
	queue   transcriber.Queue
	owned   sync.WaitGroup
	release func()

	mu      sync.Mutex
	widen   *audio.Resampler // nil: frames come at the child's rate
	wide    []int16          // a frame at the child's rate
	pending []byte           // sound not yet given to feed
	queued  int64            // bytes of sound ever queued
	written int64            // bytes of it that the child has read, nearly
	first   int64            // bytes of the first Write
	wake    chan struct{}    // tells feed about pending, capacity 1
	closed  bool
	heard   int // audible blocks since the last line
	flushes []flush
	due     chan struct{} // tells answer about flushes, capacity 1
	noise   uint32
}

// flush is a Finalize that waits for its answer. Its time runs from when the
// child has read everything up to end, and in any case until latest.
type flush struct {
	end    int64
	until  time.Time // zero before that
	latest time.Time
}

// overdue is how much longer than its own time a flush waits for a child that
// is behind with reading.
const overdue = 2 * time.Second

// start runs the child and its goroutines for sound of the given rate; release is
// called when all ended.
func start(ctx context.Context, o Options, given int, release func()) (*stream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &stream{
		options: o, rate: given, ctx: ctx, cancel: cancel, release: release,
		wake: make(chan struct{}, 1), due: make(chan struct{}, 1), noise: 1,
	}
	if err := s.launch(); err != nil {
		cancel(nil)
		return nil, err
	}
	s.owned.Go(s.feed)
	s.owned.Go(s.answer)
	s.owned.Go(s.read)
	return s, nil
}

// launch starts the child.
func (s *stream) launch() error {
	if s.rate != rate {
		var err error
		if s.widen, err = audio.NewResampler(s.rate, rate); err != nil {
			return err
		}
	}
	parameters, err := featuresFile(s.rate)
	if err != nil {
		return err
	}
	defer func() { _ = parameters.Close() }() // the child has its own
	read, write, err := process.SmallPipe()
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	// The first extra file of a child is its descriptor 3.
	s.cmd = process.Command(s.ctx, s.options.Program, "-infile", "/dev/stdin", "-logfn", "/dev/null", "-featparams", "/dev/fd/3")
	s.cmd.ExtraFiles = []*os.File{parameters}
	s.cmd.Stderr = &s.stderr
	s.stdin, s.cmd.Stdin = write, read
	if s.stdout, err = s.cmd.StdoutPipe(); err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		_ = write.Close()
		return fmt.Errorf("start %s: %w", s.options.Program, err)
	}
	return nil
}

// Write queues the frame.
func (s *stream) Write(f audio.Frame) error {
	if f.Rate != s.rate {
		return fmt.Errorf("write to a recogniser: frame of %d Hz, want %d", f.Rate, s.rate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return transcriber.ErrClosed
	}
	pcm := f.PCM
	if s.widen != nil {
		s.wide = s.widen.Process(s.wide[:0], f.PCM)
		pcm = s.wide
		mirror(pcm)
	}
	size := 2 * int64(len(pcm))
	if s.queued == 0 {
		s.first = size
	}
	if s.queued-s.written+size > maxBehind+max(0, s.first-s.written) {
		s.cancel(transcriber.ErrBehind)
		return transcriber.ErrBehind
	}
	s.append(pcm)
	s.queued += size
	if !f.Missing {
		s.listen(pcm)
	}
	signal(s.wake)
	return nil
}

// Behind implements transcriber.Lagger.
func (s *stream) Behind() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return audio.Span((s.queued-s.written)/2, rate)
}

// append queues samples, blocks of nothing but a codec's idle noise as digital
// silence: the recogniser takes faint noise after a pause for the beginning of
// an utterance and then mishears the words that follow. s.mu is held.
func (s *stream) append(pcm []int16) {
	const block = rate / 100
	for len(pcm) > 0 {
		n := min(block, len(pcm))
		mask := uint16(0)
		for _, sample := range pcm[:n] {
			if sample > idleNoise || sample < -idleNoise {
				mask = 0xffff
				break
			}
		}
		for _, sample := range pcm[:n] {
			s.pending = binary.LittleEndian.AppendUint16(s.pending, uint16(sample)&mask)
		}
		pcm = pcm[n:]
	}
}

// listen counts the audible blocks; s.mu is held.
func (s *stream) listen(pcm []int16) {
	const block = rate / 100
	for ; len(pcm) >= block; pcm = pcm[block:] {
		sum := int64(0)
		for _, sample := range pcm[:block] {
			sum += int64(sample) * int64(sample)
		}
		if sum > audible*audible*block {
			s.heard++
		}
	}
}

// Finalize ends the running utterance with low noise and sets a limit to the
// time its text may take. When nothing audible came since the last text, the
// answer is empty and comes at once.
func (s *stream) Finalize() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.heard < speechBlocks && len(s.flushes) == 0 {
		s.queue.Push(transcriber.Event{Kind: transcriber.Final, Flushed: true})
		return
	}
	for range flushSound {
		s.noise = s.noise*1664525 + 1013904223
		s.pending = binary.LittleEndian.AppendUint16(s.pending, uint16(int16(s.noise>>28)-8))
	}
	behind := audio.Span((s.queued-s.written)/2, rate)
	s.queued += 2 * flushSound
	s.flushes = append(s.flushes, flush{end: s.queued, latest: time.Now().Add(s.options.FlushWait + behind + overdue)})
	signal(s.wake)
	signal(s.due)
}

// signal wakes whoever receives from c, once.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// feed writes queued sound to the child. Only it waits for the child to read.
func (s *stream) feed() {
	defer func() { _ = s.stdin.Close() }()
	var batch []byte
	for {
		select {
		case <-s.wake:
		case <-s.ctx.Done():
			return
		}
		s.mu.Lock()
		batch, s.pending = s.pending, batch[:0]
		s.mu.Unlock()
		if !s.give(batch) {
			return // read reports why the child is gone
		}
	}
}

// give writes batch in pieces, so that Write knows how much is left and a flush
// when its time begins.
func (s *stream) give(batch []byte) bool {
	const piece = 4 << 10
	for len(batch) > 0 {
		n, err := s.stdin.Write(batch[:min(piece, len(batch))])
		if err != nil {
			return false
		}
		batch = batch[n:]
		s.progress(int64(n))
	}
	return true
}

// progress notes that the child has read n more bytes.
func (s *stream) progress(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written += n
	for i := range s.flushes {
		f := &s.flushes[i]
		if f.until.IsZero() && s.written >= f.end {
			f.until = time.Now().Add(s.options.FlushWait)
			signal(s.due)
		}
	}
}

// read turns the child's lines into finals until the child ends.
func (s *stream) read() {
	lines := bufio.NewScanner(s.stdout)
	lines.Buffer(make([]byte, 0, 1<<10), maxLine)
	for lines.Scan() {
		s.line(strings.TrimSpace(lines.Text()))
	}
	if err := lines.Err(); err != nil && s.ctx.Err() == nil {
		s.cancel(transcriber.Error("recogniser sent a line without end"))
	}
	s.end(s.cmd.Wait())
}

// line handles one recognised utterance.
func (s *stream) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text == "" {
		// Says only that a noise ended; the text of a Finalize may follow it.
		return
	}
	s.heard = 0
	flushed := len(s.flushes) > 0
	if flushed {
		s.flushes = s.flushes[1:]
	}
	s.queue.Push(transcriber.Event{Kind: transcriber.Final, Text: text, Flushed: flushed})
}

// answer gives empty finals to the flushes whose time is up.
func (s *stream) answer() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-s.due:
		case <-timer.C:
		case <-s.ctx.Done():
			return
		}
		if next, ok := s.expire(time.Now()); ok {
			timer.Reset(next)
		}
	}
}

// expire answers what is due and returns the time until the next one is.
func (s *stream) expire(now time.Time) (next time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.flushes) > 0 {
		until := s.flushes[0].latest
		if first := s.flushes[0].until; !first.IsZero() && first.Before(until) {
			until = first
		}
		if wait := until.Sub(now); wait > 0 {
			return wait, true
		}
		s.flushes = s.flushes[1:]
		s.heard = 0
		s.queue.Push(transcriber.Event{Kind: transcriber.Final, Flushed: true})
	}
	return 0, false
}

// end closes the stream after the child ended with err.
func (s *stream) end(err error) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	var failure transcriber.Error
	switch {
	case s.ctx.Err() == nil:
		err = errEnded(err)
		s.options.Logger.Warn("recogniser ended by itself", "program", s.options.Program, "error", err, "said", s.stderr.Line())
	case errors.As(context.Cause(s.ctx), &failure):
		err = failure
	default:
		err = nil // closed, or its call ended
	}
	s.cancel(err)
	s.release()
	s.queue.End(err)
}

// Events yields the finals.
func (s *stream) Events() iter.Seq2[transcriber.Event, error] { return s.queue.Events() }

// Close ends the child and waits for it.
func (s *stream) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel(context.Canceled)
	s.owned.Wait()
	return nil
}
