package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/sidetone/sidetone"
)

// keyTrust is how long the keys in memory are believed on a shared database:
// the longest a revocation on another node goes unnoticed.
const keyTrust = time.Second

// keys holds every valid key in memory, some 300 bytes each, so that neither a
// good nor a bad one costs a query.
type keys struct {
	// refreshing lets one caller read the database.
	refreshing *semaphore.Weighted

	mu      sync.RWMutex
	loaded  bool
	checked time.Time
	byHash  map[[32]byte]sidetone.Principal
	// configuration is the sum of all config_versions at the last load: a change of
	// anything anywhere makes another one.
	configuration int64
	// changes counts the changes that this process made. What was read before one is
	// not stored here after it.
	changes int
}

func newKeys() *keys { return &keys{refreshing: semaphore.NewWeighted(1)} }

// get returns whose key has the hash.
func (k *keys) get(hash [32]byte) (sidetone.Principal, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	p, ok := k.byHash[hash]
	return p, ok
}

func (k *keys) state(now time.Time, shared bool) (loaded, fresh bool, changes int) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.loaded, !shared || now.Sub(k.checked) < keyTrust, k.changes
}

// forget makes the next request read the keys anew.
func (k *keys) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.loaded = false
	k.changes++
}

// refresh brings the memory up to date. While one caller reads, the others wait:
// on a node that was idle the memory can be much older than keyTrust.
func (k *keys) refresh(ctx context.Context, s *Store) error {
	now := s.now()
	if loaded, fresh, _ := k.state(now, s.shared()); loaded && fresh {
		return nil
	}
	if err := k.refreshing.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for the keys: %w", err)
	}
	defer k.refreshing.Release(1)
	for {
		loaded, fresh, changes := k.state(now, s.shared())
		if loaded && fresh {
			return nil
		}
		if err := s.readAcross(ctx, func(t *Tx) error { return k.load(t, now, loaded, changes) }); err != nil {
			return err
		}
	}
}

// load reads all keys, or finds that nothing has changed.
func (k *keys) load(t *Tx, now time.Time, loaded bool, changes int) error {
	var configuration int64
	err := t.one([]any{&configuration}, `SELECT CAST(count(*) + coalesce(sum(config_version), 0) AS BIGINT) FROM environments`)
	if err != nil {
		return err
	}
	k.mu.RLock()
	same := loaded && configuration == k.configuration
	k.mu.RUnlock()
	var byHash map[[32]byte]sidetone.Principal
	if !same {
		if byHash, err = principals(t); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.changes != changes {
		return nil // a change was committed meanwhile: the caller looks again
	}
	if !same {
		k.byHash = byHash
	}
	k.loaded, k.checked, k.configuration = true, now, configuration
	return nil
}

// principals reads who has which valid key.
func principals(t *Tx) (map[[32]byte]sidetone.Principal, error) {
	out := map[[32]byte]sidetone.Principal{}
	err := t.each(func(r *sql.Rows) error {
		var hash [32]byte
		var p sidetone.Principal
		var role string
		err := r.Scan(digest{&hash}, &p.EnvironmentID, &p.AccountID, &p.KeyID, &p.Profile, &p.Label, scopes{&p.Scopes},
			&p.AccountWide, &p.MemberID, &role)
		if p.MemberID != "" {
			p.Scopes &= sidetone.Role(role).Scopes()
			p.AccountWide = false
		}
		out[hash] = p
		return err
	}, `SELECT k.hash, k.environment_id, e.account_id, k.id, k.profile, k.label, k.scopes, k.account_wide, k.member_id, coalesce(m.role, '')
		FROM api_keys k JOIN environments e ON e.id = k.environment_id
		LEFT JOIN members m ON m.id = k.member_id AND m.environment_id = k.environment_id
		WHERE k.revoked = 0`)
	return out, err
}

// Authenticate returns whose key has the hash; an unknown or revoked one is
// Unauthenticated. A revocation takes effect at once on this node and within a
// second on others.
func (s *Store) Authenticate(ctx context.Context, hash [32]byte) (sidetone.Principal, error) {
	if err := s.keys.refresh(ctx, s); err != nil {
		return sidetone.Principal{}, err
	}
	p, ok := s.keys.get(hash)
	if !ok {
		return p, &sidetone.Error{Code: sidetone.Unauthenticated, Message: "the API key is not valid"}
	}
	return p, nil
}
