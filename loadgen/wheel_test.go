package loadgen

import (
	"context"
	"testing"
	"time"
)

func TestWheelKeepsAbsoluteTime(t *testing.T) {
	t.Parallel()
	var now time.Duration
	w := newWheel(func() time.Duration { return now })
	var regular, fast []time.Duration
	w.join(0, framePeriod, func() bool { regular = append(regular, now); return len(regular) < 500 })
	w.join(0, Config{ClockPPM: 200}.period(), func() bool { fast = append(fast, now); return true })
	w.note(true)
	for at := time.Millisecond; at <= 60*time.Second; at += time.Millisecond {
		now = at
		if at%(700*time.Millisecond) == 0 {
			now += 5 * time.Millisecond // A late wake-up must not shift what follows.
		}
		w.tick(at)
	}
	if len(regular) != 500 {
		t.Fatalf("a rider that left after 500 calls was called %d times", len(regular))
	}
	for i, at := range regular {
		want := time.Millisecond + time.Duration(i)*framePeriod
		if at != want && at != want+5*time.Millisecond {
			t.Fatalf("call %d at %v, want %v", i, at, want)
		}
	}
	// 200 ppm of 3000 frames is 0.6 of a frame; over a minute the fast rider is
	// called once more than 60 s / 20 ms at most, never less.
	if len(fast) < 3000 || len(fast) > 3001 {
		t.Errorf("the fast rider was called %d times in a minute", len(fast))
	}
	last := fast[len(fast)-1]
	due := time.Millisecond + time.Duration(len(fast)-1)*Config{ClockPPM: 200}.period()
	if last < due || last > due+time.Millisecond {
		t.Errorf("the fast rider's last call was at %v, due %v", last, due)
	}
	if q := quantiles(w.lateness()); q.Max != 5 || q.P50 != 0 {
		t.Errorf("lateness = %v, want median 0 and at most 5 ms", q)
	}
}

func TestWheelDoesNotAllocate(t *testing.T) { // Not parallel: allocations are counted.
	w := newWheel(func() time.Duration { return 0 })
	for range 40 {
		w.join(0, framePeriod, func() bool { return true })
	}
	at := time.Duration(0)
	turn := func() {
		for range 20 {
			at += time.Millisecond
			w.tick(at)
		}
	}
	for range 100 {
		turn()
	}
	if n := testing.AllocsPerRun(100, turn); n != 0 {
		t.Errorf("a turn of the wheel allocates %g times", n)
	}
}

func TestTicksFollowTheClock(t *testing.T) {
	t.Parallel()
	clk := newClock()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var before time.Duration
	count := 0
	ticks(ctx, clk, func(at time.Duration) {
		if at%time.Millisecond != 0 || before != 0 && at != before+time.Millisecond {
			t.Errorf("tick at %v after %v", at, before)
		}
		if clk.now() < at-100*time.Microsecond {
			t.Errorf("tick of %v came at %v, too early", at, clk.now())
		}
		before = at
		if count++; count == 50 {
			cancel()
		}
	})
	if count != 50 {
		t.Errorf("%d ticks, want 50", count)
	}
}

func TestKernelTime(t *testing.T) {
	t.Parallel()
	clk := newClock()
	stamp := time.Now().Round(0).Add(-30 * time.Millisecond)
	got, want := clk.kernel(stamp), clk.now()-30*time.Millisecond
	if diff := want - got; diff < 0 || diff > 20*time.Millisecond {
		t.Errorf("kernel time is %v away from 30 ms ago", diff)
	}
	for _, far := range []time.Duration{-time.Hour, time.Hour} {
		got := clk.kernel(time.Now().Add(far))
		if age := clk.now() - got; age < 0 || age > 20*time.Millisecond {
			t.Errorf("a stamp %v off gave an age of %v, want about 0", far, age)
		}
	}
}
