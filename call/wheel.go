package call

import (
	"slices"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// catchUp is how late a turn may be and still be taken: a listener's buffer takes
// frames that come late, but a frame that is never sent is a hole in a word.
const catchUp = 80 * time.Millisecond

// slots is how many starting times a 20 ms frame is divided into, and slotLength
// the time between two of them.
const (
	slots      = 20
	slotLength = audio.FrameDuration / slots
)

// Wheel paces calls: one goroutine hands each call its turn every 20 ms, calls
// being spread over the frame's 1 ms slots. What the calls do in their turns
// (encode a frame, hand it to the network) takes one processor core at most.
type Wheel struct {
	clock Clock

	mu      sync.Mutex
	members [slots][]*member
	count   int
	wake    chan struct{}
}

// member is a ticker and the time before which its turns are left out.
type member struct {
	ticker
	from time.Time
}

// ticker takes its turn in the slot that begins at a time, which is past when the
// wheel is late; it must not wait.
type ticker interface{ tick(slot time.Time) }

// NewWheel returns a Wheel; Run turns it.
func NewWheel(clock Clock) *Wheel { return &Wheel{clock: clock, wake: make(chan struct{}, 1)} }

// add gives t a turn every 20 ms from now on, in the emptiest slot, until remove is
// called. After remove returned t is not ticked again, except by a turn under way.
func (w *Wheel) add(t ticker) (remove func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	best := 0
	for i := range w.members {
		if len(w.members[i]) < len(w.members[best]) {
			best = i
		}
	}
	w.members[best] = append(slices.Clone(w.members[best]), &member{t, w.clock.Now()})
	w.count++
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return func() { w.remove(best, t) }
}

func (w *Wheel) remove(slot int, t ticker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var rest []*member
	for _, m := range w.members[slot] {
		if m.ticker != t {
			rest = append(rest, m)
		}
	}
	w.count -= len(w.members[slot]) - len(rest)
	w.members[slot] = rest
}

// Run turns the wheel until done is closed. Turns that fall due while the
// process was held up are caught up on; a call whose turn would be later than
// catchUp goes on with the first one that is on time.
func (w *Wheel) Run(done <-chan struct{}) {
	start := w.clock.Now()
	for slot := int64(0); ; slot++ {
		if w.idle() {
			select {
			case <-done:
				return
			case <-w.wake:
			}
			slot = max(slot, int64(w.clock.Now().Sub(start)/slotLength))
		}
		turn := w.turn(int(slot % slots))
		if len(turn) == 0 {
			continue
		}
		due := start.Add(time.Duration(slot) * slotLength)
		if early := due.Sub(w.clock.Now()); early > 0 {
			w.clock.Sleep(early, done)
		}
		select {
		case <-done:
			return
		default:
		}
		now := w.clock.Now() // after the sleep, which may have been far too long
		for _, m := range turn {
			m.take(due, now)
		}
	}
}

// take takes the turn in a slot, or leaves it out.
func (m *member) take(slot, now time.Time) {
	switch {
	case slot.Before(m.from):
	case now.Sub(slot) > catchUp:
		m.from = now
	default:
		m.tick(slot)
	}
}

func (w *Wheel) idle() bool { return w.load() == 0 }

// load is how many turns the wheel hands out in 20 ms.
func (w *Wheel) load() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

func (w *Wheel) turn(slot int) []*member {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.members[slot]
}
