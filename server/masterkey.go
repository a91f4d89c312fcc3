package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/vault"
)

// masterVariable holds the master keys when no file does.
const masterVariable = "SIDETONE_MASTER_KEY"

// masterKeys is where the master keys come from: the variable, or a file that is
// read again when it has changed. Safe for concurrent use.
type masterKeys struct {
	// fixed are the keys of the variable; empty: the file at path.
	fixed vault.Masters
	path  string
	// own says that the file is the data directory's, which a first start makes.
	own bool

	// turn lets one rotation run at a time.
	turn sync.Mutex

	mu     sync.Mutex
	loaded vault.Masters
	stamp  stamp
}

// stamp identifies a version of a file.
type stamp struct {
	modified time.Time
	size     int64
	file     fs.FileInfo
}

func newMasterKeys(c Config) (*masterKeys, error) {
	m := &masterKeys{path: c.MasterKeyFile(), own: c.Secrets.MasterKeyFile == ""}
	if c.Secrets.MasterKey == "" {
		return m, nil
	}
	var err error
	if m.fixed, err = vault.ParseMasters(c.Secrets.MasterKey.Reveal()); err != nil {
		return nil, fmt.Errorf("read %s: %w", masterVariable, err)
	}
	return m, nil
}

// Masters returns the keys, the one that wraps first.
func (m *masterKeys) Masters() (vault.Masters, error) {
	if m.fixed != nil {
		return m.fixed, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	info, err := os.Stat(m.path)
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	if m.loaded != nil && m.stamp.same(info) {
		return m.loaded, nil
	}
	text, err := os.ReadFile(m.path)
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	loaded, err := vault.ParseMasters(string(text))
	if err != nil {
		return nil, fmt.Errorf("read master key %s: %w", m.path, err)
	}
	m.loaded, m.stamp = loaded, stamp{info.ModTime(), info.Size(), info}
	return loaded, nil
}

func (s stamp) same(info fs.FileInfo) bool {
	return s.file != nil && os.SameFile(s.file, info) && s.modified.Equal(info.ModTime()) && s.size == info.Size()
}

// rotate wraps the data keys with a new master key, or finishes a rotation that
// was begun: by the operator, who put a new key in front of the old one, or by a
// process that died. The file holds both keys until nothing needs the old one.
func (m *masterKeys) rotate(ctx context.Context, s *store.Store) (api.MasterRotation, error) {
	m.turn.Lock()
	defer m.turn.Unlock()
	keys, err := m.Masters()
	if err != nil {
		return api.MasterRotation{}, err
	}
	n, err := s.Rewrap(ctx, keys)
	if err != nil {
		return api.MasterRotation{}, err
	}
	if n == 0 && len(keys) == 1 {
		if m.fixed != nil {
			return api.MasterRotation{}, sidetone.Errorf(sidetone.Conflict,
				"the master key is that of %s: put a new key in front of it there (NEW,OLD), restart, and rotate again", masterVariable)
		}
		keys = append(vault.Masters{vault.NewKey()}, keys...)
		if err := m.replace(keys); err != nil {
			return api.MasterRotation{}, err
		}
		if n, err = s.Rewrap(ctx, keys); err != nil {
			return api.MasterRotation{}, fmt.Errorf("%w (both master keys are in %s; rotate again)", err, m.path)
		}
	}
	if m.fixed == nil && len(keys) > 1 {
		err = m.replace(keys[:1])
	}
	return api.MasterRotation{KeyID: keys[0].ID(), Rewrapped: n}, err
}

// replace writes keys to the file.
func (m *masterKeys) replace(keys vault.Masters) error {
	if err := writeAtomic(m.path, []byte(keys.Text())); err != nil {
		return &sidetone.Error{Code: sidetone.Unavailable, Message: "the master key file cannot be written", Cause: err}
	}
	return nil
}

// prepare makes the master key of a data directory that has none, unless secrets
// are stored already.
func (m *masterKeys) prepare(ctx context.Context, s *store.Store, log *slog.Logger) error {
	_, err := m.Masters()
	if !m.own || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sealed, err := s.HasDataKeys(ctx)
	if err != nil {
		return err
	}
	if sealed {
		return fmt.Errorf("the master key %s is missing, and without it the stored secrets cannot be read: put it back, or name it with secrets.master_key_file or %s",
			m.path, masterVariable)
	}
	if err := writeAtomic(m.path, []byte(vault.Masters{vault.NewKey()}.Text())); err != nil {
		return fmt.Errorf("make master key: %w", err)
	}
	log.Warn("made a master key for stored secrets: keep a copy of it, apart from the backups of the database", slog.String("file", m.path))
	return nil
}

// tidyEvery is how often expired rows are deleted.
const tidyEvery = time.Hour

// tidy deletes old answers to requests with idempotency keys, and data keys that
// nothing needs, until stop closes.
func (s *server) tidy(stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	})
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		if err := s.store.Tidy(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("tidy the database", slog.Any("error", err))
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}
