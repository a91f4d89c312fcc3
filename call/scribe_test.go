package call

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
)

// notes is a log for looking into.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// While the store takes nothing, a bounded number of events is kept; the rest
// is counted, and said to be lost.
func TestScribeBoundsWhatItKeeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newSlate()
		l.hang = true
		log := &notes{}
		s := newScribe(l, l, testClock(), slog.New(slog.NewTextHandler(log, nil)))
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for n := range int64(scribeLimit + 500) {
			s.add(event("a", n+1), func() {})
		}
		wg.Go(func() { s.run(ctx) })
		time.Sleep(time.Minute)
		if got := strings.Count(log.String(), "events are lost"); got != 1 {
			t.Errorf("the loss is logged %d times", got)
		}
		l.set(func(l *slate) { l.hang = false })
		time.Sleep(time.Minute)
		if !strings.Contains(log.String(), "msg=\"events were lost\" call=a events=500") {
			t.Errorf("the log does not count what was lost:\n%s", log)
		}
		l.mu.Lock()
		if got := len(l.stored["a"]); got != scribeLimit {
			t.Errorf("%d events were stored, want %d", got, scribeLimit)
		}
		l.mu.Unlock()
		for c := range scribeTotal/scribeLimit + 2 {
			l.set(func(l *slate) { l.fail[fmt.Sprint(c)] = true })
			for n := range int64(scribeLimit) {
				s.add(event(fmt.Sprint(c), n+1), func() {})
			}
		}
		if s.total != scribeTotal {
			t.Errorf("%d events of all calls are kept, want %d", s.total, scribeTotal)
		}
		cancel()
		wg.Wait()
		for c := range scribeTotal/scribeLimit + 2 {
			s.drop(fmt.Sprint(c))
		}
		s.drop("a")
		if s.total != 0 || len(s.backlogs) != 0 {
			t.Errorf("after all calls are over %d events and %d pages are kept", s.total, len(s.backlogs))
		}
	})
}

// However many calls have events that wait, a store that hangs holds neither a
// session nor the end of another call up for longer than one try; once it is
// back, nothing is missing.
func TestScribeUnderAHangingStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newSlate()
		l.hang = true
		s, stop := writing(l)
		defer stop()
		const calls = 200
		began := time.Now()
		for n := int64(1); n <= 5; n++ {
			for c := range calls {
				s.add(event(fmt.Sprint(c), n), func() {})
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("adding took %s", took)
		}
		var ends sync.WaitGroup
		for c := range calls / 2 {
			ends.Go(func() {
				call := sidetone.Call{ID: fmt.Sprint(c)}
				if err := s.storeEnd(t.Context(), call, sidetone.CallResult{}, event(call.ID, 6)); err != nil {
					t.Errorf("store the end of a call: %v", err)
				}
			})
		}
		time.Sleep(20 * time.Second)
		l.set(func(l *slate) { l.hang = false })
		back := time.Now()
		ends.Wait()
		time.Sleep(scribeTimeout + scribeRetry)
		if took := time.Since(back); took > 2*(scribeTimeout+scribeRetry)+time.Second {
			t.Errorf("the ends were stored %s after the store was back", took)
		}
		for c := range calls {
			last := int64(5)
			if c < calls/2 {
				last = 6
			}
			l.check(t, fmt.Sprint(c), last)
		}
	})
}
