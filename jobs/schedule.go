package jobs

import (
	"slices"
	"time"

	"github.com/sidetone/sidetone"
)

// Limits bounds how much work of one kind is under way on this node at the same
// time: of calls, how many ring. 0 is no limit. Of Kind and of Trunk one
// environment takes at most nine tenths, so that another's single call finds a
// place.
type Limits struct {
	// Kind bounds all of it, Environment that of each environment, and Trunk that
	// of each trunk.
	Kind, Environment, Trunk int
}

// share is what one environment may take of a limit.
func share(limit int) int {
	if limit == 0 {
		return 0
	}
	return max(1, limit*9/10)
}

// below reports whether n may grow.
func below(n, limit int) bool { return limit == 0 || n < limit }

// shortestPause and longestPause are how long the calls of an environment
// through a trunk wait after there was no room for one of them.
const (
	shortestPause = 200 * time.Millisecond
	longestPause  = 4 * time.Second
)

// schedule says whose turn it is: environments and trunks take turns, whichever
// waits longest, within the limits. It knows no clock and is not safe for
// concurrent use.
type schedule struct {
	limits Limits
	// lanes are in the order of their turns.
	lanes []*lane
	// known holds the intents that wait or are being carried out.
	known        map[string]bool
	busy         int
	freed        int // how many places became free that jobs had not found
	environments map[string]int
	trunks       map[string]int
}

// lane is the work of one environment through one trunk, in order.
type lane struct {
	environment, trunk string
	// returned is what found no room, the last one first; then comes waiting.
	returned, waiting []sidetone.DialJob
	busy              int
	// Until resume, a job begins only for each place that became free; seen is
	// how many of those have been tried.
	pause  time.Duration
	resume time.Time
	seen   int
}

// task is a job whose turn has come.
type task struct {
	job   sidetone.DialJob
	lane  *lane
	freed int // what had become free when it began
}

func newSchedule(l Limits) *schedule {
	return &schedule{limits: l, known: map[string]bool{}, environments: map[string]int{}, trunks: map[string]int{}}
}

// add puts a job behind those of its environment and trunk, unless it is known.
func (s *schedule) add(job sidetone.DialJob, trunk string) {
	if s.known[job.IntentID] {
		return
	}
	s.known[job.IntentID] = true
	i := slices.IndexFunc(s.lanes, func(l *lane) bool { return l.environment == job.EnvironmentID && l.trunk == trunk })
	if i < 0 {
		i = len(s.lanes)
		s.lanes = append(s.lanes, &lane{environment: job.EnvironmentID, trunk: trunk})
	}
	s.lanes[i].waiting = append(s.lanes[i].waiting, job)
}

// next returns the job whose turn it is; ok is false when none may begin now.
// The caller gives it to end or to postpone.
func (s *schedule) next(now time.Time) (t task, ok bool) {
	for i, l := range s.lanes {
		job, waits := l.head()
		if !waits || !late(job, now) && !s.room(l, now) {
			continue
		}
		l.pop()
		l.seen = min(l.seen+1, s.freed)
		s.lanes = append(slices.Delete(s.lanes, i, i+1), l)
		s.count(l, 1)
		return task{job, l, s.freed}, true
	}
	return task{}, false
}

// late reports whether the job only has to be written off.
func late(job sidetone.DialJob, now time.Time) bool {
	return !job.NotAfter.IsZero() && now.After(job.NotAfter)
}

func (s *schedule) room(l *lane, now time.Time) bool {
	environment := s.environments[l.environment]
	return (!now.Before(l.resume) || l.seen < s.freed) && below(s.busy, s.limits.Kind) && below(environment, share(s.limits.Kind)) &&
		below(environment, s.limits.Environment) && below(s.trunks[l.trunk], s.limits.Trunk) && below(l.busy, share(s.limits.Trunk))
}

func (s *schedule) count(l *lane, n int) {
	l.busy += n
	s.busy += n
	addTo(s.environments, l.environment, n)
	addTo(s.trunks, l.trunk, n)
}

func addTo(counts map[string]int, key string, n int) {
	if counts[key] += n; counts[key] == 0 {
		delete(counts, key)
	}
}

// end forgets a task.
func (s *schedule) end(t task) {
	delete(s.known, t.job.IntentID)
	s.count(t.lane, -1)
	t.lane.pause = 0
	t.lane.seen-- // it left its place, or did not take the one that became free
	if _, waits := t.lane.head(); !waits && t.lane.busy == 0 {
		s.lanes = slices.DeleteFunc(s.lanes, func(l *lane) bool { return l == t.lane })
	}
}

// postpone puts a task for which there was no room back in front, and lets its
// lane pause, the longer the more often in a row.
func (s *schedule) postpone(t task, now time.Time) {
	s.count(t.lane, -1)
	l := t.lane
	l.returned = append(l.returned, t.job)
	if !now.Before(l.resume) {
		l.pause = min(max(2*l.pause, shortestPause), longestPause)
		l.resume = now.Add(l.pause)
		l.seen = t.freed // a place that became free since may be the one
	}
}

// free says that a place became free that jobs had not found: each lane that
// pauses may try one.
func (s *schedule) free() { s.freed++ }

// wait returns how long it is until next can change its answer by itself; ok is
// false when only add, end and postpone change it.
func (s *schedule) wait(now time.Time) (d time.Duration, ok bool) {
	for _, l := range s.lanes {
		job, waits := l.head()
		if !waits {
			continue
		}
		for _, at := range []time.Time{l.resume, job.NotAfter} {
			until := at.Sub(now) + time.Millisecond
			if !at.IsZero() && until > 0 && (!ok || until < d) {
				d, ok = until, true
			}
		}
	}
	return d, ok
}

func (l *lane) head() (sidetone.DialJob, bool) {
	switch {
	case len(l.returned) > 0:
		return l.returned[len(l.returned)-1], true
	case len(l.waiting) > 0:
		return l.waiting[0], true
	}
	return sidetone.DialJob{}, false
}

func (l *lane) pop() {
	if n := len(l.returned); n > 0 {
		l.returned = l.returned[:n-1]
		return
	}
	l.waiting = l.waiting[1:]
}
