package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// refusedFor is how long a refused token is known without another look: what
	// makes it good, a new key or the time, may come a moment later.
	refusedFor = time.Second
	// maxKnown bounds how many are remembered of each sort.
	maxKnown = 1024
)

// known remembers tokens by their hash, and since when. The zero value is ready
// for use; its methods may be called concurrently.
type known struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]time.Time
}

// since returns when the token with this hash was noted.
func (k *known) since(hash [sha256.Size]byte) (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.tokens[hash]
	return at, ok
}

// lately reports whether the token was noted within the last second.
func (k *known) lately(hash [sha256.Size]byte, now time.Time) bool {
	at, ok := k.since(hash)
	return ok && now.Sub(at) < refusedFor && !now.Before(at)
}

// add notes a token. When there are too many all are forgotten.
func (k *known) add(hash [sha256.Size]byte, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tokens == nil {
		k.tokens = make(map[[sha256.Size]byte]time.Time, maxKnown)
	}
	if len(k.tokens) >= maxKnown {
		clear(k.tokens)
	}
	k.tokens[hash] = now
}

func (k *known) remove(hash [sha256.Size]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.tokens, hash)
}
