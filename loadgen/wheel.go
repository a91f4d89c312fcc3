package loadgen

import (
	"context"
	"sync"
	"time"
)

// wheelSlots is the number of milliseconds the wheel looks ahead; a rider's
// period must be shorter.
const wheelSlots = 64

// wheel calls its riders at their due times, all on one goroutine, in slots of
// one millisecond counted from an absolute origin: a late tick does not shift
// later ones.
type wheel struct {
	now   func() time.Duration
	slots [wheelSlots][]*rider
	// spare is the backing array a slot gets while its riders are called.
	spare []*rider

	mu      sync.Mutex
	joining []*rider
	noting  bool
	late    []time.Duration
}

// rider is one thing called periodically.
type rider struct {
	due    time.Duration
	period time.Duration
	// fire is called once a period; returning false takes the rider off.
	fire func() bool
}

// newWheel returns a wheel that reads the time from now.
func newWheel(now func() time.Duration) *wheel { return &wheel{now: now} }

// join puts a rider on the wheel, first due at the first multiple of a
// millisecond after from. It may be called from any goroutine.
func (w *wheel) join(from, period time.Duration, fire func() bool) {
	due := from.Truncate(time.Millisecond) + time.Millisecond
	w.mu.Lock()
	defer w.mu.Unlock()
	w.joining = append(w.joining, &rider{due: due, period: period, fire: fire})
}

// note switches the recording of lateness on or off.
func (w *wheel) note(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noting = on
}

// lateness returns how late the riders were called while it was noted.
func (w *wheel) lateness() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late
}

// run turns the wheel until ctx ends.
func (w *wheel) run(ctx context.Context, c clock) { ticks(ctx, c, w.tick) }

// tick calls every rider due at or before at, which is a multiple of a
// millisecond and one larger than in the call before.
func (w *wheel) tick(at time.Duration) {
	w.admit(at)
	slot := &w.slots[int(at/time.Millisecond)%wheelSlots]
	riders := *slot
	*slot = w.spare[:0]
	for _, r := range riders {
		w.observe(w.now() - at)
		if !r.fire() {
			continue
		}
		r.due += r.period
		w.place(r, at)
	}
	w.spare = riders
}

// admit places the riders that joined since the last tick.
func (w *wheel) admit(at time.Duration) {
	w.mu.Lock()
	joining := w.joining
	w.joining = nil
	w.mu.Unlock()
	for _, r := range joining {
		r.due = max(r.due, at)
		slot := int(r.due/time.Millisecond) % wheelSlots
		w.slots[slot] = append(w.slots[slot], r)
	}
}

// place puts a rider in the slot of its due time, rounded up, at the earliest
// the next one.
func (w *wheel) place(r *rider, at time.Duration) {
	slot := max((r.due+time.Millisecond-1)/time.Millisecond, at/time.Millisecond+1)
	index := int(slot) % wheelSlots
	w.slots[index] = append(w.slots[index], r)
}

// observe records one call's lateness.
func (w *wheel) observe(late time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.noting {
		w.late = append(w.late, late)
	}
}
