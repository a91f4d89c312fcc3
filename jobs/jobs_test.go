package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/jobs"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/telephony"
)

func TestMain(m *testing.M) {
	code := storetest.Main(m)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// dialer counts the attempts per intent; answer decides each.
type dialer struct {
	answer func(ctx context.Context, call sidetone.Call) error

	mu    sync.Mutex
	dials map[string]int
}

func (d *dialer) Dial(ctx context.Context, intent sidetone.DialIntent, call sidetone.Call) error {
	d.mu.Lock()
	if d.dials == nil {
		d.dials = map[string]int{}
	}
	d.dials[intent.ID]++
	d.mu.Unlock()
	if d.answer == nil {
		return nil
	}
	return d.answer(ctx, call)
}

func (d *dialer) count(intentID string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dials[intentID]
}

// total is how many calls were dialled.
func (d *dialer) total() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dials := range d.dials {
		n += dials
	}
	return n
}

// start runs a client on s until the test ends or stop is called.
func start(t *testing.T, s *store.Store, d jobs.Dialer) (stop func()) {
	t.Helper()
	return startLimited(t, s, d, jobs.Limits{})
}

func startLimited(t *testing.T, s *store.Store, d jobs.Dialer, l jobs.Limits) (stop func()) {
	t.Helper()
	c, err := jobs.New(jobs.Config{Store: s, Dialer: d, Dials: l})
	if err != nil {
		t.Fatal(err)
	}
	s.SetEnqueuer(c)
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel() // what rings is given up
			if err := c.Stop(ctx); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func account(t *testing.T, s *store.Store) string {
	t.Helper()
	e, err := s.CreateAccount(context.Background(), "Clinic", "live")
	if err != nil {
		t.Fatal(err)
	}
	return e.ID
}

// plan stores a call and its intent in one transaction; fail rolls it back.
func plan(s *store.Store, env, id string, notAfter time.Time, fail error) error {
	return s.Write(context.Background(), env, func(tx *store.Tx) error {
		return errors.Join(insertDial(tx, id, notAfter), fail)
	})
}

func insertDial(tx *store.Tx, id string, notAfter time.Time) error {
	err := tx.InsertCall(sidetone.Call{ID: "call-" + id, EnvironmentID: tx.EnvironmentID(), Status: sidetone.CallNotStarted,
		Stage: sidetone.StageCreated, Outgoing: true, FromNumber: "+12125550100", ToNumber: "+12125550101", Created: tx.Now()})
	if err != nil {
		return err
	}
	return tx.InsertIntent(sidetone.DialIntent{ID: id, CallID: "call-" + id, NotAfter: notAfter, Created: tx.Now()})
}

func mustPlan(t *testing.T, s *store.Store, env, id string, notAfter time.Time) {
	t.Helper()
	if err := plan(s, env, id, notAfter, nil); err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, s *store.Store, env, id string) string {
	t.Helper()
	var i sidetone.DialIntent
	err := s.Read(context.Background(), env, func(tx *store.Tx) (err error) { i, err = tx.Intent(id); return err })
	if err != nil {
		t.Fatal(err)
	}
	return i.State
}

// eventually polls until the intent has the state.
func eventually(t *testing.T, s *store.Store, env, id, want string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for state(t, s, env, id) != want {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("intent %s is %s, want %s", id, state(t, s, env, id), want)
		}
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(context.Context, sidetone.Call) error
		want   string
	}{
		{"answered", nil, store.IntentDone},
		{"busy", func(context.Context, sidetone.Call) error {
			return &telephony.DialError{Cause: telephony.CauseBusy, Status: 486, Sent: true}
		}, store.IntentFailed},
		{"unreachable", func(context.Context, sidetone.Call) error { return errors.New("no route") }, store.IntentFailed},
		{"no response", func(context.Context, sidetone.Call) error {
			return fmt.Errorf("dial: %w", &telephony.DialError{Cause: telephony.CauseFailure, Sent: true})
		}, store.IntentUnknown},
		{"panic", func(context.Context, sidetone.Call) error { panic("driver bug") }, store.IntentUnknown},
	}
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		answers := map[string]func(context.Context, sidetone.Call) error{}
		for _, tt := range tests {
			answers["call-"+tt.name] = tt.answer
		}
		d := &dialer{answer: func(ctx context.Context, c sidetone.Call) error {
			if answer := answers[c.ID]; answer != nil {
				return answer(ctx, c)
			}
			return nil
		}}
		start(t, s, d)
		for _, tt := range tests {
			mustPlan(t, s, env, tt.name, time.Time{})
		}
		for _, tt := range tests {
			eventually(t, s, env, tt.name, tt.want)
			if n := d.count(tt.name); n != 1 {
				t.Errorf("%s: dialled %d times", tt.name, n)
			}
		}
	})
}

