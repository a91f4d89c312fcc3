package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// legState is how far a call is.
type legState uint8

const (
	legRinging legState = iota
	legAnswered
	legOver
)

// leg is one call: a telephony.Leg, and the dialog behind it
// (https://www.rfc-editor.org/rfc/rfc3261#section-12).
type leg struct {
	d        *Driver
	media    *media
	answered chan struct{}
	gone     chan struct{}
	callID   string
	localTag string
	user     string // the digest user who called or was called; else ""

	mu        sync.Mutex
	began     *Trunk // its trunk as it was when the dialog began; nil for the local route
	info      telephony.Info
	state     legState
	ended     telephony.Event
	tx        *serverTx // the INVITE that started it; nil when we called, or took the leg up
	inbound   bool      // the far end called
	offer     *sdp      // what the INVITE offered; nil without
	stream    *stream
	desc      localSDP
	remoteTag string
	local     string // From and To of our requests, without tags
	remote    string
	target    sip.Uri
	routes    []string
	hosts     []netip.Addr // from which requests of the call are taken
	peer      peer
	hangup    []header // of our BYE
	localSeq  uint32
	former    uint32 // up to here numbers of ours may be those of a process that is gone; 0: there was none
	remoteSeq uint32
	updates   bool          // the far end understands UPDATE
	stored    *dialogMark   // of what the application has of the dialog; nil: nothing that serves
	left      chan struct{} // closed when our BYE was answered, or will not be; nil: there is none
	leftErr   error         // why it was not; set by then
	parting   *parting      // before that BYE; nil when it need not wait

	unacked  *serverTx // an INVITE whose 2xx was not acknowledged
	resend   *time.Timer
	awaiting bool   // our own re-INVITE is under way
	late     bool   // our offer awaits its answer in the ACK
	lastAck  []byte // repeated when a 2xx is
	ackPeer  peer
	ackSeq   uint32
	givenUp  []givenUp // re-INVITEs of ours whose response may still come
	session  sessionTimer
	reliable *ringing           // the 180 that the caller acknowledges; nil without
	early    *early             // of a call that we place
	forkTags []string           // of its dialogs before the answer
	held     backlog            // what came before the answer; the receive loop's from then on
	transfer *transfer          // under way; nil without
	keeper   *keeper            // nil before the answer
	unwatch  context.CancelFunc // ends the keeper; nil before the answer
}

// Info implements telephony.Leg.
func (l *leg) Info() telephony.Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	info := l.info
	if l.stream != nil {
		info.Codec, info.Rate = l.stream.codec.String(), l.stream.codec.rate()
	}
	return info
}

// Ring implements telephony.Ringer.
func (l *leg) Ring(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == legOver {
		return telephony.ErrGone
	}
	if l.state == legRinging && l.tx != nil {
		if listed(l.tx.req, "Require", "100rel") {
			return l.ringReliably()
		}
		return l.tx.respond(180, "Ringing", l.localTag, []header{l.d.contact(l.peer)}, nil)
	}
	return nil
}

