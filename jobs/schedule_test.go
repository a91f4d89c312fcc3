package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
)

// bench drives a schedule with names like a1: environment a, job a1.
type bench struct {
	*schedule
	now   time.Time
	tasks map[string]task
}

func newBench(l Limits) *bench {
	return &bench{schedule: newSchedule(l), now: time.Unix(1000, 0), tasks: map[string]task{}}
}

func (b *bench) wait(trunk string, names ...string) {
	for _, n := range names {
		b.add(sidetone.DialJob{EnvironmentID: n[:1], IntentID: n}, trunk)
	}
}

// begin starts what may start and returns the names in order.
func (b *bench) begin() string {
	var names []string
	for {
		t, ok := b.next(b.now)
		if !ok {
			return strings.Join(names, " ")
		}
		b.tasks[t.job.IntentID] = t
		names = append(names, t.job.IntentID)
	}
}

func (b *bench) over(names ...string) {
	for _, n := range names {
		b.end(b.tasks[n])
	}
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestEnvironmentsTakeTurns(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{})
	b.wait("x", "a1", "a2", "a3", "a4", "b1", "c1", "b2")
	b.wait("x", "a1") // known already
	expect(t, "turns", b.begin(), "a1 b1 c1 a2 b2 a3 a4")
	b.wait("x", "a1")
	expect(t, "what is being carried out", b.begin(), "")
	b.over("a1", "a2", "a3", "a4", "b1", "b2", "c1")
	b.wait("x", "a1")
	expect(t, "what has ended", b.begin(), "a1")
	b.over("a1")
	if len(b.lanes)+len(b.known)+len(b.environments)+len(b.trunks)+b.busy != 0 {
		t.Errorf("left behind: %+v", b.schedule)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	var campaign []string
	for i := range 30 {
		campaign = append(campaign, fmt.Sprint("a", i))
	}
	for _, tt := range []struct {
		name   string
		limits Limits
		// began is how many of environment a ring, through trunks x and y.
		began, other int
	}{
		{"none", Limits{}, 60, 2},
		{"kind", Limits{Kind: 10}, 9, 1},
		{"environment", Limits{Environment: 7}, 7, 2},
		{"trunk", Limits{Trunk: 10}, 18, 2},
		{"one", Limits{Kind: 1}, 1, 0},
		{"all", Limits{Kind: 40, Environment: 17, Trunk: 20}, 17, 2},
	} {
		b := newBench(tt.limits)
		b.wait("x", campaign...)
		for _, n := range campaign {
			b.wait("y", n+"y")
		}
		if got := len(strings.Fields(b.begin())); got != tt.began {
			t.Errorf("%s: %d began, want %d", tt.name, got, tt.began)
		}
		b.wait("x", "b1")
		b.wait("y", "b2")
		if got := len(strings.Fields(b.begin())); got != tt.other {
			t.Errorf("%s: %d of another environment began, want %d", tt.name, got, tt.other)
		}
	}
}

func TestWhatFindsNoRoomPauses(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{})
	b.wait("x", "a1", "a2", "b1")
	expect(t, "first", b.begin(), "a1 b1 a2")
	b.postpone(b.tasks["a2"], b.now)
	b.postpone(b.tasks["a1"], b.now) // at the same time: one pause
	b.wait("x", "a3", "b2")
	expect(t, "during the pause", b.begin(), "b2")
	for i, pause := range []time.Duration{200, 400, 800, 1600, 3200, 4000, 4000} {
		pause *= time.Millisecond
		if d, ok := b.schedule.wait(b.now); !ok || d != pause+time.Millisecond {
			t.Errorf("pause %d: %s, %t, want %s", i, d, ok, pause)
		}
		b.now = b.now.Add(pause - 1)
		expect(t, "before the pause ends", b.begin(), "")
		b.now = b.now.Add(1)
		expect(t, "after the pause", b.begin(), "a1 a2 a3")
		for _, n := range []string{"a3", "a2", "a1"} {
			b.postpone(b.tasks[n], b.now)
		}
	}
	b.now = b.now.Add(longestPause)
	expect(t, "after the last pause", b.begin(), "a1 a2 a3")
	b.over("a1", "a2", "a3")
	if _, ok := b.schedule.wait(b.now); ok {
		t.Error("something is waited for")
	}
}

// A place that becomes free ends the pauses for one job of each lane, in turns.
func TestFreePlacesAreTriedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{})
	b.wait("x", "a1", "a2", "a3", "b1", "b2")
	expect(t, "first", b.begin(), "a1 b1 a2 b2 a3")
	back := func(names ...string) {
		for _, n := range names {
			b.postpone(b.tasks[n], b.now)
		}
	}
	back("a3", "a2")
	expect(t, "no place", b.begin(), "")
	b.free() // while b1 and a1 have not said yet that they found none
	back("b2", "b1", "a1")
	expect(t, "a place became free", b.begin(), "b1 a1")
	back("b1", "a1")
	expect(t, "tried", b.begin(), "")
	b.free()
	b.free()
	expect(t, "two became free", b.begin(), "b1 a1 b2 a2")
	b.over("a1") // ended and has not taken the place
	expect(t, "the place is still free", b.begin(), "a3")
	back("a3", "a2", "b2", "b1")
	expect(t, "nothing new", b.begin(), "")
	b.now = b.now.Add(longestPause)
	expect(t, "after the pause", b.begin(), "b1 a2 b2 a3")
}

func TestLateJobsWaitForNoRoom(t *testing.T) {
	t.Parallel()
	b := newBench(Limits{Kind: 1})
	b.wait("x", "a1")
	expect(t, "first", b.begin(), "a1")
	b.add(sidetone.DialJob{EnvironmentID: "a", IntentID: "a2", NotAfter: b.now.Add(time.Minute)}, "x")
	expect(t, "no room", b.begin(), "")
	if d, ok := b.schedule.wait(b.now); !ok || d != time.Minute+time.Millisecond {
		t.Errorf("looks again in %s, %t", d, ok)
	}
	b.now = b.now.Add(time.Minute + time.Millisecond)
	expect(t, "late", b.begin(), "a2")
}
