package call

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// testClock is the bubble's time.
func testClock() Clock {
	return Clock{
		Now:       time.Now,
		AfterFunc: func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop },
		Sleep: func(d time.Duration, done <-chan struct{}) {
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-t.C:
			case <-done:
			}
		},
	}
}

// collector is an inbox that one can look into.
type collector struct {
	mu  sync.Mutex
	all []any
}

func (c *collector) post(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, v)
}

// take returns what was posted since the last take.
func (c *collector) take() []any {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

// line is a leg whose sent frames are looked at.
type line struct {
	*telephonytest.MemoryLeg
	far *telephonytest.Far
}

func newLine() line {
	leg, far := telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{Outbound: true, Codec: "PCMU"})
	return line{leg, far}
}

// Send keeps frames without an encoder between.
func (l line) Send(f audio.Frame) error { return l.MemoryLeg.Send(f) }

func ramp(n int) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(i + 1)
	}
	return out
}

// frames ticks n times and returns what the player put into its frame.
func frames(p *Player, n int) []int16 {
	var out []int16
	for range n {
		p.tick(time.Time{})
		out = append(out, p.frame...)
	}
	return out
}

func TestPlayerSendsUtterancesBackToBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var posts collector
		p := newPlayer(newLine(), false, posts.post)
		p.begin(1)
		p.begin(2)
		p.add(1, ramp(100), false)
		p.add(1, ramp(60), true) // one frame is 160 samples
		p.add(2, ramp(200), true)
		got := frames(p, 3)
		want := slices.Concat(ramp(100), ramp(60), ramp(200), make([]int16, 120))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sound (-want +got):\n%s", diff)
		}
		wantPosts := []any{conversation.Audible{Utt: 1}, conversation.Played{Utt: 1}, conversation.Audible{Utt: 2}, conversation.Played{Utt: 2}}
		if diff := cmp.Diff(wantPosts, posts.take()); diff != "" {
			t.Errorf("posts (-want +got):\n%s", diff)
		}
	})
}

func TestPlayerWaitsForAnUnfinishedUtterance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var posts collector
		p := newPlayer(newLine(), false, posts.post)
		p.begin(1)
		p.begin(2)
		p.add(2, ramp(160), true)
		p.add(1, ramp(160), false)
		frames(p, 1)
		if got := frames(p, 2); slices.Max(got) != 0 {
			t.Error("the second utterance overtook the first, which is not done")
		}
		if diff := cmp.Diff([]any{conversation.Audible{Utt: 1}}, posts.take()); diff != "" {
			t.Errorf("posts (-want +got):\n%s", diff)
		}
		p.add(1, nil, true)
		if got := frames(p, 1); !slices.Equal(got, ramp(160)) {
			t.Error("the second utterance does not follow the first")
		}
		want := []any{conversation.Played{Utt: 1}, conversation.Audible{Utt: 2}, conversation.Played{Utt: 2}}
		if diff := cmp.Diff(want, posts.take()); diff != "" {
			t.Errorf("posts (-want +got):\n%s", diff)
		}
	})
}

func TestPlayerPausesAndResumes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var posts collector
		p := newPlayer(newLine(), false, posts.post)
		if got := p.pause(); got != (conversation.Stopped{}) {
			t.Errorf("pause of nothing: got %+v", got)
		}
		p.resume(0, 0)
		p.begin(7)
		p.add(7, ramp(1600), true)
		frames(p, 3)
		if got, want := p.pause(), (conversation.Stopped{Utt: 7, At: 60 * time.Millisecond}); got != want {
			t.Errorf("pause: got %+v, want %+v", got, want)
		}
		if got := frames(p, 5); slices.Max(got) != 0 {
			t.Error("a paused player sent sound")
		}
		p.resume(7, 20*time.Millisecond)
		got := frames(p, 2)
		if got[0] > 3 || got[80] >= 241 || got[159] > 320 {
			t.Errorf("the first frame does not fade in: %d … %d … %d", got[0], got[80], got[159])
		}
		if !slices.Equal(got[160:], ramp(1600)[320:480]) {
			t.Error("the second frame does not follow the first")
		}
		p.resume(7, time.Hour) // beyond what there is: plays nothing more of it
		frames(p, 1)
		if got := posts.take(); got[len(got)-1] != (any)(conversation.Played{Utt: 7}) {
			t.Errorf("posts: %+v", got)
		}
	})
}

