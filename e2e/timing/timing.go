// Package timing tells tests whether the machine kept pace while they ran. A
// check of a time, or of sound that was paced by a clock, is judged only then.
package timing

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	tick = 5 * time.Millisecond
	// tooLate is the 99th percentile of the ticks' lateness above which nothing
	// is judged: a frame of sound lasts as long. tooLong is a single lateness that
	// no jitter buffer bridges.
	tooLate = 20 * time.Millisecond
	tooLong = 200 * time.Millisecond
)

// Meter measures how late a goroutine of this process is woken. Its methods may be
// called concurrently.
type Meter struct {
	t    testing.TB
	mu   sync.Mutex
	late []time.Duration
}

// Start returns a meter that runs until the test ends.
func Start(t testing.TB) *Meter {
	t.Helper()
	m := &Meter{t: t}
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { m.run(stop) })
	t.Cleanup(func() { close(stop); running.Wait() })
	return m
}

func (m *Meter) run(stop <-chan struct{}) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now := time.Now()
		m.mu.Lock()
		m.late = append(m.late, max(0, now.Sub(last)-tick))
		m.mu.Unlock()
		last = now
	}
}

// lateness returns the 99th percentile of how late the ticks were so far, and the
// longest.
func (m *Meter) lateness() (p99, longest time.Duration) {
	m.mu.Lock()
	late := slices.Clone(m.late)
	m.mu.Unlock()
	if len(late) == 0 {
		return 0, 0
	}
	slices.Sort(late)
	return late[(len(late)-1)*99/100], late[len(late)-1]
}

// Errorf fails the test, or, when the machine was too busy, logs that the check is
// not judged.
func (m *Meter) Errorf(format string, args ...any) {
	m.t.Helper()
	if p99, longest := m.lateness(); p99 > tooLate || longest > tooLong {
		m.t.Logf("not judged, because the machine was up to %s late: %s", longest.Round(time.Millisecond), fmt.Sprintf(format, args...))
		return
	}
	m.t.Errorf(format, args...)
}
