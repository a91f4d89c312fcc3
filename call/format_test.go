package call_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// wideLeg is an 8 kHz leg that says it is a 16 kHz one until it changes: then
// it reports a new format, as after a re-INVITE.
type wideLeg struct {
	*telephonytest.MemoryLeg
	change  time.Time
	changed atomic.Bool
	sent    atomic.Int64 // frames of the right rate after the change
}

func (l *wideLeg) Info() telephony.Info {
	i := l.MemoryLeg.Info()
	if !l.changed.Load() {
		i.Rate = 16000
	}
	return i
}

func (l *wideLeg) Events(ctx context.Context) iter.Seq[telephony.Event] {
	return func(yield func(telephony.Event) bool) {
		for ev := range l.MemoryLeg.Events(ctx) {
			if ev.Kind == telephony.KindAudio && !l.changed.Load() {
				if time.Now().After(l.change) {
					l.changed.Store(true)
					if !yield(telephony.Event{Kind: telephony.KindFormatChanged}) {
						return
					}
				} else {
					ev.Audio = audio.Frame{PCM: make([]int16, 320), Rate: 16000, Offset: 2 * ev.Audio.Offset}
				}
			}
			if !yield(ev) {
				return
			}
		}
	}
}

func (l *wideLeg) Send(f audio.Frame) error {
	if !l.changed.Load() {
		return nil
	}
	if f.Rate == 8000 {
		l.sent.Add(1)
	}
	return l.MemoryLeg.Send(f)
}

func TestTheConversationGoesOnAfterAChangeOfCodec(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.InitialMessage = ""
			w.ears.Queue("can you hear me")
			w.model.Queue(llmtest.Say("yes i can"))
		})
		defer w.stop()
		leg, far := telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{To: "+14155550100"})
		wide := &wideLeg{MemoryLeg: leg, change: time.Now().Add(2 * time.Second)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.exchange.Answer(context.Background(), wide)
		}()
		time.Sleep(4 * time.Second)
		far.Speak(speech(time.Second))
		time.Sleep(6 * time.Second)
		if got := heard(far); got != "yes i can" {
			t.Errorf("after the change the caller heard %q", got)
		}
		if n := wide.sent.Load(); n < 350 {
			t.Errorf("frames of the new rate: got %d, want one each 20 ms", n)
		}
		far.Hangup()
		if r, _ := w.result(); r.Status != sidetone.CallEnded {
			t.Errorf("result: got %+v", r)
		}
		<-done
	})
}
