package store_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// analysedCall is an incoming call whose agent wants to know something.
func analysedCall(env, id, webhookID string) sidetone.Call {
	c := hookedCall(env, id, webhookID)
	if webhookID == "" {
		c.Snapshot.Webhook = nil
	}
	c.RunDoNotCall = true
	c.Snapshot.Agent.Extra = []byte(`{"post_call_insights":[{"type":"summary"}]}`)
	return c
}

// over stores a call and its end, in which something was said unless transcript is "".
func over(t *testing.T, s *store.Store, c sidetone.Call, transcript string) {
	t.Helper()
	if err := s.StartCall(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := s.MarkCall(t.Context(), c.EnvironmentID, c.ID, func(c *sidetone.Call) {
		c.Status, c.Stage, c.Started = sidetone.CallInProgress, sidetone.StagePickedUp, day(2)
	}); err != nil {
		t.Fatal(err)
	}
	r := sidetone.CallResult{Status: sidetone.CallEnded, Outcome: sidetone.OutcomeHumanDisconnected, EndReason: "hangup", Transcript: transcript, Ended: day(3),
		Used: []sidetone.Used{{Part: "model", Vendor: "openai", Account: "server", Requests: 2, Units: map[string]float64{"input_tokens": 10}}}}
	events := []sidetone.Event{storedEvent(c.ID, 0, sidetone.EventCaller, "Hello.")}
	for range 2 { // it may be repeated
		if err := s.FinishCall(t.Context(), c.EnvironmentID, c.ID, r, events); err != nil {
			t.Fatal(err)
		}
	}
}

func callOf(t *testing.T, s *store.Store, env, id string) (c sidetone.Call) {
	t.Helper()
	read(t, s, env, func(tx *store.Tx) (err error) { c, err = tx.Call(id); return err })
	return c
}

func dueAnalyses(t *testing.T, s *store.Store, env string, now time.Time) []string {
	t.Helper()
	jobs, err := s.DueAnalyses(t.Context(), now, 1000)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, j := range jobs {
		if j.EnvironmentID == env {
			out = append(out, j.CallID)
		}
	}
	return out
}

// TestWhichCallsAreAnalysed: those whose agents want it, in which something was said and
// that may leave a trace; their wake-up is in the transaction of their end.
func TestWhichCallsAreAnalysed(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		q := &wakeups{}
		s.SetEnqueuer(q)
		wanted := analysedCall(env, "wanted"+env, "")
		plain := analysedCall(env, "plain"+env, "")
		plain.RunDoNotCall, plain.Snapshot.Agent.Extra = false, nil
		private := analysedCall(env, "private"+env, "")
		private.HIPAA = true
		only := analysedCall(env, "only"+env, "")
		only.Snapshot.Agent.Extra = []byte(`{"post_call_insights":[{"a":1}]}`)
		silent := analysedCall(env, "silent"+env, "")
		for _, c := range []sidetone.Call{wanted, plain, private, only} {
			over(t, s, c, "[00:01.00] HUMAN: Hello.")
		}
		over(t, s, silent, "")
		if d := cmp.Diff([]string{only.ID, wanted.ID}, slices.Sorted(slices.Values(dueAnalyses(t, s, env, time.Now().Add(time.Minute))))); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]sidetone.Job{sidetone.AnalysisJob{EnvironmentID: env, CallID: wanted.ID}, sidetone.AnalysisJob{EnvironmentID: env, CallID: only.ID}}, q.jobs); d != "" {
			t.Error(d)
		}
		for id, want := range map[string]*sidetone.Insights{wanted.ID: {State: sidetone.InsightsWaiting}, only.ID: {State: sidetone.InsightsWaiting}, plain.ID: nil, private.ID: nil, silent.ID: nil} {
			if d := cmp.Diff(want, callOf(t, s, env, id).Insights); d != "" {
				t.Errorf("%s: %s", id, d)
			}
		}
	})
}

// wakeups keeps the jobs that transactions enqueue.
type wakeups struct{ jobs []sidetone.Job }

func (q *wakeups) Enqueue(_ context.Context, _ *store.Tx, job sidetone.Job) error {
	q.jobs = append(q.jobs, job)
	return nil
}

func (q *wakeups) Committed([]sidetone.Job) {}

