package call_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/synthesizer"
)

// warmed are drivers that are told to connect; they take as long as they may.
type (
	warmedModel struct {
		llm.Driver
		warmed chan struct{}
	}
	warmedVoice struct {
		synthesizer.Driver
		warmed chan synthesizer.Request
	}
)

func (w warmedModel) Warm(ctx context.Context) {
	w.warmed <- struct{}{}
	<-ctx.Done()
}

func (w warmedVoice) Warm(ctx context.Context, r synthesizer.Request) {
	w.warmed <- r
	<-ctx.Done()
}

// While the call rings, vendors are connected to; that holds up neither the call nor
// its end.
func TestVendorsAreConnectedWhileItRings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		model, voice := warmedModel{warmed: make(chan struct{}, 1)}, warmedVoice{warmed: make(chan synthesizer.Request, 1)}
		w := newWorld(t, func(w *world, c *call.Config) {
			c.AnswerAfter = 3 * time.Second
			model.Driver, voice.Driver = w.model, w.voice
			w.thinker, w.speaker = model, voice
			w.snapshot.Agent.InitialMessage = "hello there"
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(time.Second)
		if gone(far.Answered()) || len(model.warmed) != 1 || len(voice.warmed) != 1 {
			t.Errorf("while it rings %d models and %d voices are connected", len(model.warmed), len(voice.warmed))
		}
		if r := <-voice.warmed; r.Text != "" || r.Rate != 8000 || len(w.voice.Requests()) > 0 {
			t.Errorf("the voice was asked for %+v", r)
		}
		<-far.Answered()
		time.Sleep(3 * time.Second)
		if got := heard(far); got != "hello there" {
			t.Errorf("heard %q", got)
		}
		far.Hangup()
		hung := time.Now()
		if r, _ := w.result(); r.Ended.Sub(hung) > 100*time.Millisecond {
			t.Errorf("the call ended %v after the caller hung up", r.Ended.Sub(hung))
		}
	})
}
