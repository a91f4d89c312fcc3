package socket

import (
	"context"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// speak sends sound, Finalizes and what keeps the connection open. Only it writes
// to the current socket.
func (s *Stream) speak() {
	defer s.hangUp()
	idle := time.NewTimer(time.Hour)
	defer idle.Stop()
	if s.dialect.IdleAfter > 0 {
		idle.Reset(s.dialect.IdleAfter)
	}
	last := time.Now()
	for {
		var err error
		var some bool
		select {
		case <-s.wake:
			some, err = s.forward()
		case <-idle.C:
			wait := s.dialect.IdleAfter - time.Since(last)
			if wait <= 0 {
				wait, some, err = s.dialect.IdleAfter, true, s.idle()
			}
			idle.Reset(wait)
		case <-s.leaving:
			s.takeLeave(s.current)
			return
		case <-s.life.Done():
			return
		}
		if some {
			last = time.Now()
		}
		if err != nil {
			s.broken(err)
			return
		}
	}
}

// hangUp ends what the stream holds besides the current connection.
func (s *Stream) hangUp() {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if next := s.rotation.next; next != nil {
		next.socket.Close()
	}
}

// broken ends the stream after a failed write, if possible with the reason that
// the vendor gave.
func (s *Stream) broken(err error) {
	select {
	case <-s.current.ended:
	case <-time.After(reasonWait):
	}
	s.fail(err)
}

// takeLeave ends the session on a connection and waits for the vendor to close it.
func (s *Stream) takeLeave(c *connection) {
	if s.dialect.Goodbye != nil {
		ctx, cancel := context.WithTimeout(s.life, closeWait)
		defer cancel()
		if c.socket.Text(ctx, s.dialect.Goodbye) != nil {
			return
		}
		select {
		case <-c.ended:
		case <-ctx.Done():
		}
	}
}

// forward sends all there is; some says that there was something.
func (s *Stream) forward() (some bool, err error) {
	if err := s.changeOver(); err != nil {
		return false, err
	}
	for s.life.Err() == nil {
		flush, ok := s.take()
		switch {
		case !ok:
			return some, nil
		case flush:
			err = s.ask(s.current)
		default:
			err = s.sendSound(s.current, s.piece)
			s.progress(len(s.piece))
		}
		if err != nil {
			return some, err
		}
		some = true
	}
	return some, nil
}

// take puts the next sound to send into piece, or says that a Finalize is next.
func (s *Stream) take() (flush, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takeLocked()
}

func (s *Stream) takeLocked() (flush, ok bool) {
	n := len(s.pending)
	marked := len(s.marks) > 0
	if marked {
		n = int(s.marks[0] - s.sent)
	}
	n = s.portion(n)
	if n > 0 && n >= int(audio.Samples(s.dialect.Chunk, s.rate)) {
		s.piece = append(s.piece[:0], s.pending[:n]...)
		s.pending = s.pending[:copy(s.pending, s.pending[n:])]
		if len(s.pending) == 0 && cap(s.pending) > 2*int(audio.Samples(longest, s.rate)) {
			s.pending = nil // grew while the stream was behind
		}
		s.keep(s.piece)
		return false, true
	}
	if !marked {
		return false, false
	}
	// Sound that is too short for a message waits for what follows it.
	again := s.marks[0] == s.asked
	s.asked, s.marks = s.marks[0], s.marks[1:]
	if again { // one answer is enough for both
		s.sentFlush()
		s.answerSettled() // its answer may have come in between
		return s.takeLocked()
	}
	return true, true
}

// progress notes that n samples were sent.
func (s *Stream) progress(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += int64(n)
}

// sendSound sends samples on a connection.
func (s *Stream) sendSound(c *connection, pcm []int16) error {
	s.mu.Lock()
	if !c.sounded {
		c.sounded, c.origin = true, s.sent
	}
	c.length += int64(len(pcm))
	s.mu.Unlock()
	message, binary := c.session.Sound(pcm)
	switch {
	case len(message) == 0:
		return nil
	case binary:
		return c.socket.Binary(s.life, message)
	}
	return c.socket.Text(s.life, message)
}

// ask asks the vendor for its final.
func (s *Stream) ask(c *connection) error {
	// Noted first: the answer may be quick.
	s.mu.Lock()
	s.sentFlush()
	s.mu.Unlock()
	if message := c.session.Flush(); message != nil {
		return c.socket.Text(s.life, message)
	}
	return nil
}

// sentFlush notes that the vendor knows of the oldest Finalize that it did not know
// of; s.mu is held.
func (s *Stream) sentFlush() {
	for i := range s.flushes {
		if f := &s.flushes[i]; !f.sent {
			f.sent, f.latest = true, time.Now().Add(s.dialect.FlushWait)
			break
		}
	}
	signal(s.due)
}

// idle keeps the connection open while there is nothing to send.
func (s *Stream) idle() error {
	if s.dialect.Idle != nil {
		return s.current.socket.Text(s.life, s.dialect.Idle)
	}
	n := audio.Samples(idleSound, s.rate)
	s.mu.Lock()
	s.current.insert(n)
	s.mu.Unlock()
	message, _ := s.current.session.Sound(make([]int16, n))
	return s.current.socket.Binary(s.life, message)
}
