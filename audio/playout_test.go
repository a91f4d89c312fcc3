package audio

import (
	"math/rand/v2"
	"testing"
	"time"
)

// playoutRun drives a Playout at 8 kHz: frame n is spoken at n times 20 ms and
// arrives delay(n) later, a negative delay loses it. Three frames of twenty are
// quiet, the others carry their number in every sample.
type playoutRun struct {
	*Playout
	frames int
	delay  func(n int) time.Duration
	faster float64 // how much faster the speaker's clock runs
}

// playoutResult is what was heard.
type playoutResult struct {
	heard    map[int]time.Duration // when frame n was played whole
	pulls    int
	unheard  int // pulls without received sound after the first one with it
	latest   time.Duration
	earliest time.Duration
}

// spoken is when frame n was.
func (r playoutRun) spoken(n int) time.Duration {
	return time.Duration(float64(n) * 20e6 / (1 + r.faster))
}

func (r playoutRun) run() playoutResult {
	type arrival struct {
		n  int
		at time.Duration
	}
	byTime := make(map[int64][]arrival)
	for n := range r.frames {
		d := r.delay(n)
		if d < 0 {
			continue
		}
		at := r.spoken(n) + d
		key := at.Milliseconds()
		byTime[key] = append(byTime[key], arrival{n, at})
	}
	out := playoutResult{heard: make(map[int]time.Duration), earliest: time.Hour}
	pcm, frame := make([]int16, 160), make([]int16, 160)
	last := int64(r.frames * 20)
	for ms := range byTime {
		last = max(last, ms)
	}
	for ms := range last + 1000 {
		for _, a := range byTime[ms] {
			for i := range frame {
				frame[i] = int16(a.n%900 + 200)
				if a.n%20 < 3 {
					frame[i] = 0
				}
			}
			r.Push(Frame{PCM: frame, Rate: 8000, Offset: int64(a.n * 160)})
		}
		if ms%20 != 7 {
			continue
		}
		whole := r.Pull(pcm)
		now := time.Duration(ms) * time.Millisecond
		if !whole && len(out.heard) > 0 && ms < int64(r.frames*20) {
			out.unheard++
		}
		if n := int(pcm[80]) - 200; whole && pcm[80] != 0 {
			for n+900 < r.frames && r.spoken(n+900) < now {
				n += 900 // the number in the samples wraps
			}
			spoken := r.spoken(n)
			out.heard[n] = now - spoken
			out.latest = max(out.latest, now-spoken)
			out.earliest = min(out.earliest, now-spoken)
		}
		out.pulls++
	}
	return out
}

func steady(d time.Duration) func(int) time.Duration {
	return func(int) time.Duration { return d }
}

func TestPlayoutSteadyStream(t *testing.T) {
	t.Parallel()
	p := NewPlayout(8000)
	got := playoutRun{Playout: p, frames: 500, delay: steady(5 * time.Millisecond)}.run()
	if len(got.heard) != 425 || got.unheard != 0 {
		t.Errorf("heard %d frames, %d pulls without sound", len(got.heard), got.unheard)
	}
	if got.latest > 65*time.Millisecond || p.Delay() != PlayoutMin {
		t.Errorf("delay up to %v, aimed at %v", got.latest, p.Delay())
	}
}

func TestPlayoutRidesOutJitter(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 2))
	p := NewPlayout(8000)
	got := playoutRun{Playout: p, frames: 3000, delay: func(int) time.Duration {
		return time.Duration(random.IntN(60)) * time.Millisecond
	}}.run()
	t.Logf("%d pulls without sound, delay %v to %v, aimed at %v, %+v", got.unheard, got.earliest, got.latest, p.Delay(), p.Stats())
	if got.unheard > 30 {
		t.Errorf("%d of 3000 pulls without sound", got.unheard)
	}
	if got.latest > 160*time.Millisecond {
		t.Errorf("a frame was played %v after it was spoken", got.latest)
	}
}

func TestPlayoutShrinksAfterASpell(t *testing.T) {
	t.Parallel()
	p := NewPlayout(8000)
	got := playoutRun{Playout: p, frames: 2500, delay: func(n int) time.Duration {
		if n >= 100 && n < 110 {
			return 100*time.Millisecond - time.Duration(n-100)*10*time.Millisecond
		}
		return 5 * time.Millisecond
	}}.run()
	spell, after := got.heard[205], got.heard[2405]
	t.Logf("delay %v after the spell, %v at the end, %+v", spell, after, p.Stats())
	if spell < 80*time.Millisecond || spell > 120*time.Millisecond {
		t.Errorf("after the spell the delay is %v", spell)
	}
	if after > 75*time.Millisecond || p.Delay() != PlayoutMin {
		t.Errorf("at the end the delay is %v, aimed at %v", after, p.Delay())
	}
	// Late frames were played, not dropped.
	for n := 103; n < 110; n++ {
		if _, ok := got.heard[n]; !ok {
			t.Errorf("frame %d was not heard", n)
		}
	}
}

