package sip

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// ringSoon is when a call rings that was neither answered nor refused by then.
const ringSoon = 50 * time.Millisecond

// onInvite starts a call.
func (d *Driver) onInvite(tx *serverTx, who admission) {
	if f := checkRequire(tx.req); f != nil {
		tx.fail(f)
		d.tellRefused(tx, who, f)
		return
	}
	if cancel := d.takeEarly(tx.key); cancel != nil && cancel.peer.addr.Addr() == tx.peer.addr.Addr() {
		_ = cancel.respond(200, "OK", d.newTag(), nil, nil)             // the far end repeats what it got no response to
		_ = tx.respond(487, "Request Terminated", d.newTag(), nil, nil) // the far end repeats what it got no response to
		return
	}
	if d.replace(tx, who) {
		return
	}
	l, f := d.newInbound(tx, who)
	if f != nil {
		tx.fail(f)
		d.tellRefused(tx, who, f)
		return
	}
	if f = d.serveLeg(l); f != nil {
		tx.fail(f)
	}
}

// tellRefused tells the application of a call that it does not get.
func (d *Driver) tellRefused(tx *serverTx, who admission, f *fault) {
	d.mu.Lock()
	serving := d.serving != nil
	d.mu.Unlock()
	if !serving {
		return
	}
	why := strconv.Itoa(f.status) + " " + f.reason
	for _, h := range f.extra {
		if h.name == "Warning" {
			why += ": " + h.value
		}
	}
	d.cfg.RefusedCall(inboundInfo(tx, who, d.calledNumber(tx.req, who.trunk), d.trunk(who.trunk)), telephony.Refusal{Cause: statusCause(f.status), Reason: why})
}

// serveLeg gives a call to the application on a goroutine of its own.
func (d *Driver) serveLeg(l *leg) *fault {
	d.mu.Lock()
	s := d.serving
	if s != nil && s.ctx.Err() == nil {
		s.calls.Add(1)
	} else {
		s = nil
	}
	d.mu.Unlock()
	if s == nil {
		l.end(telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseOverload})
		return &fault{503, "Service Unavailable", retryAfter()}
	}
	go func() {
		defer s.calls.Done()
		ring := time.AfterFunc(ringSoon, func() { _ = l.Ring(s.ctx) })
		s.answer(s.ctx, l)
		ring.Stop()
		l.leave()
	}()
	return nil
}

// leave ends a call that the application left alone: unanswered ones are
// refused, answered ones hung up. It does not wait for the far end.
func (l *leg) leave() {
	select {
	case <-l.answered:
		l.giveUp(telephony.CauseNormal, "the application left the call")
	default:
		_ = l.Hangup(context.Background(), telephony.CauseFailure) // the call is over either way
	}
}

// newInbound makes the leg of an INVITE.
func (d *Driver) newInbound(tx *serverTx, who admission) (*leg, *fault) {
	req := tx.req
	offer, f := d.description(req)
	if f != nil {
		return nil, f
	}
	g := d.newGuard(who.trunk)
	st, f := choose(offer, d.cfg.Codecs, g.over(tx.peer.network()))
	if f != nil {
		return nil, f
	}
	session, f := sessionOf(req, 0)
	if f != nil {
		return nil, f
	}
	rtp, rtcp, err := d.ports.open(st == nil || !st.mux)
	if err != nil {
		d.cfg.Logger.Error("call refused", "err", err)
		return nil, &fault{503, "Service Unavailable", retryAfter()}
	}
	l := &leg{d: d, answered: make(chan struct{}), gone: make(chan struct{}), localTag: d.newTag(),
		callID: req.CallID().Value(), user: who.user, tx: tx, inbound: true, offer: offer, stream: st, session: session, peer: tx.peer,
		media:     newMedia(rtp, rtcp, signallers(tx), d.sourcePolicy(who.trunk), d.cfg.Now),
		remoteTag: tagOf(req.From().Params), remoteSeq: req.CSeq().SeqNo, localSeq: rand.Uint32N(1 << 16),
		local: headerValue(req, "To"), remote: withoutTag(req.From()), target: callerTarget(req, tx.peer),
		updates: listed(req, "Allow", "UPDATE"), info: inboundInfo(tx, who, d.calledNumber(req, who.trunk), d.trunk(who.trunk)), began: d.trunk(who.trunk)}
	if err := l.SetHeaders(nil); err != nil {
		d.cfg.Logger.Error("headers of a trunk", "err", err)
	}
	for _, h := range req.GetHeaders("Record-Route") {
		l.routes = append(l.routes, h.Value())
	}
	l.desc = localSDP{id: time.Now().Unix(), version: 1, addr: d.localAddr(tx.peer.addr.Addr()), port: portOf(rtp), guard: g.over(tx.peer.network())}
	tx.mu.Lock()
	tx.leg = l
	tx.mu.Unlock()
	d.addHost(l, tx.peer.addr.Addr())
	d.addTargets(l, l.began)
	d.addHosts(l, hostsOf(req))
	d.addCall(l)
	return l, nil
}

