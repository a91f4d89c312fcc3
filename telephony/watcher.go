package telephony

import (
	"net/netip"
	"time"
)

// Message is one message of signalling that was sent or received.
type Message struct {
	// At is when it was handed to the network, or came from it.
	At time.Time
	// Sent says that it is ours.
	Sent bool
	// Local and Remote are our end and the other one. Between them the message goes.
	Local, Remote netip.AddrPort
	// Transport is UDP, TCP or TLS.
	Transport string
	// Names are what Info.Signalling of its call may be; the second one may be empty.
	Names [2]string
	// Begins says that a call may begin with it.
	Begins bool
	// Text is the message as it is on the wire, in clear. It is valid only during the
	// call of Watcher.Message.
	Text []byte
}

// Watcher sees the signalling of all calls of a driver. Its methods may be called
// concurrently, must not wait, and see secrets.
type Watcher interface {
	// Message sees one message.
	Message(m Message)
	// Belongs says that messages of that name are those of a call, by our id of it.
	// One call may have several names, one after the other, and a name several calls:
	// both ends of a call from us to us.
	Belongs(name, callID string)
	// Over says that a leg of that name is over. The answer to its hang-up, and what
	// is repeated, may follow.
	Over(name string)
}