// TestAnalysisIsStoredOnce: a claim keeps others away until it is given back or has run
// out, and of two that hold one after the other only the last may store.
func TestAnalysisIsStoredOnce(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		now := day(4)
		s := storetest.Open(t, url, func() time.Time { return now })
		env, other := account(t, s), account(t, s)
		c := analysedCall(env, "call"+env, "")
		over(t, s, c, "[00:01.00] HUMAN: Hello.")
		job := sidetone.AnalysisJob{EnvironmentID: env, CallID: c.ID}
		claim := func() (sidetone.Analysis, error) {
			a, call, events, err := s.ClaimAnalysis(t.Context(), job)
			if err == nil && (call.ID != c.ID || len(events) != 2 || events[0].Text != "Hello.") {
				t.Errorf("claimed %s with %d events", call.ID, len(events))
			}
			return a, err
		}
		_, _, _, err := s.ClaimAnalysis(t.Context(), sidetone.AnalysisJob{EnvironmentID: other, CallID: c.ID})
		wantCode(t, err, sidetone.NotFound, "analysis not found")
		first, err := claim()
		if err != nil || first.Attempts != 1 {
			t.Fatalf("%+v: %v", first, err)
		}
		_, err = claim()
		wantCode(t, err, sidetone.Conflict, "")
		now = now.Add(store.AnalysisLease)
		if got := dueAnalyses(t, s, env, now); len(got) != 1 {
			t.Errorf("an analysis whose claim ran out is not due: %v", got)
		}
		second, err := claim()
		if err != nil || second.Attempts != 2 {
			t.Fatalf("%+v: %v", second, err)
		}
		found := sidetone.Findings{DoNotCall: "no", Results: []sidetone.InsightResult{{Name: "summary", Kind: sidetone.InsightSummary, Value: json.RawMessage(`"Hi."`)},
			{Name: "day", Kind: sidetone.InsightData, Failure: "none"}, {Name: "hour", Kind: sidetone.InsightData, Value: json.RawMessage(`null`)}},
			Used: []sidetone.Used{{Part: "model", Vendor: "openai", Account: "server", Requests: 1, Units: map[string]float64{"input_tokens": 5}}}}
		wantCode(t, s.SettleAnalysis(t.Context(), first, found), sidetone.Conflict, "")
		wantCode(t, s.PostponeAnalysis(t.Context(), first, found, "late", now), sidetone.Conflict, "")
		if got := callOf(t, s, env, c.ID); got.Insights.State != sidetone.InsightsWaiting || got.Used[0].Requests != 2 {
			t.Errorf("a stale claim stored %+v, %+v", got.Insights, got.Used)
		}
		if err := s.PostponeAnalysis(t.Context(), second, sidetone.Findings{Used: found.Used}, "busy", now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got := callOf(t, s, env, c.ID).Insights; got.Failure != "busy" || got.Attempts != 2 || got.State != sidetone.InsightsWaiting {
			t.Errorf("postponed: %+v", got)
		}
		_, err = claim()
		wantCode(t, err, sidetone.Conflict, "")
		now = now.Add(time.Minute)
		third, err := claim()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SettleAnalysis(t.Context(), third, found); err != nil {
			t.Fatal(err)
		}
		wantCode(t, s.SettleAnalysis(t.Context(), third, found), sidetone.Conflict, "")
		_, err = claim()
		wantCode(t, err, sidetone.NotFound, "")
		got := callOf(t, s, env, c.ID)
		want := &sidetone.Insights{State: sidetone.InsightsReady, Attempts: 3, Results: found.Results, Settled: now}
		if d := cmp.Diff(want, got.Insights); d != "" || got.DoNotCall != "no" || got.Used[0].Requests != 4 || got.Used[0].Units["input_tokens"] != 20 {
			t.Errorf("%s %s %+v", d, got.DoNotCall, got.Used)
		}
	})
}

// TestReleasedAnalyses: who has the database alone takes what a dead process had.
func TestReleasedAnalyses(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		c := analysedCall(env, "call"+env, "")
		over(t, s, c, "[00:01.00] HUMAN: Hello.")
		job := sidetone.AnalysisJob{EnvironmentID: env, CallID: c.ID}
		if _, _, _, err := s.ClaimAnalysis(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if err := s.ReleaseAnalyses(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a, _, _, err := s.ClaimAnalysis(t.Context(), job); err != nil || a.Attempts != 2 {
			t.Errorf("%+v: %v", a, err)
		}
	})
}

