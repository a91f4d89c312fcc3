package api

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadline(t *testing.T) {
	t.Parallel()
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		defer cancel()
		at := time.Now().Add(time.Minute)
		for name, c := range map[string]struct {
			end  func(stop func())
			want error
		}{
			"time":    {func(func()) { time.Sleep(time.Minute) }, context.DeadlineExceeded},
			"stopped": {func(stop func()) { stop() }, context.Canceled},
			"alive":   {func(func()) { time.Sleep(time.Minute - time.Nanosecond) }, nil},
		} {
			for _, waits := range []bool{false, true} {
				ctx, stop := withDeadline(parent, time.Now().Add(time.Minute))
				var child context.Context
				if waits {
					var stopChild context.CancelFunc
					child, stopChild = context.WithCancel(ctx)
					defer stopChild()
				}
				c.end(stop)
				synctest.Wait()
				if got := ctx.Err(); !errors.Is(got, c.want) {
					t.Errorf("%s, waited for %v: %v", name, waits, got)
				}
				if waits && !errors.Is(child.Err(), c.want) {
					t.Errorf("%s: its child: %v", name, child.Err())
				}
				select {
				case <-ctx.Done():
					if c.want == nil {
						t.Errorf("%s: over", name)
					}
				default:
					if c.want != nil {
						t.Errorf("%s: not over", name)
					}
				}
				if got := ctx.Value(key{}); got != "value" {
					t.Errorf("%s: value %v", name, got)
				}
				stop()
			}
		}
		early, stop := withDeadline(parent, at.Add(time.Hour))
		defer stop()
		if got, ok := early.Deadline(); !ok || !got.Equal(at.Add(time.Hour)) {
			t.Errorf("deadline %v, %v", got, ok)
		}
		first, cancelFirst := context.WithDeadline(parent, at)
		defer cancelFirst()
		late, stopLate := withDeadline(first, at.Add(time.Hour))
		defer stopLate()
		if got, ok := late.Deadline(); !ok || !got.Equal(at) {
			t.Errorf("the parent's deadline %v, %v", got, ok)
		}
		cancel()
		if !errors.Is(early.Err(), context.Canceled) {
			t.Errorf("the parent ended: %v", early.Err())
		}
	})
}

func TestDeadlineOfMany(t *testing.T) {
	t.Parallel()
	ctx, stop := withDeadline(t.Context(), time.Now().Add(time.Hour))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_ = ctx.Value("nothing")
			<-ctx.Done()
			if !errors.Is(ctx.Err(), context.Canceled) {
				t.Error(ctx.Err())
			}
		})
	}
	stop()
	wg.Wait()
}
