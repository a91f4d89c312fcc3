package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/vault"
)

// HasDataKeys reports whether any environment has a data key, that is, whether
// anything was sealed.
func (s *Store) HasDataKeys(ctx context.Context) (bool, error) {
	found := false
	err := s.eachEnvironment(ctx, func(e sidetone.Environment) error {
		return s.Read(ctx, e.ID, func(t *Tx) error {
			keys, err := t.wrappedKeys()
			found = found || len(keys) > 0
			return err
		})
	})
	return found, err
}

// PrepareSecrets makes a data key for each environment that has none and checks
// that every environment's newest one opens with the master keys.
func (s *Store) PrepareSecrets(ctx context.Context) error {
	return s.eachEnvironment(ctx, func(e sidetone.Environment) error {
		missing := false
		err := s.Read(ctx, e.ID, func(t *Tx) error {
			keys, err := t.wrappedKeys()
			if err != nil {
				return err
			}
			if missing = len(keys) == 0; missing {
				return nil
			}
			_, err = t.dataKey(keyName{e.ID, keys[0].version})
			return err
		})
		if err == nil && missing {
			err = s.Write(ctx, e.ID, func(t *Tx) error { _, err := t.sealing(); return err })
		}
		if err != nil {
			return fmt.Errorf("environment %s: %w", e.ID, err)
		}
		return nil
	})
}

func (s *Store) eachEnvironment(ctx context.Context, do func(sidetone.Environment) error) error {
	all, err := s.Environments(ctx)
	for _, e := range all {
		if err == nil {
			err = do(e)
		}
	}
	return err
}

// wrappedKey is a row of data_keys.
type wrappedKey struct {
	version int64
	wrapped string
}

// wrappedKeys returns the environment's data keys, newest first.
func (t *Tx) wrappedKeys() ([]wrappedKey, error) {
	var out []wrappedKey
	err := t.each(func(r *sql.Rows) error {
		var k wrappedKey
		err := r.Scan(&k.version, &k.wrapped)
		out = append(out, k)
		return err
	}, `SELECT version, wrapped FROM data_keys WHERE environment_id = $1 ORDER BY version DESC`, t.environment)
	return out, err
}

// Rewrap wraps every data key with the first of the master keys, one transaction
// for each environment, and returns how many it wrapped anew. Stored values stay
// as they are, and readers and writers go on meanwhile. What was done already is
// skipped, so that an interrupted run is repeated.
func (s *Store) Rewrap(ctx context.Context, masters vault.Masters) (int, error) {
	count := 0
	err := s.eachEnvironment(ctx, func(e sidetone.Environment) error {
		n := 0
		err := s.Write(ctx, e.ID, func(t *Tx) (err error) {
			n, err = t.rewrap(masters)
			return err
		})
		count += n
		if err != nil {
			return fmt.Errorf("environment %s: %w", e.ID, err)
		}
		return nil
	})
	return count, err
}

func (t *Tx) rewrap(masters vault.Masters) (int, error) {
	if err := t.reserve(); err != nil {
		return 0, err
	}
	keys, err := t.wrappedKeys()
	if err != nil {
		return 0, err
	}
	n, before := 0, ""
	for _, k := range keys {
		if masters.Current(k.wrapped) {
			continue
		}
		before = vault.WrappedBy(k.wrapped)
		data, err := masters.Unwrap(t.environment, k.version, k.wrapped)
		if err != nil {
			return 0, fmt.Errorf("unwrap data key %d: %w", k.version, err)
		}
		_, err = t.exec(`UPDATE data_keys SET wrapped = $1 WHERE environment_id = $2 AND version = $3`,
			masters.Wrap(t.environment, k.version, data), t.environment, k.version)
		if err != nil {
			return 0, err
		}
		n++
	}
	if n == 0 {
		return 0, nil
	}
	return n, t.audit(sidetone.AuditEntry{Action: sidetone.AuditUpdate, Noun: "master_key", ResourceID: t.environment},
		map[string]any{"id": before}, map[string]any{"id": masters[0].ID()})
}

// Rotation says what RotateEnvironment did.
type Rotation struct {
	// Version is the data key that seals from now on.
	Version int64
	// Resealed is how many values were sealed with it that an older one had
	// sealed.
	Resealed int
	// Retired is how many older data keys were deleted, because nothing needs
	// them any more. Keys that were current within the last hour stay.
	Retired int
}

// retireAfter is how long a data key stays after a newer one has come, for
// transactions that began before.
const retireAfter = 3600 * 1000

// resealRows is how many rows one transaction seals anew.
const resealRows = 100

