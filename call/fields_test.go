package call_test

import (
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
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
)

// loudTape is a recorder that notes when it is given sound.
type loudTape struct {
	tape
	mu           sync.Mutex
	heard, spoke []time.Time
}

func loud(pcm []int16) bool {
	return slices.ContainsFunc(pcm, func(s int16) bool { return s > 500 || s < -500 })
}

// Caller implements call.Recorder.
func (l *loudTape) Caller(f audio.Frame, at time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if loud(f.PCM) {
		l.heard = append(l.heard, time.Now())
	}
}

// Agent implements call.Recorder.
func (l *loudTape) Agent(pcm []int16, at time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if loud(pcm) {
		l.spoke = append(l.spoke, time.Now())
	}
}

// between counts the frames of both sides with sound between two times.
func (l *loudTape) between(from, to time.Time) (heard, spoke int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := func(times []time.Time) (n int) {
		for _, at := range times {
			if at.After(from) && at.Before(to) {
				n++
			}
		}
		return n
	}
	return count(l.heard), count(l.spoke)
}

// everything is what a call left: its events, journal, requests to the model and transcript.
func (w *world) everything(r sidetone.CallResult, events []sidetone.Event) string {
	w.t.Helper()
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "event %s %q %s\n", e.Kind, e.Text, e.Data)
	}
	for _, text := range w.journals.texts() {
		b.WriteString(text)
	}
	for _, q := range w.model.Requests() {
		raw, err := json.Marshal(q.Messages)
		if err != nil {
			w.t.Fatal(err)
		}
		b.Write(raw)
	}
	return b.String() + r.Transcript
}

const pinField = `[{"field_type":"field_type_digits","name":"pin","label":"your PIN","min":4,"max":4,"secret":true}]`

// asksForPin is a model that asks for the PIN.
func asksForPin() []llmtest.Answer {
	return []llmtest.Answer{{Calls: []llm.ToolCall{{ID: "c1", Name: "collect_pin", Args: json.RawMessage(`{}`)}}}, llmtest.Say("your pin please"), llmtest.Say("thank you very much")}
}

// A secret number that is pressed or said is in nothing that the call leaves, and neither
// side is recorded while it is asked for.
func TestSecretFieldIsShownToNobody(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"pressed", "said"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rec := &loudTape{}
				w := newWorld(t, func(w *world, c *call.Config) {
					c.Recordings = tapes{one: rec}
					w.snapshot.Prompt.CollectFields = []byte(pinField)
					w.ears.Queue("I want to pay")
					if how == "said" {
						w.ears.Queue("seven three five nine")
					}
					w.ears.Queue("that is all")
					w.model.Queue(asksForPin()...)
				})
				defer w.stop()
				far := w.ring()
				<-far.Answered()
				time.Sleep(time.Second)
				before := time.Now()
				far.Speak(speech(800 * time.Millisecond))
				time.Sleep(1500 * time.Millisecond)
				asked := time.Now()
				time.Sleep(4 * time.Second)
				if how == "said" {
					far.Speak(speech(time.Second))
				} else {
					for _, key := range "7359" {
						far.Press(key, 100*time.Millisecond)
						time.Sleep(300 * time.Millisecond)
					}
				}
				for !strings.HasSuffix(heard(far), "thank") {
					time.Sleep(100 * time.Millisecond)
				}
				thanked := time.Now()
				time.Sleep(2 * time.Second)
				far.Speak(speech(800 * time.Millisecond))
				time.Sleep(3 * time.Second)
				far.Hangup()
				r, events := w.result()
				all := w.everything(r, events)
				for _, secret := range []string{"7359", "7 3 5 9", "seven", "key 7", "nine"} {
					if strings.Contains(all, secret) {
						t.Errorf("%q is in what the call left:\n%s", secret, all)
					}
				}
				if !strings.Contains(all, "**** (pin was given: {{pin}} stands for it") {
					t.Errorf("the model is not told:\n%s", all)
				}
				if got := told(events, sidetone.EventCollected); !slices.Equal(got, []string{"pin"}) {
					t.Errorf("collected: %q", got)
				}
				if heard, _ := rec.between(before, asked); heard == 0 {
					t.Error("what was said before is not recorded")
				}
				if heard, spoke := rec.between(asked, thanked.Add(-time.Second)); heard+spoke > 0 {
					t.Errorf("%d frames of the caller and %d of the agent were recorded", heard, spoke)
				}
				if heard, spoke := rec.between(thanked, time.Now()); heard == 0 || spoke == 0 {
					t.Errorf("after it %d frames of the caller and %d of the agent were recorded", heard, spoke)
				}
			})
		})
	}
}

