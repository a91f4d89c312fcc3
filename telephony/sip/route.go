package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

// route is where a call goes and as whom.
type route struct {
	target     sip.Uri
	peer       peer
	domain     string // of From; empty means ours
	user, pass string
	realm      string // of the challenges that are answered; empty: any
	registered string // the user of ours who is called; empty when it is none
}

// route finds out where a call goes.
func (d *Driver) route(ctx context.Context, req telephony.DialRequest) (r route, err error) {
	to, err := userPart(req.To)
	if err != nil {
		return r, err
	}
	if _, err = userPart(req.From); err != nil {
		return r, err
	}
	if req.Trunk == "" {
		return d.localRoute(to, req.To), nil
	}
	t := d.trunk(req.Trunk)
	switch {
	case t == nil:
		return r, fmt.Errorf("no trunk is called %q", req.Trunk)
	case t.Host == "":
		return r, fmt.Errorf("trunk %q takes no calls", t.Name)
	}
	host, port, err := net.SplitHostPort(t.Host)
	if err != nil {
		return r, fmt.Errorf("trunk %q: %w", t.Name, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return r, fmt.Errorf("trunk %q: port: %w", t.Name, err)
	}
	r = route{target: sip.Uri{Scheme: "sip", User: to, Host: bracket(host), Port: int(n)},
		domain: t.FromDomain, user: t.Username, pass: string(t.Password), realm: t.Realm}
	if t.Transport == "tcp" {
		r.target.UriParams = sip.NewParams()
		r.target.UriParams.Add("transport", "tcp")
	}
	r.peer, err = d.resolve(ctx, &r.target, t.Transport)
	return r, err
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

// resolve finds the address of a URI and, on TCP, a connection to it. From
// then on its responses are read.
func (d *Driver) resolve(ctx context.Context, uri *sip.Uri, network string) (peer, error) {
	if transport, ok := uri.UriParams.Get("transport"); ok {
		network = strings.ToLower(transport)
	}
	port := uri.Port
	if port == 0 {
		port = 5060
	}
	host := strings.Trim(uri.Host, "[]")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		found, err := d.cfg.Lookup(ctx, host)
		if err == nil && len(found) == 0 {
			err = errors.New("no address")
		}
		if err != nil {
			return peer{}, fmt.Errorf("look up %q: %w", clip(host), err)
		}
		addr = found[0]
	}
	p := peer{addr: netip.AddrPortFrom(addr.Unmap(), uint16(port))}
	d.mu.Lock()
	d.called.Add(p.addr.Addr(), struct{}{})
	d.mu.Unlock()
	if network == "tcp" {
		if p.tcp, err = d.transport.connect(ctx, p.addr); err != nil {
			return peer{}, fmt.Errorf("connect: %w", err)
		}
	}
	return p, nil
}
