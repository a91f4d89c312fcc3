package sip

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// rememberFor is how long an address counts as a trunk's after the DNS named it
	// last: names with many addresses give some of them at a time.
	rememberFor = time.Hour
	// trunksEvery is how often the targets of trunks are looked up.
	trunksEvery = time.Minute
	// maxRemembered bounds the addresses of one trunk.
	maxRemembered = 64
)

// destination is where requests to a trunk go. Addresses are learnt for one of these
// and not for the trunk: those of its former host give no rights.
type destination struct{ trunk, host, proxy string }

// destination is that of the trunk as it is set up.
func (t *Trunk) destination() destination { return destination{t.Name, t.Host, t.OutboundProxy} }

// whereabouts are the addresses of the trunks' targets. Its methods may be called
// concurrently.
type whereabouts struct {
	now func() time.Time

	mu    sync.RWMutex
	until map[netip.Addr]map[destination]time.Time
}

func newWhereabouts(now func() time.Time) *whereabouts {
	return &whereabouts{now: now, until: make(map[netip.Addr]map[destination]time.Time)}
}

// learn notes the targets of a trunk.
func (w *whereabouts) learn(at destination, targets []target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, count := w.now(), 0
	for addr, places := range w.until {
		maps.DeleteFunc(places, func(_ destination, until time.Time) bool { return now.After(until) })
		if _, ok := places[at]; ok {
			count++
		}
		if len(places) == 0 {
			delete(w.until, addr)
		}
	}
	for _, t := range targets {
		addr := t.address.Addr().WithZone("")
		if w.until[addr] == nil {
			w.until[addr] = make(map[destination]time.Time)
		}
		if _, known := w.until[addr][at]; !known {
			if count++; count > maxRemembered {
				continue
			}
		}
		w.until[addr][at] = now.Add(rememberFor)
	}
}

// has reports whether a trunk has a target at an address.
func (w *whereabouts) has(at destination, addr netip.Addr) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	until, ok := w.until[addr.WithZone("")][at]
	return ok && w.now().Before(until)
}

// known reports whether any trunk may have a target at an address.
func (w *whereabouts) known(addr netip.Addr) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return len(w.until[addr.WithZone("")]) > 0
}

// of returns the addresses of a trunk's targets.
func (w *whereabouts) of(at destination) []netip.Addr {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var out []netip.Addr
	for addr, places := range w.until {
		if w.now().Before(places[at]) {
			out = append(out, addr)
		}
	}
	return out
}

// targetsOf finds the targets of a trunk, in the order in which this call tries them,
// and takes requests from where they are. They are those of its outbound proxy, if it
// has one.
func (d *Driver) targetsOf(ctx context.Context, t *Trunk) ([]target, error) {
	if t.Host == "" {
		return nil, fmt.Errorf("trunk %q has no host, so that no calls go out by it", t.label())
	}
	host, port, err := splitHost(t.Host)
	transport := t.Transport
	if proxy, ok := t.proxy(); ok {
		host, port = proxy.Host, proxy.Port
		transport, _ = proxy.UriParams.Get("transport")
	}
	if err == nil {
		var found []target
		if found, err = d.locator.locate(ctx, host, port, transport); err == nil {
			found, err = t.permitted(host, found)
		}
		if err == nil {
			d.whereabouts.learn(t.destination(), found)
			return d.health.order(found), nil
		}
	}
	return nil, fmt.Errorf("trunk %q: %w", t.label(), err)
}

// learnHost takes requests from where the host of a trunk is whose requests go to an
// outbound proxy: in a call the proxy may leave the way.
func (d *Driver) learnHost(ctx context.Context, t *Trunk) {
	host, port, err := splitHost(t.Host)
	if _, proxied := t.proxy(); !proxied || err != nil {
		return
	}
	if found, err := d.locator.locate(ctx, host, port, t.Transport); err == nil { // it need not have an address
		d.whereabouts.learn(t.destination(), found)
	}
}

// isTarget reports whether requests to a trunk go to that address: its host's, or its
// outbound proxy's.
func (d *Driver) isTarget(ctx context.Context, t *Trunk, addr netip.Addr) bool {
	if d.whereabouts.has(t.destination(), addr.Unmap()) {
		return true
	}
	_, _ = d.targetsOf(ctx, t) // without targets it has none there
	d.learnHost(ctx, t)
	return d.whereabouts.has(t.destination(), addr.Unmap())
}

// followTrunks keeps the targets of the trunks known until the driver closes, so that
// nobody who is called or calls waits for the DNS.
func (d *Driver) followTrunks() {
	tick := time.NewTicker(trunksEvery)
	defer tick.Stop()
	failing := make(map[string]bool)
	for {
		now := d.roster.Load().trunks
		for i := range now {
			t := &now[i]
			if t.Host == "" || d.stopped() {
				continue
			}
			_, err := d.targetsOf(context.Background(), t) // which ends with the resolver
			d.learnHost(context.Background(), t)
			if err != nil && !failing[t.Name] && !d.stopped() {
				d.cfg.Logger.Warn("look up a trunk", append(t.logged(), "err", err)...)
			}
			failing[t.Name] = err != nil
		}
		select {
		case <-tick.C:
		case <-d.look:
		case <-d.done:
			return
		}
	}
}

// permitted are those of the targets of a host that something may be sent to on behalf
// of a trunk, nil for none. The error says why when it is none of them.
func (t *Trunk) permitted(host string, targets []target) ([]target, error) {
	if t == nil || t.Permit == nil {
		return targets, nil
	}
	var out []target
	var refused error
	for _, one := range targets {
		if err := t.Permit(strings.Trim(host, "[]"), one.address); err != nil {
			refused = err
			continue
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		return nil, refused
	}
	return out, nil
}

// startTrunks makes the targets of trunks known whose host is an address, and looks
// for the others.
func (d *Driver) startTrunks() {
	d.findAddresses()
	d.tasks.Go(d.followTrunks)
}

// findAddresses makes the targets of trunks known whose host is an address.
func (d *Driver) findAddresses() {
	now := d.roster.Load().trunks
	for i := range now {
		t := &now[i]
		host, _, err := splitHost(t.Host)
		if t.Host == "" || err != nil {
			continue
		}
		if _, err := netip.ParseAddr(host); err == nil {
			_, _ = d.targetsOf(context.Background(), t) // one that cannot be reached is said when it is called
		}
	}
}

// reach returns the peer of a target, on a connection that lives or a new one, which
// trunk says how to secure. From then on its responses are read.
func (d *Driver) reach(ctx context.Context, trunk *Trunk, t target) (p peer, err error) {
	p.addr = t.address
	d.mu.Lock()
	d.called.Add(p.addr.Addr(), struct{}{})
	d.mu.Unlock()
	switch t.transport {
	case "tcp":
		p.tcp, err = d.transport.connect(ctx, connKey{addr: t.address}, nil)
	case "tls":
		p.tcp, err = d.connectTLS(ctx, trunk, t.domain, t.address)
	}
	if err != nil {
		return peer{}, fmt.Errorf("connect to %s: %w", t, err)
	}
	return p, nil
}

// reachAny returns the first of targets that can be reached.
func (d *Driver) reachAny(ctx context.Context, trunk *Trunk, targets []target) (peer, error) {
	err := errors.New("no target")
	for _, t := range targets {
		var p peer
		if p, err = d.reach(ctx, trunk, t); err == nil {
			return p, nil
		}
		d.health.delay(t)
	}
	return peer{}, err
}
