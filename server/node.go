package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sidetone/sidetone"
)

// nodeFile holds the name of the last process that took calls with a data directory.
const nodeFile = "node"

// nameNode gives this process a name that no other one has or had, and notes that of
// the one before it, which is gone: this one holds its data directory.
func (s *server) nameNode() error {
	raw, err := os.ReadFile(filepath.Join(s.config.Data, nodeFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read who ran here before: %w", err)
	}
	s.before = strings.TrimSpace(string(raw))
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	s.node = fmt.Sprintf("%s-%d-%s", host, os.Getpid(), strings.ToLower(rand.Text()[:8]))
	return nil
}

// inherit goes on with the calls, or closes them, that the process before this one had on
// a database that other processes use too, without waiting until their leases have run
// out.
func (s *server) inherit(ctx context.Context) error {
	if s.before == "" {
		return nil
	}
	return s.settleAll(ctx, func() ([]sidetone.Call, error) { return s.store.CallsOf(ctx, s.before) })
}

// signNode notes the name of this process for the next one, before it takes calls.
func (s *server) signNode() error {
	if err := os.WriteFile(filepath.Join(s.config.Data, nodeFile), []byte(s.node+"\n"), 0o600); err != nil {
		return fmt.Errorf("note who runs here: %w", err)
	}
	return nil
}
