package call

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

const (
	// refusedRows is how many refused calls to one number, or by one trunk to
	// nobody's numbers, get a row of their own in a second. The others share a row for
	// each reason, and refusedSpan.
	refusedRows = 10
	refusedSpan = 10 * time.Second
	// refusedWaiting bounds the refused calls that wait to be looked at; those beyond
	// are counted by refusedOverflow kinds. refusedCauses bounds the reasons of one
	// number, or trunk, that have shared rows of their own, and those that a row names.
	refusedWaiting  = 10_000
	refusedOverflow = 1000
	refusedCauses   = 10
	// refusedTries is how often a row is written that the store does not take.
	refusedTries = 360
	// refusedText bounds, in bytes, what of a caller's signalling is stored of a
	// refused call.
	refusedText = 256
	// refusedMessages and refusedMessage bound the messages that are stored of a call to
	// nobody's number: how many, and each one's bytes. refusedTold is of how many calls
	// by one trunk in a refusedSpan they are stored.
	refusedMessages, refusedMessage = 4, 4096
	refusedTold                     = 3
)

// refusedCall is a call that was refused and has no row, or several alike.
type refusedCall struct {
	info     telephony.Info
	err      error
	at, last time.Time
	count    int
}

// refusedKind is what calls have in common that are counted because too many wait.
type refusedKind struct {
	trunk, to string
	cause     telephony.Cause
}

// refusedRow is what is stored of one or more of them.
type refusedRow struct {
	// call is nil when the number is nobody's.
	call    *sidetone.Call
	refusal sidetone.RefusedCall
	key     string    // whose share it takes
	due     time.Time // when it is written, of a shared one
	tries   int
}

// refusedCalls writes rows of calls that were refused although they came from an
// admitted source, each of which is counted in one. Nobody waits for it. Its fields
// belong to run, the channels and what mu guards aside.
type refusedCalls struct {
	x       *Exchange
	waiting chan refusedCall
	due     chan struct{} // a shared row is to be written, or calls did not fit
	second  time.Time
	rows    map[string]int         // of this second, by number, or by trunk
	shared  map[string]*refusedRow // those that are not written yet, by number or trunk, and reason
	sharing map[string]int         // how many of them there are by number or trunk
	ending  bool                   // nothing is written later
	span    time.Time
	told    map[string]int // of this span, by trunk: rows with messages

	mu       sync.Mutex
	overflow map[refusedKind]*refusedCall // those that did not fit into waiting
}

func newRefusedCalls(x *Exchange) *refusedCalls {
	return &refusedCalls{x: x, waiting: make(chan refusedCall, refusedWaiting), due: make(chan struct{}, 1),
		shared: map[string]*refusedRow{}, sharing: map[string]int{}, overflow: map[refusedKind]*refusedCall{}}
}

// add takes a call that was refused; when many wait, alike ones are counted together.
func (r *refusedCalls) add(info telephony.Info, err error) {
	now := r.x.c.Clock.Now()
	select {
	case r.waiting <- refusedCall{info, err, now, now, 1}:
		return
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := refusedKind{info.Trunk, short(info.To), refusal(err).Cause}
	if r.overflow[kind] == nil && len(r.overflow) >= refusedOverflow {
		kind = refusedKind{}
		info, err = telephony.Info{}, &telephony.Refusal{Cause: telephony.CauseOverload, Reason: "more calls to more numbers were refused at once than can be told apart"}
	}
	if before := r.overflow[kind]; before != nil {
		before.count++
		before.last = now
		return
	}
	r.overflow[kind] = &refusedCall{info, err, now, now, 1}
	r.wake()
}

// takeOverflow takes the calls that did not fit.
func (r *refusedCalls) takeOverflow() {
	r.mu.Lock()
	all := r.overflow
	r.overflow = map[refusedKind]*refusedCall{}
	r.mu.Unlock()
	for _, c := range all {
		r.take(*c)
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
			r.takeOverflow()
			r.writeShared()
		case <-ctx.Done():
			for len(r.waiting) > 0 {
				r.take(<-r.waiting)
			}
			r.takeOverflow()
			r.ending = true
			r.writeShared()
			return
		}
	}
}

// take writes a row, or counts the call in a shared one.
func (r *refusedCalls) take(c refusedCall) {
	row, ok := r.row(c)
	if !ok {
		return
	}
	if second := c.at.Truncate(time.Second); !second.Equal(r.second) {
		r.second, r.rows = second, map[string]int{}
	}
	if r.rows[row.key]++; r.rows[row.key] <= refusedRows {
		r.write(row)
		return
	}
	r.share(row)
}

// share counts the calls of a row in a shared one, which may be itself.
func (r *refusedCalls) share(row refusedRow) {
	why := row.refusal.Reason
	if row.refusal.Number == "" {
		why = row.refusal.Cause // the reason names what was called
	}
	key := row.key + "\x00" + why
	if r.shared[key] == nil && r.sharing[row.key] >= refusedCauses {
		key = row.key
	}
	if shared := r.shared[key]; shared != nil {
		shared.add(row)
		return
	}
	row.due = r.x.c.Clock.Now().Add(refusedSpan)
	r.shared[key] = &row
	r.sharing[row.key]++
	r.wakeAfter(refusedSpan)
}

func (r *refusedCalls) wakeAfter(d time.Duration) { r.x.c.Clock.AfterFunc(d, r.wake) }

func (r *refusedCalls) wake() {
	select {
	case r.due <- struct{}{}:
	default: // it is awake
	}
}

