package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress returns the address of the client, with or without a port: the
// one that is connected, or behind trusted proxies the last address in
// X-Forwarded-For that none of them has. Everything before that is what the
// client says of itself.
func (s *server) clientAddress(r *http.Request) string {
	address := r.RemoteAddr
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, before := range slices.Backward(forwarded) {
		before = strings.TrimSpace(before)
		if _, ok := parseAddress(before); !ok || !s.trusts(address) {
			break
		}
		address = before
	}
	return address
}

// trusts reports whether address is that of a trusted proxy.
func (s *server) trusts(address string) bool {
	ip, ok := parseAddress(address)
	return ok && slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// parseAddress reads an address, with or without a port.
func parseAddress(text string) (netip.Addr, bool) {
	if both, err := netip.ParseAddrPort(text); err == nil {
		return both.Addr().Unmap().WithZone(""), true
	}
	ip, err := netip.ParseAddr(text)
	return ip.Unmap().WithZone(""), err == nil
}
