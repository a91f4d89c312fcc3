package stream

import (
	"crypto/rand"
	"strings"
	"time"
)

// WebSocketBase is an address of HTTP as one of WebSockets, without a slash at its
// end; one of WebSockets stays as it is.
func WebSocketBase(base string) string {
	base = strings.TrimRight(base, "/")
	if rest, ok := strings.CutPrefix(base, "http"); ok {
		return "ws" + rest
	}
	return base
}

// Language is the two-letter code that a BCP 47 tag begins with; "" for none.
func Language(tag string) string {
	main, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return main
}

// Seconds is a time in seconds as a vendor tells it, between zero and an hour.
func Seconds(s float64) time.Duration {
	return time.Duration(min(max(s, 0), longest.Seconds()) * float64(time.Second))
}

// NewID is a random name for what a driver asks of a vendor.
func NewID() string { return strings.ToLower(rand.Text()) }
