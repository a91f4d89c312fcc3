package sip

import (
	"strconv"
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
		d.onAck(p, req)
		return
	case sip.CANCEL:
		d.onCancel(p, req)
		return
	}
	if tx := d.existingTx(txKey(req, req.Method)); tx != nil {
		tx.repeat()
	} else if tag := tagOf(req.To().Params); tag != "" {
		d.onDialogRequest(p, req, tag)
	} else {
		d.onNewRequest(p, req)
	}
}

// existingTx returns the transaction with that key, nil when there is none.
func (d *Driver) existingTx(key string) *serverTx {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.txs[key]
}

// openTx makes the transaction of a request; when there are limit of them it
// refuses the request and returns nil.
func (d *Driver) openTx(p peer, req *sip.Request, limit int) *serverTx {
	tx := &serverTx{d: d, key: txKey(req, req.Method), req: req, peer: p}
	d.mu.Lock()
	full := len(d.txs) >= limit || d.stopped()
	if !full {
		d.txs[tx.key] = tx
		if req.IsInvite() {
			d.invites[inviteKey(req)] = tx
		}
	}
	d.mu.Unlock()
	if full {
		d.sources.refuse(p.addr.Addr(), p.network(), RefusedOverload)
		d.refuse(p, req, &fault{503, "Service Unavailable", retryAfter()})
		return nil
	}
	return tx
}

// inviteKey identifies an INVITE whatever way it has taken.
func inviteKey(req *sip.Request) string {
	return headerValue(req, "Call-ID") + " " + tagOf(req.From().Params) + " " + strconv.FormatUint(uint64(req.CSeq().SeqNo), 10)
}

// merged reports whether an INVITE has come another way already, and was not
// refused (https://www.rfc-editor.org/rfc/rfc3261#section-8.2.2.2).
func (d *Driver) merged(req *sip.Request) bool {
	if !req.IsInvite() {
		return false
	}
	d.mu.Lock()
	first := d.invites[inviteKey(req)]
	d.mu.Unlock()
	if first == nil {
		return false
	}
	first.mu.Lock()
	defer first.mu.Unlock()
	return !first.refused
}

// noSuchCall refuses a request that belongs to no call or transaction of ours.
func noSuchCall() *fault { return &fault{status: 481, reason: "Call/Transaction Does Not Exist"} }

// refuse refuses a request without a transaction, so that refusals cost no
// memory; a repeated request is refused again
// (https://www.rfc-editor.org/rfc/rfc3261#section-8.2.7).
func (d *Driver) refuse(p peer, req *sip.Request, f *fault) {
	tag := d.nonces.tag(txKey(req, req.Method) + headerValue(req, "Call-ID"))
	_ = d.transport.send(p, response(req, p, f.status, f.reason, tag, f.extra, nil)) // a lost message is like one lost on the way
}

// onDialogRequest takes the first copy of a request whose To tag is one of
// ours. From a host that has no part in the call it has no effect and gets no
// response.
func (d *Driver) onDialogRequest(p peer, req *sip.Request, tag string) {
	l := d.callOf(req.CallID().Value(), tag)
	part := l.partOf(req)
	switch {
	case l == nil && d.waits(p, req):
		return
	case part == partNone:
		d.refuse(p, req, noSuchCall())
		return
	case !d.mayChange(l, p.addr.Addr()):
		d.sources.refuse(p.addr.Addr(), p.network(), RefusedForeign)
		return
	}
	tx := d.openTx(p, req, 2*d.cfg.MaxTransactions)
	switch {
	case tx == nil:
	case part == partUnanswered:
		l.onByeBeforeAnswer(tx)
	case part == partEarly:
		l.onEarlyRequest(tx)
	default:
		l.onRequest(tx)
		if req.Method == sip.INVITE || req.Method == sip.UPDATE {
			d.addHosts(l, []string{l.targetHost()}) // the far end may have moved
		}
	}
}

