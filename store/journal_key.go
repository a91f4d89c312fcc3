package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sidetone/sidetone/vault"
)

// journalKeys is where the keys of environments' journals are: one row each, whose id is
// the environment's.
func journalKeys() sealedColumn { return sealedColumn{"journal_keys", "secret"} }

// JournalKey returns the key that seals the journals of an environment, which the first
// call makes. It stays the same when data keys are rotated: files outlive them.
func (s *Store) JournalKey(ctx context.Context, environmentID string) (vault.Key, error) {
	var key vault.Key
	find := func(t *Tx) (err error) {
		key, err = t.journalKey()
		return err
	}
	err := s.Read(ctx, environmentID, find)
	if errors.Is(err, sql.ErrNoRows) {
		err = s.Write(ctx, environmentID, func(t *Tx) error {
			if err := t.makeJournalKey(); err != nil {
				return err
			}
			return find(t)
		})
	}
	if err != nil {
		return vault.Key{}, fmt.Errorf("find the key of the journals of environment %s: %w", environmentID, err)
	}
	return key, nil
}

func (t *Tx) journalKey() (vault.Key, error) {
	var sealed string
	if err := t.one([]any{&sealed}, `SELECT secret FROM journal_keys WHERE id = $1 AND environment_id = $1`, t.environment); err != nil {
		return vault.Key{}, err
	}
	c := journalKeys()
	text, err := t.unseal(t.environment, c.table, t.environment, c.column, sealed)
	if err != nil {
		return vault.Key{}, err
	}
	return vault.ParseKey(text)
}

// makeJournalKey makes the key unless another transaction was faster.
func (t *Tx) makeJournalKey() error {
	c := journalKeys()
	sealed, err := t.seal(c.table, t.environment, c.column, vault.NewKey().Text())
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO journal_keys (id, environment_id, secret) VALUES ($1, $1, $2) ON CONFLICT (id) DO NOTHING`, t.environment, sealed)
	return err
}
