package call

import (
	"testing"
	"time"
)

type idleTicker struct{ _ int }

func (*idleTicker) tick(time.Time) {}

// Calls are dealt to the wheels evenly, and to where others have left.
func TestCallsAreDealtToTheEmptiestWheel(t *testing.T) {
	t.Parallel()
	x := &Exchange{c: Config{Wheels: []*Wheel{NewWheel(testClock()), NewWheel(testClock())}}}
	a, b := x.c.Wheels[0], x.c.Wheels[1]
	var leave []func()
	for range 10 {
		w := x.wheel()
		remove := w.add(&idleTicker{})
		if w == a {
			leave = append(leave, remove)
		}
	}
	if a.load() != 5 || b.load() != 5 {
		t.Errorf("10 calls: %d and %d", a.load(), b.load())
	}
	for _, remove := range leave[:3] {
		remove()
	}
	for range 3 {
		x.wheel().add(&idleTicker{})
	}
	if a.load() != 5 || b.load() != 5 {
		t.Errorf("3 calls after 3 have left the first: %d and %d", a.load(), b.load())
	}
}
