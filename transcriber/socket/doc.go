// Package socket is the stream of a recogniser that is reached by a WebSocket:
// one goroutine writes, one reads, one keeps the time. A driver adds what its
// vendor says on the socket, as a Dialect.
//
// A stream is never opened again when its connection fails: whoever runs the
// call decides that. It only replaces a connection whose session is about to
// reach the vendor's limit, without a gap.
package socket

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/sidetone/sidetone/provider"
)

// Dialect is what a vendor's recogniser expects on a socket.
type Dialect struct {
	// Client is the vendor's; it makes the failures.
	Client *provider.Client
	// Dial opens a socket on which sound may be sent at once.
	Dial func(ctx context.Context) (*provider.Socket, error)
	// Begin returns the protocol of a new connection, which tells f what the
	// vendor says.
	Begin func(f *Feed) Session
	// Chunk is the least sound that a message may carry; 0 sends it as it comes.
	Chunk time.Duration
	// IdleAfter is for how long nothing may be sent before Idle is; 0 means for
	// ever. Idle is a text message; nil stands for 100 ms of silence.
	IdleAfter time.Duration
	Idle      []byte
	// Goodbye is the text message that ends a session; nil for none.
	Goodbye []byte
	// Greeting is how long the vendor may take for its first message; 0 means that
	// it may say nothing at first.
	Greeting time.Duration
	// FlushWait is how long the vendor may take for the answer to a Finalize,
	// before the words that are known are taken for final.
	FlushWait time.Duration
	// Lifetime is the age at which a connection is replaced; 0 means never.
	Lifetime time.Duration
	// Ended, when not nil, corrects the kind of a failure that the end of a
	// connection is: close codes mean something else to each vendor.
	Ended func(f *provider.Failure)
}

// Session is the vendor's protocol on one connection. Sound and Flush are called
// by one goroutine, Receive by another.
type Session interface {
	// Sound returns the message that carries samples at the stream's rate; it is
	// used before the next call. An empty message is not sent.
	Sound(pcm []int16) (message []byte, binary bool)
	// Flush returns the text message that asks for the final of all sound so far;
	// nil when the vendor knows none.
	Flush() []byte
	// Receive takes a message of the vendor. An error ends the stream.
	Receive(message []byte) error
}

// URL returns the address of a WebSocket: base with its scheme changed from http
// to ws where needed, followed by path and query.
func URL(base, path string, query url.Values) string {
	if rest, ok := strings.CutPrefix(base, "http"); ok {
		base = "ws" + rest
	}
	u := strings.TrimSuffix(base, "/") + path
	if len(query) == 0 {
		return u
	}
	return u + "?" + query.Encode()
}
