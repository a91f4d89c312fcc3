package journals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/vault"
)

// Journal is that of one live call. Its methods never wait for the disk.
type Journal struct {
	book                  *Book
	callID, environmentID string

	mu      sync.Mutex // guards what follows
	w       journal.Writer
	pending []byte
	over    bool           // its last line is written, or it is lost
	queued  bool           // a writer was asked for
	commits []chan<- error // of those who wait until pending is written; each has room

	writing sync.Mutex // guards what follows
	file    *os.File   // nil until the first chunk, and when it is done
	chunks  *vault.Chunks
	n       uint64
	size    int64
	done    bool
}

// Input takes what the machine is about to be given.
func (j *Journal) Input(at time.Duration, in conversation.Input) {
	j.add(func() (err error) {
		j.pending, err = j.w.Input(j.pending, at, in)
		return err
	})
}

// Outputs takes what the machine answered to the last input.
func (j *Journal) Outputs(outs []conversation.Output) {
	if len(outs) == 0 {
		return
	}
	j.add(func() (err error) {
		scratch := j.book.scratch.Get().(*[]byte)
		j.pending, *scratch, err = j.w.Outputs(j.pending, *scratch, outs)
		j.book.scratch.Put(scratch)
		return err
	})
}

// Comment takes what the session did.
func (j *Journal) Comment(at time.Duration, text string) {
	j.add(func() error {
		j.pending = j.w.Comment(j.pending, at, text)
		return nil
	})
}

// End takes the end of the call.
func (j *Journal) End(at time.Duration) {
	j.add(func() error {
		j.pending = j.w.End(j.pending, at)
		j.over = true
		return nil
	})
}

// add writes into the buffer, and asks for a writer when it is full or the journal over.
func (j *Journal) add(write func() error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over {
		return
	}
	if err := write(); err != nil {
		j.full("unknown", "it cannot be written: "+err.Error())
		j.book.c.Log.Error("write the journal of a call", slog.String("call", j.callID), slog.Any("error", err))
	}
	if len(j.pending) > mostPending {
		j.full("slow_disk", "the disk did not take it in time")
	}
	if j.over || len(j.pending) >= smallPending {
		j.queue()
	}
}

// queue asks for a writer; the caller holds mu.
func (j *Journal) queue() {
	if j.queued {
		return
	}
	select {
	case j.book.work <- j:
		j.queued = true
	default: // the next tick brings it
	}
}

// ErrOver says that a journal takes no more lines.
const ErrOver = Error("the journal of the call is over")

// Commit returns when all lines that were given so far are in the file, so that a killed
// process does not lose them. It does not sync, and does not wait for the next tick. It
// is an error when they are not there: ErrOver, or ctx's. Others may use the journal
// meanwhile.
func (j *Journal) Commit(ctx context.Context) error {
	written := make(chan error, 1)
	j.mu.Lock()
	if j.over {
		j.mu.Unlock()
		return ErrOver
	}
	j.commits = append(j.commits, written)
	j.queue()
	j.mu.Unlock()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-j.book.stop:
		return ErrOver
	}
}

// full ends the journal before its call; the caller holds mu.
func (j *Journal) full(kind, why string) {
	if j.over {
		return
	}
	j.over = true
	j.pending = j.w.Full(j.pending, 0, why)
	j.book.c.Ended(kind)
}

// waits reports whether there is something to do for a writer.
func (j *Journal) waits() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.pending) > 0 || j.over || len(j.commits) > 0
}

// flush writes what waits, and ends the file of a journal that is over.
func (j *Journal) flush(p *packer) {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	p.plain = append(p.plain[:0], j.pending...)
	j.pending, j.queued = j.pending[:0], false
	if cap(j.pending) > keptPending {
		j.pending = nil
	}
	over, commits := j.over, j.commits
	j.commits = nil
	j.mu.Unlock()
	err := error(ErrOver)
	if !j.done {
		err = j.append(p)
	}
	for _, c := range commits {
		c <- err
	}
	switch {
	case j.done:
		return
	case err != nil:
		j.lose(err)
		return
	}
	if over {
		if err := j.fold(p); err != nil {
			j.book.c.Log.Warn("make the journal of a call smaller", slog.String("call", j.callID), slog.Any("error", err))
		}
		j.finish()
		return
	}
	j.limit()
}