// onNewRequest takes the first copy of a request outside of a dialog.
func (d *Driver) onNewRequest(p peer, req *sip.Request) {
	if f := checkMethod(req); f != nil {
		d.refuse(p, req, f)
		return
	}
	who, f, ok := d.admit(p, req)
	switch {
	case f != nil:
		d.refuse(p, req, f)
		return
	case !ok:
		p.close() // and no response
		return
	}
	if d.merged(req) {
		d.refuse(p, req, &fault{status: 482, reason: "Loop Detected"})
		return
	}
	if f := checkRequire(req); f != nil && !req.IsInvite() { // an INVITE has a transaction, for its CANCEL
		d.refuse(p, req, f)
		return
	}
	tx := d.openTx(p, req, d.cfg.MaxTransactions)
	if tx == nil {
		return
	}
	switch req.Method {
	case sip.INVITE:
		d.onInvite(tx, who)
	case sip.REGISTER:
		d.onRegister(tx, who)
	default: // OPTIONS
		_ = tx.respond(200, "OK", d.newTag(), []header{{"Allow", allowed}, {"Accept", "application/sdp"},
			{"Supported", supported}}, nil) // the far end repeats what it got no response to
	}
}

// checkMethod refuses requests that make no sense outside of a call.
func checkMethod(req *sip.Request) *fault {
	switch req.Method {
	case sip.INVITE, sip.REGISTER, sip.OPTIONS:
		return nil
	case sip.BYE, sip.PRACK, sip.UPDATE, sip.INFO, sip.NOTIFY:
		return noSuchCall()
	case sip.REFER:
		return declineRefer()
	default:
		return &fault{405, "Method Not Allowed", []header{{"Allow", allowed}}}
	}
}

// onAck hands an ACK to the refusal or the call that it confirms.
func (d *Driver) onAck(p peer, req *sip.Request) {
	if l := d.dialog(req, tagOf(req.To().Params)); l != nil {
		if d.mayChange(l, p.addr.Addr()) {
			l.onAck(req)
		} else {
			d.sources.refuse(p.addr.Addr(), p.network(), RefusedForeign)
		}
		return
	}
	if tx := d.existingTx(txKey(req, sip.INVITE)); tx != nil && tx.peer.addr.Addr() == p.addr.Addr() {
		tx.ack()
	}
}

// onCancel confirms a CANCEL and ends the INVITE it belongs to, which came from
// the same host. One that comes first waits a little.
func (d *Driver) onCancel(p peer, req *sip.Request) {
	if tx := d.existingTx(txKey(req, req.Method)); tx != nil {
		tx.repeat()
		return
	}
	invite := d.existingTx(txKey(req, sip.INVITE))
	switch {
	case invite != nil && invite.peer.addr.Addr() != p.addr.Addr():
		d.sources.refuse(p.addr.Addr(), p.network(), RefusedForeign)
		return
	case invite == nil && !d.admitted(p.addr.Addr()):
		return // its INVITE was refused; nobody rings
	}
	tx := d.openTx(p, req, 2*d.cfg.MaxTransactions)
	if tx == nil {
		return
	}
	if invite == nil {
		d.awaitInvite(tx, txKey(req, sip.INVITE))
		return
	}
	_ = tx.respond(200, "OK", d.newTag(), nil, nil) // the far end repeats what it got no response to
	if l := invite.owner(); l != nil {
		l.cancelled()
	}
}

// awaitInvite lets a CANCEL wait for the INVITE that it overtook.
func (d *Driver) awaitInvite(tx *serverTx, invite string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.early[invite] = tx
	time.AfterFunc(overtaken, func() {
		if d.takeEarly(invite) != nil {
			tx.fail(noSuchCall())
		}
	})
}

// takeEarly returns and forgets the CANCEL that waits for an INVITE.
func (d *Driver) takeEarly(key string) *serverTx {
	d.mu.Lock()
	defer d.mu.Unlock()
	tx := d.early[key]
	delete(d.early, key)
	return tx
}
