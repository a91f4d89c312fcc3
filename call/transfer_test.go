package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// desk is the human's number in the configuration of the agent.
const desk = "+12025550142"

// handovers are what a test's server knows of them.
type handovers struct {
	way      string
	recorded bool
	shows    bool
	refuse   error
}

func (h handovers) Colleague(context.Context, string, string) error { return h.refuse }
func (h handovers) Recorded(context.Context, string) bool           { return h.recorded }
func (h handovers) Way(string) string                               { return h.way }
func (h handovers) Shows(sidetone.Call, string) bool                { return h.shows }

// transferAction is the agent's action_transfer_call with further members.
func transferAction(members string) call.Action {
	return call.Action{
		ID: "action", Type: "action_transfer_call", Config: []byte(`{"phone_number":"` + desk + `"` + members + `}`), Timeout: call.TransferTimeout,
		Offer: llm.Tool{Name: "transfer_call", Description: "Hands the caller to a person.", Schema: json.RawMessage(`{"type":"object","properties":{}}`)},
		Rule:  conversation.Action{Name: "transfer_call", AfterSpeech: true, Muted: true},
	}
}

// asksForAPerson is a call in which the caller asks for a person, and the agent hands them
// over.
func asksForAPerson(w *world, action call.Action) {
	w.actions = []call.Action{action}
	w.snapshot.Agent.InitialMessage = "hello there"
	w.ears.Queue("a person please")
	handOver := llmtest.Say("one moment")
	handOver.Calls = []llm.ToolCall{{ID: "1", Name: "transfer_call", Args: json.RawMessage(`{"phone_number":"+19005550199"}`)}}
	w.model.Queue(handOver)
	w.model.Queue(llmtest.Say("nobody is there sorry"))
}

// ringsAt plays the call until the human's phone rings.
func (w *world) ringsAt() (far *telephonytest.Far, ringing *telephonytest.Ringing) {
	w.t.Helper()
	far = w.ring()
	time.Sleep(3 * time.Second)
	far.Speak(speech(900 * time.Millisecond))
	ringing, err := w.driver.Dialled(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return far, ringing
}

// transfers are what the events of a call say of its transfers.
func transfers(events []sidetone.Event) []string {
	return told(events, sidetone.EventTransfer)
}

// hears reports whether a tone is most of what was heard in the last time d.
func hears(far *telephonytest.Far, frequency float64, d time.Duration) bool {
	var pcm []int16
	for _, f := range far.Heard() {
		if time.Since(f.At) < d {
			pcm = append(pcm, f.PCM...)
		}
	}
	return tone(pcm, frequency) > 0.4
}

// tone is the share of a tone in the power of sound at 8 kHz.
func tone(pcm []int16, frequency float64) float64 {
	var re, im, all float64
	for i, s := range pcm {
		phase := 2 * math.Pi * frequency * float64(i) / 8000
		re, im = re+float64(s)*math.Cos(phase), im+float64(s)*math.Sin(phase)
		all += float64(s) * float64(s)
	}
	if all == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / float64(len(pcm)) / all
}

// last is the end of one of the channels.
func (r *channels) last(caller bool, d time.Duration) []int16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	pcm := r.agent
	if caller {
		pcm = r.caller
	}
	return pcm[max(0, len(pcm)-int(audio.Samples(d, 8000))):]
}

