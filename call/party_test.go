package call

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// testParty is a party on a memory leg whose reader and wheel run until stop.
func testParty(t *testing.T, c telephonytest.MemoryConfig, wheel *Wheel) (p *party, far *telephonytest.Far, stop func()) {
	t.Helper()
	c.Outbound = true
	leg, far := telephonytest.NewMemoryLeg(c)
	s := &Session{inbox: newInbox(), clock: testClock(), start: time.Now(), log: slog.New(slog.DiscardHandler)}
	p, err := s.newParty(leg, false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.read(ctx) })
	remove := wheel.add(p.player)
	return p, far, func() { remove(); cancel(); wg.Wait() }
}

// tonePower returns the power of a tone in what was heard over that of
// everything, and how many samples were looked at.
func tonePower(frames []telephonytest.HeardFrame, frequency float64) (share float64, n int) {
	var re, im, all float64
	for _, f := range frames {
		for _, s := range f.PCM {
			phase := 2 * math.Pi * frequency * float64(n) / float64(f.Rate)
			re, im = re+float64(s)*math.Cos(phase), im+float64(s)*math.Sin(phase)
			all += float64(s) * float64(s)
			n++
		}
	}
	if all == 0 {
		return 0, n
	}
	return 2 * (re*re + im*im) / float64(n) / all, n
}

// Two parties that are joined hear each other and not themselves, at whatever
// rates their legs run.
func TestJoinedPartiesHearEachOther(t *testing.T) {
	t.Parallel()
	for _, codecs := range [][2]string{{"PCMU", "PCMU"}, {"PCMU", "G722"}, {"G722", "PCMA"}} {
		t.Run(codecs[0]+" "+codecs[1], func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				wheel := NewWheel(testClock())
				done := make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() { wheel.Run(done) })
				a, farA, stopA := testParty(t, telephonytest.MemoryConfig{Codec: codecs[0]}, wheel)
				b, farB, stopB := testParty(t, telephonytest.MemoryConfig{Codec: codecs[1]}, wheel)
				join(a, b)
				farA.Speak(audio.Sine(a.player.rate, 5*a.player.rate, 500, -15))
				farB.Speak(audio.Sine(b.player.rate, 5*b.player.rate, 800, -15))
				time.Sleep(4 * time.Second)
				heardA, heardB := farA.Heard()[50:], farB.Heard()[50:] // without the first second
				stopA()
				stopB()
				close(done)
				wg.Wait()
				for _, c := range []struct {
					who        string
					heard      []telephonytest.HeardFrame
					other, own float64
				}{{"a", heardA, 800, 500}, {"b", heardB, 500, 800}} {
					other, n := tonePower(c.heard, c.other)
					if own, _ := tonePower(c.heard, c.own); other < 0.95 || own > 0.01 || n == 0 {
						t.Errorf("%s: %.2f of what it hears is the other, %.2f itself", c.who, other, own)
					}
				}
			})
		})
	}
}

// What is lost on the way is concealed once for whoever listens: the tone has
// no hole.
func TestJoinedPartyConcealsLoss(t *testing.T) {
	t.Parallel()
	for _, joined := range []bool{true, false} {
		t.Run(fmt.Sprintf("joined %v", joined), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &party{player: newPlayer(newLine(), false, func(any) {})}
				var heard []int16
				if joined {
					p.connect(p.listen())
				} else {
					p.connect(&recognised{conceal: audio.NewConcealer(8000),
						write: func(f audio.Frame) { heard = append(heard, f.PCM...) }})
				}
				sound := audio.Sine(8000, 8000, 200, -15)
				for i := range 50 {
					f := audio.Frame{PCM: append([]int16(nil), sound[160*i:160*(i+1)]...), Rate: 8000, Offset: int64(160 * i)}
					if i%10 == 5 {
						clear(f.PCM)
						f.Missing = true
					}
					p.sound(telephony.Event{Kind: telephony.KindAudio, Audio: f})
					if joined && i >= 2 {
						heard = append(heard, frames(p.player, 1)...)
					}
				}
				for i := 0; i+160 <= len(heard); i += 160 {
					if level := audio.RMS(heard[i : i+160]); level < -21 {
						t.Errorf("frame %d has %.0f dB", i/160, level)
					}
				}
			})
		})
	}
}
