package sip

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// onReinvite changes a call that stands: hold, resume, codec, address.
func (l *leg) onReinvite(tx *serverTx) {
	offer, unread := l.d.description(tx.req)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.state == legRinging:
		tx.fail(&fault{500, "Server Internal Error", []header{{"Retry-After", "1"}}})
		return
	case l.state == legOver:
		tx.fail(noSuchCall())
		return
	case l.awaiting || l.late || (l.unacked != nil && l.unacked != l.tx):
		tx.fail(&fault{status: 491, reason: "Request Pending"})
		return
	}
	body, f := l.renegotiate(tx.req, offer, unread)
	if f != nil {
		tx.fail(f)
		return
	}
	if body == nil {
		l.late = true
		body = l.desc.offer(sendRecv, l.stream)
	}
	extra := append(l.session.inResponse(), l.d.contact(tx.peer), header{"Allow", allowed}, header{"Supported", supported}, sdpType())
	if l.resend != nil {
		l.resend.Stop()
	}
	if tx.respond(200, "OK", "", extra, body) == nil {
		l.awaitAck(tx)
	}
	l.armSession()
}

// renegotiate puts a new offer into force and returns the answer, nil without
// an offer; unread is why there is none that can be read. l.mu is held.
func (l *leg) renegotiate(req *sip.Request, offer *sdp, unread *fault) ([]byte, *fault) {
	session, f := sessionOf(req, l.session.interval)
	if f != nil {
		return nil, f
	}
	if unread != nil {
		return nil, unread
	}
	st, f := choose(offer, l.d.cfg.Codecs, l.desc.guard.over(l.peer.network()))
	if f != nil {
		return nil, f
	}
	if target, ok := remoteTarget(contactOf(req)); ok {
		l.target = target
	}
	l.session.take(session)
	if offer == nil {
		return nil, nil
	}
	l.stream = st
	l.desc.version++
	l.media.apply(st)
	return l.desc.answer(offer, st), nil
}

// onUpdate refreshes the session, with or without an offer
// (https://www.rfc-editor.org/rfc/rfc3311).
func (l *leg) onUpdate(tx *serverTx) {
	offer, unread := l.d.description(tx.req)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(tx.req.Body()) > 0 && (l.awaiting || l.late || l.state == legRinging) {
		tx.fail(&fault{status: 491, reason: "Request Pending"})
		return
	}
	body, f := l.renegotiate(tx.req, offer, unread)
	if f != nil {
		tx.fail(f)
		return
	}
	extra := append(l.session.inResponse(), l.d.contact(tx.peer), header{"Allow", allowed}, header{"Supported", supported})
	if body != nil {
		extra = append(extra, sdpType())
	}
	_ = tx.respond(200, "OK", "", extra, body) // the far end repeats what it got no response to
	l.armSession()
}

// onInfo takes digits that come as INFO, as application/dtmf-relay
// ("Signal=5, Duration=160") or application/dtmf ("5").
func (l *leg) onInfo(tx *serverTx) {
	var digit rune
	held := 100 * time.Millisecond
	switch kind := headerValue(tx.req, "Content-Type"); mediaType(kind) {
	case "application/dtmf-relay":
		digit, held = parseRelay(string(tx.req.Body()))
	case "application/dtmf":
		digit = digitOf(string(tx.req.Body()))
	case "":
		_ = tx.respond(200, "OK", "", nil, nil) // the far end repeats what it got no response to
		return
	default:
		tx.fail(&fault{415, "Unsupported Media Type", []header{{"Accept", "application/dtmf-relay, application/dtmf"}}})
		return
	}
	if digit == 0 {
		tx.fail(&fault{status: 400, reason: "Bad Request: no digit"})
		return
	}
	_ = tx.respond(200, "OK", "", nil, nil) // the far end repeats what it got no response to
	l.media.mu.Lock()
	defer l.media.mu.Unlock()
	l.media.post(telephony.Event{Kind: telephony.KindDigit, Digit: digit, Duration: held})
}

func parseRelay(body string) (digit rune, held time.Duration) {
	held = 100 * time.Millisecond
	for line := range strings.SplitSeq(body, "\n") {
		name, value, _ := strings.Cut(line, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "signal":
			digit = digitOf(value)
		case "duration":
			if ms, err := strconv.ParseUint(strings.TrimSpace(value), 10, 16); err == nil {
				held = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return digit, held
}

// digitOf reads one digit, also as the numbers 10 (*) and 11 (#); 0 for none.
func digitOf(s string) rune {
	s = strings.TrimSpace(s)
	code, err := strconv.ParseUint(s, 10, 8)
	if len(s) == 1 {
		var key uint8
		key, err = audio.TelephoneEventCode(rune(s[0]))
		code = uint64(key)
	}
	if err != nil || code > 11 && len(s) > 1 {
		return 0
	}
	digit, _ := audio.TelephoneEvent{Code: uint8(code)}.Digit()
	return digit
}

// Hold implements telephony.Holder: a re-INVITE with another direction.
func (l *leg) Hold(ctx context.Context, on bool) error {
	dir := sendRecv
	if on {
		dir = sendOnly
	}
	l.mu.Lock()
	switch {
	case l.state != legAnswered:
		l.mu.Unlock()
		return telephony.ErrGone
	case l.awaiting || l.stream == nil:
		l.mu.Unlock()
		return errors.New("hold: another change is under way")
	}
	l.awaiting = true
	l.desc.version++
	body := l.desc.offer(dir, l.stream)
	l.mu.Unlock()
	defer l.settled()
	if _, err := l.reinvite(ctx, dir, body); err != nil {
		return fmt.Errorf("change the call: %w", err)
	}
	return nil
}

// refused is a request within a dialog that the far end did not accept.
type refused struct{ res *sip.Response }

// Error returns the status.
func (r *refused) Error() string { return fmt.Sprintf("status %d", r.res.StatusCode) }
