package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/telephony"
)

// Secret is a password. It prints as "[secret]" so that it stays out of logs.
type Secret string

// String returns "[secret]", or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString returns what String returns.
func (s Secret) GoString() string { return s.String() }

// MarshalText returns what String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Trunk is a carrier or a telephone system that calls us, that we call, or
// both.
type Trunk struct {
	// Name is what DialRequest.Trunk and Info.Trunk hold. It must not be empty.
	Name string
	// Label is how errors and the log call the trunk; empty: Name.
	Label string
	// Addresses are the sources whose calls belong to the trunk. Empty: those of
	// the targets that Host means, besides what comes through a User.
	Addresses []netip.Prefix
	// Host is where calls to the trunk go. For a name without a port the DNS says
	// where that is (NAPTR, SRV, addresses;
	// https://www.rfc-editor.org/rfc/rfc3263#section-4), for host:port its addresses
	// are the targets; an address without a port has SIP's. Empty: no calls
	// go out by the trunk.
	Host string
	// Transport is "udp", "tcp" or "tls"; empty: what NAPTR or SRV records say, else udp.
	Transport string
	// TargetTimeout is how long a target of the trunk may take for its first
	// response before the next one is tried; 0 means 4 s.
	TargetTimeout time.Duration
	// TLS is how the trunk is reached over TLS, and proves who calls.
	TLS TrunkTLS
	// OutboundProxy, as host[:port][;transport], is where requests outside of calls go
	// in place of Host; empty: they go to Host.
	OutboundProxy string
	// KeepAlive is how often the trunk is asked by OPTIONS whether it is there; 0
	// asks never.
	KeepAlive time.Duration
	// Register keeps us registered with the trunk.
	Register Registration
	// Username and Password answer the trunk's digest challenge.
	Username string
	// Password belongs to Username.
	Password Secret
	// Realm is the one whose challenges are answered; empty: any of the host's.
	Realm string
	// Sources says from where the trunk's sound may come: "peer" (also when empty),
	// from where the description says, else from its host or the signalling's;
	// "strict", only from where the description says; "learn", from anywhere while
	// the description's address is private and not in a network of ours.
	Sources string
	// SRTP says whether the trunk's sound is encrypted: "off" (also when empty), "prefer",
	// where the trunk can, or "require". Keys go only over TLS signalling, unless
	// SRTPOverClear is set.
	SRTP          string
	SRTPOverClear bool
	// Called and Calling are how the trunk writes the number that we call and the one
	// that calls. What it sends itself is read by the application.
	Called, Calling phonenumber.Spelling
	// AssertedIdentity takes a caller's number from P-Asserted-Identity where there
	// is one: the trunk is trusted to have checked it.
	AssertedIdentity bool
	// HeadersIn become Info.Variables: headers of calls from the trunk, each with the
	// name of its variable.
	HeadersIn map[string]string
	// HeadersOut go with each call to the trunk, and, where they are HangupHeaders, with
	// our BYE to it, unless the call has others of the same name.
	HeadersOut map[string]string
	// Redirects follows the trunk to another number when it answers a call with 301 or
	// 302, once a call, if the application lets it (DialRequest.Redirect).
	Redirects bool
	// FromDomain is the host in the From header; empty means our own address.
	FromDomain string
	// Customer says that a customer set the trunk up, and not the operator: what it
	// says of addresses is a claim. Where other trunks, or LocalSources, have the same
	// ones, the called number decides, and when it does not, the others win.
	Customer bool
	// Permit says why nothing may be sent to an address, which belongs to host, on
	// behalf of the trunk; nil permits all. It must not wait.
	Permit func(host string, to netip.AddrPort) error
}

// User is somebody who proves by digest who he is: a desk phone, or a trunk
// without fixed addresses.
type User struct {
	// Name and Password are the digest credentials.
	Name string
	// Password belongs to Name.
	Password Secret
	// Trunk is the trunk that the user's calls belong to; empty means the
	// local one, where simulated numbers ring.
	Trunk string
}

// PortRange is a range of UDP ports; the zero value lets the system choose.
type PortRange struct {
	// First and Last are both included.
	First, Last uint16
}

