package call_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/handover"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// warmAction is the agent's action_warm_transfer.
func warmAction() call.Action {
	a := transferAction("")
	a.Type, a.Offer.Name = "action_warm_transfer", "transfer_call"
	a.Offer = llm.Tool{Name: "transfer_call", Description: "Asks a person to take the caller.", Schema: json.RawMessage(`{"type":"object","properties":{}}`)}
	a.Rule = conversation.Action{Name: "transfer_call", AfterSpeech: true, Muted: true}
	return a
}

// warm is one warm transfer, from when the human's phone rings.
type warm struct {
	*world
	t       *testing.T
	far     *telephonytest.Far
	ringing *telephonytest.Ringing
	human   *telephonytest.Far
}

// pickUp lets the human answer and hear everything.
func (w *warm) pickUp() {
	w.human = w.ringing.Answer()
	time.Sleep(10 * time.Second)
}

// says lets the human say something.
func (w *warm) says(text string) {
	w.ears.Queue(text)
	w.human.Speak(speech(700 * time.Millisecond))
	time.Sleep(3 * time.Second)
}

func TestWarmTransfer(t *testing.T) {
	t.Parallel()
	type story struct {
		name, want string
		play       func(*warm)
		connected  bool
		left       bool // the caller is gone
		heard      string
	}
	const briefed = "a caller is on hold for you the call is from 1 2 0 2 5 5 5 0 1 9 9 a person please to take the call press 1 or say yes to decline press 2 or say no"
	stories := []story{
		{name: "accepted by word", want: "connected", connected: true, heard: briefed, play: func(w *warm) {
			w.pickUp()
			w.says("yes please")
		}},
		{name: "accepted by key", want: "connected", connected: true, heard: "", play: func(w *warm) {
			w.human = w.ringing.Answer()
			time.Sleep(2 * time.Second)
			w.human.Press('1', 100*time.Millisecond)
			time.Sleep(time.Second)
		}},
		{name: "declined by word", want: "declined", heard: briefed + " thank you goodbye", play: func(w *warm) {
			w.pickUp()
			w.says("no not now")
			time.Sleep(5 * time.Second)
		}},
		{name: "declined by key", want: "declined", play: func(w *warm) {
			w.pickUp()
			w.human.Press('2', 100*time.Millisecond)
			time.Sleep(5 * time.Second)
		}},
		{name: "human hangs up", want: "declined", play: func(w *warm) {
			w.human = w.ringing.Answer()
			time.Sleep(3 * time.Second)
			w.human.Hangup()
		}},
		{name: "busy", want: "busy", play: func(w *warm) { w.ringing.Refuse(telephony.CauseBusy, 486) }},
		{name: "no answer", want: "no_answer", play: func(w *warm) {
			w.ringing.Ring()
			time.Sleep(31 * time.Second)
		}},
		{name: "voicemail", want: "voicemail", heard: briefed, play: func(w *warm) {
			w.pickUp()
			w.says("you have reached the voicemail of the clinic please leave a message")
			time.Sleep(20 * time.Second)
		}},
		{name: "trunk", want: "trunk_error", play: func(w *warm) { w.ringing.Refuse(telephony.CauseFailure, 503) }},
		{name: "caller leaves while it rings", want: "caller_left", left: true, play: func(w *warm) {
			w.ringing.Ring()
			time.Sleep(2 * time.Second)
			w.far.Hangup()
			if time.Sleep(time.Second); !gone(w.ringing.Cancelled()) {
				w.t.Error("it rings on")
			}
		}},
		{name: "caller leaves while the human decides", want: "caller_left", left: true, heard: briefed + " the caller has hung up goodbye", play: func(w *warm) {
			w.pickUp()
			w.far.Hangup()
		}},
	}
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world, _ *call.Config) { asksForAPerson(w, warmAction()) })
				defer w.stop()
				tr := &warm{world: w, t: t}
				tr.far, tr.ringing = w.ringsAt()
				time.Sleep(time.Second)
				if !sounds(tr.far, 500*time.Millisecond) {
					t.Error("the caller hears nothing on hold")
				}
				if got := tr.ringing.Request(); got.To != desk || got.RingFor != 30*time.Second {
					t.Errorf("dialled %+v", got)
				}
				s.play(tr)
				switch {
				case s.connected:
					tr.far.Speak(audio.Sine(8000, 3*8000, 500, -15))
					tr.human.Speak(audio.Sine(8000, 3*8000, 800, -15))
					time.Sleep(2 * time.Second)
					if !hears(tr.far, 800, time.Second) || !hears(tr.human, 500, time.Second) {
						t.Error("they do not hear each other")
					}
					tr.human.Hangup()
				case !s.left:
					time.Sleep(10 * time.Second)
					if got := heard(tr.far); !strings.HasSuffix(got, "is there sorry") { // the first word comes right after the music
						t.Errorf("the caller heard %q", got)
					}
					tr.far.Hangup()
				}
				r, events := w.result()
				if tr.human != nil && !gone(tr.human.Gone()) || !gone(tr.far.Gone()) {
					t.Error("somebody is left on a dead line")
				}
				if tr.human != nil && s.heard != "" {
					if got := heard(tr.human); got != s.heard {
						t.Errorf("the human heard\n%q, want\n%q", got, s.heard)
					}
				}
				got := transfers(events)
				if got = slices.DeleteFunc(got, func(s string) bool { return s == "ringing" || s == "answered" || s == "over" }); !slices.Equal(got, []string{"started", s.want}) {
					t.Errorf("transfer: %q, want %s", got, s.want)
				}
				stage, outcome := sidetone.StageTransferStarted, sidetone.OutcomeHumanDisconnected
				switch {
				case s.connected:
					stage, outcome = sidetone.StageTransferSuccessful, sidetone.OutcomeTransferDisconnected
				case s.left:
					outcome = sidetone.OutcomeTransferUnanswered
				}
				if r.Stage != stage || r.Outcome != outcome || r.Status != sidetone.CallEnded {
					t.Errorf("result %+v", r)
				}
				replayed(t, w, s.want)
			})
		})
	}
}

