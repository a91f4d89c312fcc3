package loadgen

import "slices"

const (
	// keptFrames is how many frames a call remembers of what it said: 1.28 s.
	keptFrames = 64
	// ownShare is the least share of what comes back in the window of an echo that must
	// be what the call said. Frames that were lost or late on a busy machine are
	// silence in between.
	ownShare = 0.8
)

// echoed compares what comes back with what was said, sample by sample, as codes of
// G.711 hold it. It is touched with the stream's lock held.
type echoed struct {
	said [keptFrames][frameTicks]int16
	// count is how many frames were said, lag how many frames ago the last one was said
	// that came back.
	count, lag int
	// own and other count the frames that came back and are, or are not, what was said.
	own, other int
}

// say notes a frame that is sent.
func (e *echoed) say(pcm []int16) {
	copy(e.said[e.count%keptFrames][:], pcm)
	e.count++
}

// hear compares a frame that came back.
func (e *echoed) hear(pcm []int16) {
	if e.matches(pcm, e.lag) {
		e.own++
		return
	}
	for lag := range min(e.count, keptFrames) {
		if e.matches(pcm, lag) {
			e.lag = lag
			e.own++
			return
		}
	}
	e.other++
}

// matches compares a frame with the one said lag frames before the newest.
func (e *echoed) matches(pcm []int16, lag int) bool {
	return lag < e.count && slices.Equal(pcm, e.said[(e.count-1-lag)%keptFrames][:])
}

// strange says that too much of what came back was never said.
func (e *echoed) strange() bool { return float64(e.own) < ownShare*float64(e.own+e.other) }
