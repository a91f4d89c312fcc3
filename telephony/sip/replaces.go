package sip

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"

	"github.com/sidetone/sidetone/telephony"
)

// replaces is what a Replaces header names: a dialog by our tag and the far end's
// (https://www.rfc-editor.org/rfc/rfc3891#section-6.1).
type replaces struct {
	callID    string
	to, from  string
	earlyOnly bool
}

// parseReplaces reads a Replaces header; false when it names no dialog.
func parseReplaces(value string) (r replaces, ok bool) {
	id, params := paramsOf(value)
	r.callID = id
	for _, p := range params {
		twice := false
		switch p.K {
		case "to-tag":
			twice, r.to = r.to != "", p.V
		case "from-tag":
			twice, r.from = r.from != "", p.V
		case "early-only":
			r.earlyOnly = true
		}
		if twice {
			return r, false
		}
	}
	return r, r.callID != "" && r.to != "" && r.from != ""
}

// replace takes an INVITE that replaces the dialog of a call; false when it replaces
// none. Whoever transfers a call after having spoken with somebody else (a carrier, a
// telephone system) lets that one send it.
//
// The leg stays, and gets the dialog of the INVITE in place of its own: so sound,
// recording and conversation go on where they are, as after a re-INVITE, and nobody but
// the record's way to hang the leg up has to learn of it.
func (d *Driver) replace(tx *serverTx, who admission) (replaced bool) {
	headers := tx.req.GetHeaders("Replaces")
	if len(headers) == 0 {
		return false
	}
	r, ok := parseReplaces(headers[0].Value())
	if !ok || len(headers) > 1 {
		tx.fail(&fault{status: 400, reason: "Bad Request: Replaces"})
		return true
	}
	l := d.replaceable(r, who, tx.peer)
	if l == nil {
		tx.fail(noSuchCall())
		return true
	}
	if f := l.takeOver(tx, who, r.earlyOnly); f != nil {
		tx.fail(f)
	}
	return true
}

// replaceable finds the leg whose dialog is named; nil when there is none, or none that
// the sender may replace: the call must be of his trunk, and where a digest user was
// proved, he must be one too. That he knows both tags shows that the far end told him.
func (d *Driver) replaceable(r replaces, who admission, from peer) *leg {
	l := d.callOf(r.callID, r.to)
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.remoteTag != r.from || l.user != "" && who.user == "" || who.trunk != l.info.Trunk && !d.callsFrom(l.info.Trunk, from) {
		return nil
	}
	return l
}

// callsFrom says whether calls of a peer may be a trunk's, also when they may be
// another one's too: the INVITE names our Contact, not the number that would tell.
func (d *Driver) callsFrom(trunk string, from peer) bool {
	t := d.trunk(trunk)
	if t == nil || t.TLS.ClientCAFile != "" || t.callsOverTLS() && from.network() != "TLS" {
		return false
	}
	addr := from.addr.Addr().WithZone("")
	return contains(t.Addresses, addr) || d.callsFromTargets(t, addr)
}