func storing(field, value string, confirmed bool) llmtest.Answer {
	args, _ := json.Marshal(map[string]any{"field": field, "value": value, "confirmed": confirmed})
	return llmtest.Answer{Calls: []llm.ToolCall{{ID: "c", Name: "store_field", Args: args}}}
}

// What the model finds out is checked, read back where that is wished, and stored.
func TestFieldsAreStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Prompt.CollectFields = []byte(`[{"field_type":"field_type_email","name":"mail","label":"e-mail"},{"field_type":"field_type_phone","name":"phone","label":"phone","read_back":true}]`)
			w.ears.Queue("my mail is ann at example dot com", "my number is two oh two", "yes")
			w.model.Queue(storing("mail", "ann at example.com", true), storing("mail", "ann@example.com", false), llmtest.Say("noted"),
				storing("phone", "+12025550123", true), llmtest.Say("is it two oh two"), storing("phone", "+1 202 555 0123", true), llmtest.Say("thanks"))
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		for range 3 {
			time.Sleep(time.Second)
			far.Speak(speech(800 * time.Millisecond))
			time.Sleep(6 * time.Second)
		}
		far.Hangup()
		_, events := w.result()
		if got := sidetone.CollectedFields(events); len(got) != 2 || got["mail"] != "ann@example.com" || got["phone"] != "+12025550123" {
			t.Errorf("collected: %v", got)
		}
		var results []string
		for _, m := range w.model.Requests()[len(w.model.Requests())-1].Messages {
			if m.Role == llm.ToolRole {
				results = append(results, m.Text)
			}
		}
		if len(results) != 4 || !strings.HasPrefix(results[0], `failed: "ann at example.com" is no e-mail`) || results[1] != "stored" ||
			!strings.HasPrefix(results[2], "Not stored yet. Read the value back to the caller, as + 1 2 0 2") || results[3] != "stored" {
			t.Errorf("results: %q", results)
		}
	})
}

func TestPauseRecording(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := &loudTape{}
		w := newWorld(t, func(_ *world, c *call.Config) { c.Recordings = tapes{one: rec} })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		id := w.ledger.oneCall()
		pause := func(env string, paused bool) error { return w.exchange.PauseRecording(t.Context(), env, id, paused) }
		if err := pause("another", true); sidetone.CodeOf(err) != sidetone.NotFound {
			t.Errorf("of another environment: %v", err)
		}
		for _, paused := range []bool{true, true, false} {
			if err := pause("env", paused); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			far.Speak(speech(800 * time.Millisecond))
			time.Sleep(3 * time.Second)
			if heard, spoke := rec.between(began, time.Now()); (heard+spoke == 0) != paused {
				t.Errorf("paused %t: %d frames of the caller and %d of the agent were recorded", paused, heard, spoke)
			}
		}
		far.Hangup()
		_, events := w.result()
		if got := len(told(events, sidetone.EventRecordingPaused)); got != 1 || len(told(events, sidetone.EventRecordingResumed)) != 1 {
			t.Errorf("events: %v", kinds(events))
		}
	})
}

func TestPauseOfNoRecording(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		if err := w.exchange.PauseRecording(t.Context(), "env", w.ledger.oneCall(), true); sidetone.CodeOf(err) != sidetone.Conflict {
			t.Errorf("got %v", err)
		}
		far.Hangup()
		w.result()
	})
}

// ofType is an action that sessions run themselves.
func ofType(kind string, offer llm.Tool) call.Action {
	return call.Action{ID: "a", Type: kind, Offer: offer, Rule: conversation.Action{Name: offer.Name, AfterSpeech: true, Quiet: true, Repeatable: true}}
}

