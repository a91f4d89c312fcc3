// Package local is the Bus of a single process.
package local

import (
	"sync"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/cluster"
)

// backlog is how many events a subscriber may be behind.
const backlog = 256

// Bus delivers within the process. Use New.
type Bus struct {
	mu   sync.Mutex
	subs map[string]map[chan sidetone.Event]struct{}
}

var _ cluster.Bus = (*Bus)(nil)

// New returns an empty Bus.
func New() *Bus { return &Bus{subs: map[string]map[chan sidetone.Event]struct{}{}} }

// Publish implements cluster.Bus.
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

// Subscribe implements cluster.Bus.
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
