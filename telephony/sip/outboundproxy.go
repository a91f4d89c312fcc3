package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// parseProxy reads an outbound proxy: host[:port][;transport], where the transport
// may also be written as a URI has it.
func parseProxy(text string) (sip.Uri, error) {
	hostPort, network, named := strings.Cut(text, ";")
	network = strings.ToLower(strings.TrimPrefix(network, "transport="))
	if named && network != "udp" && network != "tcp" && network != "tls" {
		return sip.Uri{}, fmt.Errorf("transport %q is none of udp, tcp, tls", clip(network))
	}
	uri := sip.Uri{Scheme: "sip", Host: bracket(hostOnly(hostPort))}
	if rest := strings.TrimPrefix(hostPort, uri.Host); rest != hostPort && rest != "" {
		port, err := strconv.ParseUint(strings.TrimPrefix(rest, ":"), 10, 16)
		if err != nil || port == 0 || !strings.HasPrefix(rest, ":") {
			return sip.Uri{}, errors.New("the port must be a number between 1 and 65535")
		}
		uri.Port = int(port)
	}
	if !hostName(uri.Host) || strings.Contains(hostPort, "[") != strings.Contains(hostPort, "]") {
		return sip.Uri{}, errors.New("it must be host[:port][;transport]")
	}
	if named {
		uri.UriParams = sip.NewParams()
		uri.UriParams.Add("transport", network)
	}
	return uri, nil
}

// IsProxy reports whether text is good for Trunk.OutboundProxy.
func IsProxy(text string) bool {
	_, err := parseProxy(text)
	return err == nil
}

// hostName reports whether text can be a host in a URI: a name or an address.
func hostName(text string) bool {
	if _, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return true
	}
	other := func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	return text != "" && !strings.ContainsFunc(text, other)
}

// proxy is the trunk's outbound proxy; false when it has none.
func (t *Trunk) proxy() (sip.Uri, bool) {
	if t.OutboundProxy == "" {
		return sip.Uri{}, false
	}
	uri, err := parseProxy(t.OutboundProxy)
	if err == nil && !uri.UriParams.Has("transport") && t.Transport != "" {
		uri.UriParams = sip.NewParams()
		uri.UriParams.Add("transport", t.Transport)
	}
	return uri, err == nil
}

// looseRoute is the Route by which a request is handed to a proxy
// (https://www.rfc-editor.org/rfc/rfc3261#section-8.1.2).
func looseRoute(proxy sip.Uri) string {
	uri := "sip:" + proxy.Host
	if proxy.Port != 0 {
		uri += ":" + strconv.Itoa(proxy.Port)
	}
	if transport, ok := proxy.UriParams.Get("transport"); ok {
		uri += ";transport=" + transport
	}
	return "<" + uri + ";lr>"
}
