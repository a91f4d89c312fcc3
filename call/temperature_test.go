package call_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
)

// TestTemperatureReachesTheModel: the model is asked with the agent's temperature.
func TestTemperatureReachesTheModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := -1.0
		reply := func(r llm.Request) llmtest.Answer {
			got = r.Temperature
			return llmtest.Say("fine")
		}
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.Temperature = 0.25
			w.model.Reply, w.ears.Otherwise = reply, "hello there"
		})
		defer w.stop()
		far := w.ring()
		far.Speak(speech(400 * time.Millisecond))
		time.Sleep(5 * time.Second)
		far.Hangup()
		w.result()
		if got != 0.25 {
			t.Errorf("got %v", got)
		}
	})
}