// replayed makes the handing over again from the call's journal, and holds its outcome
// against the call's.
func replayed(t *testing.T, w *world, want string) {
	t.Helper()
	j, err := journal.Read([]byte(w.journals.texts()[0]))
	if err != nil {
		t.Fatal(err)
	}
	var again handover.Replayed
	for _, c := range j.Comments {
		if err := again.Take(c.At, c.Text); err != nil {
			t.Errorf("%q: %v", c.Text, err)
		}
	}
	if diff := cmp.Diff([]handover.Outcome{handover.Outcome(want)}, again.Outcomes); diff != "" {
		t.Errorf("the journal leads elsewhere (-call +journal):\n%s", diff)
	}
}

// sounds reports whether anything was heard in the last time d.
func sounds(far *telephonytest.Far, d time.Duration) bool {
	return slices.ContainsFunc(far.Heard(), func(f telephonytest.HeardFrame) bool { return time.Since(f.At) < d && slices.Max(f.PCM) > 100 })
}

// crossing is a line on which somebody answers at the moment at which they are given up.
type crossing struct {
	telephony.Driver
	dialled chan struct{}
	human   chan *telephonytest.Far
}

// Dial implements telephony.Driver.
func (c crossing) Dial(ctx context.Context, r telephony.DialRequest, _ func()) (telephony.Leg, error) {
	close(c.dialled)
	<-ctx.Done()
	leg, far := telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{From: r.From, To: r.To, Outbound: true})
	c.human <- far
	return leg, nil
}

// A human who answers when the caller hangs up is hung up, too.
func TestHumanAnswersWhenTheCallerLeaves(t *testing.T) {
	t.Parallel()
	for name, action := range map[string]call.Action{"transfer": transferAction(""), "warm": warmAction()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				line := crossing{dialled: make(chan struct{}), human: make(chan *telephonytest.Far, 1)}
				w := newWorld(t, func(w *world, c *call.Config) {
					asksForAPerson(w, action)
					line.Driver = w.driver
					c.Carriers = carriers{"simulated": line}
				})
				defer w.stop()
				far := w.ring()
				time.Sleep(3 * time.Second)
				far.Speak(speech(900 * time.Millisecond))
				<-line.dialled
				far.Hangup()
				w.result()
				time.Sleep(time.Second)
				if human := <-line.human; !gone(human.Gone()) {
					t.Error("the human is left on a dead line")
				}
			})
		})
	}
}