// Config configures a Driver.
type Config struct {
	// Listen is the address of both the UDP and the TCP socket; port 0 chooses
	// a free one. Empty means 127.0.0.1:5060.
	Listen string
	// TLS is the listener for TLS.
	TLS TLS
	// Advertise is the IP address that others shall send to, when it is not
	// the one of the socket (NAT). Empty: the local address towards the peer.
	Advertise string
	// RTPPorts are the ports for media.
	RTPPorts PortRange
	// Trunks are the known carriers. Their names must differ.
	Trunks []Trunk
	// Users may call from any source, and may register, with digest.
	Users []User
	// Choose says to which of several trunks, in the order of their precedence and ""
	// being the local one, a call to a number belongs that may come from all of them;
	// false when that cannot be told, or for nil. It must not wait.
	Choose func(called string, among []string) (trunk string, ok bool)
	// Codecs are the ones used: G722, PCMU, PCMA; empty means all, preferred in
	// that order.
	Codecs []string
	// Realm is the digest realm; empty means "sidetone".
	Realm string
	// LocalSources are where calls to and from simulated numbers may come
	// from; nil means loopback.
	LocalSources []netip.Prefix
	// Life says when far ends from which nothing comes are asked whether they have
	// the call.
	Life Life
	// ResumeWithin is for how long after New a request of a call that is not known waits
	// for Resume, unless EndResume is called; from then on, and with 0 from the beginning, it is told that there is no
	// such call, which ends the call at its far end.
	ResumeWithin time.Duration
	// MaxTransactions bounds the requests that are treated, or whose
	// repetitions may come, at a time; more get 503. Requests within calls get
	// it only at twice that number. 0 means 20,000.
	MaxTransactions int
	// AckWait is for how long an answer is repeated that nobody acknowledges; then its
	// call ends. 0 means the 32 s of RFC 3261.
	AckWait time.Duration
	// PortRest is how long the port of an ended call is not used again when
	// RTPPorts is a range; 0 means 30 s.
	PortRest time.Duration
	// Refused counts what was refused and why; nil counts nothing. It may be
	// called concurrently and must not wait.
	Refused func(Reason)
	// RefusedCall is told of calls that the driver refuses by itself while Serve runs,
	// as those whose sound we do not speak; nil: nobody is. It may be called
	// concurrently and must not wait.
	RefusedCall func(telephony.Info, telephony.Refusal)
	// Unconfirmed counts the calls of which the far end did not confirm that they
	// are over; nil counts nothing. It may be called concurrently and must not wait.
	Unconfirmed func()
	// Watcher sees the signalling; nil: nobody does.
	Watcher telephony.Watcher
	// Resolver is the DNS server that is asked, host:port or an address; empty: those
	// of the system.
	Resolver string
	// Lookup finds the addresses of a host; nil asks the DNS. With it, and without a
	// Resolver, the DNS is not asked at all.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Logger receives what operators should know; nil means slog.Default().
	Logger *slog.Logger
	// Now is the clock, which must be monotonic; nil means time.Now.
	Now func() time.Time
}

// complete fills in defaults and reports what cannot work.
func (c *Config) complete() error {
	orElse(&c.Listen, "127.0.0.1:5060")
	orElse(&c.Realm, "sidetone")
	orElse(&c.MaxTransactions, 20000)
	orElse(&c.AckWait, t64)
	c.Life.complete()
	orElse(&c.PortRest, 30*time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Refused == nil {
		c.Refused = func(Reason) {}
	}
	if c.RefusedCall == nil {
		c.RefusedCall = func(telephony.Info, telephony.Refusal) {}
	}
	if c.Unconfirmed == nil {
		c.Unconfirmed = func() {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.LocalSources == nil {
		c.LocalSources = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	if c.RTPPorts.Last < c.RTPPorts.First {
		return fmt.Errorf("rtp ports %d to %d: the last is below the first", c.RTPPorts.First, c.RTPPorts.Last)
	}
	if c.Advertise != "" {
		if _, err := netip.ParseAddr(c.Advertise); err != nil {
			return fmt.Errorf("advertised address: %w", err)
		}
	}
	if err := c.completeResolver(); err != nil {
		return err
	}
	if err := c.TLS.check(); err != nil {
		return err
	}
	return c.checkTrunks()
}

// completeResolver gives the DNS server its port.
func (c *Config) completeResolver() error {
	if c.Resolver == "" {
		return nil
	}
	host, port, err := splitHost(c.Resolver)
	if err != nil {
		return fmt.Errorf("resolver: %w", err)
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return fmt.Errorf("resolver: %w", err)
	}
	orElse(&port, 53)
	c.Resolver = net.JoinHostPort(host, strconv.Itoa(port))
	return nil
}

func (c *Config) checkTrunks() error {
	names := make(map[string]bool)
	for i := range c.Trunks {
		t := &c.Trunks[i]
		switch {
		case t.Name == "":
			return errors.New("trunk without a name")
		case names[t.Name]:
			return fmt.Errorf("two trunks are called %q", t.Name)
		}
		names[t.Name] = true
		t.Transport = strings.ToLower(t.Transport)
		orElse(&t.TargetTimeout, targetTimeout)
		if err := t.check(); err != nil {
			return fmt.Errorf("trunk %q: %w", t.label(), err)
		}
		if t.Sources != "" && t.Sources != "peer" && t.Sources != "strict" && t.Sources != "learn" {
			return fmt.Errorf("trunk %q: media sources %q are none of peer, strict, learn", t.label(), t.Sources)
		}
		if err := t.checkSRTP(); err != nil {
			return err
		}
		if t.Host == "" {
			continue
		}
		if _, _, err := splitHost(t.Host); err != nil {
			return fmt.Errorf("trunk %q: host: %w", t.label(), err)
		}
	}
	if err := c.checkContacts(); err != nil {
		return err
	}
	for _, u := range c.Users {
		if u.Name == "" || u.Password == "" {
			return errors.New("digest user without name or password")
		}
		if u.Trunk != "" && !names[u.Trunk] {
			return fmt.Errorf("user %q belongs to the unknown trunk %q", u.Name, u.Trunk)
		}
	}
	return nil
}

// check reports what cannot work about a trunk alone.
func (t *Trunk) check() error {
	if t.Transport != "" && t.Transport != "udp" && t.Transport != "tcp" && t.Transport != "tls" {
		return fmt.Errorf("transport %q is none of udp, tcp, tls", t.Transport)
	}
	if t.OutboundProxy != "" {
		if _, err := parseProxy(t.OutboundProxy); err != nil {
			return fmt.Errorf("outbound proxy: %w", err)
		}
	}
	if t.KeepAlive != 0 && t.KeepAlive < leastKeepAlive {
		return fmt.Errorf("keep-alive of %s: at least %s", t.KeepAlive, leastKeepAlive)
	}
	if err := t.TLS.check(); err != nil {
		return err
	}
	return t.checkRegistration()
}

// orElse gives a zero setting its default.
func orElse[T comparable](setting *T, def T) {
	var zero T
	if *setting == zero {
		*setting = def
	}
}
