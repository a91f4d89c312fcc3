package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

// crew is a planner with a second one for each part, all of them vendors.
type crew struct {
	*world
	config *call.Config
	model2 *llmtest.Stub
	voice2 *synthesizertest.Stub
	ears2  *transcribertest.Stub
	alone  bool // there is no second one
	// understudy, when not nil, is a last voice for phrases only.
	understudy *synthesizertest.Stub
	// shown is the plan's Voice.
	shown *sidetone.Voice
	eager bool // the first model may be asked early
	// listener is in place of the first recogniser; nil: that one listens.
	listener transcriber.Driver
	// reserve is that of the second recogniser; nil: nothing is scarce.
	reserve func() (func(), error)
	mu      sync.Mutex
	refused []call.Refused
	// accepted are credentials that were.
	accepted []call.Accepted
}

// withCrew makes the planner of a world a crew.
func withCrew(w *world, c *call.Config) *crew {
	k := &crew{world: w, config: c, model2: llmtest.NewStub(), voice2: &synthesizertest.Stub{}, ears2: transcribertest.NewStub()}
	c.Planner = k
	c.Refused = func(r call.Refused) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.refused = append(k.refused, r)
	}
	c.Accepted = func(a call.Accepted) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.accepted = append(k.accepted, a)
	}
	w.snapshot.Agent.InitialMessage = "hello there"
	return k
}

// Plan implements call.Planner.
func (k *crew) Plan(ctx context.Context, c sidetone.Call, rate int) (call.Plan, error) {
	p, err := k.world.Plan(ctx, c, rate)
	if err != nil {
		return p, err
	}
	first, second := call.Source{Vendor: "acme", Account: "one"}, call.Source{Vendor: "other", Account: "two"}
	p.Recognisers[0].Source, p.Models[0].Source, p.Voices[0].Source = first, first, first
	p.Models[0].Name, p.Models[0].Eager, p.Voice = "smart-1", k.eager, k.shown
	if k.listener != nil {
		p.Recognisers[0].Driver = k.listener
	}
	if k.alone {
		if k.understudy != nil {
			p.Voices = append(p.Voices, call.Voice{Driver: k.understudy, PhrasesOnly: true})
		}
		return p, nil
	}
	p.Recognisers = append(p.Recognisers, call.Recogniser{Driver: k.ears2, Source: second, Reserve: k.reserve})
	p.Models = append(p.Models, call.Model{Driver: k.model2, Source: second})
	p.Voices = append(p.Voices, call.Voice{Driver: k.voice2, Source: second})
	return p, nil
}

// play runs one call of a crew, in which the caller asks once for each of texts, and
// returns what the caller heard and what was stored.
func play(t *testing.T, set func(*crew), asks ...string) (words string, r sidetone.CallResult, events []sidetone.Event, k *crew) {
	t.Helper()
	w := newWorld(t, func(w *world, c *call.Config) {
		w.recorded = true
		k = withCrew(w, c)
		set(k)
	})
	defer w.stop()
	far := w.ring()
	<-far.Answered()
	time.Sleep(5 * time.Second)
	for _, text := range asks {
		w.ears.Queue(text)
		k.ears2.Queue(text)
		if gone(far.Gone()) {
			break
		}
		far.Speak(speech(900 * time.Millisecond))
		time.Sleep(12 * time.Second)
	}
	words = heard(far)
	far.Hangup()
	r, events = w.result()
	return words, r, events, k
}

func gone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func refusal(kind provider.Kind, status int) error {
	return &provider.Failure{Vendor: "acme", Kind: kind, Status: status, Message: "no", RequestID: "r-7"}
}

// names reports whether the record says who failed and how.
func names(events []sidetone.Event, part, what string) bool {
	return slices.ContainsFunc(events, func(e sidetone.Event) bool {
		return e.Kind == sidetone.EventError && strings.HasPrefix(e.Text, part+": acme") && strings.Contains(e.Text, what)
	})
}

