package call_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/provider"
)

// A voice that dies during the call leaves the agent its last words, which were
// prepared when the call began.
func TestAgentApologisesWithADeadVoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, c *call.Config) {
			w.snapshot.Agent.InitialMessage = "hello there"
			w.ears.Queue("I want an appointment")
			w.model.Queue(llmtest.Say("sure which day"))
			c.Phrases = call.NewPhrases()
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(4 * time.Second)
		w.voice.Fail(errors.New("out of order"), 0)
		far.Speak(speech(800 * time.Millisecond))
		r, _ := w.result()
		if got := heard(far); !strings.Contains(got, "went wrong") || strings.Contains(got, "which day") {
			t.Errorf("heard %q, want an apology", got)
		}
		if r.Status != sidetone.CallError || r.EndReason != "error" {
			t.Errorf("result: %+v", r)
		}
	})
}

// What is prepared must not take the processor from what the caller waits for.
func TestRehearsalWaitsForASlowGreeting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, c *call.Config) {
			w.snapshot.Agent.InitialMessage = "hello there"
			w.voice.Delay = 2500 * time.Millisecond
			c.Phrases = call.NewPhrases()
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(2400 * time.Millisecond)
		if got := len(w.voice.Requests()); got != 1 {
			t.Errorf("the voice was asked %d times before the greeting, want once", got)
		}
		time.Sleep(10 * time.Second)
		if got := len(w.voice.Requests()); got != 4 {
			t.Errorf("the voice was asked %d times, want the greeting and three prepared phrases", got)
		}
		far.Hangup()
		w.result()
	})
}

// Rehearsals leave a vendor alone that wants no requests, and count like any other one.
func TestRehearsalsRespectTheBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k *crew
		w := newWorld(t, func(w *world, c *call.Config) {
			k = withCrew(w, c)
			c.Phrases = call.NewPhrases()
			w.snapshot.Agent.InitialMessage = ""
		})
		defer w.stop()
		w.voice.Fail(&provider.Failure{Vendor: "acme", Kind: provider.Limited, Status: 429, RetryAfter: time.Minute}, 0)
		for n := range 3 {
			far := w.ring()
			<-far.Answered()
			time.Sleep(5 * time.Second)
			far.Hangup()
			r, events := w.result()
			if n == 0 && !names(events, "voice", "too many requests (429)") {
				t.Errorf("the refused rehearsal is not in the record: %q", r.Errors)
			}
		}
		if n := len(w.voice.Requests()); n != 1 {
			t.Errorf("the voice was asked %d times within its Retry-After", n)
		}
		w.voice.Fail(nil, 0)
		time.Sleep(time.Minute)
		far := w.ring()
		<-far.Answered()
		time.Sleep(8 * time.Second)
		far.Hangup()
		r, _ := w.result()
		if n := len(w.voice.Requests()); n != 4 {
			t.Errorf("the voice was asked %d times in all, want one refused and three phrases: %q", n, r.Errors)
		}
		if len(k.accepted) == 0 {
			t.Error("nobody was told that the credential is accepted")
		}
	})
}

// Without a cache nothing is said that nobody asked for.
func TestNothingIsRehearsedWithoutACache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { w.snapshot.Agent.InitialMessage = "hello there" })
		defer w.stop()
		far := w.ring()
		time.Sleep(4 * time.Second)
		far.Hangup()
		w.result()
		if got := len(w.voice.Requests()); got != 1 {
			t.Errorf("the voice was asked %d times, want once", got)
		}
	})
}

// A voice that is slower than a caller likes is waited for: what it makes is
// heard whole, and its synthesis is not begun anew, which would only take longer.
func TestSlowVoiceIsHeard(t *testing.T) {
	t.Parallel()
	cases := []struct {
		delay time.Duration
		tries int // at the greeting
	}{{3500 * time.Millisecond, 1}, {5500 * time.Millisecond, 1}, {9 * time.Second, 2}}
	for _, c := range cases {
		t.Run(c.delay.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, cfg *call.Config) {
					w.snapshot.Agent.InitialMessage = "hello there"
					w.voice.Delay = c.delay
					cfg.Phrases = call.NewPhrases()
				})
				defer w.stop()
				far := w.ring()
				time.Sleep(c.delay + 3*time.Second)
				far.Hangup()
				w.result()
				if got := heard(far); got != "hello there" {
					t.Errorf("heard %q, want the greeting alone", got)
				}
				tries := 0
				for _, r := range w.voice.Requests() {
					if r.Text == "hello there" {
						tries++
					}
				}
				if tries != c.tries {
					t.Errorf("the greeting was asked for %d times, want %d", tries, c.tries)
				}
			})
		})
	}
}

// An answer that is late is bridged by what was prepared, and then heard whole.
func TestLateAnswerIsBridged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, cfg *call.Config) {
			w.snapshot.Agent.InitialMessage = "hello there"
			w.ears.Queue("I want an appointment")
			w.model.Queue(llmtest.Say("sure which day"))
			cfg.Phrases = call.NewPhrases()
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(4 * time.Second)
		w.voice.Slow(5 * time.Second)
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(9 * time.Second)
		far.Hangup()
		r, _ := w.result()
		if got := heard(far); got != "hello there one moment please sure which day" {
			t.Errorf("heard %q", got)
		}
		if !strings.Contains(r.Transcript, "One moment, please. sure which day") {
			t.Errorf("transcript: %q", r.Transcript)
		}
	})
}
