package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/sidetone/sidetone"
)

// firstKeyFile holds the first API key, in the data directory, from before it is
// stored until it was printed. If the process dies in between, the next start
// prints it.
const firstKeyFile = "first-key"

// firstKey creates an account, an environment and a key in an empty store, or
// finds the key that was created before and never printed.
func (s *server) firstKey(ctx context.Context) error {
	all, err := s.store.Environments(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		e, err := s.store.CreateAccount(ctx, "default", "default")
		if err != nil {
			return fmt.Errorf("make the first environment: %w", err)
		}
		all = []sidetone.Environment{e}
	}
	keys, err := s.store.APIKeys(ctx, all[0].ID)
	if err != nil {
		return fmt.Errorf("list API keys: %w", err)
	}
	waiting, err := s.waitingKey()
	if err != nil {
		return err
	}
	for _, k := range keys {
		if waiting != "" && k.Revoked.IsZero() && k.Hash == waiting.Hash() {
			s.key = waiting
			return nil
		}
	}
	if len(keys) > 0 {
		return s.keyShown() // what the file says is no key any more
	}
	secret := sidetone.NewKey()
	if err := s.keepKey(secret); err != nil {
		return err
	}
	if err := insertKey(ctx, s.store, all[0].ID, "first key", secret, s.clock.Now()); err != nil {
		return fmt.Errorf("make the first key: %w", err)
	}
	s.key = secret
	return nil
}

func (s *server) firstKeyPath() string { return filepath.Join(s.config.Data, firstKeyFile) }

// waitingKey returns the key that was not shown yet, "" without one.
func (s *server) waitingKey() (sidetone.Secret, error) {
	text, err := os.ReadFile(s.firstKeyPath())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the first key: %w", err)
	}
	return sidetone.Secret(strings.TrimSpace(string(text))), nil
}

// keepKey writes the key durably and atomically, readable by the owner only.
func (s *server) keepKey(key sidetone.Secret) error {
	if err := writeAtomic(s.firstKeyPath(), []byte(key.Reveal()+"\n")); err != nil {
		return fmt.Errorf("keep the first key: %w", err)
	}
	return nil
}

// keyShown deletes the file with the key.
func (s *server) keyShown() error {
	if err := os.Remove(s.firstKeyPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the first key: %w", err)
	}
	return nil
}

// settleKey deletes the file with the key once the ready file or the hints have
// shown it, and logs its path when neither did.
func (s *server) settleKey() error {
	switch {
	case s.key == "":
		return nil
	case s.options.Hints || s.options.ReadyFile != "":
		return s.keyShown()
	}
	s.log.Warn("the first API key waits in a file: take it and delete the file",
		slog.String("file", s.firstKeyPath()), slog.String("another_key", s.tokenCommand()))
	return nil
}
