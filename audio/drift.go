package audio

import "math"

const (
	// driftTolerance is the error in milliseconds from which a timeline is
	// corrected; it goes on until less than one step is left.
	driftTolerance = 5
	// driftForce is the error in milliseconds from which it is corrected even
	// while there is no silence, one step every driftForceFrames.
	driftForce       = 12
	driftForceFrames = 50
	// driftJump is the error in milliseconds that no clock drifts to: the
	// stream was interrupted and is placed anew.
	driftJump = 100
	// driftBuckets is how many seconds the lower envelope looks back.
	driftBuckets = 10
)

// timeline maps the media time of one stream onto the recording's time base.
// How much later than its media time a frame comes varies with the network,
// but never falls below the network's shortest delay: the lower envelope of
// that difference over the last seconds moves with nothing but the clocks.
type timeline struct {
	milli   int64 // samples in a millisecond
	started bool
	offset  int64 // base time minus media time, in samples, as used
	lows    [driftBuckets]int64
	filled  int   // buckets in use
	current int   // bucket of the current second
	second  int64 // that second
	fixing  bool
	since   int // frames since the last step
}

// newTimeline returns a timeline in samples of rate.
func newTimeline(rate int) timeline {
	return timeline{milli: int64(max(rate/1000, 1))}
}

// observe takes note that the sample with this media time came at this base
// time, and returns the envelope over the last seconds.
func (t *timeline) observe(base, media int64) int64 {
	difference := base - media
	second := base / (1000 * t.milli)
	if !t.started {
		t.started, t.offset, t.filled, t.current = true, difference, 1, 0
		t.lows[0], t.second = difference, second
	}
	for range min(second-t.second, driftBuckets) {
		t.current = (t.current + 1) % driftBuckets
		t.filled = min(t.filled+1, driftBuckets)
		t.lows[t.current] = math.MaxInt64
	}
	t.second = max(t.second, second)
	t.lows[t.current] = min(t.lows[t.current], difference)
	low := t.lows[t.current]
	for _, other := range t.lows[:t.filled] {
		low = min(low, other)
	}
	return low
}

// recent returns the envelope of the last whole second; false when nothing came
// in it.
func (t *timeline) recent() (int64, bool) {
	if t.filled < 2 {
		return 0, false
	}
	low := t.lows[(t.current+driftBuckets-1)%driftBuckets]
	return low, low != math.MaxInt64
}

// restart places the stream anew: the next observation sets the offset.
func (t *timeline) restart() {
	t.started, t.fixing = false, false
}

// step returns by how many samples the next frame is moved against its
// predecessor, given the envelope and whether the frame is quiet: at most one
// millisecond.
func (t *timeline) step(low int64, quiet bool) int64 {
	wrong := low - t.offset
	size := max(wrong, -wrong)
	t.since++
	if size > driftTolerance*t.milli {
		t.fixing = true
	}
	if !t.fixing {
		return 0
	}
	if size < t.milli {
		t.fixing = false
		return 0
	}
	if !quiet && (size < driftForce*t.milli || t.since < driftForceFrames) {
		return 0
	}
	t.since = 0
	move := min(max(wrong, -t.milli), t.milli)
	t.offset += move
	return move
}

// interrupted reports whether the stream no longer fits its place: everything
// came much later for a whole second, or something much earlier than it can.
func (t *timeline) interrupted(low int64) bool {
	if low-t.offset < -driftJump*t.milli {
		return true
	}
	recent, ok := t.recent()
	return ok && min(recent, t.lows[t.current])-t.offset > driftJump*t.milli
}
