// Package cluster is the contract for what nodes tell each other: live events of
// calls. Records of truth are in the store only.
package cluster

import "github.com/sidetone/sidetone"

// Bus carries live events. Its methods are safe for concurrent use.
type Bus interface {
	// Publish hands e to every subscriber of its call. It never waits: a
	// subscriber that does not keep up loses its subscription, which it sees
	// as a closed channel and mends by reading the store.
	Publish(e sidetone.Event)
	// Subscribe returns the events of a call from now on, and the function
	// that ends the subscription. The channel is closed when the subscription
	// ended, for whatever reason.
	Subscribe(callID string) (events <-chan sidetone.Event, cancel func())
}
