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
	// maxRefused bounds how many are remembered.
	maxRefused = 1024
)

// refused remembers bad tokens for a moment, so that a client which repeats one
// does not cost a signature each time.
type refused struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]time.Time
}

// has reports whether the token with this hash was refused within the last
// second.
func (r *refused) has(hash [sha256.Size]byte, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.tokens[hash]
	return ok && now.Sub(at) < refusedFor && !now.Before(at)
}

func (r *refused) add(hash [sha256.Size]byte, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tokens == nil {
		r.tokens = make(map[[sha256.Size]byte]time.Time, maxRefused)
	}
	if len(r.tokens) >= maxRefused {
		clear(r.tokens)
	}
	r.tokens[hash] = now
}
