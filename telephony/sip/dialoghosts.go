package sip

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// maxHosts bounds the addresses from which requests of one call are taken.
	maxHosts = 64
	// maxNames bounds the host names that are looked up for one message.
	maxNames = 8
	// lookupTime bounds their look-up.
	lookupTime = 5 * time.Second
)

// mayChange says whether requests of the call are taken from addr: from its
// trunk, from where its digest user is registered, from where its INVITE came
// or went, and from the hosts that the INVITE or its response name. Who knows
// the tags of the call but is none of these has overheard it.
func (d *Driver) mayChange(l *leg, addr netip.Addr) bool {
	l.mu.Lock()
	named, user := slices.Contains(l.hosts, addr), l.user
	l.mu.Unlock()
	if named {
		return true
	}
	if user != "" {
		if b, ok := d.registrar.find(user); ok && b.peer.addr.Addr() == addr {
			return true
		}
	}
	t := l.ownTrunk() // an address that was forgotten can be added
	return t != nil && contains(t.Addresses, addr.WithZone(""))
}

// addTargets takes requests of the call from the targets of its trunk, too.
func (d *Driver) addTargets(l *leg, t *Trunk) {
	if t == nil {
		return
	}
	for _, addr := range d.whereabouts.of(t.destination()) {
		d.addHost(l, addr)
	}
}

// addHost takes requests of the call from addr, too.
func (d *Driver) addHost(l *leg, addr netip.Addr) {
	addr = addr.Unmap().WithZone("")
	l.mu.Lock()
	defer l.mu.Unlock()
	if !addr.IsValid() || l.state == legOver || len(l.hosts) >= maxHosts || slices.Contains(l.hosts, addr) {
		return
	}
	l.hosts = append(l.hosts, addr)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts[addr]++
}

// dropHosts forgets from where requests of the call were taken.
func (d *Driver) dropHosts(l *leg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, addr := range l.hosts {
		if d.hosts[addr]--; d.hosts[addr] <= 0 {
			delete(d.hosts, addr)
		}
	}
	l.hosts = nil
}

// addHosts takes requests of the call from hosts, too. Names among them are looked
// up in the background.
func (d *Driver) addHosts(l *leg, hosts []string) {
	var names []string
	for _, host := range hosts {
		host = strings.Trim(host, "[]")
		if addr, err := netip.ParseAddr(host); err == nil {
			d.addHost(l, addr)
		} else if host != "" && len(names) < maxNames && !slices.Contains(names, host) {
			names = append(names, host)
		}
	}
	if len(names) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stopped() {
		d.tasks.Go(func() { d.lookUp(l, names) })
	}
}

// lookUp adds the addresses of names.
func (d *Driver) lookUp(l *leg, names []string) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-d.done:
			cancel()
		case <-l.gone:
			cancel()
		case <-over:
		}
	}()
	for _, name := range names {
		found, err := d.cfg.Lookup(ctx, name)
		if err != nil {
			continue // a name that means nothing to us admits nobody
		}
		for _, addr := range found {
			d.addHost(l, addr)
		}
	}
}

// hostsOf returns the hosts that the Via, Record-Route and Contact headers of a
// request or a response of the far end name.
func hostsOf(m sip.Message) []string {
	var hosts []string
	if _, ok := m.(*sip.Request); ok { // the Via of a response is our own
		for _, h := range m.GetHeaders("Via") {
			if via, ok := h.(*sip.ViaHeader); ok {
				received, _ := param(via.Params, "received")
				hosts = append(hosts, via.Host, received)
			}
		}
	}
	for _, h := range m.GetHeaders("Record-Route") {
		hosts = append(hosts, hostOf(h.Value()))
	}
	for _, h := range m.GetHeaders("Contact") {
		hosts = append(hosts, hostOf(h.Value()))
	}
	return hosts
}

// hostOf returns the host of an address in a header, "" without one.
func hostOf(value string) string {
	var uri sip.Uri
	var params sip.HeaderParams
	if _, err := sip.ParseAddressValue(value, &uri, &params); err != nil {
		return ""
	}
	return uri.Host
}
