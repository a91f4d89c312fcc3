package jobs_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/jobs"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// oracle is an analyst that does what answer says, by the attempt.
type oracle struct {
	answer func(ctx context.Context, attempt int) (sidetone.Findings, error)
	optOut bool

	mu       sync.Mutex
	attempts map[string]int
}

func (o *oracle) OptsOut(sidetone.Call, []sidetone.Event) bool { return o.optOut }

func (o *oracle) Analyse(ctx context.Context, c sidetone.Call, _ []sidetone.Event) (sidetone.Findings, error) {
	o.mu.Lock()
	if o.attempts == nil {
		o.attempts = map[string]int{}
	}
	o.attempts[c.ID]++
	n := o.attempts[c.ID]
	o.mu.Unlock()
	return o.answer(ctx, n)
}

func (o *oracle) count(id string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.attempts[id]
}

// analysing runs a client with an analyst until the test ends or stop is called.
func analysing(t *testing.T, s *store.Store, o *oracle, now func() time.Time) (stop func()) {
	t.Helper()
	c, err := jobs.New(jobs.Config{Store: s, Dialer: &dialer{}, Analyst: o, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s.SetEnqueuer(c)
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// talked stores a call that is over and whose agent wants a summary.
func talked(t *testing.T, s *store.Store, env, id string) {
	t.Helper()
	c := sidetone.Call{ID: id, EnvironmentID: env, Status: sidetone.CallInProgress, Stage: sidetone.StagePickedUp, FromNumber: "+12125550199", ToNumber: "+12125550100",
		Created: time.Now(), Started: time.Now(), RunDoNotCall: true}
	c.Snapshot.Agent.Extra = []byte(`{"post_call_insights":[{"type":"summary"}]}`)
	r := sidetone.CallResult{Status: sidetone.CallEnded, EndReason: "hangup", Transcript: "[00:01.00] HUMAN: Hello.", Ended: time.Now()}
	if err := errors.Join(s.StartCall(t.Context(), c), s.FinishCall(t.Context(), env, id, r, nil)); err != nil {
		t.Fatal(err)
	}
}

func insights(t *testing.T, s *store.Store, env, id string) (c sidetone.Call) {
	t.Helper()
	if err := s.Read(t.Context(), env, func(tx *store.Tx) (err error) { c, err = tx.Call(id); return err }); err != nil {
		t.Fatal(err)
	}
	return c
}

// settled polls until done says so.
func settled(t *testing.T, s *store.Store, env, id string, done func(sidetone.Call) bool) sidetone.Call {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		c := insights(t, s, env, id)
		if done(c) {
			return c
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("call %s: %+v", id, c.Insights)
		}
	}
}

func ready(c sidetone.Call) bool { return c.Insights.State == sidetone.InsightsReady }

// TestAnalysesOfEndedCalls: calls are analysed once they are over, and those of before by
// the next process.
func TestAnalysesOfEndedCalls(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		talked(t, s, env, "before"+env) // its process died between the end and the job
		found := sidetone.Findings{DoNotCall: "no", Results: []sidetone.InsightResult{{Name: "summary", Kind: sidetone.InsightSummary, Value: []byte(`"Hi."`)}}}
		o := &oracle{answer: func(context.Context, int) (sidetone.Findings, error) { return found, nil }}
		stop := analysing(t, s, o, nil)
		ids := []string{"before" + env}
		for i := range 20 {
			id := string(rune('a'+i)) + env
			talked(t, s, env, id)
			ids = append(ids, id)
		}
		for _, id := range ids {
			c := settled(t, s, env, id, ready)
			if d := cmp.Diff(found.Results, c.Insights.Results); d != "" || c.DoNotCall != "no" {
				t.Errorf("%s: %s, %s", id, d, c.DoNotCall)
			}
		}
		stop()
		for _, id := range ids {
			if n := o.count(id); n != 1 {
				t.Errorf("%s was analysed %d times", id, n)
			}
		}
	})
}

// TestAnalysesAreTriedAgain: failures wait longer and longer, and after the last attempt
// the call says why nothing was found; a panic is a failure.
func TestAnalysesAreTriedAgain(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		var now clock
		s := storetest.Open(t, url, now.time)
		env := account(t, s)
		talked(t, s, env, "call")
		o := &oracle{answer: func(_ context.Context, attempt int) (sidetone.Findings, error) {
			if attempt == 2 {
				panic("bug")
			}
			return sidetone.Findings{Used: []sidetone.Used{{Part: "model", Vendor: "v", Requests: 1}}}, errors.New("the vendor is down")
		}}
		for attempt := 1; attempt <= 8; attempt++ {
			stop := analysing(t, s, o, now.time) // looks at its start for what is due
			c := settled(t, s, env, "call", func(c sidetone.Call) bool { return c.Insights.Attempts == attempt })
			stop()
			switch text := c.Insights.Failure; {
			case attempt == 8:
				if c.Insights.State != sidetone.InsightsFailed || text != "given up after 8 attempts: the vendor is down" || c.Used[0].Requests != 7 {
					t.Errorf("%+v %+v", c.Insights, c.Used)
				}
			case c.Insights.State != sidetone.InsightsWaiting || text != map[bool]string{true: "an error inside the server", false: "the vendor is down"}[attempt == 2]:
				t.Errorf("attempt %d: %+v", attempt, c.Insights)
			}
			before, wait := time.Duration(0), 30*time.Second
			for range attempt - 1 {
				wait = min(3*wait, time.Hour)
			}
			if attempt < 8 {
				before = wait - 5*time.Second
			}
			now.add(before)
			if due, err := s.DueAnalyses(t.Context(), now.time(), 10); err != nil || len(due) > 0 {
				t.Errorf("due %s after attempt %d: %v, %v", before, attempt, due, err)
			}
			now.add(10 * time.Second)
		}
	})
}

// TestAWishIsRecordedBeforeTheModelAnswers, and a process that is stopped gives its
// analysis to the next one.
func TestAWishIsRecordedBeforeTheModelAnswers(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		asked := make(chan struct{})
		slow := &oracle{optOut: true, answer: func(ctx context.Context, _ int) (sidetone.Findings, error) {
			close(asked)
			<-ctx.Done()
			return sidetone.Findings{}, ctx.Err()
		}}
		stop := analysing(t, s, slow, nil)
		talked(t, s, env, "call"+env)
		<-asked
		if c := insights(t, s, env, "call"+env); c.DoNotCall != "yes" || c.Insights.State != sidetone.InsightsWaiting {
			t.Errorf("%s %+v", c.DoNotCall, c.Insights)
		}
		stop()
		if c := insights(t, s, env, "call"+env); !strings.Contains(c.Insights.Failure, "stopped") {
			t.Errorf("%+v", c.Insights)
		}
		analysing(t, s, &oracle{answer: func(context.Context, int) (sidetone.Findings, error) {
			return sidetone.Findings{Failure: "no model"}, nil
		}}, nil)
		c := settled(t, s, env, "call"+env, func(c sidetone.Call) bool { return c.Insights.State == sidetone.InsightsFailed })
		if c.DoNotCall != "yes" || c.Insights.Failure != "no model" || c.Insights.Attempts != 2 {
			t.Errorf("%s %+v", c.DoNotCall, c.Insights)
		}
	})
}
