package sip

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// renew implements renewable: UPDATE where that is understood, else a re-INVITE with
// the description in force.
func (l *leg) renew(ctx context.Context, reinvite bool) finding {
	l.mu.Lock()
	if l.awaiting || l.late || l.unacked != nil || l.stream == nil || l.state != legAnswered {
		l.mu.Unlock()
		return finding{verdictBusy, busyPause}
	}
	method := sip.INVITE
	if l.updates && !reinvite {
		method = sip.UPDATE
	}
	dir := l.stream.localDir
	body := l.desc.offer(dir, l.stream)
	extra := []header{{"Supported", supported}, l.d.contact(l.peer)}
	l.awaiting = method == sip.INVITE
	l.mu.Unlock()
	var x exchange
	if method == sip.UPDATE {
		x = l.update(ctx, extra)
	} else {
		x, _ = l.reinvite(ctx, dir, body) // its response tells
		l.settled()
	}
	if x.res == nil {
		return finding{verdict: verdictSilent}
	}
	return l.read(method, x.res)
}

// update refreshes by UPDATE. The exchange has no response when none came.
func (l *leg) update(ctx context.Context, extra []header) exchange {
	x, err := l.requestSession(ctx, "UPDATE", extra, nil)
	if err == nil && x.res.IsSuccess() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.refreshed(x.res)
	}
	return x
}

// settled notes that our own re-INVITE is over.
func (l *leg) settled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awaiting = false
	l.noteDialog()
}

// read says what the response to a refresh means.
func (l *leg) read(method sip.RequestMethod, res *sip.Response) finding {
	a := finding{verdict: judge(method, res.StatusCode)}
	switch {
	case a.verdict == verdictNoUpdate:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.updates = false // re-INVITE from now on
	case a.verdict != verdictRenewed && a.verdict != verdictGone:
		a.wait = pauseAfter(res, !l.inbound)
	}
	return a
}

// pauseAfter is how long to wait after a refresh that was refused; ours says that the
// Call-ID is our own.
func pauseAfter(res *sip.Response, ours bool) time.Duration {
	switch {
	case res.StatusCode == 491 && ours: // RFC 3261, section 14.1
		return 2100*time.Millisecond + rand.N(1900*time.Millisecond)
	case res.StatusCode == 491:
		return rand.N(2 * time.Second)
	}
	if after := retryIn(res); after > 0 {
		return after
	}
	return renewPause
}

// refreshed takes what a 2xx to a refresh of ours says; l.mu is held.
func (l *leg) refreshed(res *sip.Response) {
	if s := sessionOfAnswer(res); s.interval > 0 {
		l.session.take(s)
	} else if l.session.interval > 0 { // RFC 4028, section 7.2: nobody else refreshes it
		l.session.ours = true
	}
	if target, ok := remoteTarget(contactOf(res)); ok {
		l.target = target
	}
	l.armSession()
	l.noteDialog()
}

// armSession starts the session timer anew; l.mu is held.
func (l *leg) armSession() {
	l.session.began = l.d.cfg.Now()
	if l.keeper != nil {
		l.keeper.nudge()
	}
}

// givenUp is a re-INVITE of ours whose response is awaited no more.
type givenUp struct {
	to     peer
	seq    uint32
	branch string
}

// maxGivenUp bounds the re-INVITEs whose late responses are acknowledged.
const maxGivenUp = 4

// giveUpOn notes a re-INVITE that was not answered in time.
func (l *leg) giveUpOn(g givenUp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.givenUp = append(l.givenUp, g)
	if len(l.givenUp) > maxGivenUp {
		l.givenUp = slices.Delete(l.givenUp, 0, 1)
	}
}

// acknowledgeLate confirms the final response to a re-INVITE that was given up: who
// gets no ACK for his 2xx ends the call
// (https://www.rfc-editor.org/rfc/rfc3261#section-14.2).
func (d *Driver) acknowledgeLate(branch string, res *sip.Response) bool {
	l := d.dialog(res, tagOf(res.From().Params))
	if l == nil || res.IsProvisional() {
		return false
	}
	l.mu.Lock()
	at := slices.IndexFunc(l.givenUp, func(g givenUp) bool { return g.branch == branch && g.seq == res.CSeq().SeqNo })
	if at < 0 {
		l.mu.Unlock()
		return false
	}
	g := l.givenUp[at]
	if res.IsSuccess() {
		l.lastAck, l.ackPeer, l.ackSeq = l.compose(g.to, "ACK", d.newBranch(), g.seq, nil, nil), g.to, g.seq
		_ = d.transport.send(g.to, l.lastAck) // a lost message is like one lost on the way
	} else {
		_ = d.transport.send(g.to, l.compose(g.to, "ACK", g.branch, g.seq, nil, nil)) // as above
	}
	l.mu.Unlock()
	if v := judge(sip.INVITE, res.StatusCode); v == verdictRenewed || v == verdictLives {
		l.media.alive()
	}
	return true
}

// reinvite offers body and takes the answer. A *refused error has the response.
func (l *leg) reinvite(ctx context.Context, dir direction, body []byte) (exchange, error) {
	l.mu.Lock()
	extra := []header{l.d.contact(l.peer), {"Allow", allowed}, {"Supported", supported}, sdpType()}
	l.mu.Unlock()
	x, err := l.requestSession(ctx, "INVITE", extra, body)
	switch {
	case err != nil:
		if x.branch != "" {
			l.giveUpOn(givenUp{x.to, x.seq, x.branch})
		}
		return x, err
	case !x.res.IsSuccess():
		return x, &refused{x.res}
	}
	l.mu.Lock()
	g := l.desc.guard.answerTo(l.stream)
	l.mu.Unlock()
	st, err := l.d.agreed(x.res, g)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refreshed(x.res)
	l.lastAck, l.ackPeer, l.ackSeq = l.compose(x.to, "ACK", l.d.newBranch(), x.seq, nil, nil), x.to, x.seq
	_ = l.d.transport.send(x.to, l.lastAck) // a lost message is like one lost on the way
	if errors.Is(err, errPlain) {
		l.d.background(func(context.Context) { l.giveUp(telephony.CauseNotAcceptable, err.Error()) })
	}
	if err != nil {
		return x, err // what was agreed before holds
	}
	st.localDir = dir
	if dir == sendOnly {
		st.remoteDir = recvOnly
	}
	l.stream = st
	l.media.apply(st)
	return x, nil
}
