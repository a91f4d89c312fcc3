package provider

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// warmTimeout bounds opening a connection ahead.
const warmTimeout = 3 * time.Second

// Warm opens a connection to an address ahead, if it is one with TLS, so that the next
// request does not wait for its handshakes. It asks for nothing: a HEAD without a
// credential, whose answer does not matter. What goes wrong is found by the request
// that needs the connection. One that is open already is used, and kept open.
func (c *Client) Warm(ctx context.Context, address string) {
	if !Secure(address) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, warmTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return
	}
	if response, err := c.HTTP.Do(r); err == nil {
		_ = response.Body.Close() // it has none
	}
}

// Secure reports whether an address is one with TLS. Without TLS a connection takes one
// round trip, mostly in one's own network: it is not opened ahead.
func Secure(address string) bool {
	return strings.HasPrefix(address, "https:") || strings.HasPrefix(address, "wss:")
}
