package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxTargets bounds the targets of one name.
	maxTargets = 8
	// locateFor bounds the search for them.
	locateFor = 3 * lookupFor
)

// target is one place to which requests for a host can be sent.
type target struct {
	// transport is udp, tcp or tls.
	transport string
	address   netip.AddrPort
	// host is the name whose address that is, domain the name that was looked for,
	// which a certificate must bear (https://www.rfc-editor.org/rfc/rfc5922#section-4).
	// Both are the address's text where there is no name.
	host, domain string
}

// String writes a target for logs and records.
func (t target) String() string {
	text := t.transport + " " + t.address.String()
	if t.host != "" && t.host != t.address.Addr().String() {
		text += " (" + t.host + ")"
	}
	return text
}

// transports are those that we speak, the preferred one first.
func transports() []string { return []string{"udp", "tcp", "tls"} }

// service is a name with SRV records, and the transport of what they name.
type service struct{ transport, name string }

// serviceOf is the service of a domain by a transport
// (https://www.rfc-editor.org/rfc/rfc3263#section-4.2).
func serviceOf(transport, domain string) service {
	if transport == "tls" {
		return service{transport, "_sips._tcp." + domain}
	}
	return service{transport, "_sip._" + transport + "." + domain}
}

// defaultPort is the port of SIP by a transport.
func defaultPort(transport string) uint16 {
	if transport == "tls" {
		return 5061
	}
	return 5060
}

// locator finds the targets of a host by
// https://www.rfc-editor.org/rfc/rfc3263#section-4.
type locator struct {
	// services says whether NAPTR and SRV are asked for.
	services bool
	dns      *resolver
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
	// usable says whether an address can be reached from our sockets.
	usable func(netip.Addr) bool
}

// locate returns the targets of a host in the order in which they are to be tried,
// which differs from call to call where weights say so. port is 0, and transport
// empty, when nothing says which.
func (l *locator) locate(ctx context.Context, host string, port int, transport string) ([]target, error) {
	ctx, cancel := context.WithTimeout(ctx, locateFor)
	defer cancel()
	host = strings.Trim(host, "[]")
	addr, err := netip.ParseAddr(host)
	if err == nil || port != 0 || !l.services || len(l.dns.listed(ctx, host)) > 0 {
		if transport == "" {
			transport = transports()[0]
		}
		if port == 0 {
			port = int(defaultPort(transport))
		}
		if err == nil {
			at := target{transport: transport, address: netip.AddrPortFrom(addr.Unmap(), uint16(port)), host: host, domain: host}
			return l.reachable([]target{at}, host)
		}
		return l.byAddress(ctx, host, uint16(port), transport)
	}
	for _, s := range l.servicesOf(ctx, host, transport) {
		records, err := l.dns.records(ctx, s.name, dns.TypeSRV)
		if err != nil || len(records) == 0 {
			continue // as if there were none: some small routers answer only for addresses
		}
		return l.byService(ctx, host, s.transport, orderSRV(records, rand.Float64))
	}
	if transport == "" {
		transport = transports()[0]
	}
	return l.byAddress(ctx, host, defaultPort(transport), transport)
}

// servicesOf are the services of a domain: those of its NAPTR records that we speak,
// else one for each transport that is possible.
func (l *locator) servicesOf(ctx context.Context, domain, transport string) []service {
	if transport != "" {
		return []service{serviceOf(transport, domain)}
	}
	records, err := l.dns.records(ctx, domain, dns.TypeNAPTR)
	if err == nil {
		if found := orderNAPTR(records); len(found) > 0 {
			return found
		}
	}
	var all []service
	for _, t := range transports() {
		all = append(all, serviceOf(t, domain))
	}
	var asked sync.WaitGroup
	for _, s := range all { // at the same time; locate finds the answers
		asked.Go(func() { _, _ = l.dns.records(ctx, s.name, dns.TypeSRV) }) // an error is seen there
	}
	asked.Wait()
	return all
}

