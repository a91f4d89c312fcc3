package loadgen

import (
	"os"
	"testing"
	"time"
)

// The middle ratio of the pairs that count is judged, and none when most are late.
func TestSumUpJournals(t *testing.T) {
	t.Parallel()
	pair := func(with time.Duration, late float64) JournalPair {
		return JournalPair{Without: &Report{}, With: &Report{Lateness: Quantiles{P99: late}, Failures: map[string]int{"x": 1}}, WithoutCPU: time.Second, WithCPU: with}
	}
	got := SumUpJournals([]JournalPair{pair(1300*time.Millisecond, 0), pair(9*time.Second, 8), pair(1100*time.Millisecond, 0), pair(1200*time.Millisecond, 0)})
	if got.WithCPU != 1.2 || got.WithoutCPU != 1 || got.Pairs != 3 || got.Late != 1 || got.Least != 1.1 || got.Most != 1.3 || got.Failed != 2 {
		t.Errorf("%+v", got)
	}
	if got = SumUpJournals([]JournalPair{pair(time.Second, 0), pair(2*time.Second, 8)}); got.WithCPU != 2 || got.Pairs != 1 || got.With.Counts() {
		t.Errorf("half of them late: %+v", got)
	}
}

func TestProcessorTime(t *testing.T) {
	t.Parallel()
	if used, err := ProcessorTime(os.Getpid()); err != nil || used < 0 {
		t.Errorf("%v, %v", used, err)
	}
	if _, err := ProcessorTime(-1); err == nil {
		t.Error("a process that cannot be has a processor time")
	}
}