// row is the record of a refused call; false when there is no place for it.
func (r *refusedCalls) row(c refusedCall) (row refusedRow, ok bool) {
	route, err := r.x.find(c.info)
	if err != nil || !route.Number.Active { // whose it is is not known, or it is nobody's any more
		var nobodys sidetone.Number
		if sidetone.CodeOf(err) == sidetone.NotFound {
			_, nobodys.EnvironmentID = r.x.c.Directory.Trunk(c.info.Trunk) // who sees what is wrong with its trunk
		}
		return refusedRow{refusal: r.refusal(c, nobodys), key: "trunk " + c.info.Trunk}, r.x.c.Refusals != nil
	}
	call := r.x.inboundCall(c.info, route)
	call.Status, call.Outcome, call.EndReason = sidetone.CallError, sidetone.OutcomeDidNotConnect, refusal(c.err).Cause.String()
	call.ErrorMessage, call.Errors = Public(c.err), []string{Public(c.err)}
	call.Created, call.Ended, call.Lease, call.RefusedCount = c.at, c.last, time.Time{}, c.count
	return refusedRow{call: &call, refusal: r.refusal(c, route.Number), key: route.Number.Number}, true
}

// refusal says why, of a call to a number of ours, by the trunk of an environment, or to
// nobody's.
func (r *refusedCalls) refusal(c refusedCall, number sidetone.Number) sidetone.RefusedCall {
	trunk, _ := r.x.c.Directory.Trunk(c.info.Trunk)
	out := sidetone.RefusedCall{ID: r.x.c.IDs.New(), EnvironmentID: number.EnvironmentID, Trunk: trunk, Source: c.info.Source,
		CarrierID: short(c.info.ID), FromNumber: short(c.info.From), ToNumber: short(c.info.To), Number: number.Number,
		Tried: []string{}, Cause: refusal(c.err).Cause.String(), Reason: Public(c.err), Count: c.count, Created: c.at, Last: c.last}
	var unknown *UnknownNumber
	if errors.As(c.err, &unknown) {
		out.Tried, out.Reason = unknown.Tried, unknown.Why
	}
	if out.Number == "" {
		out.Exchange = r.exchange(c)
	}
	return out
}

// exchange is what is stored of the messages of a call to nobody's number.
func (r *refusedCalls) exchange(c refusedCall) []sidetone.SignalMessage {
	if span := c.at.Truncate(refusedSpan); !span.Equal(r.span) {
		r.span, r.told = span, map[string]int{}
	}
	if r.x.c.Signalling == nil || r.told[c.info.Trunk] >= refusedTold {
		return nil
	}
	messages := shortened(r.x.c.Signalling.Exchange(c.info.Signalling))
	if len(messages) > 0 {
		r.told[c.info.Trunk]++
	}
	return messages
}

// shortened is what of the messages of a refused call is stored.
func shortened(messages []sidetone.SignalMessage) []sidetone.SignalMessage {
	messages = messages[:min(len(messages), refusedMessages)]
	for i := range messages {
		if m := &messages[i]; len(m.Text) > refusedMessage {
			m.Text = strings.ToValidUTF8(m.Text[:refusedMessage], "") + "..."
		}
	}
	return messages
}

// short is what of a text that a stranger may have chosen is stored.
func short(text string) string {
	return strings.Map(printable, strings.ToValidUTF8(text[:min(len(text), refusedText)], ""))
}

// add counts the calls of another row.
func (r *refusedRow) add(other refusedRow) {
	r.refusal.Count += other.refusal.Count
	r.refusal.Last = other.refusal.Last
	switch {
	case other.call == nil: // it is written, or there is none
		return
	case r.call == nil:
		r.call = other.call
		return
	}
	r.call.RefusedCount += other.call.RefusedCount
	r.call.Ended = other.call.Ended
	for _, cause := range other.call.Errors {
		if len(r.call.Errors) < refusedCauses && !slices.Contains(r.call.Errors, cause) {
			r.call.Errors = append(r.call.Errors, cause)
		}
	}
}

// writeShared writes the shared rows that are due, at the end all.
func (r *refusedCalls) writeShared() {
	now := r.x.c.Clock.Now()
	for key, row := range r.shared {
		if wait := row.due.Sub(now); !r.ending && wait > 0 {
			r.wakeAfter(wait)
			continue
		}
		delete(r.shared, key)
		if r.sharing[row.key]--; r.sharing[row.key] <= 0 {
			delete(r.sharing, row.key)
		}
		r.write(*row)
	}
}

// write stores a row. What the store does not take is counted in a shared row, which is
// written later.
func (r *refusedCalls) write(row refusedRow) {
	ctx, cancel := withTimeout(r.x.c.Clock, storeTimeout)
	defer cancel()
	var err error
	if row.call != nil {
		if err = r.x.c.Ledger.StartCall(ctx, *row.call, 0); err == nil {
			row.call = nil // it is not written again
		}
	}
	if err == nil && r.x.c.Refusals != nil {
		err = r.x.c.Refusals.StoreRefusedCall(ctx, row.refusal)
	}
	if err == nil {
		return
	}
	row.tries++
	again := row.tries < refusedTries && !r.ending
	r.x.c.Log.Warn("a refused call is not recorded", slog.String("to", row.refusal.ToNumber), slog.Int("calls", row.refusal.Count),
		slog.Bool("again", again), slog.Any("error", err))
	if again {
		r.share(row)
	}
}
