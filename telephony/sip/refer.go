package sip

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

const (
	// transferFor is how long a transfer takes when the request does not say.
	transferFor = time.Minute
	// maxTransferReports bounds the reports of a transfer that wait.
	maxTransferReports = 16
)

// declineRefer refuses a REFER: it would take a second leg that is joined to the first.
func declineRefer() *fault { return &fault{status: 603, reason: "Decline"} }

// transfer is a REFER of ours and its subscription
// (https://www.rfc-editor.org/rfc/rfc3515#section-2.4).
type transfer struct {
	after   uint32      // the number of the request before the REFER
	seq     uint32      // of the REFER, which NOTIFYs may name as id; 0: not answered yet
	reports chan report // what the far end tells
}

// report is what a NOTIFY says.
type report struct {
	status int
	over   bool // it is the last one
}

// Transfer implements telephony.Transferer.
func (l *leg) Transfer(ctx context.Context, req telephony.TransferRequest) error {
	if req.Within <= 0 {
		req.Within = transferFor
	}
	to, err := l.referTo(req.To)
	if err != nil {
		return &telephony.TransferError{Err: err}
	}
	t, err := l.beginTransfer()
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, req.Within)
	defer cancel()
	over, err := l.refer(limit, t, to, req)
	l.endTransfer(t, over)
	switch {
	case err == nil:
		l.hangUpTransferred()
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// referTo is the URI of a number on the leg's own line: what a trunk calls by its own
// name, a phone by our address.
func (l *leg) referTo(number string) (string, error) {
	user, err := userPart(number)
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	host := l.d.hostPort(l.peer)
	if t := l.began; t != nil && t.Host != "" {
		host = t.Host
	}
	return "<sip:" + user + "@" + host + ">", nil
}

// beginTransfer makes the transfer of the leg that is under way.
func (l *leg) beginTransfer() (*transfer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.state != legAnswered:
		return nil, telephony.ErrGone
	case l.transfer != nil:
		return nil, &telephony.TransferError{Err: errors.New("another transfer is under way")}
	}
	l.transfer = &transfer{after: l.localSeq, reports: make(chan report, maxTransferReports)}
	return l.transfer, nil
}

// endTransfer ends the transfer; over says that the far end has ended its subscription.
// What it reports later is refused with 481, which ends it too.
func (l *leg) endTransfer(t *transfer, over bool) {
	l.mu.Lock()
	l.transfer = nil
	seq, live := t.seq, l.state == legAnswered
	l.mu.Unlock()
	if over || seq == 0 || !live {
		return
	}
	l.d.background(func(ctx context.Context) {
		event := header{"Event", "refer;id=" + strconv.FormatUint(uint64(seq), 10)}
		_, _ = l.request(ctx, "SUBSCRIBE", []header{event, {"Expires", "0"}, l.d.contact(l.peerNow())}, nil) // the 481 does the same
	})
}

func (l *leg) peerNow() peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer
}

// refer sends the REFER and follows what is reported. over says that no subscription is
// left. Without an error the transfer has succeeded.
func (l *leg) refer(ctx context.Context, t *transfer, to string, req telephony.TransferRequest) (over bool, err error) {
	l.mu.Lock()
	by := l.local
	own, err := headersOut(req.Headers, l.began)
	l.mu.Unlock()
	if err != nil {
		return true, &telephony.TransferError{Err: err}
	}
	extra := []header{{"Refer-To", to}, {"Referred-By", by}, l.d.contact(l.peerNow()), {"Supported", supported}}
	extra = append(extra, own...)
	responds, cancel := context.WithTimeout(ctx, cmp.Or(req.Silence, req.Within))
	x, err := l.request(responds, "REFER", extra, nil)
	cancel()
	l.mu.Lock()
	if t.seq == 0 {
		t.seq = x.seq
	}
	l.mu.Unlock()
	switch {
	case err != nil && l.over():
		return true, telephony.ErrGone
	case err != nil:
		return false, &telephony.TransferError{Err: err}
	case !x.res.IsSuccess():
		return true, &telephony.TransferError{Status: x.res.StatusCode}
	}
	if req.Progress != nil {
		req.Progress(0)
	}
	// RFC 4488: who does not report says so.
	if subscribes, _ := paramsOf(headerValue(x.res, "Refer-Sub")); strings.EqualFold(subscribes, "false") {
		return true, &telephony.TransferError{Accepted: true}
	}
	return l.followTransfer(ctx, t, req)
}

