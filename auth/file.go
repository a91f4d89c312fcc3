package auth

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// lookEvery is how often a key file is looked at, at most.
	lookEvery = time.Second
	// maxKeyFile bounds a key file, in bytes.
	maxKeyFile = 1 << 20
)

// keyFile is a JWKS file that is read again when it has changed. A file that
// has become unreadable leaves the keys that were read last.
type keyFile struct {
	path string
	now  func() time.Time
	log  *slog.Logger

	mu     sync.Mutex
	looked time.Time
	// stamp is the state of the file that ring or the last complaint is of.
	stamp stamp
	ring  keyring
}

// stamp tells one state of a file from another.
type stamp struct {
	changed time.Time
	size    int64
	inode   os.FileInfo
}

func openKeyFile(path string, now func() time.Time, log *slog.Logger) (*keyFile, error) {
	f := &keyFile{path: path, now: now, log: log, looked: now()}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, nil
}

// keys returns the file's keys as of a second ago or later, none without a file.
// The slice is shared and must not be modified.
func (f *keyFile) keys() keyring {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if now.Sub(f.looked) >= lookEvery {
		f.looked = now
		if err := f.read(); err != nil {
			f.log.Error("read key file again; the keys read before stay in use", slog.String("path", f.path), slog.Any("error", err))
		}
	}
	return f.ring
}

// read reads the file unless it is the one that was read before.
func (f *keyFile) read() error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read from
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if s := f.stamp; s.inode != nil && s.changed.Equal(info.ModTime()) && s.size == info.Size() && os.SameFile(s.inode, info) {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return err
	}
	f.stamp = stamp{info.ModTime(), info.Size(), info}
	if len(text) > maxKeyFile {
		return fmt.Errorf("the file is longer than %d bytes", maxKeyFile)
	}
	ring, err := parseSet(text)
	if err != nil {
		return err
	}
	f.ring = ring
	return nil
}