func TestModelThatFailsGivesWayAtOnce(t *testing.T) {
	t.Parallel()
	early := llmtest.Answer{Deltas: []string{" ", "\n"}}
	cases := map[string]llmtest.Answer{
		"too many requests":     llmtest.Fail(refusal(provider.Limited, 429)),
		"credential refused":    llmtest.Fail(refusal(provider.Unauthorised, 401)),
		"failure of the vendor": llmtest.Fail(refusal(provider.Broken, 500)),
		"empty answer":          early,
	}
	for what, answer := range cases {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				words, r, events, k := play(t, func(k *crew) {
					k.model.Queue(answer)
					k.model2.Queue(llmtest.Say("sure which day"))
				}, "an appointment")
				if words != "hello there sure which day" || !names(events, "model", what) || r.Status != sidetone.CallEnded {
					t.Errorf("heard %q, errors %v, %+v", words, told(events, sidetone.EventError), r)
				}
				if got := len(k.refused); got != map[bool]int{true: 1}[what == "credential refused"] {
					t.Errorf("%d refused credentials were reported: %v", got, k.refused)
				}
			})
		})
	}
}

// The record says beside the text who failed, how, and what the vendor calls the
// request; once for each kind in the call's errors.
func TestFailureIsRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, r, events, _ := play(t, func(k *crew) {
			k.model.Queue(llmtest.Fail(refusal(provider.Broken, 503)), llmtest.Fail(refusal(provider.Broken, 502)))
		}, "one", "two")
		var found []string
		for _, e := range events {
			if e.Kind == sidetone.EventError && strings.HasPrefix(e.Text, "model") {
				found = append(found, string(e.Data))
			}
		}
		want := []string{
			`{"kind":"failure of the vendor","next":"other","part":"model","request_id":"r-7","status":503,"vendor":"acme"}`,
			`{"kind":"failure of the vendor","next":"other","part":"model","request_id":"r-7","status":502,"vendor":"acme"}`,
		}
		if !slices.Equal(found, want) {
			t.Errorf("events: %v", found)
		}
		n := 0
		for _, e := range r.Errors {
			if strings.HasPrefix(e, "model: acme") {
				n++
			}
			if strings.Contains(e, "r-7") {
				t.Errorf("an error names a request: %q", e)
			}
		}
		if n != 1 {
			t.Errorf("errors: %v", r.Errors)
		}
		if !strings.Contains(string(events[0].Data), `"model":"smart-1"`) || !strings.Contains(string(events[0].Data), `"vendors":{"model":"acme","recogniser":"acme","voice":"acme"}`) {
			t.Errorf("first event: %s", events[0].Data)
		}
	})
}

func TestSlowModelIsHedged(t *testing.T) {
	t.Parallel()
	for name, alone := range map[string]bool{"by the next": false, "by itself": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				words, _, events, k := play(t, func(k *crew) {
					k.alone = alone
					k.model.Queue(llmtest.Answer{Deltas: []string{"too late"}, Delay: time.Minute}, llmtest.Say("sure which day"))
					k.model2.Queue(llmtest.Say("sure which day"))
				}, "an appointment")
				if words != "hello there sure which day" || !names(events, "model", "no answer in time") {
					t.Errorf("heard %q, errors %v", words, told(events, sidetone.EventError))
				}
				if k.model.Running() != 0 {
					t.Error("the slow model was not cancelled")
				}
			})
		})
	}
}

// A slow model whose answer comes first all the same is heard, and the other one is
// cancelled.
func TestHedgeThatLosesIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		words, _, events, k := play(t, func(k *crew) {
			k.model.Queue(llmtest.Answer{Deltas: []string{"sure which day"}, Delay: 2700 * time.Millisecond})
			k.model2.Queue(llmtest.Answer{Deltas: []string{"never"}, Delay: time.Minute})
		}, "an appointment")
		if words != "hello there sure which day" || len(k.model2.Requests()) != 1 || k.model2.Running() != 0 {
			t.Errorf("heard %q, the other model was asked %d times", words, len(k.model2.Requests()))
		}
		// the record says all the same that the other one was told what the caller said, and why
		if got := told(events, sidetone.EventError); len(got) != 3 || got[1] != "model: other is asked too" || !strings.HasSuffix(got[2], "acme: no answer in time: the first words came late") {
			t.Errorf("errors %v", got)
		}
	})
}

