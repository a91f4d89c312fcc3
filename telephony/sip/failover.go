package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// targetTimeout is how long a target may take to respond when its trunk does not say.
const targetTimeout = 4 * time.Second

// Why a target is left for the next one.
const (
	leftSilent      = "no response"
	leftUnreachable = "not reachable"
	leftUnavailable = "503"
)

// errSilent is what becomes of a call when no target responds.
const errSilent = telephony.Error("the far end does not answer")

// dialTargets tries the targets of a route in turn. A target is left when it cannot be
// reached, does not respond in time, or refuses with 503; never once it rang. What
// comes from one that was left is treated by Driver.late: a sign of life is followed
// by a CANCEL, an answer by ACK and BYE.
//
// An INVITE to the next target has another From tag, which leaves section 4.3 of
// https://www.rfc-editor.org/rfc/rfc3263 on purpose: where both targets lead to one
// phone, an INVITE that differs in its branch only would be refused there as a merged
// one, and the dialog of a target that answers late could not be told from that of the
// call. Its Call-ID is the same.
func (d *Driver) dialTargets(ctx context.Context, req telephony.DialRequest, to route, limit <-chan time.Time, ringing func()) (*leg, error) {
	first := to.peer.addr.Addr()
	if len(to.targets) > 0 {
		first = to.targets[0].address.Addr()
	}
	to.callID = d.newTag() + "@" + d.localAddr(first).String()
	if len(to.targets) == 0 {
		a, err := d.dialAt(ctx, req, to, limit, ringing)
		if err != nil {
			return nil, err
		}
		return a.l, nil
	}
	c := dialling{d: d, req: req, to: to}
	for i, t := range to.targets {
		if i > 0 && c.over(ctx, limit) {
			break
		}
		l, next := c.try(ctx, t, i == len(to.targets)-1, limit, ringing)
		if l != nil {
			return l, nil
		}
		if !next {
			break
		}
	}
	c.failure.Tries = c.tries
	return nil, c.failure
}

// dialling is a call that is tried at one target after the other.
type dialling struct {
	d       *Driver
	req     telephony.DialRequest
	to      route
	tries   []telephony.Try
	failure *telephony.DialError // the outcome so far
}

// over notes why the call is not tried any further.
func (c *dialling) over(ctx context.Context, limit <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		c.fail(&telephony.DialError{Cause: telephony.CauseCancelled, Sent: c.failure.Sent, Err: ctx.Err()})
	case <-limit:
		c.fail(&telephony.DialError{Cause: telephony.CauseNoAnswer, Sent: c.failure.Sent})
	case <-c.d.done:
		c.fail(&telephony.DialError{Cause: telephony.CauseFailure, Sent: c.failure.Sent, Err: net.ErrClosed})
	default:
		return false
	}
	return true
}

// fail takes a failure for the outcome so far. One of which the network knows nothing
// tells less than one of which it does.
func (c *dialling) fail(err error) {
	var failed *telephony.DialError
	if !errors.As(err, &failed) {
		failed = &telephony.DialError{Cause: telephony.CauseFailure, Err: err}
	}
	if c.failure == nil || failed.Sent || !c.failure.Sent {
		c.failure = failed
	}
}

// try tries one target; next says that the next one is to be tried.
func (c *dialling) try(ctx context.Context, t target, last bool, limit <-chan time.Time, ringing func()) (l *leg, next bool) {
	to := c.to
	reachFor := to.patience
	if last { // for which waiting costs nothing
		to.patience, reachFor = 0, connectFor
	}
	connecting, cancel := context.WithTimeout(ctx, reachFor)
	defer cancel()
	var err error
	to.at = t
	if to.peer, err = c.d.reach(connecting, to.trunk, t); err != nil {
		if ctx.Err() != nil {
			err = &telephony.DialError{Cause: telephony.CauseCancelled, Err: ctx.Err()}
		}
		c.fail(err)
		c.left(t, leftUnreachable, err)
		return nil, ctx.Err() == nil
	}
	a, err := c.d.dialAt(ctx, c.req, to, limit, ringing)
	if err == nil {
		c.d.health.responds(t)
		a.l.mu.Lock()
		a.l.info.Tries = append(c.tries, telephony.Try{Target: t.String()})
		a.l.mu.Unlock()
		return a.l, false
	}
	c.fail(err)
	if a == nil {
		return nil, false
	}
	if a.left == leftUnavailable {
		c.d.health.shun(t, a.after)
	}
	if a.heard || c.failure.Status != 0 {
		c.d.health.responds(t)
	}
	c.left(t, a.left, err)
	return nil, a.left != "" && !a.rang
}

// left notes why a target was left, or the call given up there.
func (c *dialling) left(t target, why string, err error) {
	if why == leftSilent || why == leftUnreachable {
		c.d.health.delay(t)
	}
	c.d.cfg.Logger.Info("call not placed at a target", append(c.d.loggedAs(c.req.Trunk), "call", c.req.CallID, "target", t.String(), "err", err)...)
	var failed *telephony.DialError
	switch {
	case why != "":
	case errors.As(err, &failed) && failed.Status != 0:
		why = strconv.Itoa(failed.Status)
	default:
		why = fmt.Sprint(c.failure.Cause)
	}
	c.tries = append(c.tries, telephony.Try{Target: t.String(), Left: why})
}

// leave gives up a target that did not take the call.
func (a *attempt) leave(why string, err error) error {
	a.left = why
	if why == leftSilent {
		return a.fail(telephony.CauseNoAnswer, 0, err)
	}
	return a.fail(telephony.CauseFailure, 0, err)
}

// stoppedTimer is one that waits to be set.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// retryIn is when a refused request may be made again; 0 when the response does not
// say (https://www.rfc-editor.org/rfc/rfc3261#section-20.33).
func retryIn(res *sip.Response) time.Duration {
	after, _, _ := strings.Cut(headerValue(res, "Retry-After"), ";")
	after, _, _ = strings.Cut(after, "(")
	seconds, err := strconv.ParseUint(strings.TrimSpace(after), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
