package sip

import (
	"context"
	"fmt"
	"slices"

	"github.com/emiago/sipgo/sip"
)

// Question is a request that changes nothing at a trunk's host.
type Question string

// The questions.
const (
	// AskOptions asks what the host can do, which shows that it is there
	// (https://www.rfc-editor.org/rfc/rfc3261#section-11).
	AskOptions Question = "OPTIONS"
	// AskBindings asks who is registered for the trunk's user: a REGISTER without a
	// contact, which shows that the account is good and changes no registration
	// (https://www.rfc-editor.org/rfc/rfc3261#section-10.2.3).
	AskBindings Question = "REGISTER"
)

// Response is the final response to a question.
type Response struct {
	// Status and Reason are the response's.
	Status int
	Reason string
	// Challenged says that the host asked who we are.
	Challenged bool
	// Source is where the question went.
	Source string
	// Err says why a challenge was not answered; nil when it was, or there was none.
	Err error
}

// Ask sends a question to a trunk's host and returns its final response. Challenges are
// answered with the trunk's user. An error means that there was no response.
func (d *Driver) Ask(ctx context.Context, trunk string, q Question) (Response, error) {
	t := d.trunk(trunk)
	if t == nil {
		return Response{}, fmt.Errorf("no trunk is called %q", trunk)
	}
	user := "sidetone"
	if t.Username != "" {
		user = escapeUser(t.Username)
	}
	var out Response
	a := asking{d: d, user: user, question: q, callID: d.newTag(), tag: d.newTag()}
	as := logon{user: t.Username, pass: string(t.Password), realm: t.Realm}
	for {
		res, err := a.send(ctx, t, as.headers)
		if err != nil {
			return out, err
		}
		out.Status, out.Reason, out.Source, out.Err = res.StatusCode, clip(res.Reason), a.to.peer.addr.String(), nil
		if !challenged(res) {
			return out, nil
		}
		out.Challenged = true
		if out.Err = as.answer(res, string(q), a.uri()); out.Err != nil {
			return out, nil
		}
	}
}

// asking is a question under way.
type asking struct {
	d                 *Driver
	user, callID, tag string
	question          Question
	seq               uint32
	to                route // of the last request
}

func (a *asking) uri() string { return a.to.target.String() }

func (a *asking) send(ctx context.Context, t *Trunk, extra []header) (res *sip.Response, err error) {
	err = a.d.overConnection(ctx, t, "", func(to route) (err error) {
		a.to = to
		a.seq++
		account := to.target
		account.User = a.user
		address := "<" + account.String() + ">"
		o := outside{method: string(a.question), uri: a.uri(), from: address, to: address, tag: a.tag, callID: a.callID, seq: a.seq, extra: slices.Clone(extra)}
		if a.question == AskOptions {
			o.to = "<" + a.uri() + ">"
			o.extra = append(o.extra, a.d.contact(to.peer), header{"Accept", "application/sdp"})
		}
		res, err = a.d.askTrunk(ctx, to, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.question, err)
	}
	return res, nil
}
