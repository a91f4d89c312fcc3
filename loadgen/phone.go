package loadgen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Retransmission times of requests over UDP (RFC 3261, section 17).
const (
	firstRetry  = 500 * time.Millisecond
	longRetry   = 4 * time.Second
	byePatience = 4 * time.Second
)

// phone is the SIP side of the generator: one signalling, many dialogs.
type phone struct {
	signalling signalling
	clock      clock
	target     netip.AddrPort
	seed       uint64
	log        *slog.Logger

	mu      sync.Mutex
	dialogs map[string]*dialog
	// count makes branches, tags and Call-IDs unique.
	count uint64
}

// reply is a response and when the kernel received it.
type reply struct {
	message message
	at      time.Duration
}

// newPhone returns a phone that reaches target over w, which it owns.
func newPhone(w signalling, target netip.AddrPort, c clock, seed uint64, log *slog.Logger) *phone {
	return &phone{signalling: w, clock: c, target: target, seed: seed, log: log, dialogs: map[string]*dialog{}}
}

// run receives until the signalling is closed.
func (p *phone) run() {
	for {
		b, at, from, err := p.signalling.receive()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if m, ok := parseMessage(b); ok {
			p.take(m, at, from)
		}
	}
}

// take hands one message to its dialog.
func (p *phone) take(m message, at time.Duration, from netip.AddrPort) {
	p.mu.Lock()
	d := p.dialogs[m.get("call-id")]
	p.mu.Unlock()
	switch {
	case d == nil && m.status == 0 && m.method != "ACK":
		p.send(respond(m, 481, "Call/Transaction Does Not Exist", "none", nil, p.contact()), from)
	case d == nil:
	case m.status == 0:
		d.request(m, from)
	default:
		d.response(reply{message: m, at: at})
	}
}

// send sends one message. A failure is logged: the retransmission, or its
// absence, tells the caller.
func (p *phone) send(b []byte, to netip.AddrPort) {
	if err := p.signalling.send(b, to); err != nil {
		p.log.Debug("send sip message", slog.Any("error", err))
	}
}

// contact returns the URI the server reaches this phone at.
func (p *phone) contact() string {
	return fmt.Sprintf("sip:load@%s", p.signalling.address()) + p.parameter()
}

// parameter is the transport's in a URI.
func (p *phone) parameter() string {
	if p.signalling.reliable() {
		return ";transport=" + strings.ToLower(p.signalling.transport())
	}
	return ""
}

// repeats returns a timer for repetitions after d, which never fires where the signalling
// loses nothing.
func (p *phone) repeats(d time.Duration) *time.Timer {
	t := time.NewTimer(d)
	if p.signalling.reliable() {
		t.Stop()
	}
	return t
}

// token returns a fresh identifier.
func (p *phone) token() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	return fmt.Sprintf("%x-%x-%x", p.seed, p.clock.origin.UnixNano(), p.count)
}

// forget ends the dialog's reception.
func (p *phone) forget(d *dialog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.dialogs, d.callID)
}

// dialog is one call's signalling (RFC 3261, section 12). Its methods other
// than request and response are used by the call's goroutine alone.
type dialog struct {
	phone  *phone
	from   string
	to     string
	uri    string
	callID string
	tag    string
	sdp    []byte
	// insist, when not zero, is the fixed time between repetitions of an
	// unanswered INVITE.
	insist time.Duration
	in     chan reply
	// gone is closed when the far end hangs up.
	gone     chan struct{}
	goneOnce sync.Once

	mu sync.Mutex
	// ack is repeated for every repetition of the 200.
	ack   []byte
	ackTo netip.AddrPort
	// accepted counts the 200s that came before the ack was written.
	accepted int

	remoteTag string
	route     []string
	next      netip.AddrPort
}

// Refusal is the final response that refused a call. A failed call of a run is
// counted in Report.Failures under its text.
type Refusal struct {
	// Status is the SIP status code, 300 to 699.
	Status int
	// Reason is the phrase that came with it.
	Reason string
}

// Error returns status and reason.
func (r *Refusal) Error() string { return fmt.Sprintf("refused with %d %s", r.Status, r.Reason) }

// dial prepares a dialog from the user part from to the user part to.
func (p *phone) dial(from, to string, sdp []byte) *dialog {
	d := &dialog{
		phone: p, callID: p.token() + "@load", tag: p.token(), sdp: sdp,
		from: fmt.Sprintf("<sip:%s@%s>", from, p.signalling.address()),
		to:   fmt.Sprintf("<sip:%s@%s>", to, p.target),
		uri:  fmt.Sprintf("sip:%s@%s", to, p.target) + p.parameter(),
		in:   make(chan reply, 32), gone: make(chan struct{}),
		next: p.target,
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialogs[d.callID] = d
	return d
}

// compose writes a request of the dialog.
func (d *dialog) compose(method string, cseq int, branch string, body []byte) []byte {
	w := d.phone.signalling
	b := fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n",
		method, d.uri, w.transport(), w.address(), branch)
	for _, r := range d.route {
		b = fmt.Appendf(b, "Route: %s\r\n", r)
	}
	to := d.to
	if d.remoteTag != "" {
		to = d.remoteTag
	}
	b = fmt.Appendf(b, "From: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <%s>\r\n",
		d.from, d.tag, to, d.callID, cseq, method, d.phone.contact())
	if len(body) > 0 {
		b = append(b, "Content-Type: application/sdp\r\n"...)
	}
	b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(body))
	return append(b, body...)
}

