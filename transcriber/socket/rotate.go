package socket

import (
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/provider"
)

const (
	// settleTime is how much sound is played to a new connection when no words are
	// pending: more than any vendor needs to make its first text of it.
	settleTime = 2 * time.Second
	// changeLimit is how long a running utterance may delay the change.
	changeLimit = 30 * time.Second
	// redialAfter is waited when the next connection could not be opened.
	redialAfter = 10 * time.Second
)

// rotation is the change from a connection whose session is old to the next one.
type rotation struct {
	since time.Time // when it began; zero outside a rotation
	next  *connection
	kept  []int16 // sound since then that no final covers
	end   int64   // the sample at which kept ends
}

// length is how many samples are kept.
func (r *rotation) length() int64 { return int64(len(r.kept)) }

// keepTime answers overdue Finalizes, waits for the vendor's greeting, and begins
// rotations.
func (s *Stream) keepTime() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(s.overdue(time.Now()))
		select {
		case <-timer.C:
		case <-s.due:
		case <-s.life.Done():
			return
		}
	}
}

// overdue does what is due and returns when to look again.
func (s *Stream) overdue(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.expire(now)
	if s.dialect.Greeting > 0 && !s.current.greeted {
		wait := s.current.opened.Add(s.dialect.Greeting).Sub(now)
		if wait <= 0 {
			s.failLocked(s.dialect.Client.Fail(provider.Late, "the session was opened and nothing came within %v", s.dialect.Greeting))
		}
		next = min(next, wait)
	}
	if s.dialect.Lifetime > 0 && s.rotation.since.IsZero() {
		wait := s.current.opened.Add(s.dialect.Lifetime).Sub(now)
		if wait <= 0 && !s.closed {
			s.rotation = rotation{since: now, end: s.sent}
			s.owned.Go(func() { s.dialNext(0) })
		}
		next = min(next, wait)
	}
	return max(next, time.Millisecond)
}

// dialNext opens the next connection after a while.
func (s *Stream) dialNext(after time.Duration) {
	timer := time.NewTimer(after)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.life.Done():
			return
		}
		if conn, err := s.dialect.Dial(s.life); err == nil {
			s.offer(conn)
			return
		}
		// The old connection still works; it reports what ends it.
		timer.Reset(redialAfter)
	}
}

// offer makes a socket the next connection; a stream that ended closes it.
func (s *Stream) offer(conn *provider.Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		conn.Close()
		return
	}
	next := s.connect(conn)
	s.rotation.next = next
	s.owned.Go(func() { s.read(next) })
}

// keep holds sound that is being sent during a rotation; s.mu is held.
func (s *Stream) keep(pcm []int16) {
	r := &s.rotation
	if r.since.IsZero() {
		return
	}
	r.kept = append(r.kept, pcm...)
	r.end += int64(len(pcm))
	limit := audio.Samples(changeLimit, s.rate)
	if s.heard.text == "" {
		limit = audio.Samples(settleTime, s.rate)
	}
	s.forget(r.end - limit)
}

// forget drops the sound before a sample from what is kept; s.mu is held.
func (s *Stream) forget(through int64) {
	r := &s.rotation
	if over := min(r.length(), through-(r.end-r.length())); over > 0 {
		r.kept = r.kept[:copy(r.kept, r.kept[over:])]
	}
}

// changeOver moves the stream to the next connection once that is open and no
// words are pending. The next one hears again what no final covers.
func (s *Stream) changeOver() error {
	old, sound, asked := s.swap(time.Now())
	if old == nil {
		return nil
	}
	s.owned.Go(func() {
		s.takeLeave(old)
		old.socket.Close()
	})
	for len(sound) > 0 {
		n := s.portion(len(sound))
		if err := s.sendSound(s.current, sound[:n]); err != nil {
			return err
		}
		sound = sound[n:]
	}
	for range asked {
		if err := s.ask(s.current); err != nil {
			return err
		}
	}
	return nil
}

// portion is how many of n samples go into the next message, so that neither it nor the
// last one carries less than a Chunk.
func (s *Stream) portion(n int) int {
	most, least := int(audio.Samples(longest, s.rate)), int(audio.Samples(s.dialect.Chunk, s.rate))
	if n > most && n-most < least {
		return n - least
	}
	return min(n, most)
}

// swap makes the next connection the current one when it is time, and returns the
// one before, the sound to play again and how many Finalizes to repeat.
func (s *Stream) swap(now time.Time) (old *connection, sound []int16, asked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.rotation
	if r.next == nil || s.closed || s.dialect.Greeting > 0 && !r.next.greeted {
		return nil, nil, 0
	}
	if n := r.length(); n > 0 && n < audio.Samples(s.dialect.Chunk, s.rate) {
		return nil, nil, 0 // the vendor would refuse so short a sound: more will come
	}
	age := now.Sub(r.since)
	quiet := s.heard.text == "" && len(s.flushes) == 0 && age >= settleTime
	if !quiet && age < changeLimit {
		return nil, nil, 0
	}
	for i := range s.flushes {
		if s.flushes[i].sent {
			s.flushes[i].sent = false
			asked++
		}
	}
	old, sound = s.current, r.kept
	s.current = r.next
	s.current.sounded, s.current.origin = len(sound) > 0, r.end-r.length()
	s.heard = heard{}
	s.rotation = rotation{}
	signal(s.due)
	return old, sound, asked
}
