package call

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// reel is a recorder in memory, which places sound as on disk.
type reel struct {
	Recorder
	stereo        *audio.Stereo
	caller, agent []int16
}

func newReel(t *testing.T, rate int) *reel {
	t.Helper()
	r := &reel{}
	var err error
	if r.stereo, err = audio.NewStereo(rate, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Write implements audio.SampleWriter.
func (r *reel) Write(pcm []int16) error {
	for i := 0; i < len(pcm); i += 2 {
		r.caller, r.agent = append(r.caller, pcm[i]), append(r.agent, pcm[i+1])
	}
	return nil
}

// Caller implements Recorder.
func (r *reel) Caller(f audio.Frame, at time.Duration) { r.stereo.WriteCaller(f, at) }

// Expect implements Recorder.
func (r *reel) Expect(d time.Duration) { r.stereo.Expect(d) }

// Agent implements Recorder.
func (r *reel) Agent(pcm []int16, at time.Duration) { r.stereo.WriteAgent(pcm, at) }

// lateClock is the bubble's time on a busy machine: its n-th sleep takes late(n)
// longer than it was asked to. Only one goroutine may sleep.
func lateClock(late func(n int) time.Duration) Clock {
	c, n := testClock(), -1
	sleep := c.Sleep
	c.Sleep = func(d time.Duration, done <-chan struct{}) {
		n++
		sleep(d+late(n), done)
	}
	return c
}

// loudNoise is sound in which no sample can go unnoticed.
func loudNoise(n int) []int16 {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(random.IntN(20000) + 1)
	}
	return out
}

// firstSlot is the sample of the first slot of recordedSaying's call.
const firstSlot = 120 * 8

// recordedSaying returns the agent's side of the recording of a call of 5 s, from its
// first slot on, in which the agent says sound.
func recordedSaying(t *testing.T, sound []int16, late func(n int) time.Duration) (agent []int16) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		clock := lateClock(late)
		leg, _ := telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{Outbound: true, Codec: "PCMU"})
		s := &Session{inbox: newInbox(), clock: clock, start: time.Now(), log: slog.New(slog.DiscardHandler)}
		p, err := s.newParty(leg, false)
		if err != nil {
			t.Fatal(err)
		}
		rec := newReel(t, p.player.rate)
		p.recordTo(rec)
		p.player.begin(1)
		p.player.add(1, sound, true)
		wheel, done := NewWheel(clock), make(chan struct{})
		var running sync.WaitGroup
		running.Go(func() { wheel.Run(done) })
		time.Sleep(107 * time.Millisecond) // between two slots of the call
		remove := wheel.add(p.player)
		time.Sleep(5 * time.Second)
		remove()
		close(done)
		running.Wait()
		if err := rec.stereo.Close(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		agent = rec.agent[firstSlot:]
	})
	return agent
}

// Turns that come late and are caught up leave the recording as it would have
// been: each frame lies in the slot in which it was due.
func TestRecordingKeepsTheSlotsOfLateTurns(t *testing.T) {
	t.Parallel()
	sound := loudNoise(3 * 8000)
	want := recordedSaying(t, sound, func(int) time.Duration { return 0 })
	if !slices.Equal(want[:len(sound)], sound) || slices.Max(want[len(sound):]) > 0 {
		t.Fatal("turns that are on time do not record what was said")
	}
	when := map[string]func(n int) bool{
		"the first": func(n int) bool { return n == 0 },
		"one":       func(n int) bool { return n == 30 },
		"every 7th": func(n int) bool { return n%7 == 0 },
		"all":       func(int) bool { return true },
	}
	for name, matches := range when {
		for _, by := range []time.Duration{5 * time.Millisecond, 30 * time.Millisecond, 70 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s by %s", name, by), func(t *testing.T) {
				t.Parallel()
				got := recordedSaying(t, sound, func(n int) time.Duration {
					if matches(n) {
						return by
					}
					return 0
				})
				if len(got) < 4*8000 || !slices.Equal(got[:4*8000], want[:4*8000]) {
					t.Errorf("the recording differs from sample %d on", differs(got, want))
				}
			})
		}
	}
}