// What a vendor does in one call is known in the next, whose record says who was asked
// in its place.
func TestVendorThatRefusesIsPassedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k *crew
		w := newWorld(t, func(w *world, c *call.Config) {
			k = withCrew(w, c)
			w.model.FailAll(refusal(provider.Exhausted, 402))
			w.ears.Otherwise = "an appointment"
		})
		defer w.stop()
		for n, want := range []string{"model: acme: quota used up (402): no", "model: acme is passed over until 00:01:05 UTC: quota used up (402) at 00:00:05"} {
			far := w.ring()
			<-far.Answered()
			time.Sleep(4 * time.Second)
			far.Speak(speech(800 * time.Millisecond))
			time.Sleep(5 * time.Second)
			far.Hangup()
			r, events := w.result()
			if !slices.Contains(r.Errors, want) {
				t.Errorf("call %d: the errors are %q", n, r.Errors)
			}
			serves := []string{"acme", "other"}[n]
			if data := string(events[0].Data); !strings.Contains(data, `"model":"`+serves+`"`) {
				t.Errorf("call %d: connected with %s, want the model of %s", n, data, serves)
			}
			if got := told(events, sidetone.EventError); got[len(got)-1] != want || len(k.model2.Requests()) != n+1 {
				t.Errorf("call %d: errors %q, the other one was asked %d times", n, got, len(k.model2.Requests()))
			}
		}
		if n := len(w.model.Requests()); n != 1 || len(k.refused) != 1 {
			t.Errorf("the one that refuses was asked %d times, %d were told", n, len(k.refused))
		}
	})
}

// A key that is refused is not used again in its call, also when nobody else is there.
func TestRefusedKeyIsUsedOnce(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"voice", "model"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				refused := refusal(provider.Unauthorised, 401)
				_, r, events, k := play(t, func(k *crew) {
					k.alone, k.eager, k.understudy = true, true, &synthesizertest.Stub{}
					k.config.Phrases = call.NewPhrases()
					if part == "voice" {
						k.voice.Fail(refused, 0)
					} else {
						k.model.FailAll(refused)
					}
				}, "an appointment")
				asked := map[string]int{"voice": len(k.voice.Requests()), "model": len(k.model.Requests())}[part]
				if asked != 1 || len(k.refused) != 1 {
					t.Errorf("the key was used %d times, %d refusals were told", asked, len(k.refused))
				}
				if !names(events, part, "credential refused (401)") || r.EndReason != "error" || !strings.Contains(r.ErrorMessage, "acme: credential refused (401)") {
					t.Errorf("the record: %s, %q, %q", r.EndReason, r.ErrorMessage, r.Errors)
				}
			})
		})
	}
}