func TestTransferByABridge(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"the human", "the caller"} {
		t.Run(who+" hangs up", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, _ *call.Config) { asksForAPerson(w, transferAction(`,"headers_out":{"X-Ticket":"7"}`)) })
				defer w.stop()
				far, ringing := w.ringsAt()
				req := ringing.Request()
				if req.To != desk || req.From != "+14155550100" || req.Headers["X-Ticket"] != "7" || req.Redirect != nil {
					t.Errorf("dialled %+v", req)
				}
				ringing.Ring()
				time.Sleep(time.Second)
				if !hears(far, 440, 400*time.Millisecond) {
					t.Error("the caller does not hear that it rings")
				}
				human := ringing.Answer()
				far.Speak(audio.Sine(8000, 3*8000, 500, -15))
				human.Speak(audio.Sine(8000, 3*8000, 800, -15))
				time.Sleep(2 * time.Second)
				if !hears(far, 800, time.Second) || !hears(human, 500, time.Second) {
					t.Error("they do not hear each other")
				}
				far.Press('5', 100*time.Millisecond)
				time.Sleep(8 * time.Second) // the agent has nothing to say to the silence
				if got := human.Digits(); got != "5" {
					t.Errorf("the human's line got the keys %q", got)
				}
				for _, s := range w.ears.Streams() {
					if !s.Closed() {
						t.Error("a recogniser still listens")
					}
				}
				asked := len(w.model.Requests())
				end, other := human, far
				if who == "the caller" {
					end, other = far, human
				}
				end.Hangup()
				select {
				case <-other.Gone():
				case <-time.After(5 * time.Second):
					t.Error("the other one is left on a dead line")
				}
				r, events := w.result()
				want := "hangup"
				if who == "the human" {
					want = "transfer_over"
				}
				if r.Status != sidetone.CallEnded || r.Stage != sidetone.StageTransferSuccessful || r.Outcome != sidetone.OutcomeTransferDisconnected || r.EndReason != want {
					t.Errorf("result: %+v", r)
				}
				if got := transfers(events); !slices.Equal(got[:3], []string{"started", "ringing", "connected"}) {
					t.Errorf("transfer: %q", got)
				}
				if len(w.model.Requests()) != asked || asked != 1 {
					t.Errorf("the model was asked %d times", len(w.model.Requests()))
				}
				if len(r.Errors) > 0 || !strings.Contains(r.Transcript, "BOT: one moment") {
					t.Errorf("errors %q, transcript\n%s", r.Errors, r.Transcript)
				}
			})
		})
	}
}

// A caller comes back to the agent, who knows why.
func TestTransferThatNobodyTakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refuse func(*telephonytest.Ringing)
		want   string
	}{
		"busy":      {func(r *telephonytest.Ringing) { r.Refuse(telephony.CauseBusy, 486) }, "busy"},
		"declined":  {func(r *telephonytest.Ringing) { r.Refuse(telephony.CauseDeclined, 603) }, "declined"},
		"no answer": {func(r *telephonytest.Ringing) { r.Ring() }, "no_answer"},
		"trunk":     {func(r *telephonytest.Ringing) { r.Refuse(telephony.CauseFailure, 500) }, "trunk_error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, _ *call.Config) { asksForAPerson(w, transferAction("")) })
				defer w.stop()
				far, ringing := w.ringsAt()
				c.refuse(ringing)
				<-ringing.Cancelled() // it rings no more
				time.Sleep(8 * time.Second)
				if got := heard(far); !strings.HasSuffix(got, "nobody is there sorry") {
					t.Errorf("the caller heard %q", got)
				}
				reqs := w.model.Requests()
				last := reqs[len(reqs)-1].Messages
				if text := last[len(last)-1].Text; len(reqs) != 2 || !strings.HasPrefix(text, "failed: "+c.want) {
					t.Errorf("the model is told %q in %d requests", text, len(reqs))
				}
				far.Hangup()
				r, events := w.result()
				if r.Stage != sidetone.StageTransferStarted || r.Outcome != sidetone.OutcomeHumanDisconnected || r.EndReason != "hangup" {
					t.Errorf("result: %+v", r)
				}
				if got := transfers(events); got[len(got)-1] != c.want {
					t.Errorf("transfer: %q", got)
				}
			})
		})
	}
}

func TestCallerLeavesWhileItRings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { asksForAPerson(w, transferAction("")) })
		defer w.stop()
		far, ringing := w.ringsAt()
		ringing.Ring()
		time.Sleep(time.Second)
		far.Hangup()
		select {
		case <-ringing.Cancelled():
		case <-time.After(time.Second):
			t.Error("it rings on")
		}
		r, events := w.result()
		if r.Outcome != sidetone.OutcomeTransferUnanswered || r.Stage != sidetone.StageTransferStarted || r.EndReason != "hangup" {
			t.Errorf("result: %+v", r)
		}
		if got := transfers(events); !slices.Equal(got, []string{"started", "ringing"}) {
			t.Errorf("transfer: %q", got)
		}
	})
}

// Who may not be called is not, whatever the model wants.
func TestTransferToWhoMustNotBeCalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, c *call.Config) {
			asksForAPerson(w, transferAction(""))
			c.Handovers = handovers{refuse: sidetone.Errorf(sidetone.Invalid, "the number is abroad")}
		})
		defer w.stop()
		far := w.ring()
		time.Sleep(3 * time.Second)
		far.Speak(speech(900 * time.Millisecond))
		time.Sleep(10 * time.Second)
		far.Hangup()
		_, events := w.result()
		if got := transfers(events); !slices.Equal(got, []string{"started", "forbidden"}) {
			t.Errorf("transfer: %q", got)
		}
		reqs := w.model.Requests()
		last := reqs[len(reqs)-1].Messages
		if text := last[len(last)-1].Text; text != "failed: forbidden: the number is abroad" {
			t.Errorf("the model is told %q", text)
		}
	})
}

