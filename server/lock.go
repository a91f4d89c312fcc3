package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// inUse is the type of errInUse.
type inUse string

// Error returns the text.
func (e inUse) Error() string { return string(e) }

// errInUse says that another process holds the data directory.
const errInUse inUse = "is in use by process"

// lockData makes the data directory and takes it for this process; the error
// names the holder.
func lockData(dir string) (*dataLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder, _ := io.ReadAll(io.LimitReader(f, 64)) // an unreadable holder is just not named
		_ = f.Close()
		return nil, fmt.Errorf("data directory %s %w %s", dir, errInUse, strings.TrimSpace(string(holder)))
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
	}
	if _, err := f.WriteAt([]byte(fmt.Sprintf("%d\n", os.Getpid())), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
	}
	return &dataLock{f}, nil
}

// dataLock is a data directory that this process holds.
type dataLock struct{ file *os.File }

// Close gives the directory back. It unlocks the file first: a child process that is just
// being started has it open, too, until it runs its program.
func (l *dataLock) Close() error {
	return errors.Join(unix.Flock(int(l.file.Fd()), unix.LOCK_UN), l.file.Close())
}
