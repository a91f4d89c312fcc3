package sip

import (
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"
)

// maxWaiting bounds the requests that wait for their calls to be taken up.
const maxWaiting = 500

// waiting are requests of calls that may yet be taken up. A 481 would end such a call, and
// over TCP a request comes only once (https://www.rfc-editor.org/rfc/rfc3261#section-17.1.2.2).
// Driver.mu guards it.
type waiting struct {
	on       bool
	requests []waitingRequest
	timer    *time.Timer
}

type waitingRequest struct {
	from peer
	req  *sip.Request
}

// awaitCalls lets requests wait for a time; d.mu is held, or nobody knows the driver yet.
func (d *Driver) awaitCalls(within time.Duration) {
	if within <= 0 {
		return
	}
	d.waiting.on = true
	d.waiting.timer = time.AfterFunc(within, d.refuseWaiting)
}

// stop lets nothing wait any more; Driver.mu is held.
func (w *waiting) stop() {
	w.on, w.requests = false, nil
	if w.timer != nil {
		w.timer.Stop()
	}
}

// waits lets a request wait whose call is not known; false when it need not. Where there
// are too many it is forgotten: what came by UDP comes again.
func (d *Driver) waits(p peer, req *sip.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := &d.waiting
	key := txKey(req, req.Method)
	switch {
	case !w.on || d.stopped():
		return false
	case len(w.requests) >= maxWaiting:
		return true
	}
	if !slices.ContainsFunc(w.requests, func(o waitingRequest) bool { return txKey(o.req, o.req.Method) == key }) {
		w.requests = append(w.requests, waitingRequest{p, req})
	}
	return true
}

// mayTakeUp reports whether calls may yet be taken up that are not known.
func (d *Driver) mayTakeUp() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiting.on
}

// serveWaiting takes the requests that have waited for a call.
func (d *Driver) serveWaiting(callID, tag string) {
	d.mu.Lock()
	var now []waitingRequest
	d.waiting.requests = slices.DeleteFunc(d.waiting.requests, func(w waitingRequest) bool {
		its := w.req.CallID().Value() == callID && tagOf(w.req.To().Params) == tag
		if its {
			now = append(now, w)
		}
		return its
	})
	d.mu.Unlock()
	for _, w := range now {
		d.onRequest(w.from, w.req)
	}
}

// EndResume says that no call is taken up any more: messages of unknown calls do not wait
// until Config.ResumeWithin is over.
func (d *Driver) EndResume() {
	d.mu.Lock()
	timer := d.waiting.timer
	d.mu.Unlock()
	if timer != nil && timer.Stop() {
		d.refuseWaiting()
	}
}

// refuseWaiting refuses what still waits; nothing does from then on.
func (d *Driver) refuseWaiting() {
	d.mu.Lock()
	left := d.waiting.requests
	d.waiting.requests, d.waiting.on = nil, false
	d.mu.Unlock()
	for _, w := range left {
		d.refuse(w.from, w.req, noSuchCall())
	}
}
