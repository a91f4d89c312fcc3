package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/jobs"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// campaign is how many calls of one environment ring while another's single one
// is to be dialled; e2e/faults has 2,000 of them ring at a carrier.
const campaign = 500

// beginning is how many calls are claimed at the same time. How long a turn takes
// depends on the machine; how many others come first does not.
const beginning = 32

// TestRingingCampaignDelaysNobody has one environment whose calls ring and are
// never answered, and another that places a call in the middle of that and one
// when all of them ring.
func TestRingingCampaignDelaysNobody(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		busy, other := account(t, s), account(t, s)
		dialled := make(chan sidetone.Call, campaign+2)
		d := &dialer{answer: func(ctx context.Context, c sidetone.Call) error {
			dialled <- c
			<-ctx.Done() // nobody answers
			return ctx.Err()
		}}
		stop := startLimited(t, s, d, jobs.Limits{Kind: 2 * campaign})
		const batch = 100
		for i := range campaign / batch {
			err := s.Write(t.Context(), busy, func(tx *store.Tx) error {
				var errs []error
				for j := range batch {
					errs = append(errs, insertDial(tx, fmt.Sprint(i*batch+j), time.Time{}))
				}
				return errors.Join(errs...)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		delay := func(when, id string) {
			t.Helper()
			mustPlan(t, s, other, id, time.Time{})
			before, committed := d.total(), time.Now()
			for c := range dialled {
				if c.EnvironmentID == other {
					break
				}
			}
			overtaken := d.total() - before - 1 // itself
			t.Logf("%s, when %d were dialled: its turn came %s after its commit and after %d others", when, before, time.Since(committed), overtaken)
			if overtaken > 4*beginning {
				t.Errorf("%s: %d calls of the campaign were dialled first", when, overtaken)
			}
		}
		delay("in the middle", "single-1")
		for d.total() < campaign+1 {
			<-dialled
		}
		delay("at the end", "single-2")
		stop()
	})
}

// TestLimitsOfAnEnvironment lets two of an environment's calls ring at a time.
func TestLimitsOfAnEnvironment(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		dialled, over := make(chan string, 10), make(chan struct{})
		d := &dialer{answer: func(_ context.Context, c sidetone.Call) error {
			dialled <- c.ID
			<-over
			return nil
		}}
		startLimited(t, s, d, jobs.Limits{Environment: 2})
		for i := range 5 {
			mustPlan(t, s, env, fmt.Sprint(i), time.Time{})
		}
		<-dialled
		<-dialled
		for i := range 3 {
			select {
			case id := <-dialled:
				t.Fatalf("%s is dialled while two ring", id)
			case over <- struct{}{}:
			}
			if id, want := <-dialled, fmt.Sprint("call-", i+2); id != want {
				t.Errorf("dialled %s, want %s", id, want)
			}
		}
		over <- struct{}{}
		over <- struct{}{}
		eventually(t, s, env, "4", store.IntentDone)
	})
}

// TestOtherNodesJobsAreFound commits intents without telling this client, as
// another node does: River or the next sweep finds them.
func TestOtherNodesJobsAreFound(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, nil)
		env, d := account(t, s), &dialer{}
		c, err := jobs.New(jobs.Config{Store: s, Dialer: d})
		if err != nil {
			t.Fatal(err)
		}
		s.SetEnqueuer(silent{c})
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
		mustPlan(t, s, env, "i", time.Time{})
		eventually(t, s, env, "i", store.IntentDone)
	})
}

// silent does not tell its client what was committed.
type silent struct{ *jobs.Client }

// Committed implements store.Enqueuer.
func (silent) Committed([]sidetone.Job) {}

// strange is a job of a kind that nobody carries out.
type strange struct{}

// Kind implements sidetone.Job.
func (strange) Kind() string { return "strange" }

func TestJobsOfUnknownKindsAreRefused(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		c, err := jobs.New(jobs.Config{Store: s, Dialer: &dialer{}})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Write(t.Context(), account(t, s), func(tx *store.Tx) error { return c.Enqueue(t.Context(), tx, strange{}) })
		if err == nil {
			t.Error("a job that nobody carries out was stored")
		}
	})
}

// TestClaimsAreRenewed rings for longer than a claim lasts.
func TestClaimsAreRenewed(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		var now clock
		ringing, over := make(chan struct{}), make(chan struct{})
		d := &dialer{answer: func(context.Context, sidetone.Call) error {
			close(ringing)
			<-over
			return nil
		}}
		c, err := jobs.New(jobs.Config{Store: s, Dialer: d, Now: now.time})
		if err != nil {
			t.Fatal(err)
		}
		s.SetEnqueuer(c)
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustPlan(t, s, env, "i", time.Time{})
		<-ringing
		now.add(time.Hour)
		lost := func() int {
			calls, err := s.LostCalls(t.Context(), now.time())
			if err != nil {
				t.Fatal(err)
			}
			return len(calls)
		}
		if lost() != 1 {
			t.Error("a call whose claim ran out is not lost")
		}
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if lost() == 0 { // its client renewed the claim
				break
			}
		}
		close(over)
		eventually(t, s, env, "i", store.IntentDone)
		if err := c.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// clock is a time that tests move.
type clock struct {
	mu    sync.Mutex
	later time.Duration
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.later)
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.later += d
}
