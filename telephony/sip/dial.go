package sip

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

const (
	// ringFor is how long a call rings when the request does not say.
	ringFor = 45 * time.Second
	// cancelFor is how long a cancelled attempt is waited for.
	cancelFor = 2 * time.Second
)

// Dial implements telephony.Driver. Trunk "" reaches the contact registered
// for the number, else the driver's own listener, where simulated numbers
// ring.
func (d *Driver) Dial(ctx context.Context, req telephony.DialRequest, ringing func()) (telephony.Leg, error) {
	if d.stopped() {
		return nil, &telephony.DialError{Cause: telephony.CauseFailure, Err: net.ErrClosed}
	}
	if req.RingFor <= 0 {
		req.RingFor = ringFor
	}
	limit := time.NewTimer(req.RingFor)
	defer limit.Stop()
	ringing = once(ringing)
	l, err := d.dialOnce(ctx, req, limit.C, ringing)
	if err != nil {
		l, err = d.follow(ctx, req, limit.C, ringing, err)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// dialAt places a call at one target. The attempt tells how far it came, also when
// it failed; without one nothing was sent.
func (d *Driver) dialAt(ctx context.Context, req telephony.DialRequest, to route, limit <-chan time.Time, ringing func()) (*attempt, error) {
	l, err := d.newOutbound(req, to)
	if err != nil {
		return nil, &telephony.DialError{Cause: telephony.CauseFailure, Err: err}
	}
	l.hangup = ofHangup(to.headers)
	a := &attempt{d: d, l: l, to: to, ringing: ringing, hear: req.Early, as: logon{user: to.user, pass: to.pass, realm: to.realm}}
	err = a.run(ctx, limit)
	d.abandon(a)
	a.close()
	if err != nil {
		l.end(telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseFailure, Err: err})
	}
	return a, err
}

// newOutbound makes the leg of a call that we place.
func (d *Driver) newOutbound(req telephony.DialRequest, to route) (*leg, error) {
	g := d.newGuard(req.Trunk).over(to.peer.network())
	if err := g.check(); err != nil {
		return nil, err
	}
	rtp, rtcp, err := d.ports.open(true)
	if err != nil {
		return nil, err
	}
	host := d.localAddr(to.peer.addr.Addr())
	domain := to.domain
	if domain == "" {
		domain = bracket(host.String())
	}
	l := &leg{d: d, answered: make(chan struct{}), gone: make(chan struct{}), localTag: d.newTag(),
		callID: to.callID, user: to.registered, peer: to.peer, target: to.target, routes: to.routes, localSeq: rand.Uint32N(1 << 16),
		media: newMedia(rtp, rtcp, []netip.Addr{to.peer.addr.Addr()}, d.sourcePolicy(req.Trunk), d.cfg.Now),
		local: "<sip:" + to.from + "@" + domain + ">", remote: "<" + to.target.String() + ">",
		info: telephony.Info{From: req.From, To: req.To, Trunk: req.Trunk, Source: to.peer.addr.String(),
			Codec: codecG722.String(), Rate: codecG722.rate()}}
	l.info.ID, l.began = l.callID, to.trunk
	l.info.Signalling = signalling(l.callID, l.localTag)
	d.belongs(l, req.CallID)
	l.desc = localSDP{id: time.Now().Unix(), version: 1, addr: host, port: portOf(rtp), codecs: d.cfg.Codecs, guard: g}
	d.addHost(l, to.peer.addr.Addr())
	d.addTargets(l, to.trunk)
	d.addCall(l)
	return l, nil
}

// attempt is one INVITE under way.
type attempt struct {
	d       *Driver
	l       *leg
	to      route
	ringing func()
	hear    func(telephony.Event) // early media; nil when nobody listens

	tx     *clientTx
	branch string
	seq    uint32
	raw    []byte
	as     logon
	sent   bool
	heard  bool // a provisional answer came

	forks     []*fork // dialogs of this INVITE
	heardFrom *fork   // whose sound is early media

	session []header // the interval that was asked for with 422

	again   *time.Timer // when the INVITE is repeated
	repeats resends
	silence *time.Timer   // until when the target must have responded
	left    string        // why this target is left for another one
	rang    bool          // an 18x came: the call stays here
	after   time.Duration // what a 503 asks for

	reconnected bool // after its connection was lost
}

// run sends the INVITE and follows it to its end.
func (a *attempt) run(ctx context.Context, limit <-chan time.Time) error {
	a.again, a.silence = stoppedTimer(), stoppedTimer()
	defer a.again.Stop()
	defer a.silence.Stop()
	if err := a.invite(nil); err != nil {
		return a.leave(leftUnreachable, err)
	}
	a.l.listenEarly(a.hear)
	defer a.l.early.stop()
	for {
		select {
		case res := <-a.tx.ch:
			done, err := a.onResponse(res)
			if done || err != nil {
				return err
			}
		case <-a.again.C:
			if a.heard || a.to.peer.reliable() {
				continue
			}
			wait := a.repeats.next()
			if wait == 0 {
				return a.leave(leftSilent, errSilent)
			}
			_ = a.d.transport.send(a.to.peer, a.raw) // a lost message is like one lost on the way
			a.again.Reset(wait)
		case <-a.silence.C:
			if len(a.tx.ch) == 0 { // what has come counts before what has not
				return a.leave(leftSilent, errSilent)
			}
		case <-a.lost():
			if len(a.tx.ch) > 0 {
				continue // what has come counts before what has not
			}
			err := a.to.peer.lostError()
			if a.to.patience == 0 {
				err = a.reconnect(ctx)
			}
			if err != nil {
				return a.leave(leftUnreachable, err)
			}
		case <-limit:
			return a.cancel(telephony.CauseNoAnswer, nil)
		case <-ctx.Done():
			return a.cancel(telephony.CauseCancelled, ctx.Err())
		case <-a.d.done:
			return a.fail(telephony.CauseFailure, 0, net.ErrClosed)
		}
	}
}

// resends is when an INVITE is sent again over UDP (timers A and B of
// https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1.2), and a reliable response
// (https://www.rfc-editor.org/rfc/rfc3262#section-3).
type resends struct{ wait, total time.Duration }

// next is how long to wait until the next one; 0 when nothing is to be expected
// any more.
func (r *resends) next() time.Duration {
	r.wait = min(max(2*r.wait, t1), t64-r.total)
	r.total += r.wait
	return r.wait
}

// inviteAgain sends the INVITE with what was asked for.
func (a *attempt) inviteAgain() error {
	return a.invite(slices.Concat(a.as.headers, a.session))
}

// invite sends the INVITE, with extra headers the second time.
func (a *attempt) invite(extra []header) error {
	if a.tx != nil {
		a.d.closeClientTx(a.tx)
	}
	a.branch = a.d.newBranch()
	a.tx = a.d.openClientTx(a.branch, "INVITE")
	a.l.mu.Lock()
	a.l.localSeq++
	a.seq = a.l.localSeq
	extra = append(slices.Concat(extra, a.to.headers), a.d.contact(a.to.peer), header{"Allow", allowed}, header{"Supported", supported}, sdpType())
	a.raw = a.l.compose(a.to.peer, "INVITE", a.branch, a.seq, extra, a.l.desc.offer(sendRecv, nil))
	a.l.mu.Unlock()
	if err := a.transmit(); err != nil {
		a.d.closeClientTx(a.tx)
		return err
	}
	a.sent, a.heard, a.forks, a.heardFrom = true, false, nil, nil
	a.repeats = resends{}
	a.again.Reset(a.repeats.next())
	if a.to.patience > 0 {
		a.silence.Reset(a.to.patience)
	}
	return nil
}

func (a *attempt) fail(cause telephony.Cause, status int, err error) error {
	return &telephony.DialError{Cause: cause, Status: status, Sent: a.sent, Err: err}
}

// onResponse takes one response; done when the call is established.
func (a *attempt) onResponse(res *sip.Response) (done bool, err error) {
	status := res.StatusCode
	switch {
	case status < 200:
		a.silence.Stop()
		a.rang = a.rang || status >= 180 && status < 190
		a.provisional(res)
		return false, nil
	case status < 300:
		return a.established(res)
	}
	a.acknowledge(res)
	if a.session == nil {
		if a.session = longerSession(res); a.session != nil {
			a.l.lengthen(leastSession(res)) // refreshes say it, too
			return false, a.inviteAgain()
		}
	}
	if challenged(res) && a.to.user != "" {
		err := a.as.answer(res, "INVITE", a.to.target.String())
		if err == nil {
			err = a.inviteAgain()
		}
		if err == nil {
			return false, nil
		}
		return false, a.fail(telephony.CauseUnauthorised, status, err)
	}
	if status == 503 {
		a.left, a.after = leftUnavailable, retryIn(res)
	}
	if redirects(status) {
		return false, a.fail(statusCause(status), status, redirectionOf(res))
	}
	return false, a.fail(statusCause(status), status, nil)
}

// acknowledge sends the ACK of a refusal, which belongs to the transaction.
func (a *attempt) acknowledge(res *sip.Response) {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	was := a.l.remote
	a.l.remote = headerValue(res, "To")
	raw := a.l.compose(a.to.peer, "ACK", a.branch, a.seq, nil, nil)
	a.l.remote = was
	_ = a.d.transport.send(a.to.peer, raw) // a lost message is like one lost on the way
}

// established makes the dialog of a 2xx and acknowledges it. The call counts as
// answered before the ACK leaves: a BYE may follow it at once.
func (a *attempt) established(res *sip.Response) (bool, error) {
	l := a.l
	a.d.addHosts(l, hostsOf(res))
	a.takeDialog(res)
	st, err := a.agree(res)
	l.early.stop()
	if err != nil {
		a.sendAck()
		l.takeLeave()
		return false, a.fail(telephony.CauseNotAcceptable, res.StatusCode, err)
	}
	if !l.answer(res, st, a.others(res, st)) {
		a.sendAck()
		return false, a.fail(telephony.CauseFailure, 0, telephony.ErrGone)
	}
	a.sendAck()
	return true, nil
}

// answer puts the answer to our offer into force; false when the call is over.
func (l *leg) answer(res *sip.Response, st *stream, others []netip.AddrPort) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == legOver {
		return false
	}
	l.stream, l.state = st, legAnswered
	l.session.take(sessionOfAnswer(res))
	l.held = l.early.r.held
	l.info.Heard = l.held.heard(st.remote, l.media.now())
	l.media.begin(st, others)
	close(l.answered)
	l.armSession()
	l.keep(false)
	return true
}

