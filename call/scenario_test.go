package call_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
	"github.com/sidetone/sidetone/transcriber"
)

const counting = "one two three four five six seven eight nine ten eleven twelve"

// told returns the texts of a call's events of one kind.
func told(events []sidetone.Event, kind sidetone.EventKind) []string {
	var out []string
	for _, e := range events {
		if e.Kind == kind {
			out = append(out, e.Text)
		}
	}
	return out
}

func TestFalseAlarmResumesWithoutLosingAWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.recorded = true
			w.ears.Queue("count for me")
			w.model.Queue(llmtest.Say(counting))
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		far.Speak(speech(800 * time.Millisecond))
		for heard(far) == "" {
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		far.Speak(speech(500 * time.Millisecond)) // a cough: no words come of it
		time.Sleep(8 * time.Second)
		got := strings.Fields(heard(far))
		if missing := without(strings.Fields(counting), got); len(missing) > 0 {
			t.Errorf("the caller never heard %v of %v", missing, got)
		}
		far.Hangup()
		_, events := w.result()
		if len(told(events, sidetone.EventPaused)) == 0 || len(told(events, sidetone.EventResumed)) == 0 {
			t.Errorf("no pause and resumption among %v", kinds(events))
		}
		if got := told(events, sidetone.EventAgent); len(got) != 1 || got[0] != counting {
			t.Errorf("the record says %q", got)
		}
	})
}

// What the caller puts in while the agent goes on speaking is no turn: the
// model does not see it, and the transcript has it in brackets.
func TestBackchannelStandsInBrackets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.ears.Queue("count for me", "mm-hm")
			w.model.Queue(llmtest.Say(counting))
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(3 * time.Second)
		far.Speak(speech(300 * time.Millisecond))
		time.Sleep(9 * time.Second)
		far.Hangup()
		r, events := w.result()
		if got := told(events, sidetone.EventIgnored); len(got) != 1 || got[0] != "mm-hm" {
			t.Errorf("ignored: %q", got)
		}
		if got := told(events, sidetone.EventCaller); len(got) != 1 {
			t.Errorf("turns: %q", got)
		}
		if !strings.Contains(r.Transcript, "HUMAN: [mm-hm]\n") || !strings.Contains(r.Transcript, counting) {
			t.Errorf("transcript:\n%s", r.Transcript)
		}
	})
}

func without(want, got []string) []string {
	var missing []string
	for _, w := range want {
		if !slices.Contains(got, w) {
			missing = append(missing, w)
		}
	}
	return missing
}

func kinds(events []sidetone.Event) []sidetone.EventKind {
	var out []sidetone.EventKind
	for _, e := range events {
		out = append(out, e.Kind)
	}
	return out
}

func TestDigitsReachTheModel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { w.model.Queue(llmtest.Say("thanks")) })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		for _, key := range "42#" {
			far.Press(key, 100*time.Millisecond)
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(6 * time.Second)
		if got := heard(far); got != "thanks" {
			t.Errorf("answer: got %q", got)
		}
		far.Hangup()
		r, events := w.result()
		if got := told(events, sidetone.EventDigits); len(got) != 1 || !strings.HasPrefix(got[0], "42") {
			t.Errorf("keys in the record: %q", got)
		}
		if !strings.Contains(r.Transcript, "42") {
			t.Errorf("transcript: %q", r.Transcript)
		}
		if reqs := w.model.Requests(); len(reqs) != 1 || !strings.Contains(last(reqs[0]).Text, "4 2") {
			t.Errorf("the model was asked %+v", reqs)
		}
	})
}

func last(r llm.Request) llm.Message { return r.Messages[len(r.Messages)-1] }

func TestHoldWaitsAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.InitialMessage = "hello"
			w.snapshot.Agent.AskIfHumanPresentOnIdle = true
			w.snapshot.Agent.IdleTime = 10 * time.Second
			w.ears.Queue("I am back")
			w.model.Queue(llmtest.Say("welcome back"))
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(3 * time.Second)
		far.Hold(true)
		time.Sleep(2 * time.Minute) // longer than any idle time
		if got := heard(far); got != "hello" {
			t.Errorf("on hold: got %q", got)
		}
		far.Hold(false)
		time.Sleep(time.Second)
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(5 * time.Second)
		if got := heard(far); got != "hello welcome back" {
			t.Errorf("after the hold: got %q", got)
		}
		far.Hangup()
		w.result()
	})
}

func TestInterruptedWordsAreRightOnABadLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.recorded = true
			w.snapshot.Agent.InitialMessage = counting
			w.ears.Queue("stop please")
			w.model.Queue(llmtest.Say("fine"))
		})
		defer w.stop()
		far, err := w.driver.Call(t.Context(), telephonytest.MemoryConfig{From: "+12025550199", To: "+14155550100",
			Network: telephonytest.Network{Seed: 7, Loss: 0.05, Delay: 40 * time.Millisecond, Jitter: 30 * time.Millisecond, Reorder: 0.02}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		far.Speak(speech(1200 * time.Millisecond))
		time.Sleep(7 * time.Second)
		all := heard(far)
		far.Hangup()
		_, events := w.result()
		agent := told(events, sidetone.EventAgent)
		if len(agent) != 2 || agent[1] != "fine" || agent[0]+" fine" != all {
			t.Errorf("the caller heard %q, the record says %q", all, agent)
		}
		var data struct {
			Said        string `json:"said"`
			Interrupted bool   `json:"interrupted"`
		}
		for _, e := range events {
			if e.Kind == sidetone.EventAgent && e.Text == agent[0] {
				if err := json.Unmarshal(e.Data, &data); err != nil || !data.Interrupted || data.Said != counting {
					t.Errorf("data of the cut message: %s (%v)", e.Data, err)
				}
			}
		}
		if reqs := w.model.Requests(); len(reqs) == 0 || !reqs[0].Messages[1].Interrupted || reqs[0].Messages[1].Text != agent[0] {
			t.Errorf("the model's history does not hold what was heard: %+v", reqs)
		}
	})
}

func TestDeadVoiceIsAFailureOfTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.InitialMessage = "hello"
			w.voice.Fail(synthesizer.ErrSilent, 0)
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(time.Minute)
		if got := heard(far); got != "" {
			t.Errorf("a dead voice said %q", got)
		}
		far.Hangup()
		_, events := w.result()
		if len(told(events, sidetone.EventError)) == 0 {
			t.Errorf("no error among %v", kinds(events))
		}
		if got := told(events, sidetone.EventAgent); len(got) > 0 && strings.Join(got, "") != "" {
			t.Errorf("nothing was heard, the record says %q", got)
		}
	})
}

func TestModelThatFailsOrHangsIsApologisedFor(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	cases := map[string]llmtest.Answer{
		"fails": llmtest.Fail(fmt.Errorf("ask: %w", sidetone.Errorf(sidetone.Invalid, "no such model"))),
		"hangs": {Deltas: []string{"never"}, Gate: hang},
	}
	errs := map[string][]string{ // the first is the cause
		"fails": {"model: ask: no such model", "the model does not answer"},
		"hangs": {"model: no answer in time"},
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{}) // of this bubble
				w := newWorld(t, func(w *world, _ *call.Config) {
					w.recorded = true
					w.ears.Queue("hello")
					if answer.Gate != nil {
						answer.Gate = gate
					}
					w.model.Queue(answer, answer, answer)
				})
				defer w.stop()
				far := w.ring()
				<-far.Answered()
				time.Sleep(time.Second)
				far.Speak(speech(800 * time.Millisecond))
				time.Sleep(40 * time.Second)
				if got := heard(far); !strings.Contains(got, "sorry") {
					t.Errorf("the caller heard %q, want an apology", got)
				}
				far.Hangup()
				r, events := w.result()
				if r.Status != sidetone.CallError || r.EndReason != "error" || r.ErrorMessage != errs[name][0] || !slices.Equal(r.Errors, errs[name]) {
					t.Errorf("result: got %+v, want the errors %q", r, errs[name])
				}
				for _, text := range r.Errors {
					if !slices.Contains(told(events, sidetone.EventError), text) {
						t.Errorf("%q is not among the events", text)
					}
				}
				synctest.Wait()
				if n := w.model.Running(); n != 0 {
					t.Errorf("%d generations still run", n)
				}
			})
		})
	}
}

func TestCallEndsAtItsLongestDuration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.CallDuration = 2 * time.Minute
			w.snapshot.Agent.IdleTime = time.Hour
		})
		defer w.stop()
		began := time.Now()
		far := w.ring()
		<-far.Gone()
		if got := time.Since(began); got < 110*time.Second || got > 135*time.Second {
			t.Errorf("the call lasted %s", got)
		}
		if r, _ := w.result(); r.EndReason != "max_duration" || r.Outcome != sidetone.OutcomeBotDisconnected || r.Status != sidetone.CallEnded {
			t.Errorf("result: got %+v", r)
		}
	})
}