// RotateEnvironment makes a new data key for the environment and seals every
// stored secret of it anew, a hundred rows at a time, while others read and
// write. A run that is interrupted leaves values of both keys, which both open;
// the next run seals the rest.
func (s *Store) RotateEnvironment(ctx context.Context, environmentID string) (Rotation, error) {
	var r Rotation
	err := s.Write(ctx, environmentID, func(t *Tx) error {
		if _, err := t.Environment(); err != nil {
			return err
		}
		keys, err := t.wrappedKeys()
		if err != nil {
			return err
		}
		r.Version = 1
		if len(keys) > 0 {
			r.Version = keys[0].version + 1
		}
		if _, err := t.newDataKey(r.Version); err != nil {
			return err
		}
		return t.audit(sidetone.AuditEntry{Action: sidetone.AuditUpdate, Noun: "data_key", ResourceID: environmentID},
			map[string]any{"version": r.Version - 1}, map[string]any{"version": r.Version})
	})
	if err != nil {
		return r, err
	}
	for _, c := range s.tables.sealedColumns() {
		n, err := s.reseal(ctx, environmentID, c, r.Version)
		r.Resealed += n
		if err != nil {
			return r, fmt.Errorf("seal %s.%s anew: %w", c.table, c.column, err)
		}
	}
	r.Retired, err = s.retire(ctx, environmentID)
	return r, err
}

// sealedColumn names a column of secrets.
type sealedColumn struct{ table, column string }

// reseal seals every value of a column that another data key has sealed. It reads
// and encrypts a batch, then writes it.
func (s *Store) reseal(ctx context.Context, environmentID string, c sealedColumn, version int64) (int, error) {
	count, after := 0, ""
	for {
		var batch []resealed
		err := s.Read(ctx, environmentID, func(t *Tx) (err error) {
			batch, err = t.resealBatch(c, version, after)
			return err
		})
		if err != nil || len(batch) == 0 {
			return count, err
		}
		n := 0
		err = s.Write(ctx, environmentID, func(t *Tx) (err error) {
			n, err = t.replaceSealed(c, batch)
			return err
		})
		if err != nil {
			return count, err
		}
		count, after = count+n, batch[len(batch)-1].id
	}
}

// resealed is a stored value and what replaces it; "" when it stays.
type resealed struct{ id, before, after string }

// resealBatch encrypts anew the next values behind the id after.
func (t *Tx) resealBatch(c sealedColumn, version int64, after string) ([]resealed, error) {
	var rows []resealed
	err := t.each(func(r *sql.Rows) error {
		var v resealed
		err := r.Scan(&v.id, &v.before)
		rows = append(rows, v)
		return err
	}, "SELECT id, "+c.column+" FROM "+c.table+" WHERE environment_id = $1 AND id > $2 AND "+c.column+" <> '' ORDER BY id LIMIT $3", t.environment, after, resealRows)
	if err != nil {
		return nil, err
	}
	for i, v := range rows {
		if now, err := vault.VersionOf(v.before); err == nil && now >= version {
			continue
		}
		plain, err := t.unseal(t.environment, c.table, v.id, c.column, v.before)
		if err != nil {
			return nil, err
		}
		if rows[i].after, err = t.seal(c.table, v.id, c.column, plain); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// replaceSealed stores the values that are still what they were and returns how
// many.
func (t *Tx) replaceSealed(c sealedColumn, batch []resealed) (int, error) {
	count := int64(0)
	for _, v := range batch {
		if v.after == "" {
			continue
		}
		n, err := t.exec("UPDATE "+c.table+" SET "+c.column+" = $1 WHERE id = $2 AND environment_id = $3 AND "+c.column+" = $4",
			v.after, v.id, t.environment, v.before)
		if err != nil {
			return 0, err
		}
		count += n
	}
	return int(count), nil
}

// retire deletes the data keys that nothing needs. A transaction that began
// before a newer key came may still seal with the older one; an hour later none
// is left.
func (s *Store) retire(ctx context.Context, environmentID string) (int, error) {
	n := int64(0)
	err := s.Write(ctx, environmentID, func(t *Tx) error {
		var oldest int64
		err := t.one([]any{&oldest}, `SELECT version FROM data_keys WHERE environment_id = $1 AND created <= $2 ORDER BY version DESC LIMIT 1`,
			t.environment, toMillis(t.now)-retireAfter)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, c := range s.tables.sealedColumns() {
			if oldest, err = t.oldestSeal(c, oldest); err != nil {
				return err
			}
		}
		n, err = t.exec(`DELETE FROM data_keys WHERE environment_id = $1 AND version < $2`, t.environment, oldest)
		return err
	})
	return int(n), err
}

// oldestSeal returns the lowest version among known and those that seal a value
// of the column.
func (t *Tx) oldestSeal(c sealedColumn, known int64) (int64, error) {
	keys, err := t.wrappedKeys()
	if err != nil {
		return 0, err
	}
	for _, k := range keys {
		if k.version >= known {
			continue
		}
		prefix := vault.Prefix(k.version)
		var id string
		err := t.one([]any{&id}, "SELECT id FROM "+c.table+" WHERE environment_id = $1 AND "+c.column+" <> '' AND "+c.column+" >= $2 AND "+c.column+" < $3 LIMIT 1",
			t.environment, prefix, prefix[:len(prefix)-1]+"/") // the character after the point
		switch {
		case err == nil:
			known = k.version
		case !errors.Is(err, sql.ErrNoRows):
			return 0, err
		}
	}
	return known, nil
}
