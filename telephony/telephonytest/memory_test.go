package telephonytest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// ramp returns n samples that name their own position.
func ramp(n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(i%30000 + 1)
	}
	return pcm
}

// collect runs Events for a while and returns copies of the audio frames.
func collect(t *testing.T, leg *MemoryLeg, long time.Duration) []telephony.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var out []telephony.Event
	for ev := range leg.Events(ctx) {
		ev.Audio.PCM = append([]int16(nil), ev.Audio.PCM...)
		out = append(out, ev)
	}
	return out
}

func TestMemoryLegCarriesSpeechInOrder(t *testing.T) {
	t.Parallel()
	lines := map[string]Network{
		"perfect":  {},
		"delay":    {Delay: 150 * time.Millisecond},
		"jitter":   {Jitter: 35 * time.Millisecond, Seed: 1},
		"reorder":  {Reorder: 0.2, Seed: 2},
		"loss":     {Loss: 0.1, Seed: 3},
		"fast":     {SkewPPM: 200},
		"terrible": {Loss: 0.3, Jitter: 80 * time.Millisecond, Reorder: 0.3, Delay: 200 * time.Millisecond, Seed: 4},
		"silent":   {Loss: 1},
	}
	for name, network := range lines {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leg, far := NewMemoryLeg(MemoryConfig{Outbound: true, Network: network})
				said := ramp(16000)
				far.Speak(said)
				missing := checkMedia(t, collect(t, leg, 4*time.Second), said)
				if network.Loss == 0 && network.Jitter == 0 && missing > 0 {
					t.Errorf("%d frames missing on a line without loss", missing)
				}
				if network.Loss > 0 && missing == 0 {
					t.Error("nothing missing on a lossy line")
				}
			})
		})
	}
}

// checkMedia checks that frames have no gaps and that those which are not
// missing hold what was said there. It returns how many are missing.
func checkMedia(t *testing.T, events []telephony.Event, said []int16) (missing int) {
	t.Helper()
	var next int64
	for _, ev := range events {
		f := ev.Audio
		if f.Offset != next {
			t.Fatalf("frame at %d, want %d", f.Offset, next)
		}
		next += int64(len(f.PCM))
		if f.Missing {
			missing++
			continue
		}
		for i, got := range f.PCM {
			want := int16(0)
			if at := int(f.Offset) + i; at < len(said) {
				want = said[at]
			}
			if got != want {
				t.Fatalf("sample %d is %d, want %d", int(f.Offset)+i, got, want)
			}
		}
	}
	if next < 16000*3/2 {
		t.Fatalf("only %d samples in 4 s", next)
	}
	return missing
}

func TestMemoryLegClockSkew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leg, _ := NewMemoryLeg(MemoryConfig{Outbound: true, Network: Network{SkewPPM: 1000}})
		frames := len(collect(t, leg, 100*time.Second))
		if frames != 5006 {
			t.Errorf("%d frames in 100 s at +1000 ppm, want 5006", frames)
		}
	})
}

func TestMemoryLegMarksComeInOrderAndClearDropsThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leg, far := NewMemoryLeg(MemoryConfig{Outbound: true, Lead: 200 * time.Millisecond, Suppress: true})
		start := time.Now()
		for i := range 5 {
			if err := leg.Send(audio.Frame{PCM: ramp(160), Rate: 8000, Mark: uint64(i + 1)}); err != nil {
				t.Fatal(err)
			}
		}
		var marks []uint64
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for ev := range leg.Events(ctx) {
			if ev.Kind != telephony.KindPlayed {
				continue
			}
			marks = append(marks, ev.Mark)
			if at := time.Since(start); at != time.Duration(ev.Mark)*20*time.Millisecond {
				t.Errorf("mark %d played at %s", ev.Mark, at)
			}
			if ev.Mark == 2 {
				if err := leg.Clear(); err != nil {
					t.Error(err)
				}
			}
		}
		if len(marks) != 3 || len(far.Heard()) != 3 {
			t.Errorf("marks %v and %d frames heard, want the three that had begun", marks, len(far.Heard()))
		}
	})
}

func TestMemoryLegFarEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leg, far := NewMemoryLeg(MemoryConfig{})
		if err := leg.Accept(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := leg.Accept(t.Context()); err == nil {
			t.Error("second Accept succeeded")
		}
		<-far.Answered()
		far.Press('5', 80*time.Millisecond)
		far.Hold(true)
		far.Hold(true)
		far.Hold(false)
		far.Stall(true)
		if err := leg.Send(audio.Frame{PCM: ramp(160), Rate: 8000}); !errors.Is(err, telephony.ErrSlow) {
			t.Errorf("Send to a stalled far end: %v", err)
		}
		far.Hangup()
		want := []telephony.EventKind{telephony.KindDigit, telephony.KindHeld, telephony.KindResumed, telephony.KindEnded}
		got := collect(t, leg, time.Second)
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i].Kind != want[i] {
				t.Errorf("event %d is %d, want %d", i, got[i].Kind, want[i])
			}
		}
		if !got[3].Remote || far.Ended().Kind != telephony.KindEnded {
			t.Errorf("ended %+v", got[3])
		}
		if err := leg.Send(audio.Frame{PCM: ramp(160), Rate: 8000}); !errors.Is(err, telephony.ErrGone) {
			t.Errorf("Send after the end: %v", err)
		}
	})
}

func TestMemoryLegSpokenWaitsForTheLastWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leg, far := NewMemoryLeg(MemoryConfig{Outbound: true, Suppress: true})
		done := make(chan []telephony.Event)
		go func() { done <- collect(t, leg, 2*time.Second) }()
		start := time.Now()
		far.Speak(ramp(8000))
		if err := far.Spoken(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 960*time.Millisecond || took > time.Second {
			t.Errorf("one second was said in %s", took)
		}
		for i, ev := range <-done {
			if ev.Audio.Missing != (i >= 50) {
				t.Errorf("frame %d: missing %v", i, ev.Audio.Missing)
			}
		}
	})
}

func TestMemoryLegTransit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const trip = 150 * time.Millisecond
		leg, far := NewMemoryLeg(MemoryConfig{Outbound: true, Lead: 200 * time.Millisecond, Transit: trip})
		start := time.Now()
		for i := range 20 {
			if err := leg.Send(audio.Frame{PCM: ramp(160), Rate: 8000, Mark: uint64(i + 1)}); err != nil {
				t.Fatal(err)
			}
		}
		time.AfterFunc(50*time.Millisecond, func() { _ = leg.Clear() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		marks := 0
		for ev := range leg.Events(ctx) {
			if ev.Kind != telephony.KindPlayed {
				continue
			}
			marks++
			if at, want := time.Since(start), 2*trip+time.Duration(marks)*20*time.Millisecond; at != want {
				t.Errorf("mark %d returned after %s, want %s", ev.Mark, at, want)
			}
		}
		if len(far.Heard()) != 3 || marks != 3 { // what had begun when the clear came
			t.Errorf("%d frames heard and %d marks, want 3", len(far.Heard()), marks)
		}
		if first := far.Heard()[0].At.Sub(start); first != trip {
			t.Errorf("the first frame was played after %s", first)
		}
	})
}