// orderNAPTR returns the services of NAPTR records that we speak, the first to be
// used first (https://www.rfc-editor.org/rfc/rfc3263#section-4.1).
func orderNAPTR(records []dns.RR) []service {
	var usable []*dns.NAPTR
	known := map[string]string{"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
	for _, rr := range records {
		n, ok := rr.(*dns.NAPTR)
		if ok && strings.EqualFold(n.Flags, "s") && slices.Contains(transports(), known[strings.ToUpper(n.Service)]) {
			usable = append(usable, n)
		}
	}
	slices.SortStableFunc(usable, func(a, b *dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	var out []service
	for _, n := range usable {
		out = append(out, service{known[strings.ToUpper(n.Service)], n.Replacement})
	}
	return out
}

// orderSRV puts SRV records in the order in which they are to be used: by priority,
// and among equals by chance with their weights
// (https://www.rfc-editor.org/rfc/rfc2782). random returns a number from 0 to 1. A
// record that names no host says that there is no such service.
func orderSRV(records []dns.RR, random func() float64) []*dns.SRV {
	var left, out []*dns.SRV
	for _, rr := range records {
		if s, ok := rr.(*dns.SRV); ok && s.Target != "." {
			left = append(left, s)
		}
	}
	// Those without weight come first, so that they have a small chance.
	slices.SortStableFunc(left, func(a, b *dns.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Weight, b.Weight))
	})
	for len(left) > 0 {
		same, sum := 0, 0
		for same < len(left) && left[same].Priority == left[0].Priority {
			sum += int(left[same].Weight)
			same++
		}
		pick, chosen := int(random()*float64(sum+1)), 0
		for chosen < same-1 && pick > int(left[chosen].Weight) {
			pick -= int(left[chosen].Weight)
			chosen++
		}
		out = append(out, left[chosen])
		left = slices.Delete(left, chosen, chosen+1)
	}
	return out
}

// byService returns the targets that SRV records name.
func (l *locator) byService(ctx context.Context, domain, transport string, records []*dns.SRV) ([]target, error) {
	if len(records) == 0 {
		return nil, fmt.Errorf("%q has no service for SIP by %s", clip(domain), transport)
	}
	records = records[:min(len(records), maxTargets)]
	found, errs := make([][]target, len(records)), make([]error, len(records))
	var all sync.WaitGroup
	for i, s := range records {
		all.Go(func() { found[i], errs[i] = l.targetsAt(ctx, domain, s.Target, s.Port, transport) })
	}
	all.Wait()
	targets, err := l.reachable(slices.Concat(found...), domain)
	if err != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	return targets, nil
}

// byAddress returns the targets that the addresses of a host are.
func (l *locator) byAddress(ctx context.Context, host string, port uint16, transport string) ([]target, error) {
	found, err := l.targetsAt(ctx, host, host, port, transport)
	if err != nil {
		return nil, err
	}
	return l.reachable(found, host)
}

func (l *locator) targetsAt(ctx context.Context, domain, host string, port uint16, transport string) ([]target, error) {
	addresses, err := l.lookup(ctx, host)
	if err != nil {
		return nil, classed{fmt.Errorf("look up %q: %w", clip(host), err), ErrLookup}
	}
	var out []target
	for _, a := range addresses {
		out = append(out, target{transport, netip.AddrPortFrom(a.Unmap(), port), strings.TrimSuffix(host, "."), strings.TrimSuffix(domain, ".")})
	}
	return out, nil
}

// reachable leaves out what none of our sockets reaches, and what is there twice.
func (l *locator) reachable(found []target, host string) ([]target, error) {
	var out []target
	for _, t := range found {
		twice := func(o target) bool { return o.address == t.address && o.transport == t.transport }
		if len(out) < maxTargets && l.usable(t.address.Addr()) && !slices.ContainsFunc(out, twice) {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return nil, classed{fmt.Errorf("%q has no address that the SIP socket reaches", clip(host)), ErrFamily}
	}
	return out, nil
}

// splitHost takes host:port apart; port is 0 when there is none.
func splitHost(text string) (host string, port int, err error) {
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		return strings.Trim(text, "[]"), 0, nil
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("port %q is no port", clip(number))
	}
	return host, int(n), nil
}

const (
	// shunnedAtMost bounds how long a 503 keeps calls from a target.
	shunnedAtMost = 5 * time.Minute
	// slowFor is how long a target is tried last that did not respond.
	slowFor = 30 * time.Second
)

// place identifies a target.
type place struct {
	transport string
	address   netip.AddrPort
}

// health is what the calls of a driver know of targets. Its methods may be called
// concurrently; the zero value with a clock is ready.
type health struct {
	now func() time.Time

	mu      sync.Mutex
	slow    map[place]time.Time // until when they are tried last
	shunned map[place]time.Time // until when they are not tried
}

// maxIll bounds the targets that are remembered.
const maxIll = 1024

// delay notes that a target did not respond in time.
func (h *health) delay(t target) { h.note(&h.slow, t, slowFor) }

// shun notes that a target said how long it wants no calls.
func (h *health) shun(t target, lasts time.Duration) {
	if lasts > 0 {
		h.note(&h.shunned, t, min(lasts, shunnedAtMost))
	}
}

func (h *health) note(list *map[place]time.Time, t target, lasts time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if *list == nil {
		*list = make(map[place]time.Time)
	}
	if len(*list) >= maxIll {
		for p, until := range *list {
			if !now.Before(until) {
				delete(*list, p)
			}
		}
	}
	if len(*list) < maxIll {
		(*list)[place{t.transport, t.address}] = now.Add(lasts)
	}
}

// responds notes that a target responded in time.
func (h *health) responds(t target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.slow, place{t.transport, t.address})
}

// order returns targets in the order in which they are to be tried: those that did
// not respond to an earlier call are last, and those that want no calls are left out,
// unless all of them do: to ask is better than to give the call up.
func (h *health) order(found []target) []target {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	var well, slow, shunned []target
	for _, t := range found {
		switch p := (place{t.transport, t.address}); {
		case now.Before(h.shunned[p]):
			shunned = append(shunned, t)
		case now.Before(h.slow[p]):
			slow = append(slow, t)
		default:
			well = append(well, t)
		}
	}
	if out := slices.Concat(well, slow); len(out) > 0 {
		return out
	}
	slices.SortStableFunc(shunned, func(a, b target) int {
		return h.shunned[place{a.transport, a.address}].Compare(h.shunned[place{b.transport, b.address}])
	})
	return shunned
}