func TestTransferShowsTheCaller(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action, from string
		shows        bool
		want         string
	}{
		"agent":      {"", "+12025550199", true, "+14155550100"},
		"caller":     {`,"caller_id":"caller"`, "+12025550199", true, "+12025550199"},
		"not shown":  {`,"caller_id":"caller"`, "+12025550199", false, "+14155550100"},
		"who hides":  {`,"caller_id":"caller"`, "anonymous", true, "+14155550100"},
		"said agent": {`,"caller_id":"agent"`, "+12025550199", true, "+14155550100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, cfg *call.Config) {
					asksForAPerson(w, transferAction(c.action))
					cfg.Handovers = handovers{shows: c.shows}
				})
				defer w.stop()
				far, err := w.driver.Call(t.Context(), telephonytest.MemoryConfig{From: c.from, To: "+14155550100"})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
				far.Speak(speech(900 * time.Millisecond))
				ringing, err := w.driver.Dialled(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got := ringing.Request().From; got != c.want {
					t.Errorf("shows %s, want %s", got, c.want)
				}
				far.Hangup()
				w.result()
			})
		})
	}
}

// What a line says of a REFER decides what becomes of the caller.
func TestTransferByTheLine(t *testing.T) {
	t.Parallel()
	refused := func(status int, accepted bool) func(context.Context, telephony.TransferRequest) error {
		return func(context.Context, telephony.TransferRequest) error {
			return &telephony.TransferError{Status: status, Accepted: accepted}
		}
	}
	for name, c := range map[string]struct {
		line    func(context.Context, telephony.TransferRequest) error
		bridged bool
		want    []string
		reason  string
		outcome sidetone.StageOutcome
	}{
		"goes through": {func(context.Context, telephony.TransferRequest) error { return nil }, false, []string{"started", "transferred_away"}, "transferred_away", sidetone.OutcomeTransferDisconnected},
		"refused 603":  {refused(603, false), true, []string{"started", "connected", "over"}, "transfer_over", sidetone.OutcomeTransferDisconnected},
		"refused 501":  {refused(501, false), true, []string{"started", "connected", "over"}, "transfer_over", sidetone.OutcomeTransferDisconnected},
		"busy":         {refused(486, true), false, []string{"started", "busy"}, "hangup", sidetone.OutcomeHumanDisconnected},
		"no response":  {refused(0, false), false, []string{"started", "unknown"}, "hangup", sidetone.OutcomeHumanDisconnected},
		"silent":       {refused(0, true), false, []string{"started", "unknown"}, "hangup", sidetone.OutcomeHumanDisconnected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, cfg *call.Config) {
					asksForAPerson(w, transferAction(`,"headers_out":{"X-Ticket":"7"}`))
					w.snapshot.Agent.EnableRecording = false
					cfg.Handovers = handovers{way: "refer"}
				})
				defer w.stop()
				var asked telephony.TransferRequest
				far, err := w.driver.Call(t.Context(), telephonytest.MemoryConfig{From: "+12025550199", To: "+14155550100",
					Transfer: func(ctx context.Context, r telephony.TransferRequest) error {
						asked = r
						return c.line(ctx, r)
					}})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
				far.Speak(speech(900 * time.Millisecond))
				if c.bridged {
					ringing, err := w.driver.Dialled(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					human := ringing.Answer()
					time.Sleep(time.Second)
					human.Hangup()
				}
				time.Sleep(10 * time.Second)
				far.Hangup()
				r, events := w.result()
				if got := transfers(events); !slices.Equal(got, c.want) || r.EndReason != c.reason || r.Outcome != c.outcome {
					t.Errorf("transfer %q, result %+v", got, r)
				}
				if asked.To != desk || asked.Headers["X-Ticket"] != "7" || asked.Silence != 15*time.Second {
					t.Errorf("asked for %+v", asked)
				}
			})
		})
	}
}

// A call that is recorded stays with us; what the human says to the caller is recorded only
// where the environment wants it.
func TestTransferOfARecordedCall(t *testing.T) {
	t.Parallel()
	for _, wanted := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			rec := &channels{}
			w := newWorld(t, func(w *world, c *call.Config) {
				asksForAPerson(w, transferAction(""))
				rec = w.record(c)
				c.Handovers = handovers{recorded: wanted}
			})
			defer w.stop()
			far, ringing := w.ringsAt()
			human := ringing.Answer()
			far.Speak(audio.Sine(8000, 3*8000, 500, -15))
			human.Speak(audio.Sine(8000, 3*8000, 800, -15))
			time.Sleep(3 * time.Second)
			human.Hangup()
			w.result()
			if got := tone(rec.last(true, 2*time.Second), 500) > 0.8; !got {
				t.Error("the caller is not recorded")
			}
			if got := tone(rec.last(false, 2*time.Second), 800) > 0.8; got != wanted {
				t.Errorf("the human is recorded: %v, want %v", got, wanted)
			}
		})
	}
}

