package sip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"
)

// fork is one of the dialogs that an INVITE of ours makes: proxies ring several phones,
// and carriers play announcements before they connect
// (https://www.rfc-editor.org/rfc/rfc3261#section-12.1.2 and #section-13.2.2.4).
type fork struct {
	tag    string
	dialog *leg    // for requests of the dialog; it has no media
	answer *stream // to our offer, as far as it has come; nil before
	// settled says that the answer came in a reliable response, after which no other
	// one counts (https://www.rfc-editor.org/rfc/rfc3262#section-5).
	settled bool
	rseq    uint32        // of the last reliable response; 0 without
	acked   chan struct{} // closed when its PRACK was sent and answered
}

// fork returns the dialog of a response, nil when it makes none: it names none, or
// there are too many.
func (a *attempt) fork(res *sip.Response) *fork {
	tag := tagOf(res.To().Params)
	for _, f := range a.forks {
		if f.tag == tag {
			return f
		}
	}
	if res.StatusCode <= 100 || len(a.forks) == maxForks {
		return nil
	}
	a.l.mu.Lock()
	dialog := a.dialogOnly()
	dialog.l.info.Trunk = a.l.info.Trunk
	a.l.forkTags = append(a.l.forkTags, tag)
	a.l.mu.Unlock()
	dialog.takeDialog(res)
	f := &fork{tag: tag, dialog: dialog.l}
	a.forks = append(a.forks, f)
	return f
}

// provisional takes a response that is not the last one.
func (a *attempt) provisional(res *sip.Response) {
	a.heard = true
	if f := a.fork(res); f != nil {
		if !a.inOrder(f, res) {
			return
		}
		a.describe(f, res)
	}
	if res.StatusCode >= 180 && a.ringing != nil {
		a.ringing()
		a.ringing = nil
	}
}

// describe takes the description in a provisional response: from then on the sound of
// that dialog is heard as early media. One that cannot be used waits for a better one.
//
// RFC 3261, section 13.2.1, would have the first description of a dialog stand whatever
// comes later. Carriers play announcements from one host and connect to another one, and
// who keeps to the first description then hears nothing; so a different one replaces it,
// unless the first one came reliably.
func (a *attempt) describe(f *fork, res *sip.Response) {
	if f.settled {
		return
	}
	st, err := a.d.agreed(res, a.l.desc.guard.answerTo(nil))
	if err != nil {
		return
	}
	f.settled = reliably(res)
	if f.answer != nil && f.answer.same(st) && a.heardFrom == f {
		return
	}
	f.answer, a.heardFrom = st, f
	a.l.media.begin(st, a.others(res, st))
}

// others are the sources that other dialogs than that of a response describe.
func (a *attempt) others(res *sip.Response, st *stream) (out []netip.AddrPort) {
	tag := tagOf(res.To().Params)
	for _, other := range a.forks {
		if other.tag != tag && other.answer != nil && other.answer.remote != st.remote {
			out = append(out, other.answer.remote)
		}
	}
	return out
}

// agree is the answer to our offer: that of the 2xx, or the one that its dialog had
// before. A description that cannot be used replaces none.
func (a *attempt) agree(res *sip.Response) (*stream, error) {
	f := a.fork(res)
	if f != nil && f.settled {
		return f.answer, nil
	}
	st, err := a.d.agreed(res, a.l.desc.guard.answerTo(nil))
	if err != nil && f != nil && f.answer != nil && !errors.Is(err, errPlain) {
		return f.answer, nil
	}
	return st, err
}

// lastSeq is the highest number of the requests that were sent in dialogs of the
// attempt: those that come go on from there. a.l.mu is held.
func (a *attempt) lastSeq() uint32 {
	last := a.l.localSeq
	for _, f := range a.forks {
		f.dialog.mu.Lock()
		last = max(last, f.dialog.localSeq)
		f.dialog.mu.Unlock()
	}
	return last
}

// part is what of a call a request with its Call-ID and our tag belongs to.
type part uint8

const (
	partNone       part = iota
	partDialog          // the dialog that stands
	partEarly           // an early dialog of a call that we place
	partUnanswered      // a call that we place, which as far as we know nobody has answered: a BYE
)

// partOf says what of the call a request belongs to; l may be nil.
func (l *leg) partOf(req *sip.Request) part {
	if l == nil {
		return partNone
	}
	theirs := tagOf(req.From().Params)
	l.mu.Lock()
	defer l.mu.Unlock()
	placing := l.state == legRinging && l.tx == nil
	switch {
	case placing && req.Method == sip.BYE:
		return partUnanswered
	case placing && slices.Contains(l.forkTags, theirs):
		return partEarly
	case l.remoteTag == theirs:
		return partDialog
	}
	return partNone
}

// onEarlyRequest takes a request of an early dialog: a refresh, which changes nothing.
// A change of the description has to wait for the answer
// (https://www.rfc-editor.org/rfc/rfc3311#section-5.2).
func (l *leg) onEarlyRequest(tx *serverTx) {
	switch {
	case tx.req.Method == sip.UPDATE && len(tx.req.Body()) > 0:
		tx.fail(&fault{status: 491, reason: "Request Pending"})
	case tx.req.Method == sip.UPDATE || tx.req.Method == sip.OPTIONS:
		_ = tx.respond(200, "OK", "", []header{l.d.contact(tx.peer), {"Allow", allowed}, {"Supported", supported}}, nil) // the far end repeats what it got no response to
	default:
		tx.fail(noSuchCall())
	}
}

// byeWaits is how long a BYE waits for the answer that it follows.
const byeWaits = 2 * time.Second

// onByeBeforeAnswer takes a BYE that came before its call is answered as far as we
// know: a far end that hangs up as soon as it has answered sends one right behind its
// 200, which may still be under way or in treatment.
func (l *leg) onByeBeforeAnswer(tx *serverTx) {
	began := l.d.background(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, byeWaits)
		defer cancel()
		select {
		case <-l.answered:
		case <-l.gone:
		case <-ctx.Done():
		}
		if l.d.dialog(tx.req, tagOf(tx.req.To().Params)) == l && closed(l.answered) {
			l.onRequest(tx)
			return
		}
		tx.fail(noSuchCall())
	})
	if !began {
		tx.fail(noSuchCall())
	}
}

// closed reports whether a channel that is only ever closed is.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// requestLater sends a request of an early dialog after those before it.
func (a *attempt) requestLater(f *fork, method string, extra []header) {
	before, done := f.acked, make(chan struct{})
	f.acked = done
	a.d.background(func(ctx context.Context) {
		defer close(done)
		if before != nil {
			select {
			case <-before:
			case <-ctx.Done():
				return
			case <-a.d.done:
				return
			}
		}
		_, _ = f.dialog.request(ctx, method, extra, nil) // the far end repeats what it got no request for
	})
}
