package server

import (
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/metrics"
	"github.com/sidetone/sidetone/telephony/sip"
)

// sipConfig translates the operator's settings for the driver.
func sipConfig(c SIPConfig, log *slog.Logger) (sip.Config, error) {
	out := sip.Config{Listen: c.Addr, Advertise: c.Advertise, Resolver: c.Resolver, Logger: log,
		TLS:      sip.TLS{Listen: c.TLS.Listen, CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile},
		RTPPorts: sip.PortRange{First: uint16(c.RTPMin), Last: uint16(c.RTPMax)},
		Life:     sip.Life{First: c.AskAfterFirst, Later: c.AskAfter, Held: c.AskAfterHeld}}
	sources := c.Sources
	if c.Loopback {
		sources = append([]string{"127.0.0.0/8", "::1/128"}, sources...)
	}
	local, err := prefixes("sip.sources", sources)
	if err != nil {
		return out, err
	}
	out.LocalSources = local
	for _, u := range c.Users {
		out.Users = append(out.Users, sip.User{Name: u.Name, Password: sip.Secret(u.Password.Reveal())})
	}
	trunks, users, err := sipTrunks(c.Trunks, nil)
	out.Trunks, out.Users = trunks, append(out.Users, users...)
	return out, err
}

// sipTrunks translates trunks for the driver, with the users who prove by digest that
// they are one of them. permit holds for those that customers made.
func sipTrunks(list []Trunk, permit func(string, netip.AddrPort) error) (trunks []sip.Trunk, users []sip.User, err error) {
	for i, t := range list {
		from, err := prefixes(fmt.Sprintf("sip.trunks[%d].addresses", i), t.Addresses)
		if err != nil {
			return nil, nil, err
		}
		one := sip.Trunk{Name: t.key(), Label: t.Name, Addresses: from, Host: t.Host, Transport: t.Transport,
			TargetTimeout: t.TargetTimeout, Username: t.Username, Password: sip.Secret(t.Password.Reveal()), Realm: t.Realm, Sources: t.Media.Sources,
			Redirects: t.Redirects, SRTP: t.Media.SRTP, SRTPOverClear: t.Media.SRTPOverClear,
			TLS: t.TLS.driver(), OutboundProxy: t.OutboundProxy, KeepAlive: t.KeepAlive, Register: t.registration(),
			Called: t.Called.Out.spelling(), Calling: t.Calling.Out.spelling(), AssertedIdentity: t.AssertedIdentity, HeadersIn: t.HeadersIn}
		if t.EnvironmentID != "" {
			one.Customer, one.Permit = true, permit
			if t.ContactUser == "" { // two customers may have the same account
				one.Register.ContactUser = t.ID
			}
		}
		trunks = append(trunks, one)
		if len(from) == 0 && t.Username != "" {
			users = append(users, sip.User{Name: t.Username, Password: sip.Secret(t.Password.Reveal()), Trunk: t.key()})
		}
	}
	return trunks, users, nil
}

// countRefusals returns what counts the messages and connections that SIP
// refuses.
func countRefusals(r *metrics.Registry) func(sip.Reason) {
	refused := r.Counter("sidetone_sip_refused_total", "SIP messages and connections that were refused.", "reason")
	return func(why sip.Reason) { refused.Add(1, string(why)) }
}

// countLines returns what counts how the lines of calls were.
func countLines(r *metrics.Registry) func(sidetone.LineQuality) {
	mos := r.Histogram("sidetone_call_line_mos", "Estimated opinion of the line of calls that are over, from 1 to 5, by which end listens.", "end",
		1.5, 2, 2.5, 3, 3.25, 3.5, 3.75, 4, 4.25, 4.5)
	return func(q sidetone.LineQuality) {
		if q.Near != nil {
			mos.Observe(q.Near.MOS, "near")
		}
		if q.Far != nil {
			mos.Observe(q.Far.MOS, "far")
		}
	}
}

// countUnconfirmed returns what counts the calls that are perhaps not over for the far
// end.
func countUnconfirmed(r *metrics.Registry) func() {
	left := r.Counter("sidetone_sip_unconfirmed_total", "Calls whose far end did not confirm that they are over.")
	return func() { left.Add(1) }
}

// prefixes parses networks; a bare address is a network of one.
func prefixes(key string, in []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(in))
	for _, s := range in {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is neither an address nor a network", key, s)
		}
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	return out, nil
}