func TestModelEndsTheCallAfterItsWordsWereHeard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.recorded = true
			w.ears.Queue("that is all thank you")
			w.model.Queue(llmtest.Answer{Deltas: []string{"have a nice day"},
				Calls: []llm.ToolCall{{ID: "1", Name: "end_conversation", Args: json.RawMessage(`{}`)}}})
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		far.Speak(speech(800 * time.Millisecond))
		<-far.Gone()
		if got := heard(far); got != "have a nice day" {
			t.Errorf("the caller heard %q", got)
		}
		if r, _ := w.result(); r.EndReason != "goodbye" || r.Outcome != sidetone.OutcomeBotDisconnected {
			t.Errorf("result: got %+v", r)
		}
	})
}

func TestLongToolChainIsAskedWithoutTools(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.recorded = true
			w.ears.Queue("find my parcel")
			w.model.Reply = func(r llm.Request) llmtest.Answer {
				if len(r.Tools) == 0 {
					return llmtest.Say("I could not find it")
				}
				return llmtest.Answer{Calls: []llm.ToolCall{{ID: fmt.Sprint(len(r.Messages)), Name: "lookup", Args: json.RawMessage(`{}`)}}}
			}
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(10 * time.Second)
		if got := heard(far); !strings.HasSuffix(got, "i could not find it") {
			t.Errorf("the caller heard %q", got)
		}
		reqs := w.model.Requests()
		for i, r := range reqs {
			if last := i == len(reqs)-1; (len(r.Tools) == 0) != last {
				t.Errorf("request %d of %d offers %d tools", i+1, len(reqs), len(r.Tools))
			}
		}
		far.Hangup()
		w.result()
	})
}

func TestCallerWhoGoesOnIsOneTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.recorded = true
			w.ears.Queue("I would like a table", "for four people")
			w.model.Queue(llmtest.Answer{Deltas: []string{"a table"}, Delay: 1500 * time.Millisecond}, llmtest.Say("four it is"))
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(2200 * time.Millisecond) // the model thinks by now
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(6 * time.Second)
		if got := heard(far); got != "four it is" {
			t.Errorf("the caller heard %q", got)
		}
		far.Hangup()
		_, events := w.result()
		var flags []bool
		for _, e := range events {
			if e.Kind == sidetone.EventCaller {
				var d struct {
					Continues bool `json:"continues"`
				}
				if err := json.Unmarshal(e.Data, &d); err != nil {
					t.Fatal(err)
				}
				flags = append(flags, d.Continues)
			}
		}
		if !slices.Equal(flags, []bool{false, true}) {
			t.Errorf("continues flags of the caller's turns: %v", flags)
		}
	})
}

func TestTwoCallsDoNotMix(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.InitialMessage = counting
			w.model.Reply = func(llm.Request) llmtest.Answer { return llmtest.Say("fine") }
			w.ears.Otherwise = "stop please"
		})
		defer w.stop()
		first, second := w.ring(), w.ring()
		time.Sleep(2 * time.Second)
		first.Speak(speech(1200 * time.Millisecond))
		time.Sleep(8 * time.Second)
		if got := heard(first); !strings.HasSuffix(got, " fine") || got == counting+" fine" {
			t.Errorf("the caller who interrupted heard %q", got)
		}
		if got := heard(second); got != counting {
			t.Errorf("the caller who listened heard %q", got)
		}
		first.Hangup()
		second.Hangup()
		w.result()
		w.result()
	})
}

func TestFiftyCallsLeaveNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // a goroutine left behind would never let the bubble end
		w := newWorld(t, func(w *world, _ *call.Config) { w.snapshot.Agent.InitialMessage = "hello" })
		for range 5 {
			var fars []*telephonytest.Far
			for range 10 {
				fars = append(fars, w.ring())
			}
			time.Sleep(3 * time.Second)
			if got := w.exchange.Live(); got != 10 {
				t.Errorf("live calls: got %d, want 10", got)
			}
			for _, far := range fars {
				if got := heard(far); got != "hello" {
					t.Errorf("a caller heard %q", got)
				}
				far.Hangup()
				w.result()
			}
			synctest.Wait()
			if got := w.exchange.Live(); got != 0 {
				t.Errorf("live calls after their end: %d", got)
			}
		}
		w.stop()
		for i, s := range w.ears.Streams() {
			if !s.Closed() {
				t.Errorf("recogniser %d is still open", i)
			}
		}
		if n := w.voice.Running() + w.model.Running(); n != 0 {
			t.Errorf("%d syntheses and generations still run", n)
		}
	})
}

