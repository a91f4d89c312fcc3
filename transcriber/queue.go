package transcriber

import (
	"iter"
	"sync"
)

// Queue carries a stream's events from the driver's goroutines to the reader
// of Stream.Events. It never makes the sender wait. The zero Queue is ready to
// use; it must not be copied. All methods may be called concurrently, but only
// one loop at a time may read Events.
type Queue struct {
	mu     sync.Mutex
	events []Event
	ended  bool
	err    error
	told   bool
	wake   chan struct{}
}

// Push adds an event and reports whether it will be seen: false after End.
func (q *Queue) Push(e Event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return false
	}
	q.events = append(q.events, e)
	q.signal()
	return true
}

// End closes the queue. Events already pushed are still read, then err if it is
// not nil. Only the first End counts.
func (q *Queue) End(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return
	}
	q.ended, q.err = true, err
	q.signal()
}

// Events yields what was pushed, in order, until End; see Stream.Events. A loop
// that was left early may be resumed by another call.
func (q *Queue) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err, more := q.next()
			if !more {
				return
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// next waits for an event, or for the end; more is false after the last pair.
func (q *Queue) next() (e Event, err error, more bool) { //nolint:revive // the pair has the order of the iterator
	for {
		wake, e, state, err := q.take()
		switch state {
		case taken:
			return e, err, true
		case drained:
			return Event{}, nil, false
		}
		<-wake
	}
}

// The outcomes of take.
const (
	waiting = iota
	taken
	drained
)

func (q *Queue) take() (<-chan struct{}, Event, int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) > 0 {
		e := q.events[0]
		q.events = q.events[1:]
		return nil, e, taken, nil
	}
	if q.ended {
		if q.err == nil || q.told {
			return nil, Event{}, drained, nil
		}
		q.told = true
		return nil, Event{}, taken, q.err
	}
	return q.channel(), Event{}, waiting, nil
}

// channel returns the channel that the next change closes; q.mu is held.
func (q *Queue) channel() <-chan struct{} {
	if q.wake == nil {
		q.wake = make(chan struct{})
	}
	return q.wake
}

// signal wakes the reader; q.mu is held.
func (q *Queue) signal() {
	if q.wake != nil {
		close(q.wake)
		q.wake = nil
	}
}