// takeOver puts the dialog of an INVITE in the place of the leg's, answers it, and hangs
// up the old one (https://www.rfc-editor.org/rfc/rfc3891#section-3).
func (l *leg) takeOver(tx *serverTx, who admission, earlyOnly bool) *fault {
	req, d := tx.req, l.d
	offer, f := d.description(req)
	if f != nil {
		return f
	}
	// The call's own trunk decides about its encryption, and not the one that the INVITE
	// seems to come by: that need not ask for any.
	own := l.ownTrunk()
	g := guardOf(own).over(tx.peer.network())
	st, f := choose(offer, d.cfg.Codecs, g)
	if f != nil {
		return f
	}
	session, f := sessionOf(req, 0)
	if f != nil {
		return f
	}
	addr := d.localAddr(tx.peer.addr.Addr())
	l.mu.Lock()
	if f := l.mayTakeOver(earlyOnly); f != nil {
		l.mu.Unlock()
		return f
	}
	old := l.dialogToLeave()
	l.began = own
	d.mu.Lock()
	delete(d.calls, l.callID+" "+l.localTag)
	l.callID, l.localTag, l.user = req.CallID().Value(), d.newTag(), who.user
	d.calls[l.callID+" "+l.localTag] = l
	d.mu.Unlock()
	l.tx, l.inbound, l.peer, l.target, l.session, l.former = tx, true, tx.peer, callerTarget(req, tx.peer), session, 0
	l.local, l.remote, l.remoteTag = headerValue(req, "To"), withoutTag(req.From()), tagOf(req.From().Params)
	l.localSeq, l.remoteSeq = rand.Uint32N(1<<16), req.CSeq().SeqNo
	l.updates, l.routes = listed(req, "Allow", "UPDATE"), nil
	for _, h := range req.GetHeaders("Record-Route") {
		l.routes = append(l.routes, h.Value())
	}
	l.lastAck, l.givenUp, l.forkTags, l.reliable = nil, nil, nil, nil
	l.desc.version++
	l.desc.addr, l.desc.guard = addr, g
	l.media.signalledBy(signallers(tx))
	l.media.alive()
	l.answerTakeOver(tx, offer, st)
	l.armSession()
	l.noteDialog()
	l.mu.Unlock()
	d.dropHosts(l)
	d.addHost(l, tx.peer.addr.Addr())
	d.addTargets(l, own)
	d.addHosts(l, hostsOf(req))
	d.cfg.Logger.Info("the far end of a call was replaced", append(d.loggedAs(who.trunk), slog.String("sip_call", old.callID), slog.String("by", req.CallID().Value()),
		slog.String("peer", tx.peer.addr.String()))...)
	old.mu.Lock()
	if old.unacked != nil {
		old.part()
		old.awaitAck(old.unacked)
	}
	old.mu.Unlock()
	old.takeLeave()
	return nil
}

// ownTrunk is the trunk of the call as it is now, or, when it is gone, as it was when the
// dialog began; nil for the local route.
func (l *leg) ownTrunk() *Trunk {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.d.trunk(l.info.Trunk); t != nil {
		return t
	}
	return l.began
}

// mayTakeOver says why the leg's dialog cannot be replaced now; l.mu is held.
func (l *leg) mayTakeOver(earlyOnly bool) *fault {
	switch {
	case l.state == legOver:
		return &fault{status: 603, reason: "Decline"}
	case l.state == legRinging: // only who called may replace a call that rings
		return noSuchCall()
	case earlyOnly:
		return &fault{status: 486, reason: "Busy Here"}
	case l.awaiting || l.late || l.transfer != nil || (l.unacked != nil && l.unacked != l.tx):
		return &fault{status: 491, reason: "Request Pending"}
	}
	return nil
}

// dialogToLeave is the dialog as far as hanging it up takes; l.mu is held.
func (l *leg) dialogToLeave() *leg {
	old := &leg{d: l.d, callID: l.callID, localTag: l.localTag, local: l.local, remote: l.remote, remoteTag: l.remoteTag, user: l.user,
		target: l.target, routes: l.routes, localSeq: l.localSeq, peer: l.peer, tx: l.tx, inbound: l.inbound, began: l.began, state: legOver}
	old.info.Trunk = l.info.Trunk
	if l.unacked != nil {
		old.unacked, old.hosts, l.hosts = l.unacked, l.hosts, nil
	}
	return old
}

// answerTakeOver answers the INVITE; l.mu is held.
func (l *leg) answerTakeOver(tx *serverTx, offer *sdp, st *stream) {
	if l.resend != nil {
		l.resend.Stop()
	}
	var body []byte
	if offer != nil {
		l.stream = st
		l.media.apply(st)
		body = l.desc.answer(offer, st)
	} else {
		l.late = true
		body = l.desc.offer(sendRecv, nil)
	}
	extra := append(l.session.inResponse(), l.d.contact(tx.peer), header{"Allow", allowed}, header{"Supported", supported}, sdpType())
	if err := tx.respond(200, "OK", l.localTag, extra, body); err != nil {
		l.d.background(func(context.Context) {
			l.giveUp(telephony.CauseFailure, "answer who replaces the far end: "+err.Error())
		})
		return
	}
	l.awaitAck(tx)
}

// signalledBy says from where the signalling comes, which shapes from where sound may.
func (m *media) signalledBy(hosts []netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hosts = hosts
}

// errReplaced is what becomes of a request whose dialog was replaced meanwhile.
const errReplaced = telephony.Error("the dialog was replaced")

// ifReplaced is errReplaced when the leg has another dialog by now.
func (l *leg) ifReplaced(callID string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.callID != callID {
		return errReplaced
	}
	return nil
}