// Who answers too slowly to be spoken, or with nothing that can be said or done, gives
// way like one that is mute, and nothing is done that was not offered.
func TestAnswerThatCannotBeSpokenGivesWay(t *testing.T) {
	t.Parallel()
	keys := func(n int) (out []llm.ToolCall) {
		for range n {
			out = append(out, llm.ToolCall{ID: "k", Name: "send_digits", Args: json.RawMessage(`{"digits":"1"}`)})
		}
		return out
	}
	cases := map[string]struct {
		answer llmtest.Answer
		alone  bool
		heard  string
		names  string
		others int
	}{
		"emojis":                 {llmtest.Answer{Deltas: []string{"😀", " 👍", "…"}}, false, "sure which day", "nothing of the answer can be said", 1},
		"a tool nobody offered":  {llmtest.Answer{Calls: keys(2)}, false, "sure which day", "not offered: send_digits", 1},
		"a word each 0.9 s":      {llmtest.Answer{Deltas: strings.SplitAfter("well this is what we have today and more", " "), Pace: 900 * time.Millisecond}, false, "sure which day", "the answer came too slowly", 1},
		"letters":                {llmtest.Answer{Deltas: strings.Split("sure which day is it to be. ", ""), Pace: 200 * time.Millisecond}, false, "sure which day", "the answer came too slowly", 1},
		"slow after a clause":    {llmtest.Answer{Deltas: append([]string{"let me see now. "}, strings.SplitAfter("this is what we have", " ")...), Pace: 1200 * time.Millisecond}, false, "let me see now. sure which day", "the answer came too slowly", 1},
		"a tool after words":     {llmtest.Answer{Deltas: []string{"let me see"}, Calls: keys(1)}, false, "let me see sure which day", "", 0},
		"a tool, nobody else":    {llmtest.Answer{Calls: keys(1)}, true, "sure which day", "not offered: send_digits", 0},
		"an answer without stop": {llmtest.Say("fine"), false, "fine", "", 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				words, r, events, k := play(t, func(k *crew) {
					k.alone = c.alone
					k.model.Queue(c.answer, llmtest.Say("sure which day"))
					k.model2.Queue(llmtest.Say("sure which day"))
				}, "an appointment")
				plain := strings.NewReplacer(" one moment please", "", ".", "").Replace(strings.ToLower(words))
				if want := "hello there " + strings.ReplaceAll(c.heard, ".", ""); plain != want {
					t.Errorf("heard %q, want %q; errors %q", plain, want, r.Errors)
				}
				if c.names != "" && !names(events, "model", c.names) {
					t.Errorf("the record does not name vendor and cause: %q", told(events, sidetone.EventError))
				}
				if n := len(k.model2.Requests()); n != c.others {
					t.Errorf("the other one was asked %d times, want %d", n, c.others)
				}
				for _, e := range events {
					if e.Kind == sidetone.EventAction && !strings.Contains(string(e.Data), "unknown action: send_digits") {
						t.Errorf("it was done: %s", e.Data)
					}
				}
			})
		})
	}
}

// An answer that is asked for while the end of the turn is waited for is there when
// the turn is over.
func TestEarlyAnswerSavesItsTime(t *testing.T) {
	t.Parallel()
	for eager, gap := range map[bool]time.Duration{true: 600 * time.Millisecond, false: 900 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			words, _, events, k := play(t, func(k *crew) {
				k.eager = eager
				k.model.Queue(llmtest.Answer{Deltas: []string{"sure which day"}, Delay: 300 * time.Millisecond})
			}, "an appointment")
			var figures struct {
				Gap float64 `json:"gap_ms"`
			}
			for _, e := range events {
				if e.Kind == sidetone.EventTurn {
					if err := json.Unmarshal(e.Data, &figures); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := time.Duration(figures.Gap) * time.Millisecond
			if words != "hello there sure which day" || (got-gap).Abs() > 100*time.Millisecond || len(k.model.Requests()) != 1 {
				t.Errorf("eager %t: heard %q after %s, want %s; asked %d times", eager, words, got, gap, len(k.model.Requests()))
			}
		})
	}
}

// A stream that dies in mid-sentence is gone on with from the heard text.
func TestAnswerThatBreaksOffIsGoneOnWith(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		words, _, events, k := play(t, func(k *crew) {
			k.model.Queue(llmtest.Answer{Deltas: []string{"that is fine. ", "and you"}, Err: refusal(provider.Unreachable, 0)})
			k.model2.Queue(llmtest.Say("that is fine. which day suits you"))
		}, "an appointment")
		if words != "hello there that is fine which day suits you" || !names(events, "model", "no connection") {
			t.Errorf("heard %q, errors %v", words, told(events, sidetone.EventError))
		}
		asked := k.model2.Requests()[0].Messages
		if n := len(asked); asked[n-2].Role != llm.Assistant || asked[n-2].Text != "that is fine." || asked[n-1].Role != llm.User {
			t.Errorf("asked %+v", asked)
		}
	})
}

