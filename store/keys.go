package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
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
	// configuration tells whether anybody changed anything since the last look.
	configuration int64
	// changes counts our own; what was read before one is not kept after it.
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
	if loaded, fresh, _ := k.state(now, s.lines.shared); loaded && fresh {
		return nil
	}
	if err := k.refreshing.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for the keys: %w", err)
	}
	defer k.refreshing.Release(1)
	for {
		loaded, fresh, changes := k.state(now, s.lines.shared)
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

// digest stores a SHA-256 as hexadecimal text.
type digest struct{ h *[32]byte }

func (d digest) Value() (driver.Value, error) { return hex.EncodeToString(d.h[:]), nil }

func (d digest) Scan(v any) error {
	s, err := textOf(v)
	if err != nil {
		return err
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d.h) {
		return fmt.Errorf("hash column holds %d bytes: %w", len(b), err)
	}
	copy(d.h[:], b)
	return nil
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

// Access is a state of who may come in: keys, members and environments. States
// can be compared; each change that this node knows of makes a new one.
type Access struct {
	changes       int
	configuration int64
}

// Access returns the present state. A change on this node has made a new one
// before it is acknowledged, one on another node does so within a second.
func (s *Store) Access(ctx context.Context) (Access, error) {
	if err := s.keys.refresh(ctx, s); err != nil {
		return Access{}, err
	}
	s.keys.mu.RLock()
	defer s.keys.mu.RUnlock()
	return Access{s.keys.changes, s.keys.configuration}, nil
}

// InsertAPIKey stores a new key. A key with the same hash, be it of another
// environment, is a Conflict.
func (t *Tx) InsertAPIKey(k sidetone.APIKey) error {
	t.change.keys = true
	if k.Updated.IsZero() {
		k.Updated = k.Created
	}
	return t.store.tables.keys.insert(t, &k)
}

// APIKey returns the key with id, revoked or not.
func (t *Tx) APIKey(id string) (sidetone.APIKey, error) { return t.store.tables.keys.get(t, id) }

// APIKeys lists the keys, revoked ones included.
func (t *Tx) APIKeys(q sidetone.PageQuery) (sidetone.Page[sidetone.APIKey], error) {
	return page(t, t.store.tables.keys, q)
}

// UpdateAPIKey stores the key's label, profile, scopes and revocation if
// k.Version is the stored one, else it is a Conflict.
func (t *Tx) UpdateAPIKey(k sidetone.APIKey) error {
	t.change.keys = true
	return t.store.tables.keys.update(t, &k)
}

// RevokeAPIKey makes a key invalid and returns it; revoking it again is no
// error and changes nothing.
func (t *Tx) RevokeAPIKey(id string) (sidetone.APIKey, error) {
	k, err := t.APIKey(id)
	if err != nil || !k.Revoked.IsZero() {
		return k, err
	}
	k.Revoked, k.Updated = t.now, t.now
	t.change.keys = true
	err = t.store.tables.keys.update(t, &k)
	return k, err
}

// InsertAPIKey stores a new key, as Tx.InsertAPIKey.
func (s *Store) InsertAPIKey(ctx context.Context, k sidetone.APIKey) error {
	return s.Write(ctx, k.EnvironmentID, func(t *Tx) error { return t.InsertAPIKey(k) })
}

// APIKeys returns all keys of the environment, newest first, revoked ones
// included.
func (s *Store) APIKeys(ctx context.Context, environmentID string) ([]sidetone.APIKey, error) {
	var out []sidetone.APIKey
	err := s.Read(ctx, environmentID, func(t *Tx) error {
		var err error
		out, err = s.tables.keys.all(t, "WHERE environment_id = $1 ORDER BY created DESC, id DESC", t.environment)
		return err
	})
	return out, err
}

// RevokeAPIKey makes a key of the environment invalid, as Tx.RevokeAPIKey.
func (s *Store) RevokeAPIKey(ctx context.Context, environmentID, keyID string) error {
	return s.Write(ctx, environmentID, func(t *Tx) error {
		_, err := t.RevokeAPIKey(keyID)
		return err
	})
}
