// Package recording is the contract for keeping call audio.
package recording

import "io"

// Store opens what was recorded. Its methods are safe for concurrent use.
type Store interface {
	// Open opens the recording that a call's record names; the caller closes
	// it. A missing one is an fs.ErrNotExist.
	Open(path string) (io.ReadSeekCloser, error)
}
