package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"code.dny.dev/ssrf"
)

// Options say what may be reached.
type Options struct {
	// Allow are hosts that customers' settings may name although they are private:
	// names, addresses or networks, each with a port behind it or for any port, such
	// as "ollama.lan:11434", "10.1.2.3" or "192.168.0.0/16".
	Allow []string
	// Only, when not empty, are the only hosts that anything is sent to, in the same
	// form.
	Only []string
	// Concurrent is how many requests and WebSockets an environment may have open;
	// 0 means DefaultConcurrent.
	Concurrent int
	// Proxy finds the proxy of an address; nil means none.
	Proxy func(*http.Request) (*url.URL, error)
	// Roots are trusted certificates; nil means the system's.
	Roots *x509.CertPool
	// Resolver finds the addresses of names; nil means the system's.
	Resolver Resolver
}

// Resolver finds the addresses of names; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// DefaultConcurrent is how many requests an environment may have open by default.
const DefaultConcurrent = 3000

const (
	connectTimeout   = 3 * time.Second
	handshakeTimeout = 3 * time.Second
	idleTimeout      = 90 * time.Second
	idlePerHost      = 64
)

// Refused is the error of a request that the guard did not let out.
type Refused struct {
	// Host is what the request named, with its port.
	Host string
	// Reason says why, and which setting decides.
	Reason string
}

// Error says what was refused, and why.
func (r *Refused) Error() string { return fmt.Sprintf("%s must not be reached: %s", r.Host, r.Reason) }

// Guard lets requests out. Its methods are safe for concurrent use.
type Guard struct {
	o         Options
	allow     []rule
	only      []rule
	addresses *ssrf.Guardian

	direct *http.Transport // connects to checked addresses only
	plain  *http.Transport // to the operator's own, proxies among them

	mu   sync.Mutex
	open map[string]int // by environment
}

// New returns a guard; an error names the setting that is wrong.
func New(o Options) (*Guard, error) {
	g := &Guard{o: o, addresses: ssrf.New(ssrf.WithAnyPort()), open: map[string]int{}}
	var err error
	if g.allow, err = parseRules("outbound.allow", o.Allow); err != nil {
		return nil, err
	}
	if g.only, err = parseRules("outbound.only", o.Only); err != nil {
		return nil, err
	}
	if o.Resolver == nil {
		g.o.Resolver = net.DefaultResolver
	}
	if o.Concurrent == 0 {
		g.o.Concurrent = DefaultConcurrent
	}
	dialer := &net.Dialer{Timeout: connectTimeout}
	g.direct, g.plain = g.transport(g.dial), g.transport(dialer.DialContext)
	g.plain.Proxy = o.Proxy
	return g, nil
}

func (g *Guard) transport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	return &http.Transport{DialContext: dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: handshakeTimeout,
		IdleConnTimeout: idleTimeout, MaxIdleConnsPerHost: idlePerHost, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: g.o.Roots, MinVersion: tls.VersionTLS12}}
}

// Close ends the connections that wait for requests.
func (g *Guard) Close() {
	g.direct.CloseIdleConnections()
	g.plain.CloseIdleConnections()
}

// Client returns a client for the addresses that an environment's settings name.
// Private addresses are refused unless the operator allows them. It follows no
// redirects.
func (g *Guard) Client(environmentID string) *http.Client {
	return &http.Client{Transport: &way{g, environmentID, true}, CheckRedirect: stay}
}