// An answer without an end is left, and said so.
func TestEndlessAnswerIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, r, events, _ := play(t, func(k *crew) {
			k.model.Queue(llmtest.Answer{Deltas: append([]string{"that is fine. "}, slices.Repeat([]string{strings.Repeat("and so on, ", 100)}, 100)...)})
		}, "an appointment")
		if !names(events, "model", "the answer is longer than 64 KiB of text") || r.Status != sidetone.CallEnded {
			t.Errorf("errors %v, %+v", told(events, sidetone.EventError), r)
		}
	})
}

// A credential that is accepted is reported once, and again after a refusal.
func TestAcceptedCredentialsAreReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, _, _, k := play(t, func(k *crew) {
			k.model.Queue(llmtest.Say("sure"), llmtest.Say("yes"), llmtest.Fail(refusal(provider.Unauthorised, 401)), llmtest.Say("again"), llmtest.Say("again"))
		}, "one", "two", "three", "four", "five", "six", "seven", "eight", "nine") // the last ones when the breaker lets somebody try
		mine := slices.DeleteFunc(slices.Clone(k.accepted), func(a call.Accepted) bool { return a.Source.Vendor != "acme" })
		if got := len(mine); got != 4 || len(k.refused) != 1 { // voice, recogniser, model, model
			t.Errorf("%d accepted %v, refused %v", got, k.accepted, k.refused)
		}
	})
}

// brittle fails its first requests, each after some chunks.
type brittle struct {
	*synthesizertest.Stub
	mu    sync.Mutex
	fails []mishap
}

type mishap struct {
	text  string // of the request
	after int    // chunks
	err   error  // nil: silence for ever
}

func (b *brittle) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.fails) == 0 || !strings.Contains(r.Text, b.fails[0].text) {
		return b.Stub.Speak(ctx, r)
	}
	fail := b.fails[0]
	b.fails = b.fails[1:]
	return func(yield func(synthesizer.Chunk, error) bool) {
		n := 0
		for c, err := range b.Stub.Speak(ctx, r) {
			if n++; err != nil || n > fail.after || !yield(c, err) {
				break
			}
		}
		if fail.err == nil {
			<-ctx.Done()
			fail.err = ctx.Err()
		}
		yield(synthesizer.Chunk{}, fail.err)
	}
}

func TestVoiceThatFailsIsReplaced(t *testing.T) {
	t.Parallel()
	const text = "one two three four five six"
	broken, limited, empty := refusal(provider.Broken, 500), refusal(provider.Limited, 429), synthesizer.ErrSilent
	cases := map[string]struct {
		fails  []mishap
		second int // requests to the second voice
		what   string
	}{
		"asked once more":    {[]mishap{{"one", 0, broken}}, 0, "failure of the vendor"},
		"given up after two": {[]mishap{{"one", 0, broken}, {"one", 0, empty}}, 1, "no sound"},
		"given up at once":   {[]mishap{{"one", 0, limited}}, 1, "too many requests"},
		"mute":               {[]mishap{{"one", 0, nil}, {"one", 0, nil}}, 1, "no answer in time"},
		"mute once":          {[]mishap{{"one", 0, nil}}, 0, "no answer in time"},
		"dies midway":        {[]mishap{{"one", 3, limited}}, 1, "too many requests"},
		"mute midway":        {[]mishap{{"one", 3, nil}}, 1, "no answer in time"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				words, _, events, k := play(t, func(k *crew) {
					k.speaker = &brittle{Stub: k.voice, fails: c.fails}
					k.model.Queue(llmtest.Say(text))
				}, "count")
				if words != "hello there "+text || !names(events, "voice", c.what) {
					t.Errorf("heard %q, errors %v", words, told(events, sidetone.EventError))
				}
				if got := told(events, sidetone.EventAgent); len(got) != 2 || got[1] != text {
					t.Errorf("the record says %q", got)
				}
				if got := len(k.voice2.Requests()); got != c.second {
					t.Errorf("the second voice was asked %d times, want %d", got, c.second)
				}
				if k.voice.Running()+k.voice2.Running() != 0 {
					t.Error("a synthesis goes on")
				}
			})
		})
	}
}

