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
	"time"

	"github.com/sidetone/sidetone"
)

// nodeFile holds the names of the processes, one a line, whose calls on this data directory
// may be open. It was changed last when the newest of them was known to run.
const nodeFile = "node"

// aliveEvery is how often a process with live calls notes that it runs.
const aliveEvery = 100 * time.Millisecond

// nameNode gives this process a name that no other one has or had, and reads those of
// the ones before it, which are gone: this one holds their data directory.
func (s *server) nameNode() error {
	path := filepath.Join(s.config.Data, nodeFile)
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read who ran here before: %w", err)
	}
	s.before = strings.Fields(string(raw))
	if info, err := os.Stat(path); err == nil {
		s.alive = info.ModTime()
	}
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	s.node = fmt.Sprintf("%s-%d-%s", strings.Join(strings.Fields(host), "-"), os.Getpid(), strings.ToLower(rand.Text()[:8]))
	return nil
}

// inherit goes on with the calls, or closes them, that the process before this one had on
// a database that other processes use too, without waiting until their leases have run
// out.
func (s *server) inherit(ctx context.Context) error {
	for _, node := range s.before {
		if err := s.settleAll(ctx, func() ([]sidetone.Call, error) { return s.store.CallsOf(ctx, node) }); err != nil {
			return err
		}
	}
	return nil
}

// signNode notes the names of processes whose calls may be open for the next one.
func (s *server) signNode(names ...string) error {
	if err := os.WriteFile(filepath.Join(s.config.Data, nodeFile), []byte(strings.Join(names, "\n")+"\n"), 0o600); err != nil {
		return fmt.Errorf("note who runs here: %w", err)
	}
	return nil
}

// noteAlive notes while there are live calls that this process runs, until stop is closed:
// so the next one knows until when their sound was heard.
func (s *server) noteAlive(stop <-chan struct{}) {
	for {
		s.clock.Sleep(aliveEvery, stop)
		select {
		case <-stop:
			return
		default:
		}
		if now := s.clock.Now(); s.exchange.Live() > 0 {
			_ = os.Chtimes(filepath.Join(s.config.Data, nodeFile), now, now) // then the journals alone tell
		}
	}
}