func TestPlayerStopsAndDrops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var posts collector
		p := newPlayer(newLine(), false, posts.post)
		p.begin(1)
		p.begin(2)
		p.add(1, ramp(1600), true)
		frames(p, 2)
		if got, want := p.stop(), (conversation.Stopped{Utt: 1, At: 40 * time.Millisecond}); got != want {
			t.Errorf("stop: got %+v, want %+v", got, want)
		}
		if p.add(1, ramp(160), false) || p.add(2, ramp(160), true) {
			t.Error("a dropped utterance still takes sound")
		}
		p.begin(3)
		p.begin(4)
		p.drop(3)
		p.drop(99)
		p.add(4, ramp(160), true)
		if got := frames(p, 1); !slices.Equal(got, ramp(160)) {
			t.Error("what follows a dropped utterance is not played")
		}
		p.begin(5)
		p.add(5, ramp(160), true)
		p.close()
		posts.take()
		frames(p, 3)
		if got := posts.take(); len(got) != 0 {
			t.Errorf("a closed player still plays: %v", got)
		}
	})
}

func TestPlayerRecordsThePureSoundAndSendsNoise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		var recorded []int16
		p := newPlayer(l, true, func(any) {})
		p.record = func(pcm []int16, _ time.Time) { recorded = append(recorded, pcm...) }
		for range 10 {
			p.tick(time.Now())
			time.Sleep(audio.FrameDuration)
		}
		if slices.Max(recorded) != 0 || slices.Min(recorded) != 0 {
			t.Error("comfort noise is in the recording")
		}
		noise := false
		for _, f := range l.far.Heard() {
			noise = noise || slices.Max(f.PCM) > 0
		}
		if !noise {
			t.Error("the line is dead while the agent is silent")
		}
	})
}

// nowhere takes frames and keeps nothing.
type nowhere struct{ telephony.Leg }

func (nowhere) Info() telephony.Info   { return telephony.Info{Rate: 8000} }
func (nowhere) Send(audio.Frame) error { return telephony.ErrSlow }

func TestPlayerAllocatesNothingPerFrame(t *testing.T) { //nolint:paralleltest // it counts allocations of the process
	p := newPlayer(nowhere{}, true, func(any) {})
	p.record = func([]int16, time.Time) {}
	p.begin(1)
	p.add(1, make([]int16, 8000*10), false)
	now := time.Now()
	p.tick(now)
	if n := testing.AllocsPerRun(200, func() { p.tick(now) }); n != 0 {
		t.Errorf("a frame costs %.1f allocations", n)
	}
	silent := newPlayer(nowhere{}, true, func(any) {})
	if n := testing.AllocsPerRun(200, func() { silent.tick(now) }); n != 0 {
		t.Errorf("a silent frame costs %.1f allocations", n)
	}
}

// beat notes when it was ticked.
type beat struct {
	clock Clock
	mu    sync.Mutex
	at    []time.Time
	slow  func() // runs inside the first tick
}

func (b *beat) tick(time.Time) {
	b.mu.Lock()
	b.at = append(b.at, b.clock.Now())
	slow := b.slow
	b.slow = nil
	b.mu.Unlock()
	if slow != nil {
		slow()
	}
}

func (b *beat) times() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.at)
}

// turning runs a wheel until stop.
func turning(w *Wheel) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(done) })
	return func() { close(done); wg.Wait() }
}

func TestWheelTicksEveryCallEachTwentyMilliseconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := NewWheel(testClock())
		defer turning(w)()
		time.Sleep(time.Second) // an idle wheel waits
		beats := make([]*beat, 100)
		for i := range beats {
			beats[i] = &beat{clock: testClock()}
			defer w.add(beats[i])()
		}
		time.Sleep(2 * time.Second)
		offsets := map[time.Duration]int{}
		for i, b := range beats {
			at := b.times()
			if len(at) < 99 || len(at) > 101 {
				t.Fatalf("call %d had %d turns in 2 s", i, len(at))
			}
			for j := 1; j < len(at); j++ {
				if gap := at[j].Sub(at[j-1]); gap != audio.FrameDuration {
					t.Fatalf("call %d, turn %d: %s after the one before", i, j, gap)
				}
			}
			offsets[time.Duration(at[0].UnixNano())%audio.FrameDuration]++
		}
		if len(offsets) != slots {
			t.Errorf("100 calls use %d slots, want %d", len(offsets), slots)
		}
		for at, n := range offsets {
			if n != 5 {
				t.Errorf("slot at %s has %d calls, want 5", at, n)
			}
		}
	})
}

func TestWheelForgetsRemovedCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := NewWheel(testClock())
		defer turning(w)()
		b := &beat{clock: testClock()}
		remove := w.add(b)
		time.Sleep(110 * time.Millisecond) // between two turns
		remove()
		remove()                        // a second time changes nothing
		time.Sleep(audio.FrameDuration) // a turn under way is finished
		n := len(b.times())
		time.Sleep(time.Second)
		if got := len(b.times()); got != n || n < 4 {
			t.Errorf("turns before removal %d, after %d", n, got)
		}
		if w.count != 0 {
			t.Errorf("members left: %d", w.count)
		}
		again := &beat{clock: testClock()}
		defer w.add(again)()
		time.Sleep(200 * time.Millisecond)
		if got := len(again.times()); got < 9 || got > 11 {
			t.Errorf("a call added to a wheel that idled had %d turns in 200 ms", got)
		}
	})
}

func TestWheelCatchesUpAShortHoldUpOnly(t *testing.T) {
	t.Parallel()
	cases := []struct {
		held     time.Duration
		min, max int // turns in the second that follows the first tick's begin
	}{
		{15 * time.Millisecond, 50, 51},
		{500 * time.Millisecond, 25, 28},
	}
	for _, c := range cases {
		t.Run(c.held.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := NewWheel(testClock())
				defer turning(w)()
				b := &beat{clock: testClock(), slow: func() { time.Sleep(c.held) }}
				defer w.add(b)()
				time.Sleep(time.Second - time.Millisecond)
				at := b.times()
				if len(at) < c.min || len(at) > c.max {
					t.Errorf("turns: got %d, want %d to %d", len(at), c.min, c.max)
				}
				if tail := at[len(at)-1].Sub(at[len(at)-2]); tail != audio.FrameDuration {
					t.Errorf("the rhythm did not come back: %s", tail)
				}
			})
		})
	}
}

func TestWheelStopsWhileItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		idle := NewWheel(testClock())
		turning(idle)()
		busy := NewWheel(testClock())
		stop := turning(busy)
		b := &beat{clock: testClock()}
		defer busy.add(b)()
		time.Sleep(50 * time.Millisecond)
		stop()
		n := len(b.times())
		time.Sleep(time.Second)
		if len(b.times()) != n {
			t.Error("a stopped wheel ticks")
		}
	})
}

func TestInboxKeepsOrderAndLetsUrgentPostsOvertake(t *testing.T) {
	t.Parallel()
	b := newInbox()
	if b.next() != nil {
		t.Error("an empty inbox has something")
	}
	b.post(1)
	b.post(2)
	b.postUrgent("a")
	b.post(3)
	b.postUrgent("b")
	select {
	case <-b.ready:
	default:
		t.Error("an inbox with posts does not say so")
	}
	var got []any
	for v := b.next(); v != nil; v = b.next() {
		got = append(got, v)
	}
	if diff := cmp.Diff([]any{"a", "b", 1, 2, 3}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestInboxIsSafeForManyPosters(t *testing.T) {
	t.Parallel()
	b := newInbox()
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for i := range 500 {
				b.post([2]int{p, i})
			}
		})
	}
	next := [8]int{}
	for total := 0; total < 8*500; {
		<-b.ready
		for v := b.next(); v != nil; v = b.next() {
			x := v.([2]int)
			if x[1] != next[x[0]] {
				t.Fatalf("poster %d: got post %d, want %d", x[0], x[1], next[x[0]])
			}
			next[x[0]]++
			total++
		}
	}
	wg.Wait()
}

func TestRefusalsTellTheCause(t *testing.T) {
	t.Parallel()
	if r := refusal(errors.New("odd")); r.Cause != telephony.CauseFailure || r.Reason == "" {
		t.Errorf("unknown error: got %+v", r)
	}
	own := &telephony.Refusal{Cause: telephony.CauseBusy, Reason: "later"}
	if r := refusal(errors.Join(errors.New("while ringing"), own)); r != *own {
		t.Errorf("wrapped refusal: got %+v", r)
	}
}
