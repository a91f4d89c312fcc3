package call

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// How a caller is handed to somebody else.
const (
	transferAuto   = "auto"
	transferRefer  = "refer"  // the line calls the other one, and we are out of the call
	transferBridge = "bridge" // we call the other one and join the two
)

const (
	// transferRing is how long the person rings to whom a caller is handed.
	transferRing = 45 * time.Second
	// transferReports is how long the first report of a line is awaited that was asked
	// to go on with somebody else, and transferWithin the last one.
	transferReports = 15 * time.Second
	transferWithin  = time.Minute
	// TransferTimeout is how long a transfer takes at most, its trials by one way and the
	// other together.
	TransferTimeout = 2 * time.Minute
)

// The outcomes of a transfer, as events and models are told them.
const (
	transferConnected  = "connected"
	transferredAway    = "transferred_away"
	transferBusy       = "busy"
	transferDeclined   = "declined"
	transferNoAnswer   = "no_answer"
	transferUnknown    = "unknown"
	transferForbidden  = "forbidden"
	transferTrunkError = "trunk_error"
	transferCancelled  = "cancelled"
)

// errTransfer is a transfer that did not come about.
type errTransfer struct {
	outcome string
	why     error
}

// Error says what came of it, for the model.
func (e *errTransfer) Error() string {
	if e.why == nil {
		return e.outcome
	}
	return e.outcome + ": " + Public(e.why)
}

// Unwrap returns the cause.
func (e *errTransfer) Unwrap() error { return e.why }

// Transfer is what the configuration of an action says of a transfer.
type Transfer struct {
	// Number is who is called, E.164.
	Number string `json:"phone_number"`
	// CallerID is whose number is shown there: agent, also when empty, or caller.
	CallerID string `json:"caller_id"`
	// Headers go with the call or the REFER.
	Headers map[string]string `json:"headers_out"`
}

// transferCall runs an action_transfer_call. What the model gives does not count: who is
// called stands in the action's configuration.
type transferCall struct {
	s  *Session
	to Transfer
	// call is what places the second leg. It is made on the session's goroutine, whose the
	// session's own is.
	call sidetone.Call
}

func newTransferCall(s *Session, a Action) Tool {
	var to Transfer
	_ = json.Unmarshal(a.Config, &to) // it was checked when it was stored; a call without number fails
	return s.transferTo(to)
}

func (s *Session) transferTo(to Transfer) *transferCall {
	return &transferCall{s: s, to: to, call: s.secondCall(to)}
}

// Run implements Tool. It returns when the caller talks to the other one, is gone, or is
// the agent's again.
func (t *transferCall) Run(ctx context.Context, _ ToolCall) (ToolResult, error) {
	s := t.s
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.live, cancel)()
	way := s.transferWay()
	s.inbox.post(handing{by: t, to: t.to.Number, way: way, cancel: cancel})
	outcome, err := t.transfer(ctx, way)
	if err != nil {
		s.inbox.post(handedBack{t, outcomeOf(err), err})
		return ToolResult{}, err
	}
	return ToolResult{Text: outcome}, nil
}

func (t *transferCall) transfer(ctx context.Context, way string) (outcome string, err error) {
	if t.to.Number == "" {
		return "", &errTransfer{transferForbidden, errors.New("the action names nobody")}
	}
	if err := t.s.lines.Colleague(ctx, t.s.call.EnvironmentID, t.to.Number); err != nil {
		return "", &errTransfer{transferForbidden, err}
	}
	if way == transferRefer {
		err := t.refer(ctx)
		var refused *telephony.TransferError
		if err == nil {
			return transferredAway, nil
		}
		if !errors.As(err, &refused) || !refuses(refused) || ctx.Err() != nil {
			return "", err
		}
		t.s.log.Info("the line does not transfer: the call is bridged", slog.Any("error", err))
	}
	leg, err := t.s.lines.dial(ctx, t.call, transferRing, func() { t.s.inbox.post(ringing{t}) })
	if err != nil {
		return "", dialFailed(err)
	}
	t.s.inbox.post(answered{t, leg, t.s.lines.Recorded(ctx, t.s.call.EnvironmentID)})
	return transferConnected, nil
}

// secondCall is what places a second leg of a call.
func (s *Session) secondCall(to Transfer) sidetone.Call {
	c := s.call
	caller := c.FromNumber
	if c.Outgoing {
		caller = c.ToNumber
	}
	c.Outgoing, c.FromNumber, c.ToNumber, c.HeadersOut = true, c.AgentNumber, to.Number, to.Headers
	if to.CallerID == "caller" && strings.HasPrefix(caller, "+") && s.lines.Shows(c, caller) { // who hides stays hidden
		c.FromNumber = caller
	}
	return c
}

// refuses reports whether a far end has said that it does not transfer. One that says nothing
// may do it all the same, and the other one is not called twice.
func refuses(e *telephony.TransferError) bool { return !e.Accepted && e.Status != 0 }