// Accept implements telephony.Leg.
func (l *leg) Accept(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.acknowledged(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.state {
	case legOver:
		return telephony.ErrGone
	case legAnswered:
		return errors.New("accept a call a second time")
	}
	l.held.near = l.media.hosts
	l.held.keepWaiting(l.media.rtp, l.d.cfg.Now(), make([]byte, heldSize+1))
	extra := append(l.session.inResponse(), l.d.contact(l.peer), header{"Allow", allowed}, header{"Supported", supported})
	body := l.describe()
	if body != nil {
		extra = append(extra, sdpType())
	}
	err := l.tx.respond(200, "OK", l.localTag, extra, body)
	if err != nil {
		return fmt.Errorf("answer the call: %w", err)
	}
	l.state = legAnswered
	close(l.answered)
	l.awaitAck(l.tx)
	l.armSession()
	l.keep(false)
	return nil
}

// describe puts what was agreed on into force and returns our description for the
// 2xx; nil when both sides have told theirs. l.mu is held.
func (l *leg) describe() []byte {
	switch {
	case l.offer != nil:
		l.media.apply(l.stream)
		return l.desc.answer(l.offer, l.stream)
	case l.stream != nil: // by 180 and PRACK
		l.media.apply(l.stream)
		return nil
	}
	l.late = true
	return l.desc.offer(sendRecv, nil)
}

// Events implements telephony.Leg.
func (l *leg) Events(ctx context.Context) iter.Seq[telephony.Event] {
	return func(yield func(telephony.Event) bool) {
		select {
		case <-l.answered:
		case <-ctx.Done():
			return
		case <-l.gone:
			select {
			case <-l.answered:
			default:
				yield(l.endedEvent())
				return
			}
		}
		newReceiver(l, yield).run(ctx)
	}
}

func (l *leg) endedEvent() telephony.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// Send implements telephony.Leg.
func (l *leg) Send(f audio.Frame) error { return l.media.send(f) }

// Refused returns how many packets came that were not the far end's, or made
// no sense.
func (l *leg) Refused() uint64 { return l.media.refused.Load() }

// Clear implements telephony.Leg: nothing is queued here.
func (l *leg) Clear() error { return nil }

// SendDigits implements telephony.DigitSender.
func (l *leg) SendDigits(ctx context.Context, digits string) error {
	return l.media.sendDigits(ctx, digits)
}

// Hangup implements telephony.Leg.
func (l *leg) Hangup(ctx context.Context, cause telephony.Cause) error {
	return l.Refuse(ctx, telephony.Refusal{Cause: cause})
}

// Refuse implements telephony.Refuser.
func (l *leg) Refuse(ctx context.Context, r telephony.Refusal) error {
	was, ok := l.end(telephony.Event{Kind: telephony.KindEnded, Cause: r.Cause})
	switch {
	case ok && was == legRinging && l.tx == nil: // we called; Dial gives it up
	case ok && was == legRinging:
		f := refusalOf(r)
		_ = l.tx.respond(f.status, f.reason, l.localTag, f.extra, nil) // the far end repeats what it got no response to
		return nil
	case ok:
		l.takeLeave()
	}
	return l.awaitLeave(ctx)
}

// refusalOf is the one table from causes to statuses.
func refusalOf(r telephony.Refusal) *fault {
	f := &fault{status: 603, reason: "Decline"}
	switch r.Cause {
	case telephony.CauseUnknownNumber:
		f.status, f.reason = 404, "Not Found"
	case telephony.CauseUnavailable, telephony.CauseNoAnswer:
		f.status, f.reason = 480, "Temporarily Unavailable"
	case telephony.CauseBusy:
		f.status, f.reason = 486, "Busy Here"
	case telephony.CauseOverload:
		f.status, f.reason, f.extra = 503, "Service Unavailable", retryAfter()
	case telephony.CauseCancelled:
		f.status, f.reason = 487, "Request Terminated"
	case telephony.CauseNotAcceptable:
		f.status, f.reason = 488, "Not Acceptable Here"
	case telephony.CauseFailure:
		f.status, f.reason = 500, "Server Internal Error"
	}
	if r.Reason != "" {
		text := strings.Map(func(c rune) rune {
			if c < ' ' || c == '"' || c == '\\' || c == 0x7f {
				return ' '
			}
			return c
		}, r.Reason)
		f.extra = append(f.extra, header{"Reason", fmt.Sprintf(`SIP;cause=%d;text="%s"`, f.status, text)})
	}
	return f
}

// statusCause is the same table in the other direction, for calls that we place.
func statusCause(status int) telephony.Cause {
	switch status {
	case 404, 410, 484, 604:
		return telephony.CauseUnknownNumber
	case 486, 600:
		return telephony.CauseBusy
	case 480:
		return telephony.CauseUnavailable
	case 408:
		return telephony.CauseNoAnswer
	case 401, 407, 403:
		return telephony.CauseUnauthorised
	case 487:
		return telephony.CauseCancelled
	case 488, 606, 415:
		return telephony.CauseNotAcceptable
	case 503:
		return telephony.CauseOverload
	case 603:
		return telephony.CauseDeclined
	}
	return telephony.CauseFailure
}

// end ends the leg once and tells how far it was; false when it had ended
// before.
func (l *leg) end(ev telephony.Event) (legState, bool) {
	l.mu.Lock()
	was := l.state
	if was == legOver {
		l.mu.Unlock()
		return was, false
	}
	l.state, l.ended = legOver, ev
	crossed := ev.Cause == telephony.CauseCancelled // an answer, which the far end will get
	if was == legAnswered && (!ev.Remote || crossed) {
		l.left = make(chan struct{})
		l.part()
	}
	if l.resend != nil && l.parting == nil {
		l.resend.Stop()
	}
	if l.unwatch != nil {
		l.unwatch()
	}
	close(l.gone)
	l.mu.Unlock()
	port := l.media.port()
	l.media.stop()
	l.d.ports.release(port)
	l.d.dropCall(l)
	if l.tx != nil {
		l.tx.dropLeg() // the transaction lives on for repetitions, the call need not
	}
	return was, true
}

// giveUp hangs up for a reason of our own; nobody waits for the far end.
func (l *leg) giveUp(cause telephony.Cause, why string) {
	if cause == telephony.CauseFarEndGone {
		why += l.media.unheard()
	}
	was, ok := l.end(telephony.Event{Kind: telephony.KindEnded, Cause: cause, Err: errors.New(why)})
	if ok && was == legAnswered {
		l.takeLeave()
	}
}

// exchange is a request that we sent within the dialog, and its final response.
type exchange struct {
	to     peer
	seq    uint32
	branch string
	res    *sip.Response
}

// request sends a request within the dialog and waits for its final response. It
// answers the challenges of the leg's own trunk. An INVITE that fails is
// acknowledged; one that succeeds is not yet.
func (l *leg) request(ctx context.Context, method string, extra []header, body []byte) (exchange, error) {
	to, err := l.nextHop(ctx)
	if err != nil {
		return exchange{}, err
	}
	as, asked, reopened := logon{}, false, false
	for {
		x, err := l.requestOnce(ctx, to, method, append(slices.Clone(extra), as.headers...), body)
		switch {
		case err != nil && to.reliable() && !asked && !reopened && ctx.Err() == nil: // the connection may have gone: another one
			reopened = true
			if to, err = l.nextHop(ctx); err != nil {
				return x, err
			}
			continue
		case err != nil || !challenged(x.res):
			return x, err
		case !asked: // only now, for it may have to look up the trunk's host
			as, asked = l.logonFor(ctx, to.addr.Addr()), true
		}
		if as.answer(x.res, method, l.targetURI()) != nil {
			return x, nil
		}
	}
}

// requestOnce sends a request once.
func (l *leg) requestOnce(ctx context.Context, to peer, method string, extra []header, body []byte) (exchange, error) {
	branch := l.d.newBranch()
	l.mu.Lock()
	l.localSeq++
	x := exchange{to: to, seq: l.localSeq, branch: branch}
	callID := l.callID
	raw := l.compose(to, method, branch, x.seq, extra, body)
	l.mu.Unlock()
	var err error
	if x.res, err = l.d.roundTrip(ctx, to, method, branch, raw); err != nil {
		return x, err
	}
	if err = l.ifReplaced(callID); err != nil { // what it says is of no use any more
		x.res = nil
		return x, err
	}
	if method == "INVITE" && !x.res.IsSuccess() {
		l.mu.Lock()
		defer l.mu.Unlock()
		_ = l.d.transport.send(to, l.compose(to, "ACK", branch, x.seq, nil, nil)) // a lost message is like one lost on the way
	}
	return x, nil
}

// targetURI is where requests of the dialog are addressed.
func (l *leg) targetURI() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.target.String()
}

