package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

const (
	// probeEvery is how long the outcome of a probe is valid: anybody may ask for
	// it, and each one is a write to the disk.
	probeEvery  = time.Second
	probeWithin = 5 * time.Second
	// leastSpace is the free space, in bytes, below which the disk counts as full.
	leastSpace = 1 << 20
)

// readiness finds out whether the server can store what it is asked to do. Its
// methods may be called concurrently.
type readiness struct {
	store *store.Store
	data  string // the data directory
	now   func() time.Time
	id    string // of the row that a probe writes

	mu     sync.Mutex
	probed time.Time
	err    error
}

// check returns nil when writes succeed, and an Unavailable error whose message
// may be shown to anybody when they fail.
func (r *readiness) check(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if !r.probed.IsZero() && now.Sub(r.probed) < probeEvery {
		return r.err
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), probeWithin)
	defer stop()
	r.err, r.probed = r.probe(ctx), now
	return r.err
}

func (r *readiness) probe(ctx context.Context) error {
	full, err := diskFull(r.data)
	switch {
	case err != nil:
		return &sidetone.Error{Code: sidetone.Unavailable, Message: "the data directory is not available", Cause: err}
	case full:
		return &sidetone.Error{Code: sidetone.Unavailable, Message: "the disk of the data directory is full"}
	}
	if err := r.write(ctx); err != nil {
		return &sidetone.Error{Code: sidetone.Unavailable, Message: "the database does not accept writes", Cause: err}
	}
	return nil
}

// write commits a transaction that writes a row and removes it.
func (r *readiness) write(ctx context.Context) error {
	all, err := r.store.Environments(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	return r.store.Write(ctx, all[0].ID, func(tx *store.Tx) error {
		if err := tx.InsertStoredResponse(store.StoredResponse{ID: r.id, Operation: "readyz"}); err != nil {
			return err
		}
		return tx.DeleteStoredResponse(r.id)
	})
}

// diskFull reports whether nothing more can be stored in dir.
func diskFull(dir string) (bool, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return false, fmt.Errorf("read the free space of %s: %w", dir, err)
	}
	return s.Bavail*uint64(s.Bsize) < leastSpace, nil
}