// invite places the call and returns the 200 with the time from the first
// INVITE to its arrival. A refusal is a *Refusal, silence ErrNoAnswer. When ctx
// ends the call is cancelled at the far end.
func (d *dialog) invite(ctx context.Context, patience time.Duration) (reply, time.Duration, error) {
	branch := d.phone.token()
	request := d.compose("INVITE", 1, branch, d.sdp)
	sent := d.phone.clock.now()
	d.phone.send(request, d.next)
	limit := time.NewTimer(patience)
	defer limit.Stop()
	wait := or(d.insist, firstRetry)
	retry := d.phone.repeats(wait)
	defer retry.Stop()
	for {
		select {
		case r := <-d.in:
			if r.message.sequence() != "INVITE" {
				continue
			}
			retry.Stop()
			if r.message.status >= 200 {
				return d.settle(r, sent, branch)
			}
		case <-retry.C:
			if d.insist == 0 {
				wait *= 2
			}
			retry.Reset(wait)
			d.phone.send(request, d.next)
		case <-limit.C:
			return reply{}, 0, d.abandon(ErrNoAnswer, branch)
		case <-ctx.Done():
			return reply{}, 0, d.abandon(ctx.Err(), branch)
		}
	}
}

// settle acknowledges the final response of the INVITE.
func (d *dialog) settle(r reply, sent time.Duration, branch string) (reply, time.Duration, error) {
	d.remoteTag = r.message.get("to")
	if r.message.status >= 300 {
		d.phone.send(d.compose("ACK", 1, branch, nil), d.next)
		return reply{}, 0, &Refusal{Status: r.message.status, Reason: r.message.reason}
	}
	d.route = r.message.routes()
	if uri := r.message.contact(); uri != "" {
		d.uri = uri
	}
	hop := d.uri
	if len(d.route) > 0 {
		hop = d.route[0]
	}
	if addr, ok := addressOf(hop); ok {
		d.next = addr
	}
	ack := d.compose("ACK", 1, d.phone.token(), nil)
	d.mu.Lock()
	d.ack, d.ackTo = ack, d.next
	early := d.accepted
	d.mu.Unlock()
	for range early {
		d.phone.send(ack, d.next)
	}
	return r, r.at - sent, nil
}

// abandon cancels the INVITE, waits a moment for its end and returns why.
func (d *dialog) abandon(why error, branch string) error {
	d.phone.send(d.compose("CANCEL", 1, branch, nil), d.next)
	limit := time.NewTimer(firstRetry)
	defer limit.Stop()
	for {
		select {
		case r := <-d.in:
			if r.message.sequence() != "INVITE" || r.message.status < 200 {
				continue
			}
			if _, _, err := d.settle(r, 0, branch); err == nil {
				d.bye()
			}
			return why
		case <-limit.C:
			return why
		}
	}
}

// bye ends the call and waits for the far end to agree, for at most 4 s.
func (d *dialog) bye() {
	select {
	case <-d.gone:
		return
	default:
	}
	request := d.compose("BYE", 2, d.phone.token(), nil)
	d.phone.send(request, d.next)
	limit := time.NewTimer(byePatience)
	defer limit.Stop()
	wait := firstRetry
	retry := d.phone.repeats(wait)
	defer retry.Stop()
	for {
		select {
		case r := <-d.in:
			if r.message.sequence() == "BYE" && r.message.status >= 200 {
				return
			}
		case <-retry.C:
			wait = min(2*wait, longRetry)
			retry.Reset(wait)
			d.phone.send(request, d.next)
		case <-limit.C:
			return
		}
	}
}

// response takes one response in, on the phone's goroutine.
func (d *dialog) response(r reply) {
	if r.message.sequence() == "INVITE" && r.message.status/100 == 2 {
		d.mu.Lock()
		ack, to := d.ack, d.ackTo
		if ack == nil {
			d.accepted++
		}
		first := ack == nil && d.accepted == 1
		d.mu.Unlock()
		if ack != nil {
			d.phone.send(ack, to)
		}
		if !first {
			return
		}
	}
	select {
	case d.in <- r:
	default: // The far end repeats what matters.
	}
}

// request answers one request of the far end, on the phone's goroutine.
func (d *dialog) request(m message, from netip.AddrPort) {
	var body []byte
	switch m.method {
	case "ACK":
		return
	case "BYE":
		d.goneOnce.Do(func() { close(d.gone) })
	case "INVITE", "UPDATE":
		if m.method == "INVITE" || len(m.body) > 0 {
			body = d.sdp
		}
	}
	d.phone.send(respond(m, 200, "OK", d.tag, body, d.phone.contact()), from)
}
