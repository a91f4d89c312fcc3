package call_test

import (
	"encoding/json"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/provider"
)

// measuredTurn is a turn as the record has it.
type measuredTurn struct {
	Number      int
	Kind        string
	From        float64 `json:"from_ms"`
	To          float64 `json:"to_ms"`
	Gap         float64 `json:"gap_ms"`
	BargeIn     float64 `json:"barge_in_ms"`
	Silence     float64 `json:"silence_ms"`
	Stages      map[string]float64
	Vendors     map[string]string
	Interrupted bool
}

// measured are the turns of a record. It checks what is true of those of any call.
func measured(t *testing.T, events []sidetone.Event) []measuredTurn {
	t.Helper()
	var all []measuredTurn
	end := 0.0
	for _, e := range events {
		if e.Kind != sidetone.EventMeasured {
			continue
		}
		var m measuredTurn
		if err := json.Unmarshal(e.Data, &m); err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, ms := range m.Stages {
			sum += ms
		}
		if m.Number != len(all)+1 || math.Abs(m.From-end) > 0.2 || m.To < m.From || math.Abs(sum-m.Silence) > 0.1*float64(len(m.Stages)+1) {
			t.Errorf("turn after one that ended at %v: %s", end, e.Data)
		}
		end = m.To
		all = append(all, m)
	}
	return all
}

// near reports whether two times in milliseconds are the same but for two frames.
func near(a, b float64) bool { return math.Abs(a-b) <= 40 }

// The time that a slow model takes is the model's, that of one that fails is a failure's,
// and who took over is named.
func TestSilenceIsAttributed(t *testing.T) {
	t.Parallel()
	answer := []string{"sure which day"}
	for name, c := range map[string]struct {
		set            func(*crew)
		model, failure float64
		vendor         string
	}{
		"a slow model": {func(k *crew) {
			k.model.Queue(llmtest.Answer{Deltas: answer, Delay: 700 * time.Millisecond})
		}, 700, 0, "acme"},
		"a model that fails": {func(k *crew) {
			k.model.Queue(llmtest.Answer{Err: refusal(provider.Broken, 500), Delay: 400 * time.Millisecond})
			k.model2.Queue(llmtest.Answer{Deltas: answer, Delay: 300 * time.Millisecond})
		}, 300, 400, "other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var told []call.TurnTaken
				words, _, events, _ := play(t, func(k *crew) {
					c.set(k)
					k.config.Turned = func(taken call.TurnTaken) {
						mu.Lock()
						defer mu.Unlock()
						told = append(told, taken)
					}
				}, "an appointment")
				all := measured(t, events)
				if len(all) != 3 || all[0].Kind != "unasked" || all[1].Kind != "reply" || all[2].Kind != "unanswered" {
					t.Fatalf("heard %q, turns %+v", words, all)
				}
				reply := all[1]
				if !near(reply.Stages["model"], c.model) || !near(reply.Stages["vendor_failure"], c.failure) || !near(reply.Stages["endpoint_wait"], 500) {
					t.Errorf("stages %v, want %v ms of the model and %v of a failure", reply.Stages, c.model, c.failure)
				}
				// All of the gap is silence, and so is what was before the caller spoke.
				if !near(reply.Gap, reply.Silence-reply.Stages["caller"]) || !near(reply.Gap, 500+c.model+c.failure) {
					t.Errorf("gap %v, silence %v: %v", reply.Gap, reply.Silence, reply.Stages)
				}
				if reply.Vendors["model"] != c.vendor || reply.Vendors["recogniser"] != "acme" {
					t.Errorf("vendors %v", reply.Vendors)
				}
				mu.Lock()
				defer mu.Unlock()
				if len(told) != 3 || told[1].Turn.Number != 2 || told[1].Vendors["model"] != c.vendor || told[1].CallID == "" {
					t.Errorf("told %+v", told)
				}
			})
		})
	}
}

// What the record says of an interruption is what the far end hears.
func TestBargeInIsMeasured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.InitialMessage = counting
			w.ears.Queue("stop please")
			w.model.Queue(llmtest.Say("fine"))
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(1300 * time.Millisecond)
		far.Speak(speech(1200 * time.Millisecond))
		time.Sleep(6 * time.Second)
		far.Hangup()
		_, events := w.result()
		all := measured(t, events)
		if len(all) < 2 || !all[0].Interrupted || all[0].BargeIn < 40 || all[0].BargeIn > 200 || !near(all[0].To, 1300+all[0].BargeIn) {
			t.Fatalf("turns %+v", all)
		}
		if reply := all[1]; reply.Kind != "reply" || reply.Interrupted || !near(reply.From, all[0].To) || !near(reply.Silence, reply.Gap) {
			t.Errorf("turns %+v", all)
		}
	})
}

// Figures are no words: calls that may keep none are measured all the same.
func TestPrivateCallsAreMeasured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { w.snapshot.Agent.InitialMessage = "hello" })
		defer w.stop()
		c := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "simulated", Outgoing: true, HIPAA: true, Snapshot: w.snapshot, Context: []byte("{}")}
		go func() {
			if r, err := w.driver.Dialled(t.Context()); err == nil {
				far := r.Answer()
				time.Sleep(5 * time.Second)
				far.Hangup()
			}
		}()
		if err := w.exchange.Dial(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		_, events := w.result()
		if all := measured(t, events); len(all) != 2 || all[0].Kind != "unasked" || all[1].Stages["caller"] < 2000 {
			t.Errorf("turns %+v", all)
		}
		if i := slices.IndexFunc(events, func(e sidetone.Event) bool { return e.Kind == sidetone.EventEnded }); i != len(events)-1 {
			t.Errorf("the last event is %v", kinds(events))
		}
	})
}
