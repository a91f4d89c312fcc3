package sidetone

import "time"

// SignalMessage is one message of a call's signalling, without its secrets.
type SignalMessage struct {
	// At is when it was sent, or came.
	At time.Time
	// Sent says that it is ours.
	Sent bool
	// Local and Remote are the addresses, with ports, of our end and the other one.
	Local, Remote string
	// Transport is UDP, TCP or TLS.
	Transport string
	// Text is the message.
	Text string
}

// Ladder is the signalling of a call, from its first message on.
type Ladder struct {
	// Messages are in the order of time.
	Messages []SignalMessage
	// Dropped is how many later ones were not kept.
	Dropped int
}