func TestRolledBackIntentIsNotDialled(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		d := &dialer{}
		start(t, s, d)
		for i := range 10 {
			if err := plan(s, env, fmt.Sprint("lost", i), time.Time{}, errors.New("changed my mind")); err == nil {
				t.Fatal("rolled back write was acknowledged")
			}
		}
		mustPlan(t, s, env, "kept", time.Time{})
		eventually(t, s, env, "kept", store.IntentDone)
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.dials) != 1 {
			t.Errorf("dialled %v", d.dials)
		}
	})
}

func TestExpiredIntentClosesItsCall(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		d := &dialer{}
		mustPlan(t, s, env, "late", time.Now().Add(-time.Second)) // no enqueuer yet: the start has to find it
		start(t, s, d)
		eventually(t, s, env, "late", store.IntentFailed)
		if d.count("late") != 0 {
			t.Error("dialled an expired intent")
		}
		err := s.Read(context.Background(), env, func(tx *store.Tx) error {
			c, err := tx.Call("call-late")
			if c.Status != sidetone.CallError || c.EndReason != "expired" || c.Outcome != sidetone.OutcomeDidNotConnect || c.Ended.IsZero() {
				t.Errorf("call %+v", c)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A call for which there is no room waits until there is, but not for ever.
func TestCallsWaitForRoom(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		tries := make(chan string, 100)
		var full sync.Map
		d := &dialer{answer: func(_ context.Context, c sidetone.Call) error {
			tries <- c.ID
			if _, room := full.Load(c.ID); !room {
				return fmt.Errorf("dial: %w", jobs.ErrNoRoom)
			}
			return nil
		}}
		start(t, s, d)
		mustPlan(t, s, env, "patient", time.Now().Add(time.Minute))
		<-tries
		<-tries
		if got := state(t, s, env, "patient"); got != store.IntentPlanned && got != store.IntentDialling {
			t.Errorf("a call that waits is %s", got)
		}
		full.Store("call-patient", true)
		eventually(t, s, env, "patient", store.IntentDone)
		mustPlan(t, s, env, "hasty", time.Now().Add(300*time.Millisecond))
		eventually(t, s, env, "hasty", store.IntentFailed)
		err := s.Read(context.Background(), env, func(tx *store.Tx) error {
			c, err := tx.Call("call-hasty")
			if c.EndReason != "expired" || c.Outcome != sidetone.OutcomeDidNotConnect {
				t.Errorf("a call that waited in vain: %+v", c)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestCrashAfterClaim plays a process that died between the claim and the
// outcome: nobody may dial again, whatever wakes up.
func TestCrashAfterClaim(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		now := time.Now()
		s := storetest.Open(t, url, func() time.Time { return now.Add(-time.Hour) }) // a lease of long ago
		env := account(t, s)
		c, err := jobs.New(jobs.Config{Store: s, Dialer: &dialer{}})
		if err != nil {
			t.Fatal(err)
		}
		s.SetEnqueuer(c) // the job is stored and survives the crash
		mustPlan(t, s, env, "claimed", time.Time{})
		mustPlan(t, s, env, "waiting", time.Time{})
		if _, _, err := s.ClaimIntent(context.Background(), env, "claimed"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		next, d := storetest.Open(t, url, nil), &dialer{}
		stop := start(t, next, d)
		eventually(t, next, env, "waiting", store.IntentDone)
		eventually(t, next, env, "claimed", store.IntentUnknown)
		stop()
		if d.count("claimed") != 0 || d.count("waiting") != 1 {
			t.Errorf("dialled %v", d.dials)
		}
		lost, err := next.LostCalls(context.Background(), now)
		if err != nil || len(lost) != 2 { // the dialer here stores no outcome, so both await closing
			t.Errorf("lost calls %v, %v", lost, err)
		}
	})
}

// TestKilledWorkersNeverDialTwice starts and kills clients while intents wait: at
// the same time on Postgres, one after the other on SQLite, which one process at
// a time may use.
func TestKilledWorkersNeverDialTwice(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		d := &dialer{}
		const intents = 30
		for i := range intents {
			mustPlan(t, s, env, fmt.Sprint(i), time.Time{}) // no enqueuer: only the starts wake them
		}
		var wg sync.WaitGroup
		for range 3 {
			if _, alone := s.SQLite(); alone {
				wg.Wait()
			}
			wg.Go(func() {
				c, err := jobs.New(jobs.Config{Store: s, Dialer: d})
				if err == nil {
					err = c.Start(context.Background())
				}
				if err != nil {
					t.Error(err)
					return
				}
				gone, cancel := context.WithCancel(context.Background())
				cancel()
				if err := c.Stop(gone); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		start(t, s, d)
		for i := range intents {
			eventually(t, s, env, fmt.Sprint(i), store.IntentDone)
			if n := d.count(fmt.Sprint(i)); n != 1 {
				t.Errorf("intent %d was dialled %d times", i, n)
			}
		}
	})
}

// TestQueueAndWritersShareTheDatabase has many writers, dials that write, and
// the queue at once; nothing may wait for each other for ever.
func TestQueueAndWritersShareTheDatabase(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		d := &dialer{answer: func(ctx context.Context, c sidetone.Call) error {
			_, err := s.MarkCall(ctx, env, c.ID, func(c *sidetone.Call) { c.Status, c.Stage = sidetone.CallInProgress, sidetone.StagePickedUp })
			return err
		}}
		start(t, s, d)
		const writers, each = 8, 6
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					if err := plan(s, env, fmt.Sprintf("%d-%d", w, i), time.Time{}, nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for w := range writers {
			for i := range each {
				eventually(t, s, env, fmt.Sprintf("%d-%d", w, i), store.IntentDone)
			}
		}
	})
}

func TestStopCancelsRunningDials(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		ringing := make(chan struct{})
		d := &dialer{answer: func(ctx context.Context, _ sidetone.Call) error {
			close(ringing)
			<-ctx.Done()
			return ctx.Err()
		}}
		c, err := jobs.New(jobs.Config{Store: s, Dialer: d})
		if err != nil {
			t.Fatal(err)
		}
		s.SetEnqueuer(c)
		if err := c.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		mustPlan(t, s, env, "rings", time.Time{})
		<-ringing
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
		if got := state(t, s, env, "rings"); got != store.IntentFailed {
			t.Errorf("state %s after stop", got)
		}
	})
}

// TestListedNumbersAreNotDialled lists a number after the call was accepted.
func TestListedNumbersAreNotDialled(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, d := account(t, s), &dialer{}
		mustPlan(t, s, env, "i1", time.Time{})
		err := s.Write(t.Context(), env, func(tx *store.Tx) error {
			return tx.InsertDNCNumber(sidetone.DNCNumber{ID: "d", Number: "+12125550101"})
		})
		if err != nil {
			t.Fatal(err)
		}
		start(t, s, d)
		eventually(t, s, env, "i1", store.IntentFailed)
		if n := d.count("i1"); n != 0 {
			t.Errorf("dialled %d times", n)
		}
		err = s.Read(t.Context(), env, func(tx *store.Tx) error {
			c, err := tx.Call("call-i1")
			if c.Status != sidetone.CallError || c.EndReason != "do_not_call" || c.ErrorMessage != "to_number is on the do-not-call list" {
				t.Errorf("got %s, %s, %s", c.Status, c.EndReason, c.ErrorMessage)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
