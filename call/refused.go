package call

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

const (
	// refusedRows is how many refused calls to one number, or by one trunk to
	// nobody's numbers, get a row of their own in a second. The others share one row
	// for each refusedSpan.
	refusedRows = 10
	refusedSpan = time.Minute
	// refusedWaiting bounds the refused calls that wait to be looked at, and
	// refusedCauses the causes that a shared row names.
	refusedWaiting = 10_000
	refusedCauses  = 10
	// refusedText bounds, in bytes, what of a caller's signalling is stored of a
	// refused call.
	refusedText = 256
)

// refusedCall is a call that was refused and has no row.
type refusedCall struct {
	info telephony.Info
	err  error
	at   time.Time
}

// refusedRow is what is stored of one or more of them.
type refusedRow struct {
	// call is nil when the number is nobody's.
	call    *sidetone.Call
	refusal sidetone.RefusedCall
}

// refusedCalls writes rows of calls that were refused although they came from an
// admitted source. Nobody waits for it. Its fields belong to run, the channel
// aside.
type refusedCalls struct {
	x       *Exchange
	waiting chan refusedCall
	due     chan struct{} // a shared row is to be written
	second  time.Time
	rows    map[string]int         // of this second, by number, or by trunk
	shared  map[string]*refusedRow // those that are not written yet, likewise
}

func newRefusedCalls(x *Exchange) *refusedCalls {
	return &refusedCalls{x: x, waiting: make(chan refusedCall, refusedWaiting), due: make(chan struct{}, 1), shared: map[string]*refusedRow{}}
}

// add takes a call that was refused; what is too much is logged and forgotten.
func (r *refusedCalls) add(info telephony.Info, err error) {
	select {
	case r.waiting <- refusedCall{info, err, r.x.c.Clock.Now()}:
	default:
		r.x.c.Log.Warn("a refused call is not recorded: too many wait", slog.String("to", info.To))
	}
}

// Refused takes a call that its driver refused by itself. It does not wait.
func (x *Exchange) Refused(info telephony.Info, why telephony.Refusal) { x.refused.add(info, &why) }

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
	row, key, ok := r.row(c)
	if !ok {
		return
	}
	if second := c.at.Truncate(time.Second); !second.Equal(r.second) {
		r.second, r.rows = second, map[string]int{}
	}
	if r.rows[key]++; r.rows[key] <= refusedRows {
		r.write(row)
		return
	}
	shared := r.shared[key]
	if shared == nil {
		r.shared[key] = &row
		r.wakeAfter(refusedSpan)
		return
	}
	shared.add(c)
}

func (r *refusedCalls) wakeAfter(d time.Duration) {
	r.x.c.Clock.AfterFunc(d, func() {
		select {
		case r.due <- struct{}{}:
		default: // it is awake
		}
	})
}

// row is the record of a refused call, and whose share it takes; false when it
// leaves none.
func (r *refusedCalls) row(c refusedCall) (row refusedRow, key string, ok bool) {
	route, err := r.x.find(c.info)
	switch {
	case sidetone.CodeOf(err) == sidetone.NotFound && r.x.c.Refusals != nil:
		_, owner := r.x.c.Directory.Trunk(c.info.Trunk) // who sees what is wrong with its trunk
		return refusedRow{refusal: r.refusal(c, sidetone.Number{EnvironmentID: owner})}, "trunk " + c.info.Trunk, true
	case err != nil || !route.Number.Active:
		return row, "", false
	}
	call := r.x.inboundCall(c.info, route)
	call.Status, call.Outcome, call.EndReason = sidetone.CallError, sidetone.OutcomeDidNotConnect, refusal(c.err).Cause.String()
	call.ErrorMessage, call.Errors = public(c.err), []string{public(c.err)}
	call.Created, call.Ended, call.Lease, call.RefusedCount = c.at, c.at, time.Time{}, 1
	return refusedRow{call: &call, refusal: r.refusal(c, route.Number)}, route.Number.Number, true
}

// refusal says why, of a call to a number of ours, by the trunk of an environment, or to
// nobody's.
func (r *refusedCalls) refusal(c refusedCall, number sidetone.Number) sidetone.RefusedCall {
	trunk, _ := r.x.c.Directory.Trunk(c.info.Trunk)
	out := sidetone.RefusedCall{ID: r.x.c.IDs.New(), EnvironmentID: number.EnvironmentID, Trunk: trunk, Source: c.info.Source,
		CarrierID: short(c.info.ID), FromNumber: short(c.info.From), ToNumber: short(c.info.To), Number: number.Number,
		Tried: []string{}, Cause: refusal(c.err).Cause.String(), Reason: public(c.err), Count: 1, Created: c.at, Last: c.at}
	var unknown *UnknownNumber
	if errors.As(c.err, &unknown) {
		out.Tried, out.Reason = unknown.Tried, unknown.Why
	}
	return out
}

// short is what of a text that a stranger may have chosen is stored.
func short(text string) string {
	return strings.Map(printable, strings.ToValidUTF8(text[:min(len(text), refusedText)], ""))
}

// add counts one more call.
func (r *refusedRow) add(c refusedCall) {
	r.refusal.Count++
	r.refusal.Last = c.at
	if r.call == nil {
		return
	}
	r.call.RefusedCount++
	r.call.Ended = c.at
	if cause := public(c.err); len(r.call.Errors) < refusedCauses && !slices.Contains(r.call.Errors, cause) {
		r.call.Errors = append(r.call.Errors, cause)
	}
}

// writeShared writes the shared rows that are due at a time.
func (r *refusedCalls) writeShared(now time.Time) {
	for key, row := range r.shared {
		if wait := row.refusal.Created.Add(refusedSpan).Sub(now); wait > 0 {
			r.wakeAfter(wait)
			continue
		}
		r.write(*row)
		delete(r.shared, key)
	}
}

func (r *refusedCalls) write(row refusedRow) {
	ctx, cancel := withTimeout(r.x.c.Clock, storeTimeout)
	defer cancel()
	var err error
	if row.call != nil {
		err = r.x.c.Ledger.StartCall(ctx, *row.call, 0)
	}
	if r.x.c.Refusals != nil {
		err = errors.Join(err, r.x.c.Refusals.StoreRefusedCall(ctx, row.refusal))
	}
	if err != nil {
		r.x.c.Log.Warn("a refused call is not recorded", slog.String("to", row.refusal.ToNumber), slog.Int("calls", row.refusal.Count), slog.Any("error", err))
	}
}
