package call_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// twoLegs takes up the legs of a call that had a second one.
type twoLegs struct {
	legs map[string]telephony.Leg

	mu     sync.Mutex
	closed []string
}

// Resume implements telephony.Resumer.
func (r *twoLegs) Resume(_ context.Context, dialog string) (telephony.Leg, error) {
	if leg, ok := r.legs[dialog]; ok {
		return leg, nil
	}
	return nil, telephony.ErrGone
}

// CloseDialog implements telephony.DialogCloser.
func (r *twoLegs) CloseDialog(_ context.Context, dialog string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = append(r.closed, dialog)
	return nil
}

// answeredLeg is a leg as one that was taken up, and its far end.
func answeredLeg(t *testing.T, to string) (telephony.Leg, *telephonytest.Far) {
	t.Helper()
	return telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{From: "+12025550199", To: to, Outbound: true})
}

// A process dies at each step of a handing over: a human whom nobody has talked to yet is hung
// up and the caller comes back to the agent; two who talk go on.
func TestHandingOverGoesOnInAnotherProcess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action  call.Action
		until   func(*telephonytest.Ringing) // the process dies
		dialogs []string
		kept    []string // dialogs that can be taken up
		joined  bool
		closed  []string
	}{
		"ringing":             {transferAction(""), func(r *telephonytest.Ringing) { r.Ring() }, []string{"caller"}, []string{"caller"}, false, nil},
		"talking":             {transferAction(""), func(r *telephonytest.Ringing) { r.Answer() }, []string{"caller", "human"}, []string{"caller", "human"}, true, nil},
		"human gone":          {transferAction(""), func(r *telephonytest.Ringing) { r.Answer() }, []string{"caller", "human"}, []string{"caller"}, false, []string{"human"}},
		"warm: ringing":       {warmAction(), func(r *telephonytest.Ringing) { r.Ring() }, []string{"caller"}, []string{"caller"}, false, nil},
		"warm: human is told": {warmAction(), func(r *telephonytest.Ringing) { r.Answer() }, []string{"caller", "human"}, []string{"caller", "human"}, false, []string{"human"}},
		"warm: talking": {warmAction(), func(r *telephonytest.Ringing) {
			human := r.Answer()
			time.Sleep(time.Second)
			human.Press('1', 100*time.Millisecond)
		}, []string{"caller", "human"}, []string{"caller", "human"}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				first := newWorld(t, func(w *world, _ *call.Config) { asksForAPerson(w, c.action) })
				defer first.stop()
				before, ringing := first.ringsAt()
				c.until(ringing)
				time.Sleep(2 * time.Second)
				d := first.dies(0)
				d.Call.Dialogs = c.dialogs
				before.Hangup()
				_, _ = first.result()

				w := newWorld(t, func(w *world, _ *call.Config) {
					asksForAPerson(w, c.action)
					w.model = llmtest.NewStub(llmtest.Say("nobody is there sorry"))
				})
				defer w.stop()
				caller, far := answeredLeg(t, "+14155550100")
				person, human := answeredLeg(t, desk)
				lines := &twoLegs{legs: map[string]telephony.Leg{}}
				for name, leg := range map[string]telephony.Leg{"caller": caller, "human": person} {
					if slices.Contains(c.kept, name) {
						lines.legs[name] = leg
					}
				}
				w.journals.dead = map[string]string{d.Call.ID: d.journal}
				w.ledger.calls[d.Call.ID] = d.Call
				w.ledger.events[d.Call.ID] = slices.Clone(d.Events)
				if err := w.exchange.Resume(t.Context(), d.Interrupted, lines); err != nil {
					t.Fatal(err)
				}
				far.Speak(audio.Sine(8000, 3*8000, 500, -15))
				time.Sleep(3 * time.Second)
				if got := hears(human, 500, time.Second); got != c.joined {
					t.Errorf("they are joined: %v, want %v", got, c.joined)
				}
				time.Sleep(10 * time.Second)
				if got := heard(far); !c.joined && !strings.HasPrefix(got, "sorry i lost you for a moment") {
					t.Errorf("the caller heard %q", got)
				}
				lines.mu.Lock()
				if !slices.Equal(lines.closed, c.closed) {
					t.Errorf("hung up: %q, want %q", lines.closed, c.closed)
				}
				lines.mu.Unlock()
				if c.joined {
					human.Hangup()
				} else {
					far.Hangup()
				}
				r, _ := w.result()
				if want := (map[bool]sidetone.StageOutcome{true: sidetone.OutcomeTransferDisconnected, false: sidetone.OutcomeHumanDisconnected})[c.joined]; r.Outcome != want || !gone(far.Gone()) {
					t.Errorf("result %+v", r)
				}
			})
		})
	}
}

// The longest duration of a call holds for two who talk on in another process, too.
func TestRegainedTalkHasItsLongestDuration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limited := func(w *world, _ *call.Config) {
			asksForAPerson(w, transferAction(""))
			w.snapshot.Agent.CallDuration = 40 * time.Second
		}
		first := newWorld(t, limited)
		defer first.stop()
		before, ringing := first.ringsAt()
		ringing.Answer()
		time.Sleep(2 * time.Second)
		d := first.dies(0)
		d.Call.Dialogs = []string{"caller", "human"}
		before.Hangup()
		_, _ = first.result()

		w := newWorld(t, limited)
		defer w.stop()
		caller, far := answeredLeg(t, "+14155550100")
		person, human := answeredLeg(t, desk)
		w.journals.dead = map[string]string{d.Call.ID: d.journal}
		w.ledger.calls[d.Call.ID] = d.Call
		w.ledger.events[d.Call.ID] = slices.Clone(d.Events)
		if err := w.exchange.Resume(t.Context(), d.Interrupted, &twoLegs{legs: map[string]telephony.Leg{"caller": caller, "human": person}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if !gone(far.Gone()) || !gone(human.Gone()) {
			t.Error("they talk for longer than the agent's calls last")
			human.Hangup()
		}
		if r, _ := w.result(); r.EndReason != "max_duration" {
			t.Errorf("result %+v", r)
		}
	})
}