// The agent presses keys once its words were heard, also those of a secret that it never
// sees.
func TestAgentPressesKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		press := func(buttons string) []llm.ToolCall {
			return []llm.ToolCall{{ID: "p" + buttons, Name: "press_keys", Args: json.RawMessage(`{"buttons":"` + buttons + `"}`)}}
		}
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Prompt.CollectFields = []byte(pinField)
			w.actions = []call.Action{ofType("action_dtmf", call.PressKeysTool("press_keys"))}
			w.ears.Queue("press one", "press my pin")
			w.model.Queue(llmtest.Answer{Deltas: []string{"one moment"}, Calls: press("1w2#")}, llmtest.Say("pressed"))
			w.model.Queue(llmtest.Answer{Calls: press("{{pin}}")})
			w.model.Queue(asksForPin()[:2]...)
			w.model.Queue(llmtest.Answer{Calls: press("{{pin}}")}, llmtest.Say("done"))
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		far.Speak(speech(800 * time.Millisecond))
		for far.Digits() == "" {
			time.Sleep(100 * time.Millisecond)
		}
		if got := heard(far); got != "one moment" {
			t.Errorf("before the keys the caller heard %q", got)
		}
		time.Sleep(5 * time.Second)
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(6 * time.Second)
		for _, key := range "7359" {
			far.Press(key, 100*time.Millisecond)
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(8 * time.Second)
		if got := strings.ReplaceAll(far.Digits(), "w", ""); got != "12#7359" {
			t.Errorf("pressed %q", got)
		}
		far.Hangup()
		r, events := w.result()
		all := w.everything(r, events)
		if strings.Contains(all, "7359") {
			t.Errorf("the secret is in what the call left:\n%s", all)
		}
		if !strings.Contains(all, "failed: pin has no value: ask the caller for it") {
			t.Errorf("the model is not told that there is no value:\n%s", all)
		}
	})
}

// Keys that no phone has are not pressed.
func TestAgentPressesNoOtherKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.actions = []call.Action{ofType("action_dtmf", call.PressKeysTool("press_keys"))}
			w.ears.Queue("press something")
			w.model.Queue(llmtest.Answer{Calls: []llm.ToolCall{{ID: "p", Name: "press_keys", Args: json.RawMessage(`{"buttons":"12x"}`)}}}, llmtest.Say("sorry"))
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(5 * time.Second)
		if far.Digits() != "" || heard(far) != "sorry" {
			t.Errorf("pressed %q, heard %q", far.Digits(), heard(far))
		}
		far.Hangup()
		w.result()
	})
}

func TestAgentPausesTheRecording(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := &loudTape{}
		set := func(paused bool) llmtest.Answer {
			return llmtest.Answer{Calls: []llm.ToolCall{{ID: fmt.Sprint(paused), Name: "set_recording", Args: json.RawMessage(fmt.Sprintf(`{"paused":%t}`, paused))}}}
		}
		w := newWorld(t, func(w *world, c *call.Config) {
			c.Recordings = tapes{one: rec}
			w.actions = []call.Action{{Type: "action_set_recording", Offer: call.SetRecordingTool("set_recording"), Rule: conversation.Action{Name: "set_recording", Repeatable: true}}}
			w.ears.Queue("pause it", "go on")
			w.model.Queue(set(true), llmtest.Say("paused now"), set(false), llmtest.Say("recording again"))
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		for i := range 2 {
			time.Sleep(time.Second)
			far.Speak(speech(800 * time.Millisecond))
			time.Sleep(1700 * time.Millisecond)
			began := time.Now()
			time.Sleep(4 * time.Second)
			if _, spoke := rec.between(began, time.Now()); (spoke > 0) != (i == 1) {
				t.Errorf("round %d: %d frames of the agent were recorded", i, spoke)
			}
		}
		if got := heard(far); got != "paused now recording again" {
			t.Errorf("heard %q", got)
		}
		far.Hangup()
		w.result()
	})
}