// The longest duration of a call holds for the caller's talk with the human, too, and so does
// the wish that it ends.
func TestTransferredCallThatIsEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(*world)
		want string
	}{
		"by the API": {func(w *world) {
			_ = w.exchange.End(context.Background(), "env", sidetone.Ending{CallID: w.ledger.oneCall()})
		}, "api"},
		"by its limit": {func(*world) { time.Sleep(time.Minute) }, "max_duration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, _ *call.Config) {
					asksForAPerson(w, transferAction(""))
					w.snapshot.Agent.CallDuration = 40 * time.Second
				})
				defer w.stop()
				far, ringing := w.ringsAt()
				human := ringing.Answer()
				time.Sleep(time.Second)
				c.end(w)
				r, _ := w.result()
				if r.EndReason != c.want || !gone(far.Gone()) || !gone(human.Gone()) {
					t.Errorf("reason %s, caller gone %v, human gone %v", r.EndReason, gone(far.Gone()), gone(human.Gone()))
				}
			})
		})
	}
}

// Sound takes at most 60 ms more through us than over the two lines, half of the time.
func TestBridgeAddsLittleDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { asksForAPerson(w, transferAction("")) })
		defer w.stop()
		far, ringing := w.ringsAt()
		human := ringing.Answer()
		time.Sleep(2 * time.Second)
		var added []time.Duration
		for i := range 11 {
			time.Sleep(time.Second + time.Duration(i)*7*time.Millisecond)
			said := time.Now()
			far.Speak(audio.Sine(8000, 4000, 700, -15))
			time.Sleep(700 * time.Millisecond)
			for _, f := range human.Heard() {
				if f.At.After(said) && slices.Max(f.PCM) > 1000 {
					added = append(added, f.At.Sub(said))
					break
				}
			}
		}
		slices.Sort(added)
		t.Logf("added %v", added)
		if len(added) != 11 || added[5] > 60*time.Millisecond {
			t.Errorf("half of the sound takes %v", added)
		}
		far.Hangup()
		w.result()
	})
}

// Without a number in its configuration an action calls nobody.
func TestTransferToNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		action := transferAction("")
		action.Config = []byte(`{}`)
		w := newWorld(t, func(w *world, _ *call.Config) { asksForAPerson(w, action) })
		defer w.stop()
		far := w.ring()
		time.Sleep(3 * time.Second)
		far.Speak(speech(900 * time.Millisecond))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if ringing, err := w.driver.Dialled(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialled %+v", ringing)
		}
		far.Hangup()
		w.result()
	})
}

// Who the agent's configuration names takes a caller whom nobody here serves any more.
func TestCallerIsHandedOverWhenNobodyServes(t *testing.T) {
	t.Parallel()
	for _, taken := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(w *world, _ *call.Config) {
				w.snapshot.Agent.InitialMessage = "hello there"
				w.snapshot.Agent.Extra = []byte(`{"transfer_on_failure":"` + desk + `"}`)
				w.ears.Queue("a table please")
				w.model.FailAll(errors.New("out of order"))
			})
			defer w.stop()
			far, ringing := w.ringsAt()
			if got := ringing.Request().To; got != desk {
				t.Errorf("dialled %s", got)
			}
			want, outcome, status := "transfer_over", sidetone.OutcomeTransferDisconnected, sidetone.CallEnded
			if taken {
				human := ringing.Answer()
				far.Speak(audio.Sine(8000, 3*8000, 500, -15))
				time.Sleep(2 * time.Second)
				if !hears(human, 500, time.Second) {
					t.Error("the human does not hear the caller")
				}
				human.Hangup()
			} else {
				ringing.Refuse(telephony.CauseBusy, 486)
				want, outcome, status = "error", sidetone.OutcomeBotDisconnected, sidetone.CallError
			}
			r, _ := w.result()
			if r.EndReason != want || r.Outcome != outcome || r.Status != status || len(r.Errors) == 0 || !gone(far.Gone()) {
				t.Errorf("taken %v: %+v", taken, r)
			}
		})
	}
}