// tape is a recorder in memory.
type tape struct {
	mu        sync.Mutex
	caller    int
	agent     int
	late      bool // a time went backwards
	at        time.Duration
	closed    time.Duration
	discarded bool
	fail      error
}

func (r *tape) Caller(f audio.Frame, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range f.PCM {
		if s > 1000 || s < -1000 {
			r.caller++
		}
	}
}

func (r *tape) Agent(pcm []int16, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late = r.late || at < r.at
	r.at = at
	for _, s := range pcm {
		if s > 1000 || s < -1000 {
			r.agent++
		}
	}
}

func (r *tape) Close(end time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = end
	return r.fail
}

func (r *tape) Discard() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discarded = true
	return nil
}

func (r *tape) Expect(time.Duration) {}

func (r *tape) Path() string { return "calls/tape.wav" }

// tapes hands out its one recorder.
type tapes struct {
	one call.Recorder
	err error
}

func (t tapes) Create(string, int) (call.Recorder, error) {
	if t.err != nil {
		return nil, t.err
	}
	return t.one, nil
}

func (t tapes) Resume(id string, rate int) (call.Recorder, error) { return t.Create(id, rate) }

func TestRecorderGetsBothSides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := &tape{}
		w := newWorld(t, func(w *world, c *call.Config) {
			c.Recordings = tapes{one: rec}
			w.snapshot.Agent.EnableRecording = true
			w.snapshot.Agent.InitialMessage = "hello there"
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(3 * time.Second)
		far.Speak(speech(time.Second))
		time.Sleep(2 * time.Second)
		far.Hangup()
		r, _ := w.result()
		if r.RecordingPath != "calls/tape.wav" || rec.closed < 4900*time.Millisecond {
			t.Errorf("path %q, closed at %s", r.RecordingPath, rec.closed)
		}
		if rec.caller < 1000 || rec.agent < 1000 || rec.late {
			t.Errorf("loud samples: caller %d, agent %d; times went backwards: %v", rec.caller, rec.agent, rec.late)
		}
	})
}

// tappedLeg is a leg whose packets can be watched.
type tappedLeg struct {
	*telephonytest.MemoryLeg
	to telephony.PacketSink
}

func (l *tappedLeg) Tap(to telephony.PacketSink) { l.to = to }

// reels are the packets of calls.
type reels struct {
	made, closed, discarded int
	fail                    error
}

// Record implements call.Tapes.
func (r *reels) Record(string) (call.Tape, error) {
	if r.fail != nil {
		return nil, r.fail
	}
	r.made++
	return r, nil
}

// Resume implements call.Tapes.
func (r *reels) Resume(id string) (call.Tape, error) { return r.Record(id) }

func (r *reels) Packet(telephony.Packet) {}
func (r *reels) Close() error            { r.closed++; return fmt.Errorf("7 packets are missing") }
func (r *reels) Discard() error          { r.discarded++; return nil }

// TestPacketsAreKeptOfRecordedCalls, and of no others: they count as recording.
func TestPacketsAreKeptOfRecordedCalls(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		record   bool
		recorder tapes
		reels    reels
		kept     bool
		says     string
	}{
		"recorded":              {true, tapes{one: &tape{}}, reels{}, true, "packets: 7 packets are missing"},
		"not recorded":          {false, tapes{one: &tape{}}, reels{}, false, ""},
		"the recorder failed":   {true, tapes{err: fmt.Errorf("the disk is full")}, reels{}, false, "recording: the disk is full"},
		"packets are not taken": {true, tapes{one: &tape{}}, reels{fail: fmt.Errorf("the disk is full")}, false, "packets: the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, c *call.Config) {
					c.Recordings, c.Tapes = test.recorder, &test.reels
					w.snapshot.Agent.EnableRecording = test.record
				})
				defer w.stop()
				leg, far := telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{To: "+14155550100"})
				tapped := &tappedLeg{MemoryLeg: leg}
				done := make(chan struct{})
				go func() { w.exchange.Answer(t.Context(), tapped); close(done) }()
				<-far.Answered()
				time.Sleep(time.Second)
				far.Hangup()
				<-done
				r, _ := w.result()
				if (tapped.to != nil) != test.kept || test.reels.closed != test.reels.made || (test.reels.made == 1) != test.kept || test.reels.discarded != 0 {
					t.Errorf("watched %t, %+v", tapped.to != nil, test.reels)
				}
				if got := strings.Join(r.Errors, "\n"); got != test.says {
					t.Errorf("errors %q, want %q", got, test.says)
				}
			})
		})
	}
}