// A recogniser may have given the text of what is said before the detector is sure that
// the caller is silent.
func TestPromptRecogniserOwesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k *crew
		w := newWorld(t, func(w *world, c *call.Config) { k = withCrew(w, c) })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(5 * time.Second)
		for range 3 {
			far.Speak(speech(900 * time.Millisecond))
			time.Sleep(850 * time.Millisecond)
			k.ears.Emit(transcriber.Event{Kind: transcriber.Final, Text: "good morning"})
			time.Sleep(12 * time.Second)
		}
		far.Hangup()
		_, events := w.result()
		if names(events, "recogniser", "") {
			t.Errorf("errors %q", told(events, sidetone.EventError))
		}
		if got := told(events, sidetone.EventCaller); len(got) != 3 {
			t.Errorf("the caller said %q", got)
		}
	})
}

// Without times of words at most two are heard twice, and none is missing.
func TestVoiceWithoutWordTimesGoesOnNearby(t *testing.T) {
	t.Parallel()
	const text = "one two three four five six seven eight nine ten"
	for after := 1; after < 10; after++ {
		synctest.Test(t, func(t *testing.T) {
			words, _, _, _ := play(t, func(k *crew) {
				k.voice.NoTimes = true
				k.speaker = &brittle{Stub: k.voice, fails: []mishap{{"one", after, refusal(provider.Limited, 429)}}}
				k.model.Queue(llmtest.Say(text))
			}, "count")
			got := strings.Fields(strings.TrimPrefix(words, "hello there "))
			if missing := without(strings.Fields(text), got); len(missing) > 0 || len(got) > 12 {
				t.Errorf("failed after %d words: heard %v", after, got)
			}
		})
	}
}

// The only voice may be slower than its sound lasts: to ask it again would not make it
// faster. The caller is told to wait before its words, never among them.
func TestOnlyVoiceMayBeSlow(t *testing.T) {
	t.Parallel()
	const text = "one two three four five six seven eight nine ten"
	cases := map[string]struct {
		text string
		pace time.Duration
		want string
		asks int
	}{
		"an answer":     {"one two three four five six", 500 * time.Millisecond, "one two three four five six", 2},
		"a long answer": {text + " " + text + " one two three", 420 * time.Millisecond, "one moment please " + text + " " + text + " one two three", 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				words, _, events, k := play(t, func(k *crew) {
					k.alone = true
					k.voice.Pace = c.pace
					k.model.Queue(llmtest.Say(c.text))
				}, "count")
				if got := len(k.voice.Requests()); words != "hello there "+c.want || got != c.asks {
					t.Errorf("heard %q, asked %d times, errors %v", words, got, told(events, sidetone.EventError))
				}
			})
		})
	}
}

// The first words of a slow voice are not interrupted. Once the only voice is known to
// be slow, what it says is heard in one piece, and the caller is told to wait before a
// long one, once.
func TestSlowVoiceIsHeardInOnePiece(t *testing.T) {
	t.Parallel()
	const greeting = "hello there my dear old friend this is the line of the clinic and we are here"
	const short, long = "one two three four five six", "one two three four five six seven eight nine ten one two three four five six"
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, c *call.Config) {
			c.Phrases = call.NewPhrases()
			k := withCrew(w, c)
			k.alone = true
			w.snapshot.Agent.InitialMessage = greeting
			w.voice.Pace = 500 * time.Millisecond
			w.model.Queue(llmtest.Say(short), llmtest.Say(long))
			w.ears.Queue("count", "count on")
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(15 * time.Second)
		far.Speak(speech(900 * time.Millisecond))
		time.Sleep(12 * time.Second)
		far.Speak(speech(900 * time.Millisecond))
		time.Sleep(20 * time.Second)
		var pcm []int16
		for _, f := range far.Heard() {
			pcm = append(pcm, f.PCM...)
		}
		far.Hangup()
		w.result()
		var words []string
		var end int64
		for _, h := range synthesizertest.DecodeWords(pcm, 8000) {
			if len(words) > len(strings.Fields(greeting)) && h.Text != "one" && h.From-end > 2000 {
				t.Errorf("%d ms of silence before %q", (h.From-end)/8, h.Text)
			}
			words, end = append(words, h.Text), h.To
		}
		if got, want := strings.Join(words, " "), greeting+" "+short+" one moment please "+long; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

// The record of a call shows the voice that an agent without one speaks with.
func TestRecordShowsTheVoiceOfThePlan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, _, _, k := play(t, func(k *crew) { k.shown = &sidetone.Voice{ID: "default", Type: "voice_acme"} })
		for _, c := range k.ledger.calls {
			if c.Snapshot.Voice.Type != "voice_acme" {
				t.Errorf("the call shows %+v", c.Snapshot.Voice)
			}
		}
	})
}

