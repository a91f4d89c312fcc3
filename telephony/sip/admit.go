package sip

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// reads says whether a message or a connection of a source is looked at: those
// of admitted sources always are, others within limits and only where users can
// prove who they are, by password or by the certificate of their connection.
func (d *Driver) reads(addr netip.Addr, network string) bool {
	if d.admitted(addr) {
		return true
	}
	if len(d.cfg.Users) == 0 && (network != "TLS" || !d.provenByCertificate()) {
		d.sources.refuse(addr, network, RefusedSource)
		return false
	}
	return d.sources.allow(addr, network)
}

// admitted says whether a source belongs to a trunk, takes part in a call, was
// called, or is where a digest user proved who he is.
func (d *Driver) admitted(addr netip.Addr) bool {
	if _, ok := d.trunkOf(addr); ok {
		return true
	}
	d.mu.Lock()
	_, ok := d.called.Get(addr)
	ok = ok || d.hosts[addr] > 0
	d.mu.Unlock()
	return ok || d.sources.isProven(addr)
}

// trunkOf returns the trunk that a source belongs to, "" for the local one: the one
// that lists it, else the local one, else the one that lists none and has a target
// there.
func (d *Driver) trunkOf(addr netip.Addr) (string, bool) {
	addr = addr.WithZone("")
	for i := range d.cfg.Trunks {
		if contains(d.cfg.Trunks[i].Addresses, addr) {
			return d.cfg.Trunks[i].Name, true
		}
	}
	if contains(d.cfg.LocalSources, addr) {
		return "", true
	}
	if !d.whereabouts.known(addr) {
		return "", false
	}
	for i := range d.cfg.Trunks {
		if t := &d.cfg.Trunks[i]; len(t.Addresses) == 0 && d.whereabouts.has(t.Name, addr) {
			return t.Name, true
		}
	}
	return "", false
}

func contains(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// admission is what became known of the sender of a request.
type admission struct {
	trunk string
	user  string // of digest, else ""
}

// admit finds out who sends a request outside of a dialog. Without an error
// and without ok there is no response.
func (d *Driver) admit(p peer, req *sip.Request) (a admission, f *fault, ok bool) {
	if trunk := p.callerOf(); trunk != "" {
		d.sources.prove(p.addr.Addr())
		return admission{trunk: trunk}, nil, true
	}
	if trunk, ok := d.registeredAs(p, req); ok {
		return admission{trunk: trunk}, nil, true
	}
	trunk, known := d.trunkOf(p.addr.Addr())
	if t := d.trunk(trunk); t != nil && t.TLS.ClientCAFile != "" {
		d.sources.refuse(p.addr.Addr(), p.network(), RefusedCertificate)
		return a, &fault{status: 403, reason: "Forbidden: calls of this trunk need its certificate"}, false
	}
	if known && (trunk != "" || len(d.cfg.Users) == 0 || headerValue(req, "Authorization") == "") {
		return admission{trunk: trunk}, nil, true
	}
	if len(d.cfg.Users) == 0 {
		d.sources.refuse(p.addr.Addr(), p.network(), RefusedSource)
		return a, nil, false
	}
	return d.authenticate(p, req)
}
