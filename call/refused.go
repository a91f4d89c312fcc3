package call

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

const (
	// refusedRows is how many refused calls to one number get a row of their own
	// in a second. The others share one row for each refusedSpan.
	refusedRows = 10
	refusedSpan = time.Minute
	// refusedWaiting bounds the refused calls that wait to be looked at, and
	// refusedCauses the causes that a shared row names.
	refusedWaiting = 10_000
	refusedCauses  = 10
)

// refusedCall is a call that was refused and has no row.
type refusedCall struct {
	info telephony.Info
	err  error
	at   time.Time
}

// refusedCalls writes rows of calls that were refused although they came from an
// admitted source to an active number of ours. Nobody waits for it. Its fields
// belong to run, the channel aside.
type refusedCalls struct {
	x       *Exchange
	waiting chan refusedCall
	due     chan struct{} // a shared row is to be written
	second  time.Time
	rows    map[string]int            // of this second, by number
	shared  map[string]*sidetone.Call // the rows that are not written yet, by number
}

func newRefusedCalls(x *Exchange) *refusedCalls {
	return &refusedCalls{x: x, waiting: make(chan refusedCall, refusedWaiting), due: make(chan struct{}, 1), shared: map[string]*sidetone.Call{}}
}

// add takes a call that was refused; what is too much is logged and forgotten.
func (r *refusedCalls) add(info telephony.Info, err error) {
	if refusal(err).Cause == telephony.CauseUnknownNumber {
		return // nobody's call
	}
	select {
	case r.waiting <- refusedCall{info, err, r.x.c.Clock.Now()}:
	default:
		r.x.c.Log.Warn("a refused call is not recorded: too many wait", slog.String("to", info.To))
	}
}

// run writes until ctx ends, and then what is left.
func (r *refusedCalls) run(ctx context.Context) {
	for {
		select {
		case c := <-r.waiting:
			r.take(c)
		case <-r.due:
			r.writeShared(r.x.c.Clock.Now())
		case <-ctx.Done():
			for len(r.waiting) > 0 {
				r.take(<-r.waiting)
			}
			r.writeShared(r.x.c.Clock.Now().Add(refusedSpan))
			return
		}
	}
}

// take writes a row, or counts the call in a shared one.
func (r *refusedCalls) take(c refusedCall) {
	route, err := r.x.find(c.info)
	if err != nil || !route.Number.Active {
		return
	}
	number := route.Number.Number
	if second := c.at.Truncate(time.Second); !second.Equal(r.second) {
		r.second, r.rows = second, map[string]int{}
	}
	if r.rows[number]++; r.rows[number] <= refusedRows {
		r.write(r.row(c, route))
		return
	}
	shared := r.shared[number]
	if shared == nil {
		row := r.row(c, route)
		r.shared[number] = &row
		r.wakeAfter(refusedSpan)
		return
	}
	shared.RefusedCount++
	shared.Ended = c.at
	if cause := public(c.err); len(shared.Errors) < refusedCauses && !slices.Contains(shared.Errors, cause) {
		shared.Errors = append(shared.Errors, cause)
	}
}

func (r *refusedCalls) wakeAfter(d time.Duration) {
	r.x.c.Clock.AfterFunc(d, func() {
		select {
		case r.due <- struct{}{}:
		default: // it is awake
		}
	})
}

// row is the record of a refused call.
func (r *refusedCalls) row(c refusedCall, route Route) sidetone.Call {
	row := r.x.inboundCall(c.info, route)
	row.Status, row.Outcome, row.EndReason = sidetone.CallError, sidetone.OutcomeDidNotConnect, refusal(c.err).Cause.String()
	row.ErrorMessage, row.Errors = public(c.err), []string{public(c.err)}
	row.Created, row.Ended, row.Lease, row.RefusedCount = c.at, c.at, time.Time{}, 1
	return row
}

// writeShared writes the shared rows that are due at a time.
func (r *refusedCalls) writeShared(now time.Time) {
	for number, row := range r.shared {
		if wait := row.Created.Add(refusedSpan).Sub(now); wait > 0 {
			r.wakeAfter(wait)
			continue
		}
		r.write(*row)
		delete(r.shared, number)
	}
}

func (r *refusedCalls) write(row sidetone.Call) {
	ctx, cancel := withTimeout(r.x.c.Clock, storeTimeout)
	defer cancel()
	if err := r.x.c.Ledger.StartCall(ctx, row, 0); err != nil {
		r.x.c.Log.Warn("a refused call is not recorded", slog.String("to", row.ToNumber), slog.Int("calls", row.RefusedCount), slog.Any("error", err))
	}
}
