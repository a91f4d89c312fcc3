package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
)

// shortestWait and longestWait are how long a call waits for room before it is
// looked for again.
const (
	shortestWait = 200 * time.Millisecond
	longestWait  = 4 * time.Second
)

// dialWorker carries out dial intents, each at most once.
type dialWorker struct {
	river.WorkerDefaults[sidetone.DialJob]
	store  *store.Store
	dialer Dialer
	log    *slog.Logger
	now    func() time.Time
}

// Timeout bounds one attempt below the lease of its claim.
func (w *dialWorker) Timeout(*river.Job[sidetone.DialJob]) time.Duration { return dialTimeout }

// Work claims the intent, durably, and only then dials. An intent that is
// claimed already was or is being dialled: this job has nothing left to do, and
// the sweep declares the intent unknown when its claimer never reports back. An
// error is returned only while nothing was claimed, so that River's retry is
// safe.
func (w *dialWorker) Work(ctx context.Context, job *river.Job[sidetone.DialJob]) error {
	intent, call, err := w.store.ClaimIntent(ctx, job.Args.EnvironmentID, job.Args.IntentID)
	switch sidetone.CodeOf(err) {
	case "":
	case sidetone.Conflict, sidetone.NotFound:
		return nil
	default:
		return fmt.Errorf("claim dial intent: %w", err)
	}
	state := w.attempt(ctx, intent, call)
	if state == store.IntentPlanned {
		return w.postpone(ctx, intent)
	}
	// The outcome is true whether or not we are being stopped.
	err = w.store.FinishIntent(context.WithoutCancel(ctx), intent.EnvironmentID, intent.ID, intent.Fence, state)
	if err != nil {
		w.log.Error("store outcome of dial intent", "intent", intent.ID, "call", call.ID, "state", state, "error", err)
	}
	return nil
}

// postpone gives the claim back and wakes the job again after a while, the
// longer the call has waited: there may be many of them.
func (w *dialWorker) postpone(ctx context.Context, intent sidetone.DialIntent) error {
	err := w.store.ReleaseIntent(context.WithoutCancel(ctx), intent.EnvironmentID, intent.ID, intent.Fence)
	if err != nil {
		w.log.Error("give a claim back", "intent", intent.ID, "call", intent.CallID, "error", err)
		return nil // the sweep finds it when the claim has run out
	}
	wait := min(max(w.now().Sub(intent.Created)/10, shortestWait), longestWait)
	return river.JobSnooze(wait + rand.N(wait/4))
}

// attempt dials unless it is too late, and returns the intent's new state:
// planned when there was no room.
func (w *dialWorker) attempt(ctx context.Context, intent sidetone.DialIntent, call sidetone.Call) string {
	now := w.now()
	if !intent.NotAfter.IsZero() && now.After(intent.NotAfter) {
		w.refuse(ctx, call, "expired", "the call was not placed in time")
		return store.IntentFailed
	}
	if call.Status.Terminal() {
		return store.IntentFailed // it was ended while it waited
	}
	if reason, message := w.forbidden(ctx, call); reason != "" {
		w.refuse(ctx, call, reason, message)
		return store.IntentFailed
	}
	err := w.dial(ctx, intent, call)
	switch {
	case err == nil:
		return store.IntentDone
	case errors.Is(err, ErrNoRoom):
		return store.IntentPlanned
	}
	w.log.Info("call was not answered", "intent", intent.ID, "call", call.ID, "error", err)
	return stateAfter(err)
}

// forbidden says why the number must not be called although the call was
// accepted; "" when it may be. What cannot be known is forbidden.
func (w *dialWorker) forbidden(ctx context.Context, call sidetone.Call) (reason, message string) {
	err := w.store.Read(ctx, call.EnvironmentID, func(tx *store.Tx) error {
		_, err := tx.DNCNumberByPhone(call.ToNumber)
		return err
	})
	switch sidetone.CodeOf(err) {
	case sidetone.NotFound:
		return "", ""
	case "":
		return "do_not_call", "to_number is on the do-not-call list"
	}
	w.log.Error("read the do-not-call list", "call", call.ID, "error", err)
	return "error", "the do-not-call list could not be read"
}

// refuse closes a call that will not be dialled.
func (w *dialWorker) refuse(ctx context.Context, call sidetone.Call, reason, message string) {
	err := w.store.FinishCall(context.WithoutCancel(ctx), call.EnvironmentID, call.ID, sidetone.CallResult{
		Status: sidetone.CallError, Outcome: sidetone.OutcomeDidNotConnect, EndReason: reason,
		ErrorMessage: message, Errors: []string{message}, Ended: w.now(),
	}, nil)
	if err != nil {
		w.log.Error("close call that was not dialled", "call", call.ID, "error", err)
	}
}

// lost is an attempt that ended in a panic: nobody knows how far it came.
type lost struct{ cause any }

func (l *lost) Error() string { return fmt.Sprintf("panic while dialling: %v", l.cause) }

func (w *dialWorker) dial(ctx context.Context, intent sidetone.DialIntent, call sidetone.Call) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("panic while dialling", "call", call.ID, "panic", p, "stack", string(debug.Stack()))
			err = &lost{p}
		}
	}()
	return w.dialer.Dial(ctx, intent, call)
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
