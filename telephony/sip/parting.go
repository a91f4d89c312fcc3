package sip

import (
	"context"
	"errors"
	"log/slog"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// parting is the time between the end of a call that we answered and our BYE: a callee
// sends none before the ACK of its 200 came or the transaction has timed out
// (https://www.rfc-editor.org/rfc/rfc3261#section-15). Until then the 200 is repeated.
type parting struct {
	over   chan struct{} // closed at its end
	hungUp bool          // the far end sent a BYE; set by then
	late   bool          // no ACK came in time; set by then
}

// part begins to wait for the ACK, if one is due that has not come; l.mu is held, and
// the leg is over.
func (l *leg) part() {
	if l.unacked == nil || l.unacked != l.tx {
		return
	}
	l.parting = &parting{over: make(chan struct{})}
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.d.partings[l.callID+" "+l.localTag] = l
}

// endParting ends the wait for the ACK; l.mu is held.
func (l *leg) endParting(hungUp, late bool) {
	if l.parting == nil || closed(l.parting.over) {
		return
	}
	l.parting.hungUp, l.parting.late, l.unacked = hungUp, late, nil
	l.resend.Stop()
	close(l.parting.over)
}

// parts reports whether the leg waits for the ACK of its answer before it sends BYE.
func (l *leg) parts() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parting != nil
}

// depart waits for the ACK and then sends BYE; see takeLeave. A driver that closes
// does not wait, against section 15 of RFC 3261: nobody would send the BYE later.
func (l *leg) depart(ctx context.Context) error {
	l.mu.Lock()
	p := l.parting
	l.mu.Unlock()
	if p != nil {
		select {
		case <-p.over:
		case <-l.d.closing:
		case <-ctx.Done():
		}
		l.mu.Lock()
		l.endParting(false, !closed(l.d.closing))
		l.mu.Unlock()
		l.d.dropParting(l)
		if p.hungUp {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, t64)
	defer cancel()
	err := l.bye(ctx)
	if p == nil || !p.late {
		return err
	}
	l.d.cfg.Logger.Warn("a call was hung up whose far end never acknowledged the answer", slog.String("sip_call", l.callID),
		slog.String("trunk", l.info.Trunk), slog.String("peer", l.peer.addr.String()))
	if err != nil {
		err = errors.Join(telephony.ErrUnacknowledged, err)
	}
	return err
}

// dropParting forgets a leg that waited.
func (d *Driver) dropParting(l *leg) {
	d.mu.Lock()
	delete(d.partings, l.callID+" "+l.localTag)
	d.mu.Unlock()
	d.dropHosts(l)
}

// unconfirmed is what is known of a far end that has not confirmed our BYE yet.
func (l *leg) unconfirmed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parting != nil && (l.parting.late || !closed(l.parting.over)) {
		return telephony.ErrUnacknowledged
	}
	return telephony.ErrUnconfirmed
}

// onPartingRequest takes a request of a dialog whose BYE waits: one that ends it, too,
// leaves ours out; there is nothing left to change.
func (l *leg) onPartingRequest(tx *serverTx) {
	if tx.req.Method != sip.BYE {
		tx.fail(noSuchCall())
		return
	}
	_ = tx.respond(200, "OK", "", nil, nil) // the far end repeats what it got no response to
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endParting(true, false)
}
