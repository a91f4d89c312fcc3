package sip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// redirection is where a far end sends a call: the numbers that it names, the preferred
// one first.
type redirection struct{ numbers []string }

// Error says where the call was sent.
func (r *redirection) Error() string {
	if len(r.numbers) == 0 {
		return "the far end redirects the call, and names no number"
	}
	return "the far end redirects the call to " + clip(r.numbers[0])
}

// redirects reports whether a status says that another number is to be called instead.
// Of those in section 8.1.3.4 of https://www.rfc-editor.org/rfc/rfc3261 these are 301 and
// 302. 300 leaves a choice to somebody who is not there; 305 and 380 name no number but
// another way or service.
func redirects(status int) bool { return status == 301 || status == 302 }

// redirectionOf reads the Contact headers of a response, by their q.
func redirectionOf(res *sip.Response) *redirection {
	type contact struct {
		number string
		q      float64
	}
	var found []contact
	for _, h := range res.GetHeaders("Contact") {
		uri, params := sip.Uri{}, sip.NewParams()
		if _, err := sip.ParseAddressValue(h.Value(), &uri, &params); err != nil {
			continue
		}
		if uri.Scheme != "sip" && uri.Scheme != "sips" && uri.Scheme != "tel" {
			continue
		}
		if to := number(&uri); to != "" {
			found = append(found, contact{to, preference(params)})
		}
	}
	slices.SortStableFunc(found, func(a, b contact) int {
		switch {
		case a.q > b.q:
			return -1
		case a.q < b.q:
			return 1
		}
		return 0
	})
	r := &redirection{}
	for _, c := range found {
		r.numbers = append(r.numbers, c.number)
	}
	return r
}

// preference is the q of a contact, 1 without one.
func preference(params sip.HeaderParams) float64 {
	text, ok := param(params, "q")
	q, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || q < 0 || q > 1 {
		return 1
	}
	return q
}

// follow calls the number to which a far end redirected a call, once, if the trunk lets
// it and the application does; failed is how the call to the first number ended.
//
// Section 8.1.3.4 of RFC 3261 would send the INVITE to the Contact. Only its number is
// taken, and called through the same trunk: a host that a far end names would get the
// call, and perhaps the trunk's credentials, without anybody having configured it.
func (d *Driver) follow(ctx context.Context, req telephony.DialRequest, limit <-chan time.Time, ringing func(), failed error) (*leg, error) {
	var first *telephony.DialError
	var r *redirection
	if !errors.As(failed, &first) || !errors.As(first.Err, &r) || len(r.numbers) == 0 {
		return nil, failed
	}
	if t := d.trunk(req.Trunk); t == nil || !t.Redirects || req.Redirect == nil || ctx.Err() != nil {
		return nil, failed
	}
	to, err := req.Redirect(ctx, r.numbers[0])
	if err != nil {
		first.Err = fmt.Errorf("%w: %w", r, err)
		return nil, failed
	}
	req.To = to
	l, err := d.dialOnce(ctx, req, limit, ringing)
	var second *telephony.DialError
	switch {
	case err == nil:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.info.RedirectedTo, l.info.Tries = to, slices.Concat(first.Tries, l.info.Tries)
		return l, nil
	case errors.As(err, &second):
		second.Sent, second.RedirectedTo, second.Tries = true, to, slices.Concat(first.Tries, second.Tries)
	}
	return nil, err
}

// dialOnce calls one number.
func (d *Driver) dialOnce(ctx context.Context, req telephony.DialRequest, limit <-chan time.Time, ringing func()) (*leg, error) {
	to, err := d.route(ctx, req)
	if err != nil {
		return nil, &telephony.DialError{Cause: telephony.CauseFailure, Err: err}
	}
	if to.headers, err = headersOut(req.Headers, d.trunk(req.Trunk)); err != nil {
		return nil, &telephony.DialError{Cause: telephony.CauseFailure, Err: err}
	}
	return d.dialTargets(ctx, req, to, limit, ringing)
}

// once makes of what is called when a call rings what is called at most once.
func once(ringing func()) func() {
	if ringing == nil {
		return nil
	}
	var first sync.Once
	return func() { first.Do(ringing) }
}
