package call_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// resumer takes up the legs of calls that it is given.
type resumer struct {
	leg telephony.Leg
	err error
}

// Resume implements telephony.Resumer.
func (r resumer) Resume(context.Context, string) (telephony.Leg, error) { return r.leg, r.err }

// death is what is left of a call whose process died.
type death struct {
	journal string
	call.Interrupted
}

// dies returns what is left of the only call of a world, which goes on without anybody
// who listens. Of its events the last lost are not stored.
func (w *world) dies(lost int) death {
	w.t.Helper()
	synctest.Wait()
	d := death{journal: w.journals.texts()[0]}
	id := w.ledger.oneCall()
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	d.Call = w.ledger.calls[id]
	d.Call.Dialogs = []string{"dialog"}
	d.Events = slices.Clone(w.ledger.events[id])
	d.Events = d.Events[:max(0, len(d.Events)-lost)]
	d.Alive = time.Now()
	return d
}

// resumes goes on with a call in another world.
func (w *world) resumes(d death) (*telephonytest.Far, error) {
	w.t.Helper()
	leg, far := telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{From: "+12025550199", To: "+14155550100"})
	if err := leg.Accept(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.journals.dead = map[string]string{d.Call.ID: d.journal}
	w.ledger.calls[d.Call.ID] = d.Call
	w.ledger.events[d.Call.ID] = slices.Clone(d.Events)
	return far, w.exchange.Resume(w.t.Context(), d.Interrupted, resumer{leg: leg})
}

// A call goes on in another process: the caller hears why nothing was heard, and the rest
// of the answer that was cut; the record is one, with each event once.
func TestACallGoesOnInAnotherProcess(t *testing.T) {
	t.Parallel()
	for _, lost := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			first := newWorld(t, func(w *world, _ *call.Config) {
				w.snapshot.Agent.InitialMessage = "hello there"
				w.ears.Queue("I want an appointment")
				w.model.Queue(llmtest.Say("one two three. four five six. seven eight nine."))
			})
			defer first.stop()
			before := first.ring()
			time.Sleep(4 * time.Second)
			before.Speak(speech(800 * time.Millisecond))
			time.Sleep(2500 * time.Millisecond)
			d := first.dies(lost)
			heardBefore := heard(before)
			before.Hangup()
			_, _ = first.result()
			if !strings.Contains(heardBefore, "one") || strings.Contains(heardBefore, "nine") {
				t.Fatalf("the answer was not cut: %q", heardBefore)
			}
			time.Sleep(1500 * time.Millisecond)

			w := newWorld(t, func(w *world, _ *call.Config) {
				w.ears.Queue("thank you")
				w.model.Queue(llmtest.Say("goodbye"))
			})
			w.t = t
			defer w.stop()
			far, err := w.resumes(d)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(8 * time.Second)
			after := heard(far)
			if !strings.HasPrefix(after, "sorry i lost you for a moment ") || !strings.HasSuffix(after, "seven eight nine") || strings.Contains(after, "hello") {
				t.Errorf("before %q, after %q", heardBefore, after)
			}
			far.Speak(speech(800 * time.Millisecond))
			time.Sleep(4 * time.Second)
			far.Hangup()
			r, events := w.result()
			if r.EndReason != "hangup" || r.Status != sidetone.CallEnded {
				t.Errorf("result: %+v", r)
			}
			var kinds []string
			for i, e := range events {
				if e.Sequence != int64(i+1) {
					t.Errorf("event %d has sequence %d", i, e.Sequence)
				}
				if i > 0 && e.Kind != sidetone.EventRestarted && e.Offset < 0 {
					t.Errorf("event %d at %s", i, e.Offset)
				}
				kinds = append(kinds, string(e.Kind))
				if e.Kind == sidetone.EventRestarted && !strings.Contains(string(e.Data), `"away_ms":1500`) {
					t.Errorf("the process was away for 1.5 s: %s", e.Data)
				}
			}
			if n := strings.Count(strings.Join(kinds, " "), "restarted"); n != 1 {
				t.Errorf("%d times restarted: %v", n, kinds)
			}
			for _, want := range []string{"HUMAN: I want an appointment", "BOT: hello there", "HUMAN: thank you", "BOT: goodbye"} {
				if strings.Count(r.Transcript, want) != 1 {
					t.Errorf("%q is not there once:\n%s", want, r.Transcript)
				}
			}
			if len(r.Errors) == 0 || !strings.Contains(strings.Join(r.Errors, ";"), "the server died during the call") {
				t.Errorf("errors: %q", r.Errors)
			}
			requests := w.model.Requests()
			said := ""
			for _, m := range requests[len(requests)-1].Messages {
				if m.Role == llm.User {
					said += m.Text + "; "
				}
			}
			if said != "I want an appointment; thank you; " {
				t.Errorf("the model sees %q", said)
			}
		})
	}
}

// What cannot go on is said, and nothing of it runs.
func TestCallsThatDoNotGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := newWorld(t, func(w *world, _ *call.Config) { w.snapshot.Agent.InitialMessage = "hello there" })
		defer first.stop()
		before := first.ring()
		time.Sleep(2 * time.Second)
		d := first.dies(0)
		before.Hangup()
		_, _ = first.result()

		w := newWorld(t, nil)
		w.t = t
		defer w.stop()
		gone := d
		gone.Call.Dialogs = nil
		if _, err := w.resumes(gone); err == nil {
			t.Error("a call without a leg goes on")
		}
		gone = d
		gone.journal = "sidetone journal 1\n"
		if _, err := w.resumes(gone); err == nil {
			t.Error("a call without a journal goes on")
		}
		w.planErr = errors.New("no places")
		if far, err := w.resumes(d); err == nil || !strings.Contains(err.Error(), "no places") {
			t.Errorf("without a plan: %v", err)
		} else {
			select {
			case <-far.Gone():
			default:
				t.Error("the leg was not hung up")
			}
		}
		w.planErr = nil
		w.journals.dead[d.Call.ID] = d.journal
		if err := w.exchange.Resume(t.Context(), d.Interrupted, resumer{err: telephony.ErrGone}); !errors.Is(err, telephony.ErrGone) {
			t.Errorf("without a line: %v", err)
		}
		if n := w.exchange.Live(); n != 0 {
			t.Errorf("%d calls are live", n)
		}
	})
}