func TestCallGoesOnWithoutARecorder(t *testing.T) {
	t.Parallel()
	cases := map[string]tapes{
		"not created": {err: fmt.Errorf("the disk is full")},
		"not closed":  {one: &tape{fail: fmt.Errorf("the disk is full")}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, cfg *call.Config) {
					cfg.Recordings = c
					w.snapshot.Agent.EnableRecording = true
					w.snapshot.Agent.InitialMessage = "hello"
				})
				defer w.stop()
				far := w.ring()
				time.Sleep(3 * time.Second)
				if got := heard(far); got != "hello" {
					t.Errorf("the caller heard %q", got)
				}
				far.Hangup()
				r, _ := w.result()
				if r.Status != sidetone.CallEnded || len(r.Errors) != 1 || !strings.Contains(r.Errors[0], "the disk is full") {
					t.Errorf("result: got %+v", r)
				}
			})
		})
	}
}

func TestDeafCallSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { w.ears.FailOpen(transcriber.Error("no such program")) })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Minute)
		far.Hangup()
		_, events := w.result()
		got := strings.Join(told(events, sidetone.EventError), "; ")
		if !strings.Contains(got, "no such program") {
			t.Errorf("errors in the record: %q", got)
		}
	})
}

func TestLostLineIsNotAHangup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		far.Fail(telephony.CauseFarEndGone, telephony.ErrGone)
		r, _ := w.result()
		if r.Status != sidetone.CallError || r.EndReason != telephony.CauseFarEndGone.String() || r.ErrorMessage == "" || len(r.Errors) == 0 {
			t.Errorf("result: got %+v", r)
		}
	})
}

func TestDrainLetsLiveCallsFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		drained := make(chan struct{})
		go func() { w.exchange.Drain(context.Background()); close(drained) }()
		time.Sleep(time.Second)
		late := w.ring()
		<-late.Gone()
		if got := late.Refusal().Cause; got != telephony.CauseOverload {
			t.Errorf("a call while draining: got %s", got)
		}
		select {
		case <-drained:
			t.Error("drained while a call was live")
		default:
		}
		far.Hangup()
		<-drained
		if r, _ := w.result(); r.EndReason != "hangup" {
			t.Errorf("result: got %+v", r)
		}
	})
}

func TestHIPAACallLeavesNoTranscript(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, c *call.Config) {
			w.snapshot.Agent.InitialMessage = "hello"
			w.snapshot.Agent.EnableRecording = true
			c.Recordings = tapes{err: fmt.Errorf("must not be asked")}
		})
		defer w.stop()
		c := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "simulated", Outgoing: true, HIPAA: true, Snapshot: w.snapshot, Context: []byte("{}")}
		go func() {
			if r, err := w.driver.Dialled(context.Background()); err == nil {
				far := r.Answer()
				time.Sleep(5 * time.Second)
				far.Hangup()
			}
		}()
		if err := w.exchange.Dial(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		r, events := w.result()
		if r.Transcript != "" || len(r.Errors) != 0 || r.RecordingPath != "" {
			t.Errorf("result: got %+v", r)
		}
		if kept := w.journals.texts(); len(kept) != 0 {
			t.Errorf("journals: %q", kept)
		}
		for _, e := range events {
			if strings.Contains(e.Text+string(e.Data), "hello") {
				t.Errorf("an event tells what was said: %+v", e)
			}
		}
	})
}

func TestDialWithoutCarrierIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		c := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "nobody", Snapshot: w.snapshot}
		if err := w.exchange.Dial(t.Context(), c); sidetone.CodeOf(err) != sidetone.Invalid {
			t.Errorf("dial: got %v", err)
		}
		r, events := w.result()
		if r.EndReason != "not_connected" || !strings.Contains(r.ErrorMessage, "nobody") || r.Outcome != sidetone.OutcomeDidNotConnect {
			t.Errorf("result: got %+v", r)
		}
		if r.Status != sidetone.CallError || strings.Contains(r.ErrorMessage, "invalid") {
			t.Errorf("a call that is not configured: got %+v", r)
		}
		if len(events) != 1 || events[0].Kind != sidetone.EventEnded {
			t.Errorf("events: %v", kinds(events))
		}
		if w.exchange.Live() != 0 {
			t.Error("the call is still live")
		}
	})
}

