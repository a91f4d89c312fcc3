package server

import "sync"

// slots are the places at the offline recogniser, one for each call that uses it.
type slots struct {
	freed func() // is told of each place that became free

	mu     sync.Mutex
	free   int
	placed map[string]int // those of the calls that an environment placed
	taken  map[string]int // how often each call that has a place took it
}

func newSlots(n int, freed func()) *slots {
	return &slots{freed: freed, free: n, placed: map[string]int{}, taken: map[string]int{}}
}

// take takes a place for a call, which the environment placed or which came in,
// and returns how to give it back; ok is false when the call gets none. A call that
// has a place already shares it with itself: it is planned anew when its line turns
// out to be another than expected. An environment's placed calls get one while they
// hold fewer than are free: they ring for long, and the next one's single call, in or
// out, finds a place.
func (s *slots) take(callID, environmentID string, placed bool) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[callID] == 0 {
		if s.free == 0 || placed && s.placed[environmentID] >= s.free {
			return nil, false
		}
		s.count(environmentID, placed, 1)
	}
	s.taken[callID]++
	return sync.OnceFunc(func() {
		if s.giveBack(callID, environmentID, placed) {
			s.freed()
		}
	}), true
}

// giveBack undoes one take and says whether the place is free now.
func (s *slots) giveBack(callID, environmentID string, placed bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[callID]--; s.taken[callID] > 0 {
		return false
	}
	delete(s.taken, callID)
	s.count(environmentID, placed, -1)
	return true
}

func (s *slots) count(environmentID string, placed bool, n int) {
	s.free -= n
	if !placed {
		return
	}
	if s.placed[environmentID] += n; s.placed[environmentID] == 0 {
		delete(s.placed, environmentID)
	}
}