// The voice that has taken over stays; a phrase comes from whoever has it.
func TestVoiceThatTookOverStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		words, _, _, k := play(t, func(k *crew) {
			k.speaker = &brittle{Stub: k.voice, fails: []mishap{{"fine", 0, refusal(provider.Exhausted, 402)}}}
			k.model.Queue(llmtest.Say("that is fine"), llmtest.Say("see you then"))
		}, "one", "two")
		if words != "hello there that is fine see you then" {
			t.Errorf("heard %q", words)
		}
		if got := len(k.voice.Requests()); got != 2 || len(k.voice2.Requests()) != 2 {
			t.Errorf("requests: %d and %d", got, len(k.voice2.Requests()))
		}
		if len(k.refused) != 1 || k.refused[0].Source.Account != "one" || k.refused[0].EnvironmentID != "env" {
			t.Errorf("refused: %+v", k.refused)
		}
	})
}

func TestRecogniserThatIsLostGivesWay(t *testing.T) {
	t.Parallel()
	cases := map[string]func(k *crew){
		"refused":       func(k *crew) { k.ears.FailOpen(refusal(provider.Unauthorised, 401)) },
		"unreachable":   func(k *crew) { k.ears.FailOpen(refusal(provider.Unreachable, 0)) },
		"busy":          func(k *crew) { k.ears.FailOpen(refusal(provider.Limited, 429)) },
		"with a place":  func(k *crew) { k.ears.FailOpen(refusal(provider.Limited, 429)); k.reserve = place(k.world) },
		"open but mute": func(k *crew) { k.ears.Mute(true) },
		"never begins":  func(k *crew) { k.listener = unbegun{k.ears} },
	}
	for name, set := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asks := []string{"an appointment"}
				if name == "open but mute" {
					asks = []string{"an appointment", "an appointment"}
				}
				words, _, events, _ := play(t, func(k *crew) {
					set(k)
					k.model.Queue(llmtest.Say("sure which day"))
				}, asks...)
				if !strings.HasSuffix(words, "sure which day") || !names(events, "recogniser", "") {
					t.Errorf("heard %q, errors %v", words, told(events, sidetone.EventError))
				}
			})
		})
	}
}

// unbegun recognisers open, and fail when the vendor has said nothing for a while.
type unbegun struct{ *transcribertest.Stub }

// Open implements transcriber.Driver.
func (u unbegun) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	s, err := u.Stub.Open(ctx, c)
	if err == nil {
		time.AfterFunc(5050*time.Millisecond, func() { u.Fail(&provider.Failure{Vendor: "acme", Kind: provider.Unreachable, Message: "nothing came"}) })
	}
	return s, err
}

// A recogniser that understands nobody is not met with silence: the agent asks again,
// also after short questions, and says goodbye when nobody is left to listen.
func TestOnlyRecogniserThatIsMuteIsApologisedFor(t *testing.T) {
	t.Parallel()
	for _, length := range []time.Duration{500 * time.Millisecond, 900 * time.Millisecond} {
		t.Run(length.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, c *call.Config) {
					w.recorded = true
					k := withCrew(w, c)
					k.alone = true
					k.ears.Mute(true)
				})
				defer w.stop()
				far := w.ring()
				<-far.Answered()
				time.Sleep(4 * time.Second)
				asked := 0
				for ; !gone(far.Gone()) && asked < 9; asked++ {
					before := len(heard(far))
					far.Speak(speech(length))
					time.Sleep(length + 6*time.Second)
					if len(heard(far)) == before {
						t.Errorf("the caller spoke for %s and heard nothing", length)
					}
				}
				words := heard(far)
				r, _ := w.result()
				if asked != 3 || !strings.Contains(words, "went wrong") || r.EndReason != "error" {
					t.Errorf("asked %d times, heard %q, ended with %q", asked, words, r.EndReason)
				}
			})
		})
	}
}

