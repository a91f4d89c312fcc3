package journals

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/vault"
)

// Resume goes on with the journal of a call whose process died, and returns what the call
// was up to then. A new file with a salt of its own takes the place of the old one, so
// that no nonce is used twice; until it does, the old one is as it was. The error is
// fs.ErrNotExist when there is no journal, ErrNotKept when the disk does not take the new
// file: the past is returned all the same then, without a journal. It is for calls that
// do not live in this Book.
func (b *Book) Resume(ctx context.Context, environmentID, callID string) (journal.Past, *Journal, error) {
	f, err := b.read(ctx, environmentID, callID)
	if err != nil {
		return journal.Past{}, nil, err
	}
	read, err := journal.Read(f.text)
	if err != nil && (read == nil || !errors.Is(err, journal.ErrEmpty)) {
		return journal.Past{}, nil, fmt.Errorf("go on with the journal of call %s: %w", callID, err)
	}
	past, err := read.Past()
	if err != nil {
		return journal.Past{}, nil, fmt.Errorf("go on with the journal of call %s: %w", callID, err)
	}
	j := &Journal{book: b, callID: callID, environmentID: environmentID, w: past.Writer}
	lines := f.text[:bytes.LastIndexByte(f.text, '\n')+1]
	if err := j.replace(f, slices.Concat(lines, past.Missing)); err != nil {
		return past, nil, fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live[callID] = j
	return past, j, nil
}

// replace makes a file of the text that takes the place of the one that was read.
func (j *Journal) replace(before stored, text []byte) error {
	salt := newSalt()
	c, err := vault.NewChunks(before.key, j.callID, salt)
	if err != nil {
		return err
	}
	out, err := new(packer).pack(slices.Concat([]byte(mark), salt), c, 0, text)
	if err != nil {
		return err
	}
	file, err := rename(j.book.path(j.callID), out, false)
	if err != nil {
		return err
	}
	j.file, j.chunks, j.n, j.size = file, c, 1, int64(len(out))
	j.book.stored.Add(int64(len(out) - before.size))
	return nil
}

// rename writes a file and gives it the name of another one, which it replaces. After an
// error that one is as it was.
func rename(path string, content []byte, sync bool) (*os.File, error) {
	f, err := os.OpenFile(path+folding, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(content)
	if err == nil && sync {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(path+folding, path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path+folding))
	}
	return f, nil
}
