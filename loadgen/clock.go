package loadgen

import "time"

// clock is the one monotonic time base of a run. All times in the package are
// durations since its origin.
type clock struct {
	origin time.Time
}

// newClock returns a clock that starts now.
func newClock() clock { return clock{origin: time.Now()} }

// now returns the time since the origin.
func (c clock) now() time.Duration { return time.Since(c.origin) }

// kernel turns a wall-clock time stamped by the kernel into a time on this
// clock: it is as old as the wall clock says it is now. A stamp from the future
// or from more than a second ago means that the wall clock was set in between;
// it is then taken as now.
func (c clock) kernel(stamp time.Time) time.Duration {
	now := time.Now()
	age := now.Round(0).Sub(stamp)
	if age < 0 || age > time.Second {
		age = 0
	}
	return now.Sub(c.origin) - age
}

// wall returns the wall-clock time of a time on this clock.
func (c clock) wall(at time.Duration) time.Time { return c.origin.Add(at) }
