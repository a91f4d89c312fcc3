package journal_test

import (
	"testing"
	"time"

	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/journal/journaltest"
)

// BenchmarkReplay reads and replays a call of five minutes.
func BenchmarkReplay(b *testing.B) {
	cfg, entries := journaltest.Call(5 * time.Minute)
	var steps []step
	for _, e := range entries {
		steps = append(steps, step{e.At.Microseconds(), e.In})
	}
	text := write(b, journal.Header{Call: "c", Config: cfg}, steps)
	for b.Loop() {
		j, err := journal.Read(text)
		if err == nil {
			_, err = j.Replay()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(60*float64(b.N)/b.Elapsed().Seconds(), "calls/min")
}
