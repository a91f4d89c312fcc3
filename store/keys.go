package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
)

// keyTrust is how long a key is believed valid without asking the database:
// the longest a revocation on another node goes unnoticed.
const keyTrust = time.Second

// maxKeys bounds the keys remembered in memory.
const maxKeys = 4096

// keys remembers who recently presented a valid key.
type keys struct {
	mu      sync.Mutex
	entries map[[32]byte]keyEntry
	// revocations counts; an answer read before one is not remembered after it.
	revocations int
}

type keyEntry struct {
	principal sidetone.Principal
	until     time.Time
}

func newKeys() *keys { return &keys{entries: map[[32]byte]keyEntry{}} }

// get returns who has the key, if that is remembered, and the count of
// revocations that put wants back.
func (k *keys) get(hash [32]byte, now time.Time) (p sidetone.Principal, ok bool, revocations int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.entries[hash]
	return e.principal, ok && now.Before(e.until), k.revocations
}

func (k *keys) put(hash [32]byte, p sidetone.Principal, now time.Time, revocations int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if revocations != k.revocations {
		return
	}
	if len(k.entries) >= maxKeys {
		clear(k.entries)
	}
	k.entries[hash] = keyEntry{p, now.Add(keyTrust)}
}

func (k *keys) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.entries)
	k.revocations++
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
	now := s.now()
	p, ok, revocations := s.keys.get(hash, now)
	if ok {
		return p, nil
	}
	err := s.readAcross(ctx, func(t *Tx) error {
		return t.one([]any{&p.EnvironmentID, &p.AccountID, &p.KeyID, &p.Profile},
			`SELECT k.environment_id, e.account_id, k.id, k.profile FROM api_keys k JOIN environments e ON e.id = k.environment_id
			WHERE k.hash = $1 AND k.revoked = 0`, digest{&hash})
	})
	if errors.Is(err, sql.ErrNoRows) {
		return sidetone.Principal{}, sidetone.Errorf(sidetone.Unauthenticated, "the API key is not valid")
	}
	if err != nil {
		return sidetone.Principal{}, err
	}
	s.keys.put(hash, p, now, revocations)
	return p, nil
}

// InsertAPIKey stores a new key. A key with the same hash is a Conflict.
func (s *Store) InsertAPIKey(ctx context.Context, k sidetone.APIKey) error {
	return s.Write(ctx, k.EnvironmentID, func(t *Tx) error {
		tb := s.tables.keys
		_, err := t.exec(tb.insertText, refs(tb.columns(&k))...)
		if isUnique(err) {
			return t.refuse(&sidetone.Error{Code: sidetone.Conflict, Message: "API key already exists", Cause: err})
		}
		return err
	})
}

// APIKeys returns the environment's keys, newest first, revoked ones included.
func (s *Store) APIKeys(ctx context.Context, environmentID string) ([]sidetone.APIKey, error) {
	var out []sidetone.APIKey
	err := s.Read(ctx, environmentID, func(t *Tx) error {
		var err error
		out, err = s.tables.keys.all(t, "WHERE environment_id = $1 ORDER BY created DESC, id DESC", t.environment)
		return err
	})
	return out, err
}

// RevokeAPIKey makes a key of the environment invalid; revoking it again is no
// error.
func (s *Store) RevokeAPIKey(ctx context.Context, environmentID, keyID string) error {
	err := s.Write(ctx, environmentID, func(t *Tx) error {
		n, err := t.exec(`UPDATE api_keys SET revoked = $1 WHERE id = $2 AND environment_id = $3 AND revoked = 0`,
			toMillis(t.now), keyID, t.environment)
		if err != nil || n == 1 {
			return err
		}
		var id string
		return absent(t.one([]any{&id}, `SELECT id FROM api_keys WHERE id = $1 AND environment_id = $2`, keyID, t.environment), "API key")
	})
	s.keys.forget()
	return err
}
