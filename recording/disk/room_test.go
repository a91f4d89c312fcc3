package disk

import (
	"log/slog"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// A recorder has room for the sound between two flushes. What it needed more while the
// disk was slow is given back.
func TestRecorderHoldsWhatAFlushTakes(t *testing.T) { //nolint:paralleltest // it counts allocations of the process
	r := &Recordings{log: slog.New(slog.DiscardHandler), open: map[*Recorder]struct{}{}, dir: t.TempDir()}
	rec, err := r.Create("call", 8000)
	if err != nil {
		t.Fatal(err)
	}
	at, pcm := time.Duration(0), make([]int16, 160)
	talk := func(d time.Duration) {
		for end := at + d; at < end; at += audio.FrameDuration {
			rec.Caller(audio.Frame{PCM: pcm, Rate: 8000, Offset: audio.Samples(at, 8000)}, at+audio.FrameDuration)
			rec.Agent(pcm, at)
		}
	}
	usual := 2 * int(audio.Samples(flushRoom, 8000))
	for _, d := range []time.Duration{time.Second, 5 * time.Second, flushEvery, flushEvery} {
		talk(d)
		held := len(rec.pending)
		rec.flush()
		if got := cap(rec.pending); got != usual || held == 0 {
			t.Errorf("room for %d samples after a flush of %v, which took %d, want %d", got, d, held, usual)
		}
	}
	if n := testing.AllocsPerRun(25, func() { talk(audio.FrameDuration) }); n != 0 {
		t.Errorf("a frame allocates %v times", n)
	}
	if err := rec.Close(at); err != nil {
		t.Error(err)
	}
	if rec.wav != nil || rec.err != nil {
		t.Errorf("after Close: %v, %v", rec.wav, rec.err)
	}
}
