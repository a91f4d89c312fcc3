package journaltest

import (
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// TestCall: the agent answers in each turn.
func TestCall(t *testing.T) {
	t.Parallel()
	cfg, entries := Call(2 * time.Minute)
	m, agent := conversation.New(cfg), 0
	for _, e := range entries {
		for _, o := range m.Step(e.At, e.In) {
			if n, ok := o.(conversation.Note); ok && n.Kind == conversation.NoteAgent && n.Text == answer {
				agent++
			}
		}
	}
	if agent != 8 {
		t.Errorf("%d whole answers, want 8", agent)
	}
}

// BenchmarkMachine is what a two-minute call costs the machine alone.
func BenchmarkMachine(b *testing.B) {
	cfg, entries := Call(2 * time.Minute)
	used := cpu(b)
	for b.Loop() {
		m := conversation.New(cfg)
		for _, e := range entries {
			m.Step(e.At, e.In)
		}
	}
	b.ReportMetric(60*float64(b.N)/(cpu(b)-used).Seconds(), "calls/core-min")
	b.ReportMetric(float64(len(entries)), "inputs/call")
}

// cpu is the processor time of this process, which a busy machine does not change much.
func cpu(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
