package sip

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// nextHop is where requests of the dialog go: the first route, else the
// contact. A connection that lives is used again, and a contact behind a NAT
// is reached where its messages come from, as is a far end whose route or contact
// leads nowhere: a BYE that is not sent leaves it connected.
func (l *leg) nextHop(ctx context.Context) (peer, error) {
	l.mu.Lock()
	from, target, t, ours := l.peer, l.target, l.began, !l.inbound
	var route string
	if len(l.routes) > 0 {
		route = l.routes[0]
	}
	l.mu.Unlock()
	if from.tcp != nil {
		if c := l.d.transport.existing(from.tcp.key); c != nil {
			return peer{addr: from.addr, tcp: c, sips: from.sips}, nil
		}
	}
	if route == "" && behindNAT(&target, from.addr.Addr(), ownNetworks) && (from.tcp == nil || ours) {
		if p, err := l.d.reachAgain(ctx, t, from); err == nil {
			return p, nil
		}
	}
	to := target
	if uri, _, ok := addressIn(route); ok {
		to = uri
	}
	network := "udp"
	if from.tcp != nil {
		network = "tcp"
	}
	if from.secure() {
		secureURI(&to)
	}
	p, err := l.d.resolve(ctx, t, &to, network, from.addr)
	if err == nil {
		return p, nil
	}
	if from.tcp != nil && !ours { // a caller listens at another port than the one from which it connected
		from.addr = netip.AddrPortFrom(from.addr.Addr(), portIn(&target, defaultPort(strings.ToLower(from.network()))))
	}
	if p, again := l.d.reachAgain(ctx, t, from); again == nil {
		return p, nil
	}
	return peer{}, err
}

// portIn is the port in a URI, another one when it has none.
func portIn(uri *sip.Uri, other uint16) uint16 {
	if uri.Port > 0 && uri.Port <= 65535 {
		return uint16(uri.Port)
	}
	return other
}

// resolve finds where requests for a URI go (RFC 3263), on behalf of a trunk, nil for
// none: where those of the dialog went before, if that is among its targets, else to
// the first that is reached.
func (d *Driver) resolve(ctx context.Context, trunk *Trunk, uri *sip.Uri, network string, before netip.AddrPort) (peer, error) {
	if transport, ok := param(uri.UriParams, "transport"); ok && slices.Contains(transports(), strings.ToLower(transport)) {
		network = strings.ToLower(transport)
	}
	if uri.Scheme == "sips" {
		network = "tls"
	}
	found, err := d.locator.locate(ctx, uri.Host, uri.Port, network)
	if err == nil {
		found, err = trunk.permitted(uri.Host, found)
	}
	if err != nil {
		return peer{}, err
	}
	found = d.health.order(found)
	slices.SortStableFunc(found, func(a, b target) int {
		switch {
		case a.address == before && b.address != before:
			return -1
		case b.address == before && a.address != before:
			return 1
		}
		return 0
	})
	return d.reachAny(ctx, trunk, found)
}

// reachAgain reaches where messages of a dialog came from or went before.
func (d *Driver) reachAgain(ctx context.Context, trunk *Trunk, before peer) (peer, error) {
	if !before.reliable() {
		return before, nil
	}
	at := target{transport: strings.ToLower(before.network()), address: before.addr, host: before.addr.Addr().String()}
	at.domain = at.host
	if trunk != nil {
		if host, _, err := splitHost(trunk.Host); err == nil {
			at.domain = host
		}
	}
	if _, err := trunk.permitted(at.host, []target{at}); err != nil {
		return peer{}, err
	}
	p, err := d.reach(ctx, trunk, at)
	p.sips = before.sips
	return p, err
}

// reopened returns the peer of a route, on a new connection if the one that it had is
// gone.
func (d *Driver) reopened(ctx context.Context, to route) peer {
	select {
	case <-to.peer.lost():
	default:
		return to.peer
	}
	if p, err := d.reach(ctx, to.trunk, to.at); err == nil {
		return p
	}
	return to.peer
}

// behindNAT says that a contact names an address of a private network although
// its messages come from elsewhere, and not from a proxy in a network of our own that
// has the contact, too.
func behindNAT(contact *sip.Uri, source netip.Addr, own func() ([]netip.Prefix, error)) bool {
	addr, err := netip.ParseAddr(strings.Trim(contact.Host, "[]"))
	addr, source = addr.Unmap(), source.WithZone("")
	switch {
	case err != nil || addr == source:
		return false
	case addr.IsUnspecified() || addr.Is6() && addr.IsLinkLocalUnicast(): // in every network
		return true
	case !private(addr) && !addr.IsLoopback():
		return false
	}
	ours, err := own()
	return err != nil || !near(ours, addr, source)
}

// near says that an address is in a network of ours together with where its messages
// come from, be that this machine. The same private networks are in use elsewhere, so
// that ours alone tells nothing; nor is an address of this machine that of somebody in
// its network.
func near(ours []netip.Prefix, addr, source netip.Addr) bool {
	if addr.IsLoopback() {
		return source.IsLoopback()
	}
	here := slices.ContainsFunc(ours, func(p netip.Prefix) bool { return p.Addr() == source }) || source.IsLoopback()
	itself := slices.ContainsFunc(ours, func(p netip.Prefix) bool { return p.Addr() == addr })
	return slices.ContainsFunc(ours, func(p netip.Prefix) bool {
		return p.Contains(addr) && (here || !itself && p.Contains(source))
	})
}

// private reports whether an address is one of a private network (RFC 1918, 4193,
// 3927, 6598).
func private(addr netip.Addr) bool {
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)
	return addr.IsPrivate() || addr.IsLinkLocalUnicast() || shared.Contains(addr)
}

// targetHost is the host to which requests of the dialog are addressed.
func (l *leg) targetHost() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.target.Host
}