// confirm takes the dialog of a 2xx and sends the ACK.
func (a *attempt) confirm(res *sip.Response) {
	a.takeDialog(res)
	a.sendAck()
}

// takeDialog notes what a 2xx says about its sender.
func (a *attempt) takeDialog(res *sip.Response) {
	l := a.l
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remoteTag, l.localSeq = tagOf(res.To().Params), a.lastSeq()
	l.updates = listed(res, "Allow", "UPDATE")
	if target, ok := remoteTarget(contactOf(res)); ok {
		l.target = target
	}
	l.routes = nil
	for _, h := range res.GetHeaders("Record-Route") {
		l.routes = append([]string{h.Value()}, l.routes...)
	}
}

// sendAck acknowledges the 2xx of the dialog.
func (a *attempt) sendAck() {
	l, to := a.l, a.to.peer
	ctx, cancel := context.WithTimeout(context.Background(), cancelFor)
	defer cancel()
	if next, err := l.nextHop(ctx); err == nil {
		to = next
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastAck, l.ackPeer, l.ackSeq = l.compose(to, "ACK", a.d.newBranch(), a.seq, nil, nil), to, a.seq
	_ = a.d.transport.send(to, l.lastAck) // a lost message is like one lost on the way
}

// acknowledgeAgain repeats the ACK for a repeated 2xx; false when it is a new
// one, or from somebody else.
func (d *Driver) acknowledgeAgain(res *sip.Response) bool {
	l := d.dialog(res, tagOf(res.From().Params))
	if l == nil {
		return false
	}
	l.mu.Lock()
	raw, to, known := l.lastAck, l.ackPeer, l.ackSeq == res.CSeq().SeqNo
	if seq := res.CSeq().SeqNo; !known && seq <= l.former { // the process that sent the INVITE is gone
		raw, to, known = l.compose(l.peer, "ACK", d.newBranch(), seq, nil, nil), l.peer, true
	}
	l.mu.Unlock()
	if raw == nil || !known {
		return false
	}
	_ = d.transport.send(to, raw) // a lost message is like one lost on the way
	return true
}

// cancel gives the attempt up at the far end, and takes the call down when its
// 2xx crosses the CANCEL.
func (a *attempt) cancel(cause telephony.Cause, why error) error {
	limit := time.NewTimer(cancelFor)
	defer limit.Stop()
	cancelled := false
	for {
		if a.heard && !cancelled {
			cancelled = true
			a.sendCancel()
		}
		select {
		case res := <-a.tx.ch:
			switch {
			case res.IsProvisional():
				a.heard = true
			case res.IsSuccess():
				a.confirm(res)
				a.l.takeLeave()
				return a.fail(cause, 0, why)
			default:
				a.acknowledge(res)
				return a.fail(cause, 0, why)
			}
		case <-limit.C:
			if !cancelled { // an INVITE that nobody confirmed may still arrive
				a.sendCancel()
			}
			return a.fail(cause, 0, why)
		case <-a.d.done:
			return a.fail(cause, 0, why)
		}
	}
}

// sendCancel sends a CANCEL, which carries the branch of the INVITE.
func (a *attempt) sendCancel() {
	a.l.mu.Lock()
	raw := a.l.compose(a.to.peer, "CANCEL", a.branch, a.seq, nil, nil)
	a.l.mu.Unlock()
	a.d.background(func(ctx context.Context) {
		ctx, stop := context.WithTimeout(ctx, cancelFor)
		defer stop()
		_, _ = a.d.roundTrip(ctx, a.d.reopened(ctx, a.to), "CANCEL", a.branch, raw) // nothing is left to do without a response
	})
}