// compose writes a request within the dialog; l.mu is held.
func (l *leg) compose(to peer, method, branch string, seq uint32, extra []header, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", method, l.target.String())
	fmt.Fprintf(&b, "Via: SIP/2.0/%s %s;branch=%s;rport\r\n", to.network(), l.d.hostPort(to), branch)
	writeHeader(&b, "Max-Forwards", "70")
	for _, r := range l.routes {
		writeHeader(&b, "Route", r)
	}
	writeHeader(&b, "From", l.local+";tag="+l.localTag)
	remote := l.remote
	if l.remoteTag != "" {
		remote += ";tag=" + l.remoteTag
	}
	writeHeader(&b, "To", remote)
	writeHeader(&b, "Call-ID", l.callID)
	writeHeader(&b, "CSeq", fmt.Sprintf("%d %s", seq, method))
	writeEnd(&b, extra, body)
	return b.Bytes()
}

// onRequest takes a request of the dialog.
func (l *leg) onRequest(tx *serverTx) {
	if l.parts() {
		l.onPartingRequest(tx)
		return
	}
	req := tx.req
	l.media.alive()
	l.mu.Lock()
	old := req.CSeq().SeqNo < l.remoteSeq
	if !old {
		l.remoteSeq = req.CSeq().SeqNo
		l.peer = tx.peer
	}
	l.mu.Unlock()
	if old {
		tx.fail(&fault{status: 500, reason: "CSeq Out of Order"})
		return
	}
	if f := checkRequire(req); f != nil {
		tx.fail(f)
		return
	}
	switch req.Method {
	case sip.BYE:
		l.onBye(tx)
	case sip.INVITE:
		l.onReinvite(tx)
	case sip.PRACK:
		l.onPrack(tx)
	case sip.UPDATE:
		l.onUpdate(tx)
	case sip.INFO:
		l.onInfo(tx)
	case sip.NOTIFY:
		l.onNotify(tx)
	case sip.REFER:
		tx.fail(declineRefer())
	case sip.OPTIONS:
		_ = tx.respond(200, "OK", "", []header{{"Allow", allowed}, {"Accept", "application/sdp"}}, nil) // the far end repeats what it got no response to
	default:
		tx.fail(&fault{405, "Method Not Allowed", []header{{"Allow", allowed}}})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noteDialog()
}

func (l *leg) onBye(tx *serverTx) {
	_ = tx.respond(200, "OK", "", nil, nil) // the far end repeats what it got no response to
	was, ok := l.end(telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseNormal, Remote: true})
	if ok && was == legRinging && l.tx != nil {
		_ = l.tx.respond(487, "Request Terminated", l.localTag, nil, nil) // the far end repeats what it got no response to
	}
}

// cancelled ends a call that still rings.
func (l *leg) cancelled() {
	l.mu.Lock()
	ringing := l.state == legRinging
	l.mu.Unlock()
	if !ringing {
		return
	}
	was, ok := l.end(telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseCancelled, Remote: true})
	switch {
	case ok && was == legRinging:
		_ = l.tx.respond(487, "Request Terminated", l.localTag, nil, nil) // the far end repeats what it got no response to
	case ok: // answered in the meantime: it was established for an instant
		l.takeLeave()
	}
}