// A caller is told that the line is bad when there is no recogniser for three
// seconds, and is not kept waiting for ever.
func TestRecogniserThatIsAwayIsTold(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]bool{"comes back": true, "stays away": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 1 << 20
				if back {
					tries = 2
				}
				words, r, _, _ := play(t, func(k *crew) {
					k.alone = true
					k.listener = &slowToOpen{Stub: k.ears, tries: tries}
					k.model.Queue(llmtest.Say("sure which day"))
				}, "an appointment")
				if !strings.Contains(words, "the line is bad") {
					t.Errorf("heard %q", words)
				}
				if back != strings.HasSuffix(words, "sure which day") || back == strings.Contains(words, "went wrong") || back == (r.EndReason == "error") {
					t.Errorf("heard %q, ended with %q", words, r.EndReason)
				}
			})
		})
	}
}

// slowToOpen recognisers cannot be reached for the first few tries, each of which
// takes as long as a connection that nobody answers.
type slowToOpen struct {
	*transcribertest.Stub
	tries int
}

// Open implements transcriber.Driver.
func (s *slowToOpen) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	if s.tries > 0 {
		s.tries--
		pause(ctx, 3*time.Second)
		return nil, refusal(provider.Unreachable, 0)
	}
	return s.Stub.Open(ctx, c)
}

// A stream that has words at once does not begin a turn before the call is answered,
// nor after it: nobody has spoken.
func TestWordsBeforeTheAnswerAreNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k *crew
		w := newWorld(t, func(w *world, c *call.Config) {
			c.AnswerAfter = 3 * time.Second
			k = withCrew(w, c)
			k.listener = hasty{w.ears}
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(2 * time.Second)
		if n := len(w.ears.Streams()); n != 0 {
			t.Errorf("%d streams were opened while it rang", n)
		}
		<-far.Answered()
		time.Sleep(5 * time.Second)
		far.Hangup()
		_, events := w.result()
		if got := told(events, sidetone.EventCaller); len(got) != 0 || len(w.model.Requests()) != 0 {
			t.Errorf("turns: %q", got)
		}
	})
}

// hasty recognisers have words as soon as they are open.
type hasty struct{ *transcribertest.Stub }

// Open implements transcriber.Driver.
func (h hasty) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	s, err := h.Stub.Open(ctx, c)
	if err == nil {
		s.(*transcribertest.StubStream).Emit(transcriber.Event{Kind: transcriber.Final, Text: "left over"})
		s.(*transcribertest.StubStream).Emit(transcriber.Event{Kind: transcriber.EndOfTurn})
	}
	return s, err
}

// place is a Reserve whose places must be given back by the end.
func place(w *world) func() (func(), error) {
	w.plans.Add(1)
	return func() (func(), error) { return func() { w.plans.Add(-1) }, nil }
}

// A fallback without a place is none: the agent apologises and ends the call.
func TestNoPlaceIsApologisedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		words, r, events, _ := play(t, func(k *crew) {
			k.ears.FailOpen(refusal(provider.Limited, 429))
			k.reserve = func() (func(), error) { return nil, errors.New("no free recogniser") }
		}, "an appointment")
		if !strings.Contains(words, "went wrong") || r.EndReason != "error" || !names(events, "recogniser", "too many") {
			t.Errorf("heard %q, errors %v, %+v", words, told(events, sidetone.EventError), r)
		}
		if got := told(events, sidetone.EventError); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "no free recogniser") }) {
			t.Errorf("errors %v", got)
		}
	})
}