// TestDialThatCannotBeSentIsAnError: what no carrier was asked for is our fault.
func TestDialThatCannotBeSentIsAnError(t *testing.T) {
	t.Parallel()
	for want, fault := range map[sidetone.CallStatus]error{
		sidetone.CallError: &telephony.DialError{Cause: telephony.CauseFailure, Err: sidetone.Errorf(sidetone.Invalid, "no trunk lists it")},
		sidetone.CallEnded: &telephony.DialError{Cause: telephony.CauseFailure, Sent: true, Status: 500},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(_ *world, c *call.Config) { c.Carriers = carriers{"failing": failing{err: fault}} })
			defer w.stop()
			if err := w.exchange.Dial(t.Context(), sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "failing", Snapshot: w.snapshot}); err == nil {
				t.Error("the call was placed")
			}
			r, _ := w.result()
			if r.Status != want || strings.Contains(r.ErrorMessage, "invalid: ") || want == sidetone.CallError && !strings.Contains(r.ErrorMessage, "no trunk lists it") {
				t.Errorf("got %+v, want status %s", r, want)
			}
		})
	}
}

// TestDialNamesTheTargetsThatWereTried in the call's last event.
func TestDialNamesTheTargetsThatWereTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fault := &telephony.DialError{Cause: telephony.CauseOverload, Sent: true, Status: 503,
			Tries: []telephony.Try{{Target: "udp 192.0.2.1:5060", Left: "no response"}, {Target: "udp 192.0.2.2:5060", Left: "503"}}}
		w := newWorld(t, func(_ *world, c *call.Config) { c.Carriers = carriers{"failing": failing{err: fault}} })
		defer w.stop()
		if err := w.exchange.Dial(t.Context(), sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "failing", Snapshot: w.snapshot}); err == nil {
			t.Error("the call was placed")
		}
		_, events := w.result()
		const want = `"targets":[{"left":"no response","target":"udp 192.0.2.1:5060"},{"left":"503","target":"udp 192.0.2.2:5060"}]`
		if last := events[len(events)-1]; !strings.Contains(string(last.Data), want) {
			t.Errorf("last event: %s, want %s in it", last.Data, want)
		}
	})
}

// failing is a carrier that places no call.
type failing struct {
	telephony.Driver
	err error
}

// Dial implements telephony.Driver.
func (f failing) Dial(context.Context, telephony.DialRequest, func()) (telephony.Leg, error) {
	return nil, f.err
}

// TestDialOfAnAgentThatCannotTalkRingsNobody ends it with its cause.
func TestDialOfAnAgentThatCannotTalkRingsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const cause = "the agent has nothing to think with"
		w := newWorld(t, func(w *world, c *call.Config) {
			w.planErr = &telephony.Refusal{Cause: telephony.CauseUnavailable, Reason: cause}
			c.Carriers = carriers{"bomb": bomb{}} // panics when it is to ring somebody
		})
		defer w.stop()
		c := sidetone.Call{ID: "out", EnvironmentID: "env", Provider: "bomb", Snapshot: w.snapshot}
		if err := w.exchange.Dial(t.Context(), c); err == nil {
			t.Error("the call was placed")
		}
		r, _ := w.result()
		if r.Status != sidetone.CallError || r.ErrorMessage != cause || len(r.Errors) != 1 || r.Errors[0] != cause {
			t.Errorf("result: got %+v", r)
		}
	})
}

// TestLimitsAreSaidFirst: what replaces a part of the agent stands in the first
// event and in the errors; the planner gets the secrets of the snapshot.
func TestLimitsAreSaidFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = "voice voice_azure is not configured here: voice_flite speaks instead"
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.notices, w.snapshot.Voice.APIKey = []string{limit}, "canary"
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(time.Second)
		far.Hangup()
		r, events := w.result()
		if len(r.Errors) != 1 || r.Errors[0] != limit {
			t.Errorf("errors: got %q", r.Errors)
		}
		if events[0].Kind != sidetone.EventConnected || !strings.Contains(string(events[0].Data), limit) {
			t.Errorf("first event: got %+v", events[0])
		}
		if key := w.planned.Load(); key != "canary" {
			t.Errorf("the planner was given the key %q", key)
		}
	})
}
