package call_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// sentence is said in five seconds by the stub voice.
const sentence = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"

// interruption is one interrupted answer: the words that the far end heard of
// it by the sound of the whole call, and those that the record holds.
type interruption struct{ truth, record []string }

// interruptedAt places a call, lets the agent answer with sentence and
// interrupts it at a position of its sound.
func interruptedAt(t *testing.T, w *world, leg telephonytest.MemoryConfig, at time.Duration) interruption {
	t.Helper()
	leg.From, leg.To = "+12025550199", "+14155550100"
	far, err := w.driver.Call(t.Context(), leg)
	if err != nil {
		t.Fatal(err)
	}
	<-far.Answered()
	far.Speak(speech(400 * time.Millisecond))
	for i := 0; ; i++ {
		f, err := far.Listen(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := firstVoiced(f.PCM); ok {
			time.Sleep(time.Until(f.At.Add(at)))
			break
		}
	}
	far.Speak(speech(500 * time.Millisecond))
	time.Sleep(2 * time.Second)
	told := strings.Fields(heard(far))
	far.Hangup()
	_, events := w.result()
	var out interruption
	for _, word := range told {
		if word == "fine" {
			break
		}
		out.truth = append(out.truth, word)
	}
	for _, e := range events {
		if e.Kind == sidetone.EventAgent && e.Text != "fine" {
			out.record = strings.Fields(e.Text)
			break
		}
	}
	return out
}

// interruptions interrupts at every 20 ms of five seconds; with the race detector at
// every 100 ms, and `make test` does all of them without.
func interruptions(t *testing.T, leg telephonytest.MemoryConfig, adjust func(*world), check func(at time.Duration, i interruption)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.WaitForGreeting = true
			w.ears.Otherwise = "stop please"
			w.model.Reply = func(r llm.Request) llmtest.Answer {
				for _, m := range r.Messages {
					if m.Role == llm.Assistant {
						return llmtest.Say("fine")
					}
				}
				if n := len(r.Messages); n > 2 {
					return llmtest.Say("fine") // nothing was heard of the first answer
				}
				return llmtest.Say(sentence)
			}
			adjust(w)
		})
		defer w.stop()
		step := audio.FrameDuration
		if raceDetector {
			step *= 5
		}
		for at := time.Duration(0); at < 5*time.Second; at += step {
			i := interruptedAt(t, w, leg, at)
			if len(i.truth) < len(i.record) || !prefix(i.record, i.truth) {
				t.Errorf("at %s: the record says %q, the caller heard %q", at, i.record, i.truth)
			}
			check(at, i)
		}
	})
}

// prefix reports whether words begin with first.
func prefix(first, words []string) bool {
	return len(first) <= len(words) && strings.Join(first, " ") == strings.Join(words[:len(first)], " ")
}

func TestHeardWordsAtEveryPosition(t *testing.T) {
	t.Parallel()
	const trip, lead = 150 * time.Millisecond, 200 * time.Millisecond
	cases := map[string]struct {
		leg     telephonytest.MemoryConfig
		noTimes bool
		short   int // words that the record may be short of
	}{
		"clock and word times":         {short: 0},
		"marks at word ends, no delay": {leg: telephonytest.MemoryConfig{Lead: lead}, short: 0},
		"marks with 150 ms each way":   {leg: telephonytest.MemoryConfig{Lead: lead, Transit: trip}, short: 1},
		"clock without word times":     {noTimes: true, short: 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counts := map[int]int{}
			interruptions(t, c.leg, func(w *world) { w.voice.NoTimes = c.noTimes }, func(at time.Duration, i interruption) {
				missing := len(i.truth) - len(i.record)
				if all := len(strings.Fields(sentence)); at < 4500*time.Millisecond && len(i.truth) == all {
					t.Errorf("at %s: the sentence was not interrupted", at)
				}
				if counts[missing]++; missing > c.short {
					t.Errorf("at %s: the record lacks %d of the words %q", at, missing, i.truth)
				}
			})
			t.Log("interruptions by words that the record is short of: ", fmt.Sprint(counts))
		})
	}
}
