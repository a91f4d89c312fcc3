package call_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/telephony"
)

// counted are the refused calls in the rows by their reasons, of those of calls and of
// refusals.
func (w *world) counted(kept *fakeRefusals) (calls, refusals map[string]int) {
	calls, refusals = map[string]int{}, map[string]int{}
	for _, c := range w.ledger.refusedRows() {
		calls[c.ErrorMessage] += c.RefusedCount
	}
	kept.mu.Lock()
	defer kept.mu.Unlock()
	for _, c := range kept.rows {
		refusals[c.Reason] += c.Count
	}
	return calls, refusals
}

// refuse is what a driver tells of a call to a number that it refused by itself.
func (w *world) refuse(number, reason string) {
	w.exchange.Refused(telephony.Info{ID: "a@b", From: "+12025550199", To: number, Source: "192.0.2.1:5060"},
		telephony.Refusal{Cause: telephony.CauseNotAcceptable, Reason: reason})
}

// TestEachReasonIsCounted soon, also when the calls of one second are more than have rows
// of their own.
func TestEachReasonIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept := &fakeRefusals{}
		w := newWorld(t, func(_ *world, c *call.Config) { c.Refusals = kept })
		defer w.stop()
		want := map[string]int{}
		for i := range 21 {
			reason := fmt.Sprintf("%d Not Acceptable", 400+i%7)
			want[reason]++
			w.refuse("+14155550100", reason)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if calls, refusals := w.counted(kept); !maps.Equal(calls, want) || !maps.Equal(refusals, want) {
			t.Errorf("calls %v, refusals %v", calls, refusals)
		}
		if rows := len(kept.rows); rows != 17 { // ten, and one for each reason
			t.Errorf("%d rows", rows)
		}
		for i := range 1000 { // whoever calls chooses the reasons
			w.refuse("+14155550100", fmt.Sprint("no codec ", i))
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		total := 0
		calls, refusals := w.counted(kept)
		for reason, n := range refusals {
			total += n
			if calls[reason] != n {
				t.Errorf("%s: %d in calls, %d in refusals", reason, calls[reason], n)
			}
		}
		if rows := len(kept.rows); total != 1021 || rows > 17+21 {
			t.Errorf("%d calls in %d rows", total, rows)
		}
	})
}

// TestRefusalsOutliveAStoreThatFails, and calls whose number could not be looked up are
// nobody's.
func TestRefusalsOutliveAStoreThatFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ledger, refusals bool // fail
	}{"no rows of calls": {true, false}, "no rows of refusals": {false, true}, "none": {true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kept := &fakeRefusals{}
				w := newWorld(t, func(_ *world, c *call.Config) { c.Refusals = kept })
				defer w.stop()
				fail := func(ledger, refusals bool) {
					w.ledger.mu.Lock()
					defer w.ledger.mu.Unlock()
					kept.mu.Lock()
					defer kept.mu.Unlock()
					w.ledger.fail, kept.fail = nil, nil
					if ledger {
						w.ledger.fail = errors.New("the disk is gone")
					}
					if refusals {
						kept.fail = errors.New("the disk is gone")
					}
				}
				fail(test.ledger, test.refusals)
				want := map[string]int{}
				for i := range 30 {
					reason := fmt.Sprintf("%d Not Acceptable", 400+i%3)
					want[reason]++
					w.refuse("+14155550100", reason)
				}
				time.Sleep(35 * time.Second)
				fail(false, false)
				time.Sleep(11 * time.Second)
				synctest.Wait()
				if calls, refusals := w.counted(kept); !maps.Equal(calls, want) || !maps.Equal(refusals, want) {
					t.Errorf("calls %v, refusals %v", calls, refusals)
				}
			})
		})
	}
	t.Run("unknown whose", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			kept := &fakeRefusals{}
			w := newWorld(t, func(w *world, c *call.Config) { c.Refusals, w.routeErr = kept, errors.New("connection refused") })
			w.refuse("+14155550100", "488 Not Acceptable")
			synctest.Wait()
			w.stop()
			if len(kept.rows) != 1 || kept.rows[0].EnvironmentID != "" || kept.rows[0].Number != "" || kept.rows[0].ToNumber != "+14155550100" {
				t.Errorf("got %+v", kept.rows)
			}
		})
	})
}

// story is what the signalling of every call said.
type story struct{ asked int }

func (*story) Belongs(string, string) {}

// Exchange implements call.Signalling.
func (s *story) Exchange(name string) []sidetone.SignalMessage {
	s.asked++
	if name != "dialog" {
		return nil
	}
	return slices.Repeat([]sidetone.SignalMessage{{Text: "INVITE " + strings.Repeat("\u00e4", 5000)}}, 9)
}

// TestRefusalsTellTheExchange of calls to nobody's number, bounded: of three in ten
// seconds by one trunk.
func TestRefusalsTellTheExchange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, told := &fakeRefusals{}, &story{}
		w := newWorld(t, func(_ *world, c *call.Config) { c.Refusals, c.Signalling = kept, told })
		defer w.stop()
		time.Sleep(10*time.Second - time.Duration(time.Now().UnixNano())%(10*time.Second)) // ten seconds begin
		refused := func(number, dialog string) {
			w.exchange.Refused(telephony.Info{To: number, Signalling: dialog}, telephony.Refusal{Cause: telephony.CauseNotAcceptable, Reason: "488"})
			synctest.Wait()
		}
		refused("+14155550100", "dialog") // ours has a ladder
		refused("+14155550999", "another")
		for range 5 {
			refused("+14155550999", "dialog")
		}
		time.Sleep(10 * time.Second)
		refused("+14155550999", "dialog")
		var with []int
		for i, c := range kept.rows {
			if len(c.Exchange) == 0 {
				continue
			}
			with = append(with, i)
			for _, m := range c.Exchange {
				if len(c.Exchange) != 4 || len(m.Text) > 4096+3 || !utf8.ValidString(m.Text) || !strings.HasSuffix(m.Text, "\u00e4...") {
					t.Errorf("row %d has %d messages, one of %d bytes", i, len(c.Exchange), len(m.Text))
				}
			}
		}
		if want := []int{2, 3, 4, 7}; !slices.Equal(with, want) {
			t.Errorf("rows %v have messages, want %v", with, want)
		}
	})
}

// TestRefusalsThatDoNotFitAreCounted: while a store hangs, more are refused than wait.
func TestRefusalsThatDoNotFitAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const waiting, kinds = 10_000, 1000
		kept := &fakeRefusals{gate: make(chan struct{})} // the first one hangs
		w := newWorld(t, func(_ *world, c *call.Config) { c.Refusals = kept })
		w.refuse("+14155550100", "first")
		synctest.Wait()
		for range waiting {
			w.refuse("+14155550100", "fits")
		}
		for range 500 {
			w.refuse("+14155550100", "does not")
		}
		for i := range kinds + 200 {
			w.refuse(fmt.Sprint("+1415556", 1000+i), "other numbers")
		}
		close(kept.gate)
		time.Sleep(11 * time.Second)
		w.stop()
		calls, refusals := w.counted(kept)
		sum := 0
		for _, n := range refusals {
			sum += n
		}
		if sum != 1+waiting+500+kinds+200 {
			t.Errorf("%d are counted: %v", sum, refusals)
		}
		if want := map[string]int{"first": 1, "fits": waiting, "does not": 500}; !cmp.Equal(calls, want) {
			t.Errorf("calls to our number (-want +got)\n%s", cmp.Diff(want, calls))
		}
	})
}