func TestPlayoutConcealsLoss(t *testing.T) {
	t.Parallel()
	p := NewPlayout(8000)
	got := playoutRun{Playout: p, frames: 1000, delay: func(n int) time.Duration {
		if n%25 == 7 {
			return -1
		}
		return 5 * time.Millisecond
	}}.run()
	if got.unheard != 40 || p.Delay() != PlayoutMin {
		t.Errorf("%d pulls concealed, want 40; %+v, delay %v", got.unheard, p.Stats(), p.Delay())
	}
}

func TestPlayoutPauseKeepsTheDelay(t *testing.T) {
	t.Parallel()
	p := NewPlayout(8000)
	got := playoutRun{Playout: p, frames: 1500, delay: func(n int) time.Duration {
		if n > 300 && n < 700 {
			return -1
		}
		return 5 * time.Millisecond
	}}.run()
	if before, after := got.heard[299], got.heard[805]; after > before+5*time.Millisecond || after == 0 {
		t.Errorf("delay %v before the pause, %v after it", before, after)
	}
	if p.Delay() != PlayoutMin {
		t.Errorf("aimed at %v after a pause", p.Delay())
	}
}

// A sender that stops its clock in pauses falls behind more than the delay may grow, at
// once or little by little. Its sound is played all the same, with no more delay than
// usual.
func TestPlayoutOfSendersThatStopTheirClock(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{30 * time.Millisecond, 100 * time.Millisecond, 130 * time.Millisecond, 300 * time.Millisecond, time.Second, 10 * time.Second} {
		t.Run(pause.String(), func(t *testing.T) {
			t.Parallel()
			stopped := func(n int) time.Duration { return pause * time.Duration(n/50) }
			p := NewPlayout(8000)
			got := playoutRun{Playout: p, frames: 900, delay: func(n int) time.Duration { return 5*time.Millisecond + stopped(n) }}.run()
			for second := 1; second < 18; second++ {
				heard := 0
				for n := 50 * second; n < 50*second+50; n++ {
					at, ok := got.heard[n]
					if ok {
						heard++
					}
					if late := at - stopped(n); ok && late > 180*time.Millisecond {
						t.Errorf("frame %d was played %v after it came", n, late)
					}
				}
				if heard < 30 {
					t.Errorf("second %d: %d of 42 frames were heard", second, heard)
				}
			}
		})
	}
}

// What a network holds up and then brings at once, too late, makes no lasting delay.
func TestPlayoutAfterAStall(t *testing.T) {
	t.Parallel()
	p := NewPlayout(8000)
	got := playoutRun{Playout: p, frames: 600, delay: func(n int) time.Duration {
		if n >= 200 && n < 220 {
			return time.Duration(220-n)*20*time.Millisecond + 5*time.Millisecond
		}
		return 5 * time.Millisecond
	}}.run()
	for n := 230; n < 600; n++ {
		if at, ok := got.heard[n]; (!ok && n%20 >= 3) || at > 145*time.Millisecond {
			t.Fatalf("frame %d was played after %v (heard %v)", n, at, ok)
		}
	}
}

func TestPlayoutFollowsClocks(t *testing.T) {
	t.Parallel()
	for _, faster := range []float64{500e-6, -500e-6} { // 60 ms in two minutes
		p := NewPlayout(8000)
		got := playoutRun{Playout: p, frames: 6000, delay: steady(5 * time.Millisecond), faster: faster}.run()
		if got.unheard > 4 || got.latest > 110*time.Millisecond {
			t.Errorf("%+.0f ppm: %d pulls without sound, delay up to %v, %+v", faster*1e6, got.unheard, got.latest, p.Stats())
		}
	}
}

func TestPlayoutOddInput(t *testing.T) {
	t.Parallel()
	p := NewPlayout(8000)
	pcm := make([]int16, 160)
	if p.Pull(pcm) || RMS(pcm) > -65 {
		t.Error("sound before the first frame")
	}
	p.Push(Frame{PCM: pcm, Rate: 16000})
	p.Push(Frame{Rate: 8000})
	if p.started {
		t.Error("a frame of another rate or none at all starts the buffer")
	}
	// A burst of ten seconds leaves the newest, with the delay aimed at.
	for n := range 500 {
		p.Push(Frame{PCM: pcm, Rate: 8000, Offset: int64(n * 160)})
	}
	if supply := p.newest - p.next; supply > 8000/2 || p.Stats().Skipped == 0 {
		t.Errorf("%d samples wait, %+v", supply, p.Stats())
	}
	// A time base far away starts anew.
	p.Push(Frame{PCM: pcm, Rate: 8000, Offset: 1 << 40})
	if p.next != 1<<40 {
		t.Errorf("plays from %d", p.next)
	}
	p.Push(Frame{PCM: pcm, Rate: 8000, Offset: 5})
	if p.next != 5 {
		t.Errorf("plays from %d", p.next)
	}
}

// Not parallel: testing.AllocsPerRun demands it.
func TestPlayoutDoesNotAllocate(t *testing.T) {
	p := NewPlayout(16000)
	pcm := make([]int16, 320)
	n := 0
	if got := testing.AllocsPerRun(500, func() {
		if n%9 != 0 {
			p.Push(Frame{PCM: pcm, Rate: 16000, Offset: int64(n * 320)})
		}
		p.Pull(pcm)
		n++
	}); got != 0 {
		t.Errorf("%v allocations for a frame, want none", got)
	}
}