// refer asks the far end to go on with the other one. A *telephony.TransferError is a refusal,
// which leaves everything as it was.
func (t *transferCall) refer(ctx context.Context) error {
	leg, ok := t.s.caller().leg.(telephony.Transferer)
	if !ok {
		return &telephony.TransferError{Status: 501}
	}
	req := telephony.TransferRequest{To: t.to.Number, Headers: t.to.Headers, Within: transferWithin, Silence: transferReports}
	err := leg.Transfer(ctx, req)
	var refused *telephony.TransferError
	switch {
	case err == nil:
		t.s.away.Store(&handing{by: t, to: t.to.Number, way: transferRefer})
		return nil
	case errors.As(err, &refused) && refuses(refused):
		return err
	case refused != nil && refused.Status != 0:
		return &errTransfer{statusOutcome(refused.Status), err}
	}
	return &errTransfer{transferUnknown, &Uncertain{"it is not known whether the other one has the call; the caller is still here"}}
}

// transferWay is how a caller is handed over on this call's line.
func (s *Session) transferWay() string {
	_, refers := s.caller().leg.(telephony.Transferer)
	return wayOf(s.call.Snapshot.Agent.Transfer(), s.lines.Way(s.caller().leg.Info().Trunk), refers, s.rec != nil || s.call.Snapshot.Agent.CallDuration > 0)
}

// wayOf chooses how a caller is handed over, from what the agent and the trunk say, whether
// the line can go on with somebody else, and whether we are needed in the call: because it
// is recorded or has a longest duration. A line that cannot is never asked.
func wayOf(agent, trunk string, refers, needed bool) string {
	wish := cmp.Or(agent, transferAuto)
	if wish == transferAuto {
		wish = cmp.Or(trunk, transferAuto)
	}
	switch {
	case !refers, trunk == transferBridge, wish == transferBridge, wish == transferAuto && needed:
		return transferBridge
	}
	return transferRefer
}

// dialFailed says what came of a second leg that was not answered.
func dialFailed(err error) error {
	var d *telephony.DialError
	switch {
	case errors.Is(err, context.Canceled):
		return &errTransfer{transferCancelled, nil}
	case !errors.As(err, &d):
		return &errTransfer{transferTrunkError, err}
	}
	switch d.Cause {
	case telephony.CauseBusy:
		return &errTransfer{transferBusy, nil}
	case telephony.CauseNoAnswer:
		return &errTransfer{transferNoAnswer, nil}
	case telephony.CauseDeclined:
		return &errTransfer{transferDeclined, nil}
	case telephony.CauseCancelled:
		return &errTransfer{transferCancelled, nil}
	}
	if d.Status != 0 {
		return &errTransfer{transferTrunkError, fmt.Errorf("%s (%d)", d.Cause, d.Status)}
	}
	return &errTransfer{transferTrunkError, err}
}

// statusOutcome is what a final status of a call that the far end made means.
func statusOutcome(status int) string {
	switch status {
	case 486, 600:
		return transferBusy
	case 408, 480, 487:
		return transferNoAnswer
	case 603:
		return transferDeclined
	}
	return transferTrunkError
}

// outcomeOf is the outcome of a transfer that failed.
func outcomeOf(err error) string {
	var failed *errTransfer
	if errors.As(err, &failed) {
		return failed.outcome
	}
	if errors.Is(err, context.Canceled) {
		return transferCancelled
	}
	return transferTrunkError
}

// lines is what a session asks about second legs.
type lines struct {
	// dial places one that rings for a time; an error may be a *telephony.DialError.
	dial func(ctx context.Context, c sidetone.Call, ringFor time.Duration, ringing func()) (telephony.Leg, error)
	// equip makes what speaks to its far end and listens to it.
	equip func(s *Session, p *Player, post func(any)) (*mouth, *ear)
	Handovers
}

// anyhow are Handovers of a server that knows nothing of them.
type anyhow struct{}

func (anyhow) Colleague(context.Context, string, string) error { return nil }
func (anyhow) Recorded(context.Context, string) bool           { return false }
func (anyhow) Way(string) string                               { return "" }
func (anyhow) Shows(sidetone.Call, string) bool                { return false }

// dialSecond places a second leg of a live call. It goes to nobody else: who is called
// stands in the agent's configuration.
func (x *Exchange) dialSecond(ctx context.Context, c sidetone.Call, ringFor time.Duration, ringing func()) (leg telephony.Leg, err error) {
	driver, err := x.c.Carriers.For(ctx, c)
	if err != nil {
		return nil, err
	}
	panicked := x.safely(func() error {
		leg, err = driver.Dial(ctx, telephony.DialRequest{CallID: c.ID, From: c.FromNumber, To: c.ToNumber, Ours: c.AgentNumber, Trunk: c.ConnectionID,
			Headers: c.HeadersOut, RingFor: ringFor}, ringing)
		return nil
	})
	if panicked != nil {
		return nil, &telephony.DialError{Cause: telephony.CauseFailure, Sent: true, Err: panicked}
	}
	return leg, err
}
