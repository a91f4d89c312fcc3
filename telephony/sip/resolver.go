package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/miekg/dns"
)

const (
	// shortestTTL and longestTTL bound how long an answer of the DNS is kept, noneTTL
	// the answer that there is nothing.
	shortestTTL = 5 * time.Second
	longestTTL  = time.Hour
	noneTTL     = time.Minute
	// askFor bounds one question to one server, lookupFor one look-up, staleFor that
	// of a name whose last answer is still known.
	askFor    = time.Second
	lookupFor = 2 * time.Second
	staleFor  = 500 * time.Millisecond
	// maxQuestions bounds the answers in memory.
	maxQuestions = 16384
	// maxRecords bounds the records of an answer that are looked at.
	maxRecords = 32
	// systemServers is where the system's DNS servers stand.
	systemServers = "/etc/resolv.conf"
	// dnsPayload is the size of answers over UDP that passes everywhere
	// (https://www.dnsflagday.net/2020/).
	dnsPayload = 1232
)

// resolver asks the DNS and remembers. The last good answer to a question serves for
// as long as no server has another one (https://www.rfc-editor.org/rfc/rfc8767).
// Its methods may be called concurrently.
type resolver struct {
	server string // host:port; empty: the system's servers
	types  []uint16
	now    func() time.Time
	hosts  *net.Resolver // of the system's file of hosts

	ctx     context.Context // ends with the resolver
	cancel  context.CancelFunc
	mu      sync.Mutex
	asking  sync.WaitGroup
	answers *expirable.LRU[question, *answer]
}

// question is what the DNS is asked.
type question struct {
	name string // with a dot at its end
	kind uint16
}

// answer is what is known about a question.
type answer struct {
	records []dns.RR
	good    bool // the records are those that a server gave last
	err     error
	expires time.Time
	busy    chan struct{} // closed when the look-up under way is over; nil: none is
}

// newResolver returns a resolver that asks server, or the system's servers. ipv4 and
// ipv6 say which addresses are of use.
func newResolver(server string, ipv4, ipv6 bool, now func() time.Time) *resolver {
	r := &resolver{server: server, now: now, answers: expirable.NewLRU[question, *answer](maxQuestions, nil, 0)}
	if ipv4 {
		r.types = append(r.types, dns.TypeA)
	}
	if ipv6 {
		r.types = append(r.types, dns.TypeAAAA)
	}
	// With no server to be had, what is left is the file.
	r.hosts = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("not in the file of hosts")
	}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// close ends the look-ups under way.
func (r *resolver) close() {
	r.mu.Lock()
	r.cancel() // from here on recall begins nothing
	r.mu.Unlock()
	r.asking.Wait()
}

