package call_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/transcriber"
)

// remote are drivers that tell the meter of a call what drivers of vendors do.
type (
	remoteModel struct{ llm.Driver }
	remoteVoice struct{ synthesizer.Driver }
	remoteEars  struct{ transcriber.Driver }
)

func (r remoteModel) Generate(ctx context.Context, q llm.Request) iter.Seq2[llm.Delta, error] {
	m := provider.MeterOf(ctx)
	m.Sent("model.acme.example")
	(&provider.Client{}).Named(m, "answer-1")
	m.Used(provider.InputTokens, 100)
	m.Used(provider.OutputTokens, 10)
	return r.Driver.Generate(ctx, q)
}

func (r remoteVoice) Speak(ctx context.Context, q synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	m := provider.MeterOf(ctx)
	m.Sent("voice.acme.example")
	m.Used(provider.Characters, float64(len(q.Text)))
	return r.Driver.Speak(ctx, q)
}

func (r remoteEars) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	m := provider.MeterOf(ctx)
	m.Sent("ears.acme.example")
	(&provider.Client{}).Named(m, "stream-1")
	m.Used(provider.AudioSeconds, 2.5)
	return r.Driver.Open(ctx, c)
}

// remotely makes a plan of drivers that leave the machine.
type remotely struct{ call.Planner }

func (r remotely) Plan(ctx context.Context, c sidetone.Call, rate int) (call.Plan, error) {
	p, err := r.Planner.Plan(ctx, c, rate)
	p.Models[0].Driver, p.Voices[0].Driver, p.Recognisers[0].Driver = remoteModel{p.Models[0].Driver}, remoteVoice{p.Voices[0].Driver}, remoteEars{p.Recognisers[0].Driver}
	return p, err
}

// The record of a call has what each vendor was used for and which host got what, and
// its events have it as it happens.
func TestRecordSaysWhoGotWhat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, r, events, _ := play(t, func(k *crew) {
			k.config.Planner = remotely{k}
			k.model.Queue(llmtest.Say("sure which day"))
		}, "an appointment")
		want := []sidetone.Used{
			{Part: "recogniser", Vendor: "acme", Account: "one", Hosts: []string{"ears.acme.example"}, Requests: 1, Units: map[string]float64{"audio_seconds": 2.5}},
			{Part: "model", Vendor: "acme", Account: "one", Hosts: []string{"model.acme.example"}, Requests: 1, Units: map[string]float64{"input_tokens": 100, "output_tokens": 10}},
			{Part: "voice", Vendor: "acme", Account: "one", Hosts: []string{"voice.acme.example"}, Requests: 2, Units: map[string]float64{"characters": float64(len("hello there" + "sure which day"))}},
		}
		if diff := cmp.Diff(want, r.Used); diff != "" {
			t.Errorf("used (-want +got):\n%s", diff)
		}
		var all strings.Builder
		for _, e := range events {
			all.Write(e.Data)
		}
		for _, once := range []string{
			`{"host":"ears.acme.example","part":"recogniser","vendor":"acme"}`, `{"host":"model.acme.example","part":"model","vendor":"acme"}`,
			`{"host":"voice.acme.example","part":"voice","vendor":"acme"}`, `{"id":"stream-1","part":"recogniser","vendor":"acme"}`,
			`{"id":"answer-1","part":"model","vendor":"acme"}`,
		} {
			if n := strings.Count(all.String(), once); n != 1 {
				t.Errorf("%s is %d times in the events, want once: %s", once, n, all.String())
			}
		}
	})
}

// Nothing of what the server does itself leaves the machine.
func TestRecordSaysThatNothingLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { w.snapshot.Agent.InitialMessage = "hello there" })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		synctest.Wait()
		far.Hangup()
		r, _ := w.result()
		for _, u := range r.Used {
			if u.Vendor != "local" || u.Account != "" || len(u.Hosts) > 0 || len(u.Units) > 0 {
				t.Errorf("used: %+v", u)
			}
		}
		if len(r.Used) == 0 {
			t.Error("nothing is recorded")
		}
	})
}
