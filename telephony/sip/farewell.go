package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/sidetone/sidetone/telephony"
)

// takeLeave sends BYE, as soon as that may be, until it is answered or its timers ran
// out; nobody has to wait for it. The leg is over by then.
func (l *leg) takeLeave() {
	l.mu.Lock()
	if l.left == nil {
		l.left = make(chan struct{})
	}
	left := l.left
	l.mu.Unlock()
	begun := l.d.backgroundFor(2*t64, func(ctx context.Context) {
		defer close(left)
		err := l.depart(ctx)
		l.d.closed(l, err)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.leftErr = err
	})
	if !begun {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.leftErr = telephony.ErrUnconfirmed
		l.endParting(false, false)
		close(left)
	}
}

// awaitLeave waits until the far end has confirmed our BYE, if there is one.
func (l *leg) awaitLeave(ctx context.Context) error {
	l.mu.Lock()
	left := l.left
	l.mu.Unlock()
	if left == nil {
		return nil
	}
	select {
	case <-left:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.leftErr
	case <-ctx.Done():
		return l.unconfirmed()
	}
}

// closed counts and logs a leg whose far end did not confirm a BYE.
func (d *Driver) closed(l *leg, err error) {
	if err == nil {
		return
	}
	d.cfg.Unconfirmed()
	d.cfg.Logger.Warn("the far end did not confirm that a call is over", append(d.loggedAs(l.info.Trunk), slog.String("sip_call", l.callID),
		slog.String("peer", l.peer.addr.String()), slog.Any("error", err))...)
}

// bye sends BYE until it is answered or ctx ends, over another connection when one
// fails. The error says why the far end is not known to have taken it.
func (l *leg) bye(ctx context.Context) error {
	l.mu.Lock()
	headers := l.hangup
	l.mu.Unlock()
	for wait := t1; ; wait = min(2*wait, t2) {
		x, err := l.request(ctx, "BYE", headers, nil)
		pause := wait
		switch {
		case err != nil:
		case x.res.IsSuccess() || x.res.StatusCode == 481:
			return nil
		case !passing(x.res.StatusCode):
			return fmt.Errorf("hang up: status %d", x.res.StatusCode)
		default:
			err = &refused{x.res}
			pause = max(wait, retryIn(x.res))
		}
		if !sleep(ctx, pause) {
			return errors.Join(telephony.ErrUnconfirmed, err)
		}
	}
}

// passing says that a BYE may be taken a little later although it was refused: a
// server on the way, or the far end, had no time for it.
func passing(status int) bool {
	return slices.Contains([]int{408, 480, 491, 500, 502, 503, 504}, status)
}

// CloseDialog implements telephony.DialogCloser.
func (d *Driver) CloseDialog(ctx context.Context, dialog string) error {
	s, err := readDialog(dialog)
	if err != nil {
		return err
	}
	l, err := d.revive(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t64)
	defer cancel()
	err = l.bye(ctx)
	d.closed(l, err)
	return err
}