// Operator returns a client for the addresses that the operator's configuration
// names, on behalf of an environment. It follows no redirects.
func (g *Guard) Operator(environmentID string) *http.Client {
	return &http.Client{Transport: &way{g, environmentID, false}, CheckRedirect: stay}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Cause is the error of a client's request without its address, which may hold a secret.
func Cause(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// Check says whether an address of a customer's may be asked at all, as far as can
// be told without asking the network: its scheme, its port, and a host that is
// written as an address.
func (g *Guard) Check(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return &Refused{Host: "the address", Reason: "it is not a URL"}
	}
	host, port, err := target(u)
	if err != nil {
		return err
	}
	return g.checkHost(host, port)
}

// target returns the host and port that a URL names.
func target(u *url.URL) (host string, port uint16, err error) {
	host = strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch {
	case u.Opaque != "" || host == "":
		return "", 0, &Refused{Host: "the address", Reason: "it names no host"}
	case u.User != nil:
		return "", 0, &Refused{Host: host, Reason: "a name and a password do not belong into an address"}
	}
	text := u.Port()
	switch {
	case text != "":
	case u.Scheme == "https" || u.Scheme == "wss":
		text = "443"
	case u.Scheme == "http" || u.Scheme == "ws":
		text = "80"
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "ws" && u.Scheme != "wss" {
		return "", 0, &Refused{Host: host, Reason: "an address begins with https://, http://, wss:// or ws://"}
	}
	return host, uint16(n), nil
}

// checkHost holds a host and a port against what needs no resolver.
func (g *Guard) checkHost(host string, port uint16) error {
	if g.allowed(host, port) {
		return nil
	}
	if port < 1024 && port != 80 && port != 443 {
		return &Refused{Host: join(host, port), Reason: "of the ports below 1024 only 80 and 443 are for the web, see outbound.allow"}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return g.checkAddress(host, port, a)
	}
	if numeric(host) {
		return &Refused{Host: join(host, port), Reason: "write an address with four numbers"}
	}
	return nil
}

// CheckTrunk says whether SIP may be sent to a host on behalf of a customer's trunk:
// to an address of it, or, with the zero Addr, as far as can be told without asking the
// network. Private addresses are refused unless the operator allows them, and of the
// ports below 1024 all but 443, where some carriers take SIP over TLS.
func (g *Guard) CheckTrunk(host string, port uint16, to netip.Addr) error {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if a, err := netip.ParseAddr(host); err == nil {
		to = a
	}
	to = to.Unmap().WithZone("")
	if len(g.only) > 0 && !matches(g.only, host, port, to) {
		return &Refused{Host: join(host, port), Reason: "outbound.only does not list it"}
	}
	switch {
	case g.allowed(host, port):
		return nil
	case port < 1024 && port != 443:
		return &Refused{Host: join(host, port), Reason: "of the ports below 1024 only 443 is for SIP, see outbound.allow"}
	case to.IsValid():
		return g.checkAddress(host, port, to)
	case numeric(host):
		return &Refused{Host: join(host, port), Reason: "write an address with four numbers"}
	}
	return nil
}

// CheckSources says whether a customer's trunk may name a network as the source of its
// calls: it is a public one, or one that the operator allows, and not so large that it is
// nobody's own.
func (g *Guard) CheckSources(network netip.Prefix) error {
	network = network.Masked()
	first, last := network.Addr().Unmap(), lastOf(network).Unmap()
	if matches(g.allow, "", 0, first) && matches(g.allow, "", 0, last) {
		return nil
	}
	if largest := 16; network.Addr().Is4() && network.Bits() < largest || network.Addr().Is6() && network.Bits() < 2*largest {
		return &Refused{Host: network.String(), Reason: "it is larger than a carrier's own network: at most /16, of IPv6 /32"}
	}
	for _, a := range []netip.Addr{first, last} {
		if g.addresses.SafeAddr(a) != nil {
			return &Refused{Host: network.String(), Reason: "it is not a public network; the operator can allow it with outbound.allow"}
		}
	}
	return nil
}

// lastOf is the last address of a network.
func lastOf(network netip.Prefix) netip.Addr {
	raw := network.Addr().AsSlice()
	for i := network.Bits(); i < 8*len(raw); i++ {
		raw[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(raw) // it has a length of addresses
	return last
}

// numeric reports whether some resolver may take a name for an address: its last
// label is a number, see https://url.spec.whatwg.org/#ends-in-a-number-checker.
func numeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return true
	}
	if _, err := strconv.ParseUint(last, 0, 64); err == nil {
		return true
	}
	return strings.Trim(last, "0123456789") == ""
}

func join(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// checkAddress refuses private addresses.
func (g *Guard) checkAddress(host string, port uint16, a netip.Addr) error {
	a = a.Unmap().WithZone("")
	if matches(g.allow, "", port, a) {
		return nil
	}
	if err := g.addresses.SafeAddr(a); err != nil {
		return &Refused{Host: join(host, port), Reason: "its address is not a public one; the operator can allow it with outbound.allow"}
	}
	return nil
}

func (g *Guard) allowed(host string, port uint16) bool {
	a, _ := netip.ParseAddr(host) // a name has the zero address, which matches nothing
	return matches(g.allow, host, port, a.Unmap())
}

// resolve returns the addresses of a host, all of which may be dialled.
func (g *Guard) resolve(ctx context.Context, host string, port uint16) ([]netip.Addr, error) {
	if err := g.checkHost(host, port); err != nil {
		return nil, err
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	found, err := g.o.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("find the address of %s: %w", host, err)
	}
	if g.allowed(host, port) {
		return found, nil
	}
	for _, a := range found {
		if err := g.checkAddress(host, port, a); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// dial connects to one of the addresses that were checked.
func (g *Guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	found, err := g.resolve(ctx, host, uint16(port))
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%s has no address", host)
	var d net.Dialer
	for _, a := range found {
		var conn net.Conn
		if conn, err = d.DialContext(ctx, network, netip.AddrPortFrom(a.Unmap(), uint16(port)).String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// way sends the requests of one environment.
type way struct {
	guard         *Guard
	environmentID string
	customer      bool // a customer named the address
}

// RoundTrip implements http.RoundTripper.
func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	transport, err := w.transport(r)
	if err != nil {
		return nil, err
	}
	release, err := w.guard.take(w.environmentID)
	if err != nil {
		return nil, err
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		release()
		return nil, err //nolint:wrapcheck // the client wraps it
	}
	response.Body = held(response.Body, release)
	return response, nil
}

// transport returns what sends a request, unless it may not be sent. What is dialled
// directly is checked again, by its address, when it is dialled; a proxy is asked for
// names only, which may mean something else to it.
func (w *way) transport(r *http.Request) (*http.Transport, error) {
	host, port, err := target(r.URL)
	if err != nil {
		return nil, err
	}
	a, _ := netip.ParseAddr(host) // a name has the zero address, which matches nothing
	if len(w.guard.only) > 0 && !matches(w.guard.only, host, port, a.Unmap()) {
		return nil, &Refused{Host: join(host, port), Reason: "outbound.only does not list it"}
	}
	if !w.customer {
		return w.guard.plain, nil
	}
	proxied, err := w.proxied(r)
	switch {
	case err != nil:
		return nil, err
	case !proxied:
		return w.guard.direct, w.guard.checkHost(host, port)
	}
	_, err = w.guard.resolve(r.Context(), host, port)
	return w.guard.plain, err
}

// proxied reports whether a request goes through a proxy.
func (w *way) proxied(r *http.Request) (bool, error) {
	if w.guard.o.Proxy == nil {
		return false, nil
	}
	proxy, err := w.guard.o.Proxy(r)
	if err != nil {
		return false, fmt.Errorf("find the proxy: %w", err)
	}
	return proxy != nil, nil
}

// Error is a constant error of this package; compare with errors.Is.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

// errTooMany says that an environment has as many requests open as it may.
const errTooMany Error = "the environment has too many requests open, see outbound.concurrent"

func (g *Guard) take(environmentID string) (release func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[environmentID] >= g.o.Concurrent {
		return nil, errTooMany
	}
	g.open[environmentID]++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.open[environmentID]--; g.open[environmentID] == 0 {
			delete(g.open, environmentID)
		}
	}), nil
}