// append writes a chunk; the caller holds writing.
func (j *Journal) append(p *packer) error {
	if len(p.plain) == 0 {
		return nil
	}
	var out []byte
	if j.file == nil {
		var err error
		if out, err = j.open(); err != nil {
			return err
		}
	}
	out, err := p.pack(out, j.chunks, j.n, p.plain)
	if err != nil {
		return err
	}
	if _, err := j.file.WriteAt(out, j.size); err != nil {
		return errors.Join(err, j.file.Truncate(j.size)) // what was written before stays readable
	}
	j.n++
	j.size += int64(len(out))
	j.book.stored.Add(int64(len(out)))
	return nil
}

// open makes the file and returns what it begins with.
func (j *Journal) open() ([]byte, error) {
	key, err := j.key()
	if err != nil {
		return nil, err
	}
	salt := newSalt()
	if j.chunks, err = vault.NewChunks(key, j.callID, salt); err != nil {
		return nil, err
	}
	j.file, err = os.OpenFile(j.book.path(j.callID), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return slices.Concat([]byte(mark), salt), err
}

func (j *Journal) key() (vault.Key, error) {
	ctx, cancel := context.WithTimeout(context.Background(), keyTimeout)
	defer cancel()
	key, err := j.book.c.Key(ctx, j.environmentID)
	if err != nil {
		err = fmt.Errorf("%w: %w", errKey, err)
	}
	return key, err
}

// fold replaces the file of a call that is over by one of a single chunk, which is half
// as large; the caller holds writing. After an error the file is as it was.
func (j *Journal) fold(p *packer) error {
	if j.n < 2 {
		return nil
	}
	path := j.book.path(j.callID)
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	key, err := j.key()
	if err != nil {
		return err
	}
	text, err := unpack(file, key, j.callID)
	if err != nil {
		return err
	}
	salt := newSalt()
	c, err := vault.NewChunks(key, j.callID, salt)
	if err != nil {
		return err
	}
	out, err := p.packWhole(slices.Concat([]byte(mark), salt), c, text)
	if err != nil || len(out) >= len(file) {
		return err
	}
	f, err := rename(path, out, true)
	if err != nil {
		return err
	}
	before := j.file
	j.file = f
	j.book.stored.Add(int64(len(out) - len(file)))
	return before.Close()
}

const errKey = Error("the key of the environment's journals is not there")

// limit ends a journal that has no more room; the caller holds writing.
func (j *Journal) limit() {
	var kind, why string
	switch {
	case j.size >= mostCall:
		kind, why = "call_limit", "the limit of 8 MiB a call was reached"
	case j.book.stored.Load() >= j.book.c.Most:
		kind, why = "disk_limit", fmt.Sprintf("the limit of %d MiB for all journals (recordings.journals_mib) was reached", j.book.c.Most>>20)
	default:
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.full(kind, why)
}

// lose gives a journal up that cannot be written; the caller holds writing.
func (j *Journal) lose(err error) {
	kind := "disk_error"
	if errors.Is(err, errKey) {
		kind = "key"
	}
	j.mu.Lock()
	if !j.over {
		j.over = true
		j.book.c.Ended(kind)
	}
	for _, c := range j.commits {
		c <- err
	}
	j.pending, j.commits = nil, nil
	j.mu.Unlock()
	j.book.c.Log.Error("the journal of a call stops, the call goes on", slog.String("call", j.callID), slog.Any("error", err))
	j.finish()
}

// finish syncs and closes the file; the caller holds writing.
func (j *Journal) finish() {
	j.done = true
	j.book.mu.Lock()
	if j.book.live[j.callID] == j {
		delete(j.book.live, j.callID)
	}
	j.book.mu.Unlock()
	if j.file == nil {
		return
	}
	if err := errors.Join(j.file.Sync(), j.file.Close()); err != nil {
		j.book.c.Log.Warn("close the journal of a call", slog.String("call", j.callID), slog.Any("error", err))
	}
	j.file = nil
}

// release closes the file of a journal whose call is not over.
func (j *Journal) release() {
	j.writing.Lock()
	defer j.writing.Unlock()
	if !j.done {
		j.finish()
	}
}