// records returns what the DNS has of a kind under a name; none without an error when
// there is nothing.
func (r *resolver) records(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	if _, ok := dns.IsDomainName(name); !ok || name == "" {
		return nil, fmt.Errorf("%q is no name of the DNS", clip(name))
	}
	a, busy, wait := r.recall(question{strings.ToLower(dns.Fqdn(name)), kind})
	if busy != nil {
		limit := time.NewTimer(wait)
		defer limit.Stop()
		select {
		case <-busy:
		case <-limit.C:
		case <-ctx.Done():
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case a.good:
		return a.records, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case a.err != nil:
		return nil, a.err
	}
	return nil, errors.New("no server of the DNS answers")
}

// recall returns what is known about a question, and what to wait for, and how long,
// when that is out of date: everybody who asks the same waits for the same look-up.
func (r *resolver) recall(q question) (*answer, <-chan struct{}, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.answers.Get(q)
	if !ok {
		a = &answer{}
		r.answers.Add(q, a)
	}
	if r.now().Before(a.expires) || r.ctx.Err() != nil {
		return a, nil, 0
	}
	if a.busy == nil {
		a.busy = make(chan struct{})
		r.asking.Go(func() { r.renew(q, a) })
	}
	if a.good {
		return a, a.busy, staleFor
	}
	return a, a.busy, lookupFor
}

// renew looks up a question. What was known stays when there is no answer.
func (r *resolver) renew(q question, a *answer) {
	ctx, cancel := context.WithTimeout(r.ctx, lookupFor)
	defer cancel()
	records, ttl, err := r.ask(ctx, q)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(a.busy)
	a.busy, a.err, a.expires = nil, err, r.now().Add(ttl)
	if err == nil {
		a.records, a.good = records, true
	}
}

// ask asks the servers in turn, twice if need be, and says how long what it returns,
// also an error, holds.
func (r *resolver) ask(ctx context.Context, q question) ([]dns.RR, time.Duration, error) {
	servers, err := r.servers()
	if err != nil {
		return nil, shortestTTL, err
	}
	for _, server := range slices.Concat(servers, servers) {
		var m *dns.Msg
		if m, err = query(ctx, q, server); err == nil {
			records, ttl := answered(m, q.kind)
			return records, ttl, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, shortestTTL, fmt.Errorf("ask the DNS for %s: %w", clip(q.name), err)
}

// servers are the addresses of the DNS servers. The system's may change while we run.
func (r *resolver) servers() ([]string, error) {
	if r.server != "" {
		return []string{r.server}, nil
	}
	system, err := dns.ClientConfigFromFile(systemServers)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, host := range system.Servers {
		list = append(list, net.JoinHostPort(host, system.Port))
	}
	if len(list) == 0 {
		return nil, errors.New("no server in " + systemServers)
	}
	return list, nil
}

// query asks one server over UDP, and over TCP what does not fit.
func query(ctx context.Context, q question, server string) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(q.name, q.kind)
	m.SetEdns0(dnsPayload, false)
	for _, network := range []string{"udp", "tcp"} {
		answer, err := queryOver(ctx, network, m, server)
		switch {
		case err != nil:
			return nil, err
		case answer.Truncated && network == "udp":
			continue
		case answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError:
			return nil, errors.New(dns.RcodeToString[answer.Rcode])
		case len(answer.Question) != 1 || !strings.EqualFold(answer.Question[0].Name, q.name) || answer.Question[0].Qtype != q.kind:
			return nil, errors.New("the answer is to another question")
		}
		return answer, nil
	}
	return nil, errors.New("the answer does not fit")
}

func queryOver(ctx context.Context, network string, m *dns.Msg, server string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	client := dns.Client{Net: network, Timeout: askFor}
	conn, err := client.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	answer, _, err := client.ExchangeWithConnContext(ctx, m, conn)
	return answer, err
}

// answered returns the records of a kind in an answer, and how long they are kept.
func answered(m *dns.Msg, kind uint16) ([]dns.RR, time.Duration) {
	var records []dns.RR
	ttl := longestTTL
	for _, rr := range m.Answer { // aliases on the way to them, too
		ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
		if rr.Header().Rrtype == kind && len(records) < maxRecords {
			records = append(records, rr)
		}
	}
	if records == nil { // https://www.rfc-editor.org/rfc/rfc2308#section-5
		ttl = noneTTL
		for _, rr := range m.Ns {
			if soa, ok := rr.(*dns.SOA); ok {
				ttl = min(ttl, time.Duration(min(soa.Hdr.Ttl, soa.Minttl))*time.Second)
			}
		}
	}
	return records, max(ttl, shortestTTL)
}

// addresses returns the addresses of a host: those of the system's file of hosts, else
// those of the DNS.
func (r *resolver) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	if found := r.listed(ctx, host); len(found) > 0 {
		return found, nil
	}
	err := errors.New("no address")
	for _, name := range r.fullNames(host) {
		found, failed := r.addressesOf(ctx, name)
		if len(found) > 0 {
			return found, nil
		}
		if failed != nil {
			err = failed
		}
	}
	return nil, err
}

// addressesOf asks for all kinds of addresses at the same time. One kind is enough.
func (r *resolver) addressesOf(ctx context.Context, name string) (found []netip.Addr, err error) {
	answers, errs := make([][]dns.RR, len(r.types)), make([]error, len(r.types))
	var all sync.WaitGroup
	for i, kind := range r.types {
		all.Go(func() { answers[i], errs[i] = r.records(ctx, name, kind) })
	}
	all.Wait()
	for _, rr := range slices.Concat(answers...) {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if addr, ok := netip.AddrFromSlice(ip); ok {
			found = append(found, addr.Unmap())
		}
	}
	return found, errors.Join(errs...)
}

// listed returns the addresses that the system's file of hosts gives a host.
func (r *resolver) listed(ctx context.Context, host string) []netip.Addr {
	found, err := r.hosts.LookupNetIP(ctx, "ip", strings.TrimSuffix(host, "."))
	if err != nil {
		return nil
	}
	kept := found[:0]
	for _, addr := range found {
		kind := dns.TypeAAAA
		if addr = addr.Unmap(); addr.Is4() {
			kind = dns.TypeA
		}
		if slices.Contains(r.types, kind) {
			kept = append(kept, addr)
		}
	}
	return kept
}

// fullNames are the names that a host may mean, by the system's search list.
func (r *resolver) fullNames(host string) []string {
	if r.server == "" {
		if system, err := dns.ClientConfigFromFile(systemServers); err == nil {
			return system.NameList(host)
		}
	}
	return []string{host}
}
