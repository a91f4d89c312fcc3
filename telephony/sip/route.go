package sip

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// route is where a call goes and as whom.
type route struct {
	target     sip.Uri
	targets    []target      // where calls go, in turn; none for a phone of ours and this driver itself
	patience   time.Duration // how long a target may take to respond when there is another one
	peer       peer          // the one that is tried now
	callID     string
	from       string   // the user of From
	headers    []header // that the call is placed with
	domain     string   // of From; empty means ours
	user, pass string
	realm      string   // of the challenges that are answered; empty: any
	registered string   // the user of ours who is called; empty when it is none
	routes     []string // of Route: the outbound proxy
	trunk      *Trunk   // nil for none
	at         target   // that peer belongs to
}

// route finds out where a call goes.
func (d *Driver) route(ctx context.Context, req telephony.DialRequest) (r route, err error) {
	t := d.trunk(req.Trunk)
	to, from, err := written(req, t)
	switch {
	case err != nil:
		return r, err
	case req.Trunk == "":
		r = d.localRoute(to, req.To)
		r.from = from
		return r, nil
	case t == nil:
		return r, fmt.Errorf("no trunk is called %q", req.Trunk)
	}
	r, err = d.trunkRoute(ctx, t, to)
	r.from = from
	return r, err
}

// trunkRoute is the way to a user of a trunk, "" for the trunk itself.
func (d *Driver) trunkRoute(ctx context.Context, t *Trunk, user string) (r route, err error) {
	if t.Host == "" {
		return r, fmt.Errorf("trunk %q has no host, so that no calls go out by it", t.label())
	}
	host, port, err := splitHost(t.Host)
	if err != nil {
		return r, fmt.Errorf("trunk %q: %w", t.label(), err)
	}
	r = route{target: sip.Uri{Scheme: "sip", User: user, Host: bracket(host), Port: port}, patience: t.TargetTimeout, trunk: t,
		domain: t.fromDomain(), user: t.Username, pass: string(t.Password), realm: t.Realm}
	if t.Transport != "" && t.Transport != "udp" {
		r.target.UriParams = sip.NewParams()
		r.target.UriParams.Add("transport", t.Transport)
	}
	if proxy, ok := t.proxy(); ok {
		r.routes = []string{looseRoute(proxy)}
	}
	r.targets, err = d.targetsOf(ctx, t)
	return r, err
}

// written are the users of To and From as the trunk writes numbers; nil writes
// E.164.
func written(req telephony.DialRequest, t *Trunk) (to, from string, err error) {
	if t != nil {
		req.To, req.From = t.Called.Apply(req.To), t.Calling.Apply(req.From)
	}
	if to, err = userPart(req.To); err != nil {
		return "", "", err
	}
	from, err = userPart(req.From)
	return to, from, err
}

// localRoute leads to the phone that registered the number, else back to this
// driver.
func (d *Driver) localRoute(user, number string) route {
	if b, ok := d.registrar.find(number); ok {
		return route{target: b.contact, peer: b.peer, registered: number}
	}
	own := d.transport.addr()
	if own.Addr().IsUnspecified() {
		loopback := netip.MustParseAddr("127.0.0.1")
		if own.Addr().Is6() {
			loopback = netip.IPv6Loopback()
		}
		own = netip.AddrPortFrom(loopback, own.Port())
	}
	return route{target: sip.Uri{Scheme: "sip", User: user, Host: bracket(own.Addr().String()), Port: int(own.Port())},
		peer: peer{addr: own}}
}

// bracket writes an IPv6 address as URIs have it.
func bracket(host string) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}