// followTransfer waits for the final report.
func (l *leg) followTransfer(ctx context.Context, t *transfer, req telephony.TransferRequest) (over bool, err error) {
	unknown := &telephony.TransferError{Accepted: true}
	silence := time.NewTimer(cmp.Or(req.Silence, req.Within))
	defer silence.Stop()
	for {
		var r report
		select {
		case r = <-t.reports:
		case <-l.gone:
			select { // a report and a BYE come one after the other
			case r = <-t.reports:
			default:
				return true, unknown
			}
		case <-silence.C:
			unknown.Err = errors.New("no report came")
			return false, unknown
		case <-ctx.Done():
			unknown.Err = ctx.Err()
			return false, unknown
		}
		silence.Stop()
		switch {
		case r.status >= 200 && r.status < 300:
			return r.over, nil
		case r.status >= 300:
			return r.over, &telephony.TransferError{Accepted: true, Status: r.status}
		case r.over: // it ended the subscription without telling
			return true, unknown
		case req.Progress != nil && r.status > 100: // 100 is the report that the subscription begins with
			req.Progress(r.status)
		}
	}
}

// over says that the call has ended.
func (l *leg) over() bool {
	select {
	case <-l.gone:
		return true
	default:
		return false
	}
}

// hangUpTransferred ends the leg whose far end talks to somebody else now.
func (l *leg) hangUpTransferred() {
	was, ok := l.end(telephony.Event{Kind: telephony.KindEnded, Cause: telephony.CauseNormal})
	if ok && was == legAnswered {
		l.takeLeave()
	}
}

// onNotify takes a report of the transfer under way
// (https://www.rfc-editor.org/rfc/rfc3515#section-2.4.4). It may come before the
// response to the REFER.
func (l *leg) onNotify(tx *serverTx) {
	event, params := paramsOf(headerValue(tx.req, "Event"))
	if !strings.EqualFold(event, "refer") {
		tx.fail(&fault{489, "Bad Event", []header{{"Allow-Events", "refer"}}})
		return
	}
	r, f := readReport(tx.req)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.transfer == nil || !l.transfer.is(params, l.localSeq):
		tx.fail(&fault{status: 481, reason: "Subscription Does Not Exist"})
		return
	case f != nil:
		tx.fail(f)
		return
	}
	select {
	case l.transfer.reports <- r:
		_ = tx.respond(200, "OK", "", nil, nil) // the far end repeats what it got no response to
	default:
		tx.fail(&fault{503, "Service Unavailable", retryAfter()})
	}
}

// is says whether the parameters of an Event header are those of the transfer: an id
// is the number of its REFER, which last is not below.
func (t *transfer) is(params sip.HeaderParams, last uint32) bool {
	value, named := param(params, "id")
	if !named {
		return true
	}
	id, err := strconv.ParseUint(value, 10, 32)
	if t.seq != 0 {
		return err == nil && uint32(id) == t.seq
	}
	return err == nil && uint32(id) > t.after && uint32(id) <= last
}

// readReport reads a NOTIFY. Without a status it reports nothing but, perhaps, that it
// is the last.
func readReport(req *sip.Request) (r report, f *fault) {
	state, params := paramsOf(headerValue(req, "Subscription-State"))
	expires, _ := param(params, "expires")
	left, err := strconv.ParseUint(expires, 10, 32)
	r.over = strings.EqualFold(state, "terminated") || err == nil && left == 0
	switch {
	case len(bytes.TrimSpace(req.Body())) == 0:
		return r, nil
	case mediaType(headerValue(req, "Content-Type")) != "message/sipfrag":
		return r, &fault{415, "Unsupported Media Type", []header{{"Accept", "message/sipfrag"}}}
	}
	status, err := parseFragment(req.Body())
	if err != nil {
		return r, &fault{status: 400, reason: "Bad Request: " + err.Error()}
	}
	r.status = status
	return r, nil
}

// parseFragment returns the status of a response of which a message/sipfrag body has
// the beginning (https://www.rfc-editor.org/rfc/rfc3420#section-2.1).
func parseFragment(body []byte) (int, error) {
	line, _, err := bufio.NewReader(bytes.NewReader(bytes.TrimLeft(body, "\r\n "))).ReadLine()
	if err != nil {
		return 0, errors.New("an empty fragment")
	}
	fields := strings.Fields(string(line))
	if len(fields) < 2 || !strings.EqualFold(fields[0], "SIP/2.0") {
		return 0, errors.New("a fragment without a status")
	}
	status, err := strconv.ParseUint(fields[1], 10, 10)
	if err != nil || status < 100 || status > 699 {
		return 0, fmt.Errorf("a fragment with the status %q", clip(fields[1]))
	}
	return int(status), nil
}
