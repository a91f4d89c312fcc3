package sip

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

// overtaken is how long a CANCEL waits for the INVITE it overtook.
const overtaken = 200 * time.Millisecond

// retryAfter goes with every 503.
func retryAfter() []header { return []header{{"Retry-After", "5"}} }

// onRequest takes one request.
func (d *Driver) onRequest(p peer, req *sip.Request) {
	if f := validate(req); f != nil {
		if req.Method != sip.ACK && req.Via() != nil {
			_ = d.transport.send(p, response(req, p, f.status, f.reason, d.newTag(), f.extra, nil)) // a lost message is like one lost on the way
		}
		return
	}
	switch req.Method {
	case sip.ACK:
		d.onAck(req)
	case sip.CANCEL:
		d.onCancel(p, req)
	default:
		if tx, isNew := d.openTx(p, req); tx == nil {
			_ = d.transport.send(p, response(req, p, 503, "Service Unavailable", d.newTag(), retryAfter(), nil)) // a lost message is like one lost on the way
		} else if isNew {
			d.handle(tx)
		} else {
			tx.repeat()
		}
	}
}

// openTx finds or makes the transaction of a request; nil when there are too
// many.
func (d *Driver) openTx(p peer, req *sip.Request) (tx *serverTx, isNew bool) {
	key := txKey(req, req.Method)
	d.mu.Lock()
	defer d.mu.Unlock()
	if tx = d.txs[key]; tx != nil {
		return tx, false
	}
	if len(d.txs) >= d.cfg.MaxTransactions || d.stopped() {
		return nil, false
	}
	tx = &serverTx{d: d, key: key, req: req, peer: p}
	d.txs[key] = tx
	return tx, true
}

// handle treats the first copy of a request.
func (d *Driver) handle(tx *serverTx) {
	req := tx.req
	tag := tagOf(req.To().Params)
	l := d.dialog(req.CallID().Value(), tag)
	if tag != "" {
		switch {
		case l == nil || tagOf(req.From().Params) != l.remoteTag:
			tx.fail(&fault{status: 481, reason: "Call/Transaction Does Not Exist"})
		default:
			l.onRequest(tx)
		}
		return
	}
	if req.Method != sip.INVITE && req.Method != sip.OPTIONS && req.Method != sip.REGISTER {
		d.handleOther(tx)
		return
	}
	who, f, ok := d.admit(tx.peer, req)
	switch {
	case f != nil:
		tx.fail(f)
	case !ok:
		d.forgetTx(tx) // a stranger gets no answer
		if tx.peer.tcp != nil {
			_ = tx.peer.tcp.conn.Close()
		}
	case req.Method == sip.INVITE:
		d.onInvite(tx, who)
	case req.Method == sip.REGISTER:
		d.onRegister(tx, who)
	default:
		_ = tx.respond(200, "OK", d.newTag(), []header{{"Allow", allowed}, {"Accept", "application/sdp"},
			{"Supported", "timer"}}, nil)
	}
}

// handleOther refuses requests that make no sense outside of a call.
func (d *Driver) handleOther(tx *serverTx) {
	switch tx.req.Method {
	case sip.BYE, sip.UPDATE, sip.INFO:
		tx.fail(&fault{status: 481, reason: "Call/Transaction Does Not Exist"})
	default:
		tx.fail(&fault{405, "Method Not Allowed", []header{{"Allow", allowed}}})
	}
}

// onAck hands an ACK to the refusal or the call that it confirms.
func (d *Driver) onAck(req *sip.Request) {
	key := txKey(req, sip.INVITE)
	d.mu.Lock()
	tx := d.txs[key]
	d.mu.Unlock()
	l := d.dialog(req.CallID().Value(), tagOf(req.To().Params))
	if l != nil {
		l.onAck(req)
	} else if tx != nil {
		tx.ack()
	}
}

// onCancel answers a CANCEL and ends the INVITE it belongs to. One that comes
// first waits a little.
func (d *Driver) onCancel(p peer, req *sip.Request) {
	key := txKey(req, sip.INVITE)
	tx, isNew := d.openTx(p, req)
	if tx == nil || !isNew {
		if tx != nil {
			tx.repeat()
		}
		return
	}
	d.mu.Lock()
	invite := d.txs[key]
	if invite == nil {
		d.early[key] = tx
		time.AfterFunc(overtaken, func() {
			if d.takeEarly(key) != nil {
				tx.fail(&fault{status: 481, reason: "Call/Transaction Does Not Exist"})
			}
		})
	}
	d.mu.Unlock()
	if invite != nil {
		_ = tx.respond(200, "OK", d.newTag(), nil, nil) // the far end repeats what it got no answer to
		if l := invite.owner(); l != nil {
			l.cancelled()
		}
	}
}

// takeEarly returns and forgets the CANCEL that waits for an INVITE.
func (d *Driver) takeEarly(key string) *serverTx {
	d.mu.Lock()
	defer d.mu.Unlock()
	tx := d.early[key]
	delete(d.early, key)
	return tx
}
