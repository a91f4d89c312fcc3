package sip

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// reliably says whether a provisional response is to be acknowledged
// (https://www.rfc-editor.org/rfc/rfc3262#section-4).
func reliably(res *sip.Response) bool {
	return res.StatusCode > 100 && res.StatusCode < 200 && listed(res, "Require", "100rel") && responseNumber(res) != 0
}

// responseNumber is the RSeq of a response, 0 without one.
func responseNumber(res *sip.Response) uint32 {
	n, err := strconv.ParseUint(strings.TrimSpace(headerValue(res, "RSeq")), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// inOrder acknowledges a reliable response; false when it is to be ignored, because it
// is a repetition or one before it is missing.
func (a *attempt) inOrder(f *fork, res *sip.Response) bool {
	if !reliably(res) {
		return true
	}
	n := responseNumber(res)
	if f.rseq != 0 && n != f.rseq+1 {
		return false
	}
	f.rseq = n
	rack := strconv.FormatUint(uint64(n), 10) + " " + headerValue(res, "CSeq")
	a.requestLater(f, "PRACK", []header{{"RAck", rack}})
	return true
}

// ringing is a reliable 180 of ours (https://www.rfc-editor.org/rfc/rfc3262#section-3).
type ringing struct {
	rack     string // what the RAck of its PRACK is, in single blanks
	offered  bool   // it holds our offer, so the PRACK holds the answer
	acked    bool
	finished chan struct{} // closed with acked
	timer    *time.Timer
}

// ringReliably sends 180 to a caller who requires that it is reliable, and repeats it
// until its PRACK comes. Where the INVITE had no offer, it has ours
// (https://www.rfc-editor.org/rfc/rfc3262#section-5). l.mu is held.
func (l *leg) ringReliably() error {
	if l.reliable != nil {
		return nil
	}
	number := 1 + rand.Uint32N(1<<31-1)
	rseq := strconv.FormatUint(uint64(number), 10)
	p := &ringing{rack: rseq + " " + joinBlanks(headerValue(l.tx.req, "CSeq")), offered: l.offer == nil, finished: make(chan struct{})}
	extra := []header{l.d.contact(l.peer), {"Require", "100rel"}, {"RSeq", rseq}, {"Allow", allowed}}
	var body []byte
	if p.offered {
		extra, body = append(extra, sdpType()), l.desc.offer(sendRecv, nil)
	}
	l.reliable = p
	l.repeatRinging(p)
	return l.tx.respond(180, "Ringing", l.localTag, extra, body)
}

// repeatRinging repeats a reliable 180 after 0.5, 1, 2 s and so on; a call whose PRACK
// never comes is refused. l.mu is held.
func (l *leg) repeatRinging(p *ringing) {
	var repeats resends
	p.timer = time.AfterFunc(repeats.next(), func() {
		l.mu.Lock()
		over, wait := p.acked || l.state != legRinging, repeats.next()
		if !over && wait > 0 {
			p.timer.Reset(wait)
		}
		l.mu.Unlock()
		switch {
		case over:
		case wait == 0:
			l.refuseUnheard()
		default:
			l.tx.repeat()
		}
	})
}

// refuseUnheard refuses a call whose caller does not acknowledge that it rings.
func (l *leg) refuseUnheard() {
	const why = telephony.Error("the ringing was never acknowledged")
	l.failRinging(telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseFailure, Err: why})
}

// failRinging ends a call that rings and refuses its INVITE.
func (l *leg) failRinging(ev telephony.Event) {
	if was, ok := l.end(ev); ok && was == legRinging {
		f := refusalOf(telephony.Refusal{Cause: ev.Cause})
		_ = l.tx.respond(f.status, f.reason, l.localTag, f.extra, nil) // the far end repeats what it got no response to
	}
}

// acknowledged waits for the PRACK of a 180 that has our offer: before it there may be
// no 2xx (https://www.rfc-editor.org/rfc/rfc3262#section-3).
func (l *leg) acknowledged(ctx context.Context) error {
	l.mu.Lock()
	p := l.reliable
	l.mu.Unlock()
	if p == nil || !p.offered {
		return nil
	}
	select {
	case <-p.finished:
		return nil
	case <-l.gone:
		return telephony.ErrGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

// onPrack takes the acknowledgement of a 180, and the answer to our offer in it.
func (l *leg) onPrack(tx *serverTx) {
	answer, err := l.d.agreed(tx.req, l.desc.guard.answerTo(nil))
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.reliable
	if p == nil || p.acked || joinBlanks(headerValue(tx.req, "RAck")) != p.rack {
		tx.fail(noSuchCall())
		return
	}
	p.acked = true
	p.timer.Stop()
	defer close(p.finished)
	switch {
	case !p.offered && len(tx.req.Body()) > 0:
		tx.fail(&fault{status: 488, reason: "Not Acceptable Here"}) // the offer of the INVITE has no answer yet (section 5)
		return
	case p.offered && err != nil:
		ev := telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseNotAcceptable, Err: err}
		l.d.background(func(context.Context) { l.failRinging(ev) })
	case p.offered:
		l.stream = answer
		if answer.codec != codecG722 {
			l.media.announceFormat()
		}
	}
	_ = tx.respond(200, "OK", "", nil, nil) // the far end repeats what it got no response to
}

// joinBlanks writes the parts of a header with one blank between them.
func joinBlanks(s string) string { return strings.Join(strings.Fields(s), " ") }
