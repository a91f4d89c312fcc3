package call_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
	"github.com/sidetone/sidetone/transcriber"
)

// refusedRows are the rows of refused calls, oldest first.
func (l *fakeLedger) refusedRows() []sidetone.Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []sidetone.Call
	for _, c := range l.calls {
		if c.RefusedCount > 0 {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b sidetone.Call) int { return a.Created.Compare(b.Created) })
	return out
}

// TestRefusedCallsLeaveARow with the true cause, if they were meant for a number
// of ours.
func TestRefusedCallsLeaveARow(t *testing.T) {
	t.Parallel()
	const cause = "the agent has nothing to think with"
	for name, c := range map[string]struct {
		adjust  func(*world, *call.Config)
		number  string
		message string // "" for no row
		reason  telephony.Cause
	}{
		"not configured": {func(w *world, _ *call.Config) {
			w.planErr = &telephony.Refusal{Cause: telephony.CauseUnavailable, Reason: cause}
		}, "+14155550100", cause, telephony.CauseUnavailable},
		"no recogniser": {func(w *world, _ *call.Config) { w.planErr = transcriber.ErrBusy }, "+14155550100", "no free recogniser", telephony.CauseBusy},
		"failure": {func(w *world, _ *call.Config) {
			w.planErr = sidetone.Errorf(sidetone.Internal, "the disk is gone")
		}, "+14155550100", "the disk is gone", telephony.CauseFailure},
		"no agent": {func(w *world, _ *call.Config) { w.noAgent = true }, "+14155550100", "the number has no agent", telephony.CauseUnavailable},
		"number full": {func(w *world, _ *call.Config) {
			w.limit = 1
			w.ledger.calls["other"] = sidetone.Call{ID: "other", AgentNumber: "+14155550100"}
		}, "+14155550100", "no more than 1 calls", telephony.CauseBusy},
		"unknown number":   {nil, "+14155550999", "", 0},
		"foreign trunk":    {func(w *world, _ *call.Config) { w.trunks = []string{"carrier"} }, "+14155550100", "", 0},
		"inactive":         {func(w *world, _ *call.Config) { w.inactive = true }, "+14155550100", "", 0},
		"directory broken": {func(w *world, _ *call.Config) { w.routeErr = errors.New("refused") }, "+14155550100", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.adjust)
				defer w.stop()
				far, err := w.driver.Call(t.Context(), telephonytest.MemoryConfig{From: "+12025550199", To: c.number})
				if err != nil {
					t.Fatal(err)
				}
				<-far.Gone()
				synctest.Wait()
				rows := w.ledger.refusedRows()
				if c.message == "" {
					if len(rows) > 0 {
						t.Errorf("got %+v", rows)
					}
					return
				}
				if len(rows) != 1 {
					t.Fatalf("got %d rows", len(rows))
				}
				got := rows[0]
				if got.Status != sidetone.CallError || got.ErrorMessage != c.message || !slices.Equal(got.Errors, []string{c.message}) || got.RefusedCount != 1 ||
					got.EndReason != c.reason.String() || got.Outcome != sidetone.OutcomeDidNotConnect || !got.Started.IsZero() || got.Ended.IsZero() ||
					got.FromNumber != "+12025550199" || got.ToNumber != c.number || got.EnvironmentID != "env" {
					t.Errorf("got %+v", got)
				}
			})
		})
	}
}

// TestManyRefusedCallsShareARow: ten in a second have rows of their own, the
// others one in ten seconds, and none is forgotten.
func TestManyRefusedCallsShareARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { w.noAgent = true })
		time.Sleep(time.Second - time.Duration(time.Now().Nanosecond())) // a second begins
		flood := func(calls int) {
			for range calls {
				<-w.ring().Gone()
			}
			synctest.Wait()
		}
		counts := func() []int {
			var out []int
			for _, c := range w.ledger.refusedRows() {
				if c.RefusedCount > 1 {
					out = append(out, c.RefusedCount)
				}
			}
			return out
		}
		flood(100)
		if rows := w.ledger.refusedRows(); len(rows) != 10 || len(counts()) != 0 {
			t.Errorf("at once: %d rows, shared %v", len(rows), counts())
		}
		time.Sleep(5 * time.Second)
		flood(50)
		if rows := w.ledger.refusedRows(); len(rows) != 20 {
			t.Errorf("in another second: %d rows", len(rows))
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if got := counts(); !slices.Equal(got, []int{130}) {
			t.Errorf("after ten seconds: shared %v", got)
		}
		flood(15)
		w.stop() // what is left is written at the end
		if rows := w.ledger.refusedRows(); len(rows) != 32 || !slices.Equal(counts(), []int{130, 5}) {
			t.Errorf("at the end: %d rows, shared %v", len(rows), counts())
		}
		for _, c := range w.ledger.refusedRows() {
			if !strings.Contains(c.ErrorMessage, "no agent") {
				t.Errorf("got %q", c.ErrorMessage)
			}
		}
	})
}