// TestAWishNotToBeCalled enters the list of the call's environment at once, once, also
// when what a model says later is something else.
func TestAWishNotToBeCalled(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		for i, from := range []string{"+12025550199", "+12025550199", "anonymous"} {
			c := analysedCall(env, string(rune('a'+i))+env, "")
			c.FromNumber = from
			over(t, s, c, "[00:01.00] HUMAN: Stop calling me.")
			a, _, _, err := s.ClaimAnalysis(t.Context(), sidetone.AnalysisJob{EnvironmentID: env, CallID: c.ID})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := s.RecordOptOut(t.Context(), a); err != nil {
					t.Fatal(err)
				}
			}
			if got := callOf(t, s, env, c.ID); got.DoNotCall != "yes" || got.Insights.State != sidetone.InsightsWaiting {
				t.Errorf("%s %+v", got.DoNotCall, got.Insights)
			}
			if err := s.SettleAnalysis(t.Context(), a, sidetone.Findings{DoNotCall: "no"}); err != nil {
				t.Fatal(err)
			}
			if got := callOf(t, s, env, c.ID); got.DoNotCall != "yes" {
				t.Errorf("the model took the wish back")
			}
		}
		c := analysedCall(env, "d"+env, "")
		c.Outgoing, c.FromNumber, c.ToNumber = true, "+12025550142", "+12025550177"
		over(t, s, c, "[00:01.00] HUMAN: Please leave me alone.")
		a, _, _, err := s.ClaimAnalysis(t.Context(), sidetone.AnalysisJob{EnvironmentID: env, CallID: c.ID})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SettleAnalysis(t.Context(), a, sidetone.Findings{DoNotCall: "yes"}); err != nil {
			t.Fatal(err)
		}
		for _, one := range []string{env, other} {
			read(t, s, one, func(tx *store.Tx) error {
				page, err := tx.DNCNumbers(sidetone.PageQuery{Page: 1, Size: 10, SortColumn: "phoneNumber"})
				var got []string
				for _, n := range page.Items {
					got = append(got, n.Number+" "+n.Reason)
				}
				want := []string{"+12025550177 asked not to be called again, in call d" + env, "+12025550199 asked not to be called again, in call a" + env}
				if one == other {
					want = nil
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Error(d)
				}
				return err
			})
		}
	})
}

// TestAnAnalysisTellsTheWebhook: in each shape what belongs there, in order; a report of
// the end that has the analysis in it waits for it.
func TestAnAnalysisTellsTheWebhook(t *testing.T) {
	t.Parallel()
	for shape, want := range map[string][2][]string{
		sidetone.ShapeContract: {{"event_phone_call_started", "event_phone_call_connected", "event_message", "event_transcript", "event_phone_call_ended"}, {"event_insights"}},
		sidetone.ShapeVapi:     {{}, {"event_phone_call_ended"}},
		sidetone.ShapeRetell:   {{"event_phone_call_connected", "event_phone_call_ended"}, {"event_insights"}},
	} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T, s *store.Store) {
				env := account(t, s)
				hooked(t, s, env, "hook"+env)
				write(t, s, env, func(tx *store.Tx) error {
					h, err := tx.Webhook("hook" + env)
					h.Shape = shape
					if err == nil {
						err = tx.UpdateWebhook(h)
					}
					return err
				})
				c := analysedCall(env, "call"+env, "hook"+env)
				over(t, s, c, "[00:01.00] HUMAN: Hello.")
				before := typesOf(deliveries(t, s, env))
				if d := cmp.Diff(want[0], before); d != "" {
					t.Error(d)
				}
				a, _, _, err := s.ClaimAnalysis(t.Context(), sidetone.AnalysisJob{EnvironmentID: env, CallID: c.ID})
				if err != nil {
					t.Fatal(err)
				}
				f := sidetone.Findings{DoNotCall: "no", Results: []sidetone.InsightResult{{Name: "summary", Kind: sidetone.InsightSummary, Value: json.RawMessage(`"Hi."`)}}}
				if err := s.SettleAnalysis(t.Context(), a, f); err != nil {
					t.Fatal(err)
				}
				all := deliveries(t, s, env)
				if d := cmp.Diff(want[1], typesOf(all[len(before):])); d != "" {
					t.Error(d)
				}
				var body struct {
					Payload struct {
						Status    string
						DoNotCall *bool `json:"do_not_call_result"`
						Results   []map[string]any
					}
				}
				if shape != sidetone.ShapeContract {
					return
				}
				if err := json.Unmarshal(all[len(all)-1].Body, &body); err != nil {
					t.Fatal(err)
				}
				p := body.Payload
				if p.Status != "ready" || p.DoNotCall == nil || *p.DoNotCall || !cmp.Equal(p.Results, []map[string]any{{"name": "summary", "type": "summary", "value": "Hi."}}) {
					t.Errorf("%s", all[len(all)-1].Body)
				}
			})
		})
	}
}