// signallers are the hosts from which an INVITE comes: who sent it, and, behind
// proxies, from where the first of them got it.
func signallers(tx *serverTx) []netip.Addr {
	hosts := []netip.Addr{tx.peer.addr.Addr()}
	vias := tx.req.GetHeaders("Via")
	bottom, ok := vias[len(vias)-1].(*sip.ViaHeader)
	if !ok || len(vias) < 2 {
		return hosts
	}
	received, _ := param(bottom.Params, "received")
	if a, err := netip.ParseAddr(received); err == nil {
		hosts = append(hosts, a.Unmap())
	}
	return hosts
}

// withoutTag is the value of a From header but for its tag.
func withoutTag(from *sip.FromHeader) string {
	bare := sip.FromHeader{DisplayName: from.DisplayName, Address: *from.Address.Clone(), Params: from.Params.Clone()}
	bare.Address.User = strings.ReplaceAll(bare.Address.User, " ", "%20")
	bare.Params.Remove("tag")
	return bare.Value()
}

// choose negotiates from an offer; nil without one.
func choose(offer *sdp, allowed []string, g guard) (*stream, *fault) {
	if offer == nil {
		return nil, unacceptable(g.check())
	}
	st, err := negotiate(offer, allowed, g)
	return st, unacceptable(err)
}

// unacceptable is the refusal of a description.
func unacceptable(err error) *fault {
	var bad *sdpError
	if errors.As(err, &bad) {
		return &fault{bad.status, "Not Acceptable Here", []header{warning(bad)}}
	}
	return nil
}

func warning(e *sdpError) header {
	digits := string([]byte{byte('0' + e.warn/100), byte('0' + e.warn/10%10), byte('0' + e.warn%10)})
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c == '"' || c == '\\' || c > '~' {
			return ' '
		}
		return c
	}, e.text)
	return header{"Warning", digits + ` sidetone "` + text + `"`}
}

// inboundInfo says who calls whom.
func inboundInfo(tx *serverTx, who admission, called string, trunk *Trunk) telephony.Info {
	req := tx.req
	info := telephony.Info{ID: cleaned(req.CallID().Value(), maxName), Trunk: who.trunk, Source: tx.peer.addr.String(),
		From: cleaned(caller(req, trunk != nil && trunk.AssertedIdentity), maxName), To: cleaned(called, maxName),
		Codec: codecG722.String(), Rate: codecG722.rate(), Headers: make(map[string]string)}
	info.Signalling = signalling(req.CallID().Value(), tagOf(req.From().Params))
	info.Parts = otherParts(headerValue(req, "Content-Type"), req.Body())
	info.Attestation = attestation(req)
	if trunk != nil {
		info.Variables = variables(req, trunk.HeadersIn)
	}
	for _, h := range req.Headers() {
		name := textproto.CanonicalMIMEHeaderKey(h.Name())
		switch name {
		case "User-Agent", "P-Asserted-Identity", "Diversion", "Remote-Party-Id", "History-Info":
		default:
			if !strings.HasPrefix(name, "X-") {
				continue
			}
		}
		if len(info.Headers) < 20 && len(h.Value()) <= 512 {
			info.Headers[name] = h.Value()
		}
	}
	return info
}

// awaitAck repeats a 2xx at 0.5, 1, 2, 4 s and so on until it is acknowledged;
// without an ACK the call ends, or the BYE of one that is over waits no longer. l.mu
// is held.
func (l *leg) awaitAck(tx *serverTx) {
	l.unacked = tx
	wait, total := t1, time.Duration(0)
	l.resend = time.AfterFunc(wait, func() {
		l.mu.Lock()
		if l.unacked != tx || l.state == legOver && l.parting == nil {
			l.mu.Unlock()
			return
		}
		if total += wait; total >= l.d.cfg.AckWait {
			l.unacked = nil
			l.endParting(false, true)
			l.mu.Unlock()
			l.giveUp(telephony.CauseFailure, "the answer was never acknowledged")
			return
		}
		wait = min(2*wait, t2)
		l.resend.Reset(wait)
		l.mu.Unlock()
		tx.repeat()
	})
}

// onAck takes the ACK of a 2xx, and the answer to our offer in it.
func (l *leg) onAck(req *sip.Request) {
	l.mu.Lock()
	if l.parting != nil {
		if l.tx.req.CSeq().SeqNo == req.CSeq().SeqNo {
			l.endParting(false, false)
		}
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.media.alive()
	l.mu.Lock()
	g := l.desc.guard.answerTo(l.stream)
	l.mu.Unlock()
	answer, err := l.d.agreed(req, g)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unacked == nil || l.unacked.req.CSeq().SeqNo != req.CSeq().SeqNo {
		return
	}
	again := l.unacked != l.tx // of a re-INVITE
	l.unacked = nil
	l.resend.Stop()
	if !l.late {
		return
	}
	l.late = false
	if err == nil {
		changed := l.stream == nil && answer.codec != codecG722
		l.stream = answer
		l.media.apply(answer)
		if changed {
			l.media.announceFormat()
		}
		return
	}
	if again && !errors.Is(err, errPlain) {
		return // what was agreed before holds
	}
	l.d.background(func(context.Context) {
		l.giveUp(telephony.CauseNotAcceptable, "unusable answer in the ACK: "+err.Error())
	})
}
