package call

import (
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// catchUp is how many slots the wheel may be behind and still give every call
// all of its turns: a listener's buffer takes frames that come late, but a
// frame that is never sent is a hole in a word.
const catchUp = 4 * slots

// slots is how many starting times a 20 ms frame is divided into.
const slots = 20

// Wheel paces calls: one goroutine hands each call its turn every 20 ms, calls
// being spread over the frame's 1 ms slots. What the calls do in their turns
// (encode a frame, hand it to the network) takes one processor core at most.
type Wheel struct {
	clock Clock

	mu      sync.Mutex
	members [slots][]ticker
	count   int
	wake    chan struct{}
}

// ticker takes its turn; it must not wait.
type ticker interface{ tick() }

// NewWheel returns a Wheel; Run turns it.
func NewWheel(clock Clock) *Wheel { return &Wheel{clock: clock, wake: make(chan struct{}, 1)} }

// add gives t a turn every 20 ms, in the emptiest slot, until remove is called.
// After remove returned t is not ticked again, except by a turn under way.
func (w *Wheel) add(t ticker) (remove func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	best := 0
	for i := range w.members {
		if len(w.members[i]) < len(w.members[best]) {
			best = i
		}
	}
	w.members[best] = append(append([]ticker(nil), w.members[best]...), t)
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
	var rest []ticker
	for _, m := range w.members[slot] {
		if m != t {
			rest = append(rest, m)
		}
	}
	w.count -= len(w.members[slot]) - len(rest)
	w.members[slot] = rest
}

// Run turns the wheel until done is closed. Turns that fall due while the
// process was held up are caught up on, at most catchUp of them.
func (w *Wheel) Run(done <-chan struct{}) {
	start := w.clock.Now()
	for slot := int64(0); ; slot++ {
		if w.idle() {
			select {
			case <-done:
				return
			case <-w.wake:
			}
		}
		due := time.Duration(slot) * audio.FrameDuration / slots
		elapsed := w.clock.Now().Sub(start)
		if behind := (elapsed - due) / (audio.FrameDuration / slots); behind > catchUp {
			slot += int64(behind)
			due = time.Duration(slot) * audio.FrameDuration / slots
		}
		turn := w.turn(int(slot % slots))
		if len(turn) == 0 {
			continue
		}
		if due > elapsed {
			w.clock.Sleep(due-elapsed, done)
		}
		select {
		case <-done:
			return
		default:
		}
		for _, t := range turn {
			t.tick()
		}
	}
}

func (w *Wheel) idle() bool { return w.load() == 0 }

// load is how many turns the wheel hands out in 20 ms.
func (w *Wheel) load() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

func (w *Wheel) turn(slot int) []ticker {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.members[slot]
}
