package jobs

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// fakeQueue notes whether it runs.
type fakeQueue struct {
	running bool
	fail    error
}

func (q *fakeQueue) Start(context.Context) error {
	if q.fail == nil {
		q.running = true
	}
	return q.fail
}

func (q *fakeQueue) StopAndCancel(context.Context) error {
	q.running = false
	return nil
}

func (*fakeQueue) add(context.Context, *store.Tx, sidetone.Job) error { return nil }

// TestRiverRestsWhileNothingWaits looks at moments where jobs wait or not.
func TestRiverRestsWhileNothingWaits(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	q := &fakeQueue{}
	var waits bool
	var fails error
	p := &poll{queue: q, waiting: func(context.Context) (bool, error) { return waits, fails }, log: slog.New(slog.DiscardHandler)}
	begin := time.Unix(1000, 0)
	for _, step := range []struct {
		at            time.Duration
		waits         bool
		reads, starts error
		running       bool
	}{
		{0, false, nil, nil, false},
		{2 * time.Second, true, nil, broken, false},
		{4 * time.Second, true, nil, nil, true},
		{6 * time.Second, true, nil, nil, true},
		{8 * time.Second, false, nil, nil, true},
		{6*time.Second + restAfter - 1, false, nil, nil, true},
		{6*time.Second + restAfter, false, nil, nil, false},
		{time.Hour, true, broken, nil, false},
		{2 * time.Hour, true, nil, nil, true},
		{3 * time.Hour, false, broken, nil, true},
		{4 * time.Hour, true, nil, nil, true},
	} {
		waits, fails, q.fail = step.waits, step.reads, step.starts
		err := p.look(t.Context(), begin.Add(step.at))
		if q.running != step.running || p.running != step.running || (err != nil) != (step.reads != nil || step.starts != nil) {
			t.Errorf("after %s: River runs: %t, %v; want %t", step.at, q.running, err, step.running)
		}
	}
	if err := p.stop(t.Context()); err != nil || q.running {
		t.Errorf("after the stop: %t, %v", q.running, err)
	}
}
