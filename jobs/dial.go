package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
)

const (
	// dialTimeout bounds one call's ringing.
	dialTimeout = 2 * time.Minute
	// beginning is how many intents are being claimed at the same time: no more
	// than share a commit, so that the next environment's turn comes soon.
	beginning = 32
	// storeTimeout bounds what is stored once there is an outcome.
	storeTimeout = time.Minute
)

// dials carries out dial intents, each at most once: a goroutine for each call
// that rings, begun in the order of the schedule.
type dials struct {
	store  *store.Store
	dialer Dialer
	trunk  func(sidetone.DialJob) string
	log    *slog.Logger
	now    func() time.Time

	mu       sync.Mutex
	schedule *schedule
	claiming int
	claimed  map[string]bool // intents that ring
	wake     chan struct{}
	ringing  sync.WaitGroup
}

func newDials(c Config) *dials {
	return &dials{store: c.Store, dialer: c.Dialer, trunk: c.Trunk, log: c.Log, now: c.Now,
		schedule: newSchedule(c.Dials), claimed: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// add lets jobs wait for their turns; it does not wait itself. Those that are
// known already are left out.
func (d *dials) add(jobs ...sidetone.DialJob) {
	d.mu.Lock()
	for _, job := range jobs {
		d.schedule.add(job, d.trunk(job))
	}
	d.mu.Unlock()
	d.look()
}

// retry lets jobs that found no room try again.
func (d *dials) retry() {
	d.mu.Lock()
	d.schedule.free()
	d.mu.Unlock()
	d.look()
}

// look lets run see what changed.
func (d *dials) look() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// run begins what may begin until ctx ends; attempts is the context of the calls.
func (d *dials) run(ctx, attempts context.Context) {
	for {
		timer := time.NewTimer(d.begin(attempts))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-d.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// begin begins what may begin and returns when to look again at the latest.
func (d *dials) begin(attempts context.Context) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.claiming < beginning {
		t, ok := d.schedule.next(d.now())
		if !ok {
			break
		}
		d.claiming++
		d.ringing.Go(func() { d.carryOut(attempts, t) })
	}
	if wait, ok := d.schedule.wait(d.now()); ok {
		return wait
	}
	return time.Hour
}

// carryOut claims the intent, durably, and only then dials. An intent that is
// claimed already was or is being dialled, and is left alone; the renewals of a
// claim end with its process.
func (d *dials) carryOut(ctx context.Context, t task) {
	intent, call, err := d.store.ClaimIntent(ctx, t.job.EnvironmentID, t.job.IntentID)
	d.begun(t, err == nil)
	switch code := sidetone.CodeOf(err); {
	case code == sidetone.Conflict || code == sidetone.NotFound:
		d.end(t)
		return
	case err != nil:
		if ctx.Err() == nil {
			d.log.Warn("claim dial intent", "intent", t.job.IntentID, "error", err)
		}
		d.postpone(t)
		return
	case intent.State != store.IntentDialling:
		d.log.Info("call is not placed any more", "intent", intent.ID, "call", call.ID)
		d.end(t)
		return
	}
	state := d.attempt(ctx, intent, call)
	// The outcome is true whether or not we are being stopped.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if state == store.IntentPlanned {
		if err = d.store.ReleaseIntent(ctx, intent.EnvironmentID, intent.ID, intent.Fence); err == nil {
			d.postpone(t)
			return
		}
	} else {
		err = d.store.FinishIntent(ctx, intent.EnvironmentID, intent.ID, intent.Fence, state)
	}
	if err != nil {
		d.log.Error("store outcome of dial intent", "intent", intent.ID, "call", call.ID, "state", state, "error", err)
	}
	d.end(t)
}

// begun says that the claim of a task has an answer.
func (d *dials) begun(t task, claimed bool) {
	d.mu.Lock()
	d.claiming--
	if claimed {
		d.claimed[t.job.IntentID] = true
	}
	d.mu.Unlock()
	d.look()
}

func (d *dials) end(t task) { d.leave(t, func() { d.schedule.end(t) }) }

func (d *dials) postpone(t task) { d.leave(t, func() { d.schedule.postpone(t, d.now()) }) }

func (d *dials) leave(t task, change func()) {
	d.mu.Lock()
	delete(d.claimed, t.job.IntentID)
	change()
	d.mu.Unlock()
	d.look()
}

// renew says that the claims of the calls that ring are alive.
func (d *dials) renew(ctx context.Context) error {
	d.mu.Lock()
	ids := make([]string, 0, len(d.claimed))
	for id := range d.claimed {
		ids = append(ids, id)
	}
	d.mu.Unlock()
	slices.Sort(ids) // two nodes lock rows in one order
	return d.store.RenewClaims(ctx, ids, d.now().Add(store.ClaimLease))
}

// attempt dials and returns the intent's new state: planned when there was no
// room.
func (d *dials) attempt(ctx context.Context, intent sidetone.DialIntent, call sidetone.Call) string {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	err := d.dial(ctx, intent, call)
	switch {
	case err == nil:
		return store.IntentDone
	case errors.Is(err, ErrNoRoom):
		return store.IntentPlanned
	}
	d.log.Info("call was not answered", "intent", intent.ID, "call", call.ID, "error", err)
	return stateAfter(err)
}

// lost is an attempt that ended in a panic: nobody knows how far it came.
type lost struct{ cause any }

func (l *lost) Error() string { return fmt.Sprintf("panic while dialling: %v", l.cause) }

func (d *dials) dial(ctx context.Context, intent sidetone.DialIntent, call sidetone.Call) (err error) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("panic while dialling", "call", call.ID, "panic", p, "stack", string(debug.Stack()))
			err = &lost{p}
		}
	}()
	return d.dialer.Dial(ctx, intent, call)
}

// stateAfter tells a refusal from an attempt whose outcome nobody knows.
func stateAfter(err error) string {
	var panicked *lost
	var refused *telephony.DialError
	switch {
	case errors.As(err, &panicked):
		return store.IntentUnknown
	case errors.As(err, &refused) && refused.Sent && refused.Status == 0 && refused.Cause == telephony.CauseFailure:
		return store.IntentUnknown
	}
	return store.IntentFailed
}

// dialWorker takes what River wakes: jobs of other nodes, and those whose node
// ended between the commit and their turn.
type dialWorker struct {
	river.WorkerDefaults[sidetone.DialJob]
	dials *dials
}

// Work lets the job wait for its turn unless its intent waits no more. It does
// not dial: a call that rings holds no worker.
func (w *dialWorker) Work(ctx context.Context, job *river.Job[sidetone.DialJob]) error {
	var intent sidetone.DialIntent
	err := w.dials.store.Read(ctx, job.Args.EnvironmentID, func(tx *store.Tx) (err error) {
		intent, err = tx.Intent(job.Args.IntentID)
		return err
	})
	switch {
	case sidetone.CodeOf(err) == sidetone.NotFound:
		return nil
	case err != nil:
		return fmt.Errorf("read dial intent: %w", err)
	}
	if intent.State == store.IntentPlanned {
		w.dials.add(job.Args)
	}
	return nil
}
