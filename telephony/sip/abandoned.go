package sip

import (
	"context"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// lateFor is how long responses to an INVITE are taken that got none in time.
const lateFor = 3 * time.Minute

// maxForks bounds the 2xx responses to one INVITE whose calls are hung up one by
// one.
const maxForks = 8

// abandoned is an INVITE that nobody waits for any more. For as long as
// responses to it can come, it confirms them, and hangs up a call that is
// established after all (https://www.rfc-editor.org/rfc/rfc3261#section-9.1 and
// #section-13.2.2.4): otherwise somebody who answered his phone would hear
// nothing, at our cost.
type abandoned struct {
	a        *attempt // whose leg is only a dialog
	lifetime time.Duration

	mu        sync.Mutex
	forget    *time.Timer
	cancelled int                // the status after which a CANCEL was sent last
	ended     map[string]*farAck // by the tag of who answered
}

// farAck is the ACK for one 2xx; raw is nil while it is being made.
type farAck struct {
	raw []byte
	to  peer
}

// abandon takes the responses that come to an attempt that is over; where a proxy
// rang several phones, more than one may answer.
func (d *Driver) abandon(a *attempt) {
	if !a.sent {
		return // no response can come
	}
	l := a.l
	l.mu.Lock()
	t := &abandoned{a: a.dialogOnly(), lifetime: t64, ended: make(map[string]*farAck)}
	if l.lastAck != nil { // who has been dealt with
		t.ended[l.remoteTag] = &farAck{raw: l.lastAck, to: l.ackPeer}
	}
	l.mu.Unlock()
	if a.left == leftSilent || a.left == leftUnreachable {
		t.lifetime = lateFor
	}
	if a.left == leftUnreachable && a.heard { // it may ring, and cannot say so
		t.cancelled = 100
		defer t.a.sendCancel()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped() {
		return
	}
	d.abandoned[a.branch] = t
	t.forget = time.AfterFunc(t.lifetime, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.abandoned, a.branch)
	})
}

// close ends the transaction; what came in the meantime is treated as late.
func (a *attempt) close() {
	if !a.sent {
		return
	}
	a.d.closeClientTx(a.tx)
	for {
		select {
		case res := <-a.tx.ch:
			a.d.late(a.to.peer, a.branch, res)
		default:
			return
		}
	}
}

// dialogOnly copies what messages of the attempt need, without media; a.l.mu is
// held.
func (a *attempt) dialogOnly() *attempt {
	l := a.l
	return &attempt{d: a.d, to: a.to, branch: a.branch, seq: a.seq, left: a.left,
		l: &leg{d: a.d, callID: l.callID, localTag: l.localTag, hangup: l.hangup, local: l.local, remote: l.remote,
			info: telephony.Info{Trunk: l.info.Trunk}, began: l.began, target: a.to.target, routes: a.to.routes, peer: a.to.peer, localSeq: a.lastSeq()}}
}

// late takes a response to an INVITE that nobody waits for.
func (d *Driver) late(p peer, branch string, res *sip.Response) {
	d.mu.Lock()
	t := d.abandoned[branch]
	d.mu.Unlock()
	if t == nil && d.adopt(p, branch, res) {
		d.late(p, branch, res)
	}
	if t == nil {
		return
	}
	t.forget.Reset(t.lifetime)
	switch {
	case res.IsProvisional():
		if t.cancels(res.StatusCode) {
			t.a.sendCancel()
		}
	case res.IsSuccess():
		d.takeDown(t, res)
	default:
		t.a.acknowledge(res)
	}
}

// cancels says whether a CANCEL follows a provisional response: the first one to a
// target that was left, and the first sign that it rings, for an earlier CANCEL may
// have overtaken the INVITE.
func (t *abandoned) cancels(status int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if status <= t.cancelled && t.cancelled > 0 || status == 100 && t.a.left == "" || t.cancelled > 100 {
		return false
	}
	t.cancelled = status
	return true
}

// takeDown confirms a 2xx and hangs up, once for each phone that answered.
func (d *Driver) takeDown(t *abandoned, res *sip.Response) {
	tag := tagOf(res.To().Params)
	t.mu.Lock()
	one, known := t.ended[tag]
	if !known && len(t.ended) < maxForks {
		one = &farAck{}
		t.ended[tag] = one
	}
	t.mu.Unlock()
	switch {
	case one == nil:
	case !known:
		d.cfg.Logger.Info("a call that was given up was answered", "to", t.a.to.peer.addr.String())
		a := t.fork()
		d.background(func(ctx context.Context) {
			a.confirm(res)
			t.mu.Lock()
			one.raw, one.to = a.l.lastAck, a.l.ackPeer
			t.mu.Unlock()
			d.closed(a.l, a.l.bye(ctx))
		})
	default:
		t.mu.Lock()
		defer t.mu.Unlock()
		if one.raw != nil {
			_ = d.transport.send(one.to, one.raw) // a lost message is like one lost on the way
		}
	}
}

// fork returns the attempt as one more dialog.
func (t *abandoned) fork() *attempt {
	t.a.l.mu.Lock()
	defer t.a.l.mu.Unlock()
	return t.a.dialogOnly()
}
