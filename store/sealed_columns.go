package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/vault"
)

// dataKeys holds in memory the data keys of committed rows. A version's key never
// changes, so they are never out of date.
type dataKeys struct {
	masters func() (vault.Masters, error)
	mu      sync.RWMutex
	known   map[keyName]vault.Key
}

// keyName names a data key.
type keyName struct {
	environment string
	version     int64
}

// seals are the data keys that one transaction has used. One that it has made is
// not committed yet, so that each transaction has its own.
type seals struct {
	// version is the one that seals; 0 until it was looked for.
	version int64
	known   map[keyName]vault.Key
}

func newDataKeys(masters func() (vault.Masters, error)) *dataKeys {
	if masters == nil {
		masters = func() (vault.Masters, error) { return nil, errors.New("no master key is configured") }
	}
	return &dataKeys{masters: masters, known: map[keyName]vault.Key{}}
}

func (d *dataKeys) get(name keyName) (vault.Key, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	k, ok := d.known[name]
	return k, ok
}

func (d *dataKeys) put(name keyName, k vault.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[name] = k
}

// seal encrypts text with the newest data key of the transaction's environment,
// which the first secret of an environment makes.
func (t *Tx) seal(table, row, column, text string) (string, error) {
	k, err := t.sealing()
	if err != nil {
		return "", fmt.Errorf("seal %s.%s: %w", table, column, err)
	}
	p := vault.Place{Environment: t.environment, Table: table, Row: row, Column: column}
	return vault.Seal(k, t.seals.version, p, text), nil
}

// unseal decrypts what a row of the environment holds.
func (t *Tx) unseal(environment, table, row, column, text string) (string, error) {
	version, err := vault.VersionOf(text)
	if err != nil {
		return "", fmt.Errorf("open %s.%s of %s: %w", table, column, row, err)
	}
	k, err := t.dataKey(keyName{environment, version})
	if err != nil {
		return "", fmt.Errorf("open %s.%s of %s: %w", table, column, row, err)
	}
	out, err := vault.Open(k, vault.Place{Environment: environment, Table: table, Row: row, Column: column}, text)
	if err != nil {
		return "", fmt.Errorf("open %s.%s of %s: %w", table, column, row, err)
	}
	return out, nil
}

// sealing returns the newest data key, made if there is none.
func (t *Tx) sealing() (vault.Key, error) {
	if t.seals.version == 0 {
		err := t.one([]any{&t.seals.version},
			`SELECT version FROM data_keys WHERE environment_id = $1 ORDER BY version DESC LIMIT 1`, t.environment)
		if errors.Is(err, sql.ErrNoRows) {
			return t.newDataKey(1)
		}
		if err != nil {
			return vault.Key{}, err
		}
	}
	return t.dataKey(keyName{t.environment, t.seals.version})
}

// newDataKey makes the key of a version, which seals from now on. When another
// transaction was faster, this one has to start again. It is written to the
// environment's row, so that a rotation of the master key that runs meanwhile
// sees the key: without that it could stay wrapped with a master key that is
// about to be thrown away.
func (t *Tx) newDataKey(version int64) (vault.Key, error) {
	if err := t.reserve(); err != nil {
		return vault.Key{}, err
	}
	t.change.environment = true
	masters, err := t.store.dataKeys.masters()
	if err != nil {
		return vault.Key{}, noMaster(err)
	}
	k := vault.NewKey()
	_, err = t.exec(`INSERT INTO data_keys (environment_id, version, wrapped, created) VALUES ($1, $2, $3, $4)`,
		t.environment, version, masters.Wrap(t.environment, version, k), toMillis(t.now))
	if isUnique(err) {
		return vault.Key{}, t.refuse(stale("data key"))
	}
	if err != nil {
		return vault.Key{}, err
	}
	t.seals.version = version
	t.seals.add(keyName{t.environment, version}, k)
	return k, nil
}

func (s *seals) add(name keyName, k vault.Key) {
	if s.known == nil {
		s.known = map[keyName]vault.Key{}
	}
	s.known[name] = k
}

