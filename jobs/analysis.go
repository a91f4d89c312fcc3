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
)

const (
	// analysing is how many calls are analysed at the same time, and ofOneEnvironment how
	// many of them may be one environment's.
	analysing        = 8
	ofOneEnvironment = 4
	// analysisWithin bounds one attempt; its claim lasts longer.
	analysisWithin = 3 * time.Minute
	// mostAttempts is how often a call is tried to be analysed, and firstDelay and longestDelay how
	// long after an attempt the next one is due: each waits three times as long as the one before.
	mostAttempts = 8
	firstDelay   = 30 * time.Second
	longestDelay = time.Hour
	// mostWaiting is how many analyses a node keeps in mind; the next look finds others.
	mostWaiting = 1000
)

// Analyst finds out what a call that is over tells.
type Analyst interface {
	// OptsOut says, at once, whether the other party asked in plain words not to be called
	// again.
	OptsOut(call sidetone.Call, events []sidetone.Event) bool
	// Analyse makes one attempt. An error, whose text customers may read, means that a
	// later attempt may do better; what was used counts all the same. It must return soon
	// after ctx ends.
	Analyse(ctx context.Context, call sidetone.Call, events []sidetone.Event) (sidetone.Findings, error)
}

// errInside is what customers are told of a panic.
const errInside failure = "an error inside the server"

// failure is the type of constant errors about attempts.
type failure string

// Error returns the text.
func (f failure) Error() string { return string(f) }

// analyses carries out what is to be found out after calls.
type analyses struct {
	store   *store.Store
	analyst Analyst
	log     *slog.Logger
	now     func() time.Time

	mu      sync.Mutex
	waiting []sidetone.AnalysisJob
	known   map[sidetone.AnalysisJob]bool // waiting or at work
	busy    map[string]int                // at work, by environment
	wake    chan struct{}
}

func newAnalyses(c Config) *analyses {
	return &analyses{store: c.Store, analyst: c.Analyst, log: c.Log, now: c.Now,
		known: map[sidetone.AnalysisJob]bool{}, busy: map[string]int{}, wake: make(chan struct{}, 1)}
}

// add lets jobs wait for a worker; it does not wait itself. Those that are known already
// are left out.
func (a *analyses) add(jobs ...sidetone.AnalysisJob) {
	a.mu.Lock()
	for _, job := range jobs {
		if !a.known[job] && len(a.waiting) < mostWaiting {
			a.known[job] = true
			a.waiting = append(a.waiting, job)
		}
	}
	a.mu.Unlock()
	a.look()
}

// look lets a worker see what changed.
func (a *analyses) look() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// sweep finds what is due.
func (a *analyses) sweep(ctx context.Context) error {
	due, err := a.store.DueAnalyses(ctx, a.now(), mostWaiting)
	if err != nil {
		return fmt.Errorf("find due analyses: %w", err)
	}
	a.add(due...)
	return nil
}

// run starts the workers, which end with ctx.
func (a *analyses) run(ctx context.Context, group *sync.WaitGroup) {
	if a.analyst == nil {
		return
	}
	for range analysing {
		group.Go(func() { a.work(ctx) })
	}
}

// work takes jobs in turn until ctx ends.
func (a *analyses) work(ctx context.Context) {
	for ctx.Err() == nil {
		job, ok := a.next()
		if !ok {
			select {
			case <-ctx.Done():
			case <-a.wake:
			}
			continue
		}
		a.look() // there may be more
		a.carryOut(ctx, job)
		a.end(job)
	}
}

// next takes the job that has waited longest among those of environments that may have one
// more.
func (a *analyses) next() (sidetone.AnalysisJob, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.waiting, func(j sidetone.AnalysisJob) bool { return a.busy[j.EnvironmentID] < ofOneEnvironment })
	if i < 0 {
		return sidetone.AnalysisJob{}, false
	}
	job := a.waiting[i]
	a.waiting = slices.Delete(a.waiting, i, i+1)
	a.busy[job.EnvironmentID]++
	return job, true
}

