package call

import "sync"

// inbox collects what happens to a session. Posting never waits, so that
// neither the wheel nor a leg's reader is held up by a session. Urgent posts
// overtake ordinary ones: a hang-up never waits behind a model's words.
type inbox struct {
	mu       sync.Mutex
	urgent   []any
	ordinary []any
	ready    chan struct{}
}

func newInbox() *inbox { return &inbox{ready: make(chan struct{}, 1)} }

func (b *inbox) post(v any) {
	b.mu.Lock()
	b.ordinary = append(b.ordinary, v)
	b.mu.Unlock()
	b.signal()
}

func (b *inbox) postUrgent(v any) {
	b.mu.Lock()
	b.urgent = append(b.urgent, v)
	b.mu.Unlock()
	b.signal()
}

func (b *inbox) signal() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// next returns the oldest urgent post, else the oldest ordinary one; nil when
// there is none.
func (b *inbox) next() any {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range []*[]any{&b.urgent, &b.ordinary} {
		if len(*q) > 0 {
			v := (*q)[0]
			(*q)[0] = nil
			*q = (*q)[1:]
			return v
		}
	}
	return nil
}
