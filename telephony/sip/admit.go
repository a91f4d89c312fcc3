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
	if len(d.roster.Load().users) == 0 && (network != "TLS" || !d.provenByCertificate()) {
		d.sources.refuse(addr, network, RefusedSource)
		return false
	}
	return d.sources.allow(addr, network)
}

// admitted says whether a source belongs to a trunk, takes part in a call, was
// called, or is where a digest user proved who he is.
func (d *Driver) admitted(addr netip.Addr) bool {
	if d.knows(addr) {
		return true
	}
	d.mu.Lock()
	_, ok := d.called.Get(addr)
	ok = ok || d.hosts[addr] > 0
	d.mu.Unlock()
	return ok || d.sources.isProven(addr)
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
	if trunk := d.callerOf(p); trunk != "" {
		d.sources.prove(p.addr.Addr())
		return admission{trunk: trunk}, nil, true
	}
	if trunk, ok := d.registeredAs(p, req); ok {
		return admission{trunk: trunk}, nil, true
	}
	users := len(d.roster.Load().users)
	if among := d.trunksOf(p.addr.Addr()); len(among) > 0 {
		trunk := d.choose(number(&req.Recipient), among)
		if t := d.trunk(trunk); t != nil && t.TLS.ClientCAFile != "" {
			d.sources.refuse(p.addr.Addr(), p.network(), RefusedCertificate)
			return a, &fault{status: 403, reason: "Forbidden: calls of this trunk need its certificate"}, false
		}
		if f := d.checkClear(d.trunk(trunk), p, req); f != nil {
			return a, f, false
		}
		if trunk != "" || users == 0 || headerValue(req, "Authorization") == "" {
			return admission{trunk: trunk}, nil, true
		}
	}
	if users == 0 {
		d.sources.refuse(p.addr.Addr(), p.network(), RefusedSource)
		return a, nil, false
	}
	return d.authenticate(p, req)
}

// callsOverTLS says that calls are the trunk's by the addresses of its targets, and over
// TLS, only.
func (t *Trunk) callsOverTLS() bool { return t.Transport == "tls" && len(t.Addresses) == 0 }

// checkClear refuses calls without TLS that would be a trunk's only because they come
// from where it is reached over TLS: such addresses prove little, and who encrypts the
// calls that he takes encrypts those that he makes. Listed addresses say that he does
// not. Requests that are no calls, as OPTIONS, do no harm.
func (d *Driver) checkClear(t *Trunk, p peer, req *sip.Request) *fault {
	if t == nil || !t.callsOverTLS() || p.network() == "TLS" || !req.IsInvite() {
		return nil
	}
	d.sources.refuse(p.addr.Addr(), p.network(), RefusedClear)
	return &fault{status: 403, reason: "Forbidden: calls of this trunk come over TLS"}
}