// missingKey says that a write needs a data key that memory does not hold.
type missingKey struct{ name keyName }

// Error says which key is missing.
func (m *missingKey) Error() string {
	return fmt.Sprintf("data key %d is not in memory", m.name.version)
}

// loadKey brings a data key into memory.
func (s *Store) loadKey(ctx context.Context, name keyName) error {
	return s.Read(ctx, name.environment, func(t *Tx) error { _, err := t.dataKey(name); return err })
}

// dataKey returns the key of a version, from memory or from its row. A write
// takes it from memory only: reading the master key's file and unwrapping would
// hold up every other writer. Write loads the key and begins again.
func (t *Tx) dataKey(name keyName) (vault.Key, error) {
	if k, ok := t.seals.known[name]; ok {
		return k, nil
	}
	if k, ok := t.store.dataKeys.get(name); ok {
		return k, nil
	}
	if !t.reading {
		return vault.Key{}, t.fail(&missingKey{name})
	}
	var wrapped string
	err := t.one([]any{&wrapped}, `SELECT wrapped FROM data_keys WHERE environment_id = $1 AND version = $2`, name.environment, name.version)
	if err != nil {
		return vault.Key{}, fmt.Errorf("find data key %d: %w", name.version, err)
	}
	masters, err := t.store.dataKeys.masters()
	if err != nil {
		return vault.Key{}, noMaster(err)
	}
	k, err := masters.Unwrap(name.environment, name.version, wrapped)
	if err != nil {
		return vault.Key{}, fmt.Errorf("unwrap data key %d: %w", name.version, err)
	}
	t.seals.add(name, k)
	t.store.dataKeys.put(name, k)
	return k, nil
}

func noMaster(err error) error {
	return &sidetone.Error{Code: sidetone.Unavailable, Message: "secrets cannot be stored or read now", Cause: err}
}

func isSealed(c column) bool {
	_, ok := c.ref.(sealed)
	return ok
}

// bind returns what a statement takes for the columns of one row.
func (tb *table[T]) bind(t *Tx, cols []column) ([]any, error) {
	args := refs(cols)
	if !tb.secret {
		return args, nil
	}
	id := *named(cols, "id").(*string)
	for i, c := range cols {
		secret, ok := c.ref.(sealed)
		if !ok {
			continue
		}
		args[i] = ""
		if *secret.s == "" {
			continue
		}
		text, err := t.seal(tb.name, id, c.name, secret.s.Reveal())
		if err != nil {
			return nil, err
		}
		args[i] = text
	}
	return args, nil
}

// dest returns where a row is scanned into. The texts of sealed columns go into
// found, in the order of the columns, for open.
func (tb *table[T]) dest(row *T) (dest []any, found []string) {
	cols := tb.columns(row)
	dest = refs(cols)
	if !tb.secret {
		return dest, nil
	}
	found = make([]string, len(cols))
	for i, c := range cols {
		if isSealed(c) {
			dest[i] = &found[i]
		}
	}
	return dest, found
}

// open decrypts the sealed columns of a scanned row. Among the rows of all
// environments one that cannot be decrypted is left without its secret, so that
// the others can be used; on its own it is an error.
func (tb *table[T]) open(t *Tx, row *T, found []string) error {
	if !tb.secret {
		return nil
	}
	cols := tb.columns(row)
	id, environment := *named(cols, "id").(*string), *named(cols, "environment_id").(*string)
	for i, c := range cols {
		secret, ok := c.ref.(sealed)
		if !ok {
			continue
		}
		*secret.s = ""
		if found[i] == "" {
			continue
		}
		text, err := t.unseal(environment, tb.name, id, c.name, found[i])
		if err != nil && t.environment != "" {
			return err
		}
		if err != nil {
			t.undecrypted++
			t.store.log.Error("a stored secret cannot be decrypted", slog.String("environment", environment), slog.Any("error", err))
			continue
		}
		*secret.s = sidetone.Secret(text)
	}
	return nil
}
