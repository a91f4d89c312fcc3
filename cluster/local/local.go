// Package local carries live events of calls within one process. They are a
// convenience: the records are in the store.
package local

import (
	"sync"

	"github.com/sidetone/sidetone"
)

// backlog is how many events a subscriber may be behind.
const backlog = 256

// Bus delivers events to the subscribers of their calls. Use New; its methods are
// safe for concurrent use.
type Bus struct {
	mu   sync.Mutex
	subs map[string]map[chan sidetone.Event]struct{}
}

// New returns an empty Bus.
func New() *Bus { return &Bus{subs: map[string]map[chan sidetone.Event]struct{}{}} }

// Publish hands e to every subscriber of its call. It never waits: a subscriber
// that is too slow loses its subscription, sees its channel closed, and can read
// what it missed from the store.
func (b *Bus) Publish(e sidetone.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.subs[e.CallID] {
		select {
		case ch <- e:
		default:
			b.remove(e.CallID, ch)
		}
	}
}

// Subscribe returns the events of a call from now on, and the function that ends
// the subscription. The channel is closed when the subscription ended, for
// whatever reason.
func (b *Bus) Subscribe(callID string) (<-chan sidetone.Event, func()) {
	ch := make(chan sidetone.Event, backlog)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs[callID] == nil {
		b.subs[callID] = map[chan sidetone.Event]struct{}{}
	}
	b.subs[callID][ch] = struct{}{}
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.remove(callID, ch)
	}
}

// remove ends a subscription once; the caller holds mu.
func (b *Bus) remove(callID string, ch chan sidetone.Event) {
	if _, ok := b.subs[callID][ch]; !ok {
		return
	}
	delete(b.subs[callID], ch)
	if len(b.subs[callID]) == 0 {
		delete(b.subs, callID)
	}
	close(ch)
}