func (a *analyses) end(job sidetone.AnalysisJob) {
	a.mu.Lock()
	delete(a.known, job)
	if a.busy[job.EnvironmentID]--; a.busy[job.EnvironmentID] == 0 {
		delete(a.busy, job.EnvironmentID)
	}
	a.mu.Unlock()
	a.look()
}

// carryOut claims the analysis, durably, and makes one attempt. What another worker has, or
// has done, is left alone.
func (a *analyses) carryOut(ctx context.Context, job sidetone.AnalysisJob) {
	claim, call, events, err := a.store.ClaimAnalysis(ctx, job)
	if code := sidetone.CodeOf(err); code == sidetone.Conflict || code == sidetone.NotFound || ctx.Err() != nil {
		return
	}
	if err == nil {
		err = a.attempt(ctx, claim, call, events)
	}
	if err != nil && sidetone.CodeOf(err) != sidetone.Conflict { // the claim ran out: somebody else has it
		a.log.Warn("analyse a call", "call", job.CallID, "error", err)
	}
}

// attempt analyses a call, and stores what came of it; the error is the store's.
func (a *analyses) attempt(ctx context.Context, claim sidetone.Analysis, call sidetone.Call, events []sidetone.Event) error {
	// What was found, or paid, is true whether or not we are being stopped.
	storing, done := context.WithTimeout(context.WithoutCancel(ctx), analysisWithin+storeTimeout)
	defer done()
	if call.RunDoNotCall && a.analyst.OptsOut(call, events) {
		if err := a.store.RecordOptOut(storing, claim); err != nil {
			return fmt.Errorf("record a wish not to be called: %w", err)
		}
	}
	if claim.Attempts > mostAttempts { // the processes that had it died
		return a.store.SettleAnalysis(storing, claim, sidetone.Findings{Failure: fmt.Sprintf("given up after %d attempts that did not come to an end", mostAttempts)})
	}
	limited, cancel := context.WithTimeout(ctx, analysisWithin)
	defer cancel()
	found, err := a.analyse(limited, call, events)
	switch {
	case err == nil:
		return a.store.SettleAnalysis(storing, claim, found)
	case ctx.Err() != nil:
		return a.store.PostponeAnalysis(storing, claim, found, "the server was stopped in the middle of it", a.now())
	case claim.Attempts >= mostAttempts:
		found.Failure = fmt.Sprintf("given up after %d attempts: %s", claim.Attempts, public(err))
		return a.store.SettleAnalysis(storing, claim, found)
	}
	a.log.Info("a call could not be analysed yet", "call", call.ID, "attempt", claim.Attempts, "error", err)
	return a.store.PostponeAnalysis(storing, claim, found, public(err), a.now().Add(delay(claim.Attempts)))
}

// analyse asks the analyst, and makes a panic an error.
func (a *analyses) analyse(ctx context.Context, call sidetone.Call, events []sidetone.Event) (found sidetone.Findings, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.log.Error("panic while analysing", "call", call.ID, "panic", p, "stack", string(debug.Stack()))
			err = errInside
		}
	}()
	return a.analyst.Analyse(ctx, call, events)
}

// public is the text of an error for customers.
func public(err error) string {
	if coded, ok := errors.AsType[*sidetone.Error](err); ok {
		return coded.Message
	}
	return err.Error()
}

// delay is how long after an attempt the next one is due.
func delay(attempts int) time.Duration {
	d := firstDelay
	for range attempts - 1 {
		d = min(3*d, longestDelay)
	}
	return d
}

// analysisWorker takes what River wakes: jobs of other nodes, and those whose node ended.
type analysisWorker struct {
	river.WorkerDefaults[sidetone.AnalysisJob]
	analyses *analyses
}

// Work lets the job wait for its turn. It analyses nothing: that holds no worker of River.
func (w *analysisWorker) Work(_ context.Context, job *river.Job[sidetone.AnalysisJob]) error {
	w.analyses.add(job.Args)
	return nil
}
