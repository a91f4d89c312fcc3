package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// t1, t2 and t64 are the timers of RFC 3261, section 17.
	t1  = 500 * time.Millisecond
	t2  = 4 * time.Second
	t64 = 64 * t1
)

// serverTx is a request that was received, and the last response to it.
type serverTx struct {
	d     *Driver
	key   string
	req   *sip.Request
	peer  peer
	timer *time.Timer

	mu      sync.Mutex
	last    []byte
	final   bool
	refused bool // by the final response
	acked   bool
	leg     *leg // of an INVITE that starts a call
}

func (tx *serverTx) owner() *leg {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.leg
}

func (tx *serverTx) dropLeg() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.leg = nil
}

// txKey identifies the transaction of a request
// (https://www.rfc-editor.org/rfc/rfc3261#section-17.2.3).
func txKey(req *sip.Request, method sip.RequestMethod) string {
	via := req.Via()
	branch, _ := param(via.Params, "branch")
	if !strings.HasPrefix(branch, magicCookie) {
		branch = headerValue(req, "Call-ID") + tagOf(req.From().Params) + fmt.Sprint(req.CSeq().SeqNo)
	}
	return string(method) + " " + via.Host + ":" + fmt.Sprint(via.Port) + " " + branch
}

// respond sends a response: any number of provisional ones, then one final one.
func (tx *serverTx) respond(status int, reason, tag string, extra []header, body []byte) error {
	raw := response(tx.req, tx.peer, status, reason, tag, extra, body)
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.final {
		return errors.New("respond a second time to a request")
	}
	tx.last = raw
	if status >= 200 {
		tx.final, tx.refused = true, status >= 300
		tx.settle(status)
	}
	return tx.d.transport.send(tx.peer, raw)
}

// fail refuses the request.
func (tx *serverTx) fail(f *fault) { _ = tx.respond(f.status, f.reason, tx.d.newTag(), f.extra, nil) } // the far end repeats what it got no response to

// settle arranges what happens after the final response: refused INVITEs repeat
// it until the ACK; everything is forgotten when no repetition can come.
func (tx *serverTx) settle(status int) {
	lifetime := t64
	if tx.peer.reliable() && !tx.req.IsInvite() {
		lifetime = time.Second
	}
	if !tx.req.IsInvite() || status < 300 || tx.peer.reliable() {
		tx.timer = time.AfterFunc(lifetime, func() { tx.d.forgetTx(tx) })
		return
	}
	wait, total := t1, time.Duration(0)
	tx.timer = time.AfterFunc(wait, func() {
		tx.mu.Lock()
		defer tx.mu.Unlock()
		if total += wait; tx.acked || total >= t64 || tx.d.stopped() {
			tx.d.forgetTx(tx)
			return
		}
		_ = tx.d.transport.send(tx.peer, tx.last) // a lost message is like one lost on the way
		wait = min(2*wait, t2)
		tx.timer.Reset(wait)
	})
}

// repeat sends the last response again, to a retransmission.
func (tx *serverTx) repeat() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.last != nil && !tx.acked {
		_ = tx.d.transport.send(tx.peer, tx.last) // a lost message is like one lost on the way
	}
}

// ack takes the ACK of a refusal.
func (tx *serverTx) ack() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.acked || !tx.refused {
		return
	}
	tx.acked = true
	if tx.timer.Stop() {
		tx.timer = time.AfterFunc(5*time.Second, func() { tx.d.forgetTx(tx) })
	}
}

// clientTx is a request that we sent; its responses come on ch.
type clientTx struct {
	key string
	ch  chan *sip.Response
}

// open registers a client transaction; close removes it.
func (d *Driver) openClientTx(branch, method string) *clientTx {
	tx := &clientTx{key: branch + " " + method, ch: make(chan *sip.Response, 16)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clients[tx.key] = tx
	return tx
}

func (d *Driver) closeClientTx(tx *clientTx) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.clients, tx.key)
}

// onResponse hands a response to whoever sent the request.
func (d *Driver) onResponse(p peer, res *sip.Response) {
	via, cseq := res.Via(), res.CSeq()
	if via == nil || cseq == nil || res.From() == nil || res.To() == nil || res.CallID() == nil {
		return
	}
	cseq.MethodName = sip.RequestMethod(strings.ToUpper(string(cseq.MethodName)))
	if cseq.MethodName == sip.INVITE && res.IsSuccess() && d.acknowledgeAgain(res) {
		return
	}
	branch, _ := param(via.Params, "branch")
	d.mu.Lock()
	tx := d.clients[branch+" "+string(cseq.MethodName)]
	d.mu.Unlock()
	if tx == nil {
		if cseq.MethodName == sip.INVITE && !d.acknowledgeLate(branch, res) {
			d.late(p, branch, res)
		}
		return
	}
	select {
	case tx.ch <- res:
	default: // a flood of provisional responses
	}
}

// roundTrip sends a request and returns its final response.
func (d *Driver) roundTrip(ctx context.Context, p peer, method, branch string, raw []byte) (*sip.Response, error) {
	tx := d.openClientTx(branch, method)
	defer d.closeClientTx(tx)
	if err := d.transport.send(p, raw); err != nil {
		return nil, err
	}
	limit := time.NewTimer(t64)
	defer limit.Stop()
	wait := t1
	again := time.NewTimer(wait)
	defer again.Stop()
	for {
		select {
		case res := <-tx.ch:
			if !res.IsProvisional() {
				return res, nil
			}
			wait = t2
		case <-again.C:
			if wait = min(2*wait, t2); !p.reliable() {
				if err := d.transport.send(p, raw); err != nil {
					return nil, err
				}
			}
			again.Reset(wait)
		case <-p.lost():
			select {
			case res := <-tx.ch:
				if !res.IsProvisional() {
					return res, nil
				}
			default:
			}
			return nil, p.lostError()
		case <-limit.C:
			return nil, errors.New("no response to " + method)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-d.done:
			return nil, errors.New("driver closed")
		}
	}
}