// Slots in which nothing could be sent, because the machine stood still, are
// silent in the recording, and what follows is whole.
func TestRecordingIsSilentInLostSlots(t *testing.T) {
	t.Parallel()
	const before, lost = 30 * 160, 25 * 160 // the turn that is late is lost too
	sound := loudNoise(3 * 8000)
	got := recordedSaying(t, sound, func(n int) time.Duration {
		if n == 30 {
			return 500 * time.Millisecond
		}
		return 0
	})
	want := slices.Concat(sound[:before], make([]int16, lost), sound[before:])
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("the recording differs from sample %d on", differs(got, want))
	}
}

// ticked are the slots in which a ticker had its turns.
type ticked []time.Time

func (s *ticked) tick(slot time.Time) { *s = append(*s, slot) }

// However long a wheel is held up, a call loses no slot, or at least five: the sender
// of packets tells from the lateness of the next one whether slots were left out.
func TestWheelLeavesOutNoSlotOrFive(t *testing.T) {
	t.Parallel()
	for held := 70 * time.Millisecond; held < 140*time.Millisecond; held += time.Millisecond / 2 {
		synctest.Test(t, func(t *testing.T) {
			w := NewWheel(lateClock(func(n int) time.Duration {
				if n == 105 {
					return held
				}
				return 0
			}))
			var all [slots]ticked
			stop := turning(w)
			for i := range all {
				defer w.add(&all[i])()
			}
			time.Sleep(400 * time.Millisecond)
			stop()
			for i, s := range all {
				for k := 1; k < len(s); k++ {
					if gap := s[k].Sub(s[k-1]); gap != audio.FrameDuration && gap < 6*audio.FrameDuration {
						t.Fatalf("held up for %s: call %d has its turns %d and %d %s apart", held, i, k-1, k, gap)
					}
				}
			}
		})
	}
}

// Sound in whose place silence was made up, because it came late, is recorded where
// it was spoken.
func TestRecordingClosesGapsThatWereMadeUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := newReel(t, 8000)
		p := &party{leg: nowhere{}, clock: testClock(), start: time.Now(), player: newPlayer(newLine(), false, func(any) {})}
		p.recordTo(rec)
		sound, made := loudNoise(100*160), 0
		for n := range 100 {
			time.Sleep(audio.FrameDuration)
			if n == 50 { // it comes 100 ms late
				for ; made < 3; made++ {
					p.sound(telephony.Event{Audio: audio.Frame{PCM: make([]int16, 160), Rate: 8000, Offset: int64((n + made) * 160), Missing: true}})
				}
				time.Sleep(100 * time.Millisecond)
			}
			p.sound(telephony.Event{Audio: audio.Frame{PCM: sound[n*160:][:160], Rate: 8000, Offset: int64((n + made) * 160)},
				Arrived: time.Now(), Behind: time.Duration(made) * audio.FrameDuration})
		}
		if err := rec.stereo.Close(time.Minute); err != nil {
			t.Fatal(err)
		}
		if len(rec.caller) < len(sound) || !slices.Equal(rec.caller[:len(sound)], sound) {
			t.Errorf("the recording differs from sample %d on", differs(rec.caller, sound))
		}
	})
}

// differs is the first sample in which two sounds differ.
func differs(a, b []int16) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// discard takes samples and keeps none.
type discard struct{}

// Write implements audio.SampleWriter.
func (discard) Write([]int16) error { return nil }

// BenchmarkRecordedTurn is what a turn of the wheel costs while the agent speaks in
// a call that is recorded, without a network and a disk.
func BenchmarkRecordedTurn(b *testing.B) {
	stereo, err := audio.NewStereo(8000, discard{})
	if err != nil {
		b.Fatal(err)
	}
	p := &party{leg: nowhere{}, player: newPlayer(nowhere{}, false, func(any) {})}
	now := p.start
	p.clock.Now = func() time.Time { return now }
	p.recordTo(&reel{stereo: stereo})
	sound := loudNoise(8000)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%50 == 0 {
			p.player.stop()
			p.player.begin(uint64(n))
			p.player.add(uint64(n), sound, false)
		}
		p.player.tick(now)
		now = now.Add(audio.FrameDuration)
	}
}
