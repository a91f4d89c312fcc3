package call

import (
	"slices"
	"testing"

	"github.com/sidetone/sidetone/audio"
)

func TestMonitorIsBoundedAndLosesNoTime(t *testing.T) { //nolint:paralleltest // it counts allocations of the process
	var m monitor
	frame := ramp(160)
	for i := range 50 {
		m.add(frame, i >= 3 && i < 40)
	}
	want := []sentPart{{3 * 160, false}, {monitorMost * 160, true}, {39 * 160, false}}
	if !slices.Equal(m.parts, want) || len(m.pcm) != monitorMost*160 {
		t.Errorf("parts %v with %d samples, want %v", m.parts, len(m.pcm), want)
	}
	v, err := audio.NewVAD(8000)
	if err != nil {
		t.Fatal(err)
	}
	m.tell(v)
	if len(m.parts) != 0 || len(m.pcm) != 0 {
		t.Error("what was told stays")
	}
	if n := testing.AllocsPerRun(100, func() { m.add(frame, true); m.add(frame, false); m.tell(v) }); n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func TestSieveKeepsTheBeginningOfAWord(t *testing.T) {
	t.Parallel()
	var s sieve
	var got []int16
	write := func(f audio.Frame) { got = append(got, f.PCM...) }
	frame := func(v int16) audio.Frame {
		return audio.Frame{PCM: slices.Repeat([]int16{v}, 160), Rate: 8000, Offset: int64(v) * 160}
	}
	for v := range int16(30) {
		s.pass(frame(v+1), true, false, write)
	}
	if slices.Max(got) != 0 || len(got) != 30*160 {
		t.Fatalf("our own sound passed: %d samples up to %d", len(got), slices.Max(got))
	}
	got = nil
	s.pass(frame(31), true, true, write)
	s.pass(frame(32), false, true, write)
	if len(got) != (heldBack+2)*160 || got[0] != 30-heldBack+1 || got[len(got)-1] != 32 {
		t.Errorf("a word came with %d samples, from frame %d to %d", len(got), got[0], got[len(got)-1])
	}
	got = nil
	s.pass(frame(1), true, false, write)
	s.pass(frame(2), false, false, write)
	if want := append(make([]int16, 160), frame(2).PCM...); !slices.Equal(got, want) {
		t.Error("what was held back came although nobody spoke")
	}
}
