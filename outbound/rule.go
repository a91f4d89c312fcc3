package outbound

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// rule is one entry of outbound.allow or outbound.only.
type rule struct {
	name   string       // in small letters; "" for a network
	prefix netip.Prefix // not valid for a name
	port   uint16       // 0 for any
}

func parseRules(key string, entries []string) ([]rule, error) {
	out := make([]rule, 0, len(entries))
	for _, text := range entries {
		r, ok := parseRule(strings.ToLower(strings.TrimSpace(text)))
		if !ok {
			return nil, fmt.Errorf("%s: %q is no host, address or network, with or without a port", key, text)
		}
		out = append(out, r)
	}
	return out, nil
}

func parseRule(text string) (rule, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return rule{prefix: p.Masked()}, true
	}
	bare, bracketed := strings.CutPrefix(text, "[")
	if bracketed {
		bare = strings.TrimSuffix(bare, "]")
	}
	if a, err := netip.ParseAddr(bare); err == nil && bracketed == strings.HasSuffix(text, "]") {
		return rule{prefix: netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())}, true
	}
	if host, port, err := net.SplitHostPort(text); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		r, ok := parseRule(host)
		r.port = uint16(n)
		return r, ok && err == nil && n > 0
	}
	if strings.ContainsAny(text, "/:@ ?#*[]") || text == "" {
		return rule{}, false
	}
	return rule{name: strings.TrimSuffix(text, ".")}, true
}

// matches reports whether one of the rules is for a name, or for an address; "" and
// the zero address match nothing.
func matches(rules []rule, name string, port uint16, a netip.Addr) bool {
	for _, r := range rules {
		if r.port != 0 && r.port != port {
			continue
		}
		if r.name != "" && r.name == name || a.IsValid() && r.prefix.IsValid() && r.prefix.Contains(a) {
			return true
		}
	}
	return false
}

// held calls release when the body is closed. The body of a WebSocket is its
// connection, which stays one.
func held(body io.ReadCloser, release func()) io.ReadCloser {
	if conn, ok := body.(io.ReadWriteCloser); ok {
		return &heldConn{conn, release}
	}
	return &heldBody{body, release}
}

type heldBody struct {
	io.ReadCloser
	release func()
}

// Close closes the body.
func (b *heldBody) Close() error {
	b.release()
	return b.ReadCloser.Close() //nolint:wrapcheck // a pass through
}

type heldConn struct {
	io.ReadWriteCloser
	release func()
}

// Close closes the connection.
func (c *heldConn) Close() error {
	c.release()
	return c.ReadWriteCloser.Close() //nolint:wrapcheck // a pass through
}
