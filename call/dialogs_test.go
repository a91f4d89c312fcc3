package call_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// heldLeg is a leg with a dialog that changes after a while, and whose far end may not
// confirm a hang-up.
type heldLeg struct {
	*telephonytest.MemoryLeg
	dialog  atomic.Value // a string
	changes time.Time    // zero: never
	deaf    bool
}

func (l *heldLeg) Dialog() string { return l.dialog.Load().(string) }

func (l *heldLeg) Events(ctx context.Context) iter.Seq[telephony.Event] {
	return func(yield func(telephony.Event) bool) {
		for ev := range l.MemoryLeg.Events(ctx) {
			if !l.changes.IsZero() && time.Now().After(l.changes) && l.dialog.CompareAndSwap("first", "second") {
				if !yield(telephony.Event{Kind: telephony.KindDialogChanged}) {
					return
				}
			}
			if !yield(ev) {
				return
			}
		}
	}
}

func (l *heldLeg) Hangup(ctx context.Context, cause telephony.Cause) error {
	if err := l.MemoryLeg.Hangup(ctx, cause); err != nil || !l.deaf {
		return err
	}
	<-ctx.Done()
	return telephony.ErrUnconfirmed
}

func newHeldLeg() (*heldLeg, *telephonytest.Far) {
	leg, far := telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{To: "+14155550100"})
	h := &heldLeg{MemoryLeg: leg}
	h.dialog.Store("first")
	return h, far
}

// stored returns what the record has of the only call's legs.
func (l *fakeLedger) stored() (dialogs []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		dialogs = append(dialogs, c.Dialogs...)
	}
	return dialogs
}

// A call's row says from its beginning how to hang up the call, and follows.
func TestRowSaysHowToHangUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *call.Config) { c.AnswerAfter = time.Second })
		defer w.stop()
		leg, far := newHeldLeg()
		leg.changes = time.Now().Add(5 * time.Second)
		done := make(chan struct{})
		go func() { w.exchange.Answer(t.Context(), leg); close(done) }()
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{500 * time.Millisecond, "first"}, {2 * time.Second, "first"}, {4 * time.Second, "second"}} {
			time.Sleep(step.after)
			if got := w.ledger.stored(); !slices.Equal(got, []string{step.want}) {
				t.Errorf("the row has %q, want %q", got, step.want)
			}
		}
		far.Hangup()
		<-done
	})
}

// A far end that does not confirm our hang-up stands in the record.
func TestUnconfirmedHangupIsRecorded(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, far *telephonytest.Far, id string){
		"we hang up": func(w *world, _ *telephonytest.Far, id string) {
			_ = w.exchange.End(w.t.Context(), "env", sidetone.Ending{CallID: id})
		},
		"the far end is gone": func(_ *world, far *telephonytest.Far, _ string) {
			far.Fail(telephony.CauseFarEndGone, telephony.ErrGone)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.t = t
				defer w.stop()
				leg, far := newHeldLeg()
				leg.deaf = true
				done := make(chan struct{})
				go func() { w.exchange.Answer(t.Context(), leg); close(done) }()
				<-far.Answered()
				time.Sleep(time.Second)
				began := time.Now()
				end(w, far, w.ledger.only())
				<-done
				if took := time.Since(began); took > 20*time.Second {
					t.Errorf("the call ended after %s", took)
				}
				r, events := w.result()
				said := strings.Join(told(events, sidetone.EventError), "; ")
				if want := telephony.ErrUnconfirmed.Error(); !strings.Contains(said, want) || !strings.Contains(strings.Join(r.Errors, "; "), want) {
					t.Errorf("events %q, errors %q", said, r.Errors)
				}
			})
		})
	}
}

// only returns the id of the only call.
func (l *fakeLedger) only() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.calls {
		return id
	}
	return ""
}
