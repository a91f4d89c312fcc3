package journals

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/vault"
)

const (
	// flushEvery is how often what was written is given to the files.
	flushEvery = 500 * time.Millisecond
	// smallPending is how much of a call waits at most before it is written at once, and
	// the largest buffer that a call keeps. mostPending is how much waits while the disk
	// does not take it: more ends the journal.
	smallPending = 12 << 10
	keptPending  = 16 << 10
	mostPending  = 256 << 10
	// mostCall bounds a file; the rest is for the last lines.
	mostCall = 8<<20 - mostPending
	// recountEvery is how often files are counted again while there is no room for more:
	// the operator may have removed some.
	recountEvery = time.Minute
	// keyTimeout bounds the look-up of an environment's key.
	keyTimeout = 5 * time.Second
	suffix     = ".journal"
	// folding ends the name of a file that is to replace another one. One that is there at
	// the start is what a killed process left.
	folding = ".new"
)

// ErrNotKept says that the journal of a call cannot go on, although the call can.
const ErrNotKept = Error("the journal of the call cannot be written")

// DefaultMost is the room for the journals of all calls, in bytes, unless a setting says
// otherwise.
const DefaultMost = 1 << 30

// Config configures a Book.
type Config struct {
	// Dir is where the files are kept; it must be there.
	Dir string
	// Most bounds the bytes of all files.
	Most int64
	// Key returns the key of an environment's journals. It is asked by the writers.
	Key func(ctx context.Context, environmentID string) (vault.Key, error)
	// Ended is told why a journal ended before its call: "call_limit", "disk_limit",
	// "slow_disk", "disk_error" or "key"; nil: nobody is. It returns at once.
	Ended func(why string)
	// Log receives what operators should know.
	Log *slog.Logger
}

// Book keeps the journals of a node's calls. Its methods are safe for concurrent use.
// Use New.
type Book struct {
	c       Config
	stop    chan struct{}
	work    chan *Journal
	wg      sync.WaitGroup
	stored  atomic.Int64 // bytes of all files
	scratch sync.Pool    // *[]byte, for the texts of outputs

	counted time.Time // tick's

	mu     sync.Mutex
	live   map[string]*Journal
	warned bool // that there is no room
}

// New returns a Book that writes on goroutines of its own, one for each processor core
// but at most four, until Close.
func New(c Config) (*Book, error) {
	b := &Book{c: c, stop: make(chan struct{}), work: make(chan *Journal, 1024), live: map[string]*Journal{}}
	b.scratch.New = func() any { return new([]byte) }
	if b.c.Ended == nil {
		b.c.Ended = func(string) {}
	}
	left, _ := filepath.Glob(filepath.Join(c.Dir, "*"+suffix+folding)) // the pattern is a good one
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return nil, fmt.Errorf("remove what is left of a journal: %w", err)
		}
	}
	size, err := Size(c.Dir)
	if err != nil {
		return nil, err
	}
	b.stored.Store(size)
	for range min(4, runtime.GOMAXPROCS(0)) {
		b.wg.Go(b.write)
	}
	b.wg.Go(b.tick)
	return b, nil
}

// Size returns how many bytes the journals in a directory have; one that is not there
// has none.
func Size(dir string) (int64, error) {
	all, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("count journals: %w", err)
	}
	size := int64(0)
	for _, e := range all {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		if info, err := e.Info(); err == nil { // one that was removed meanwhile has no size
			size += info.Size()
		}
	}
	return size, nil
}

// Stored returns how many bytes all journals have.
func (b *Book) Stored() int64 { return b.stored.Load() }

// Most returns how many bytes all journals may have.
func (b *Book) Most() int64 { return b.c.Most }

// Begin begins the journal of a call; nil when there is no room for another one. It does
// not wait for the disk.
func (b *Book) Begin(environmentID string, h journal.Header) *Journal {
	if b.stored.Load() >= b.c.Most {
		b.noRoom()
		return nil
	}
	head, err := journal.AppendHeader(nil, h)
	if err != nil {
		b.c.Log.Error("keep no journal of a call", slog.String("call", h.Call), slog.Any("error", err))
		return nil
	}
	j := &Journal{book: b, callID: h.Call, environmentID: environmentID, pending: head}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.warned = false
	b.live[h.Call] = j
	return j
}

// noRoom counts a call without a journal, and says so once.
func (b *Book) noRoom() {
	b.c.Ended("disk_limit")
	b.mu.Lock()
	first := !b.warned
	b.warned = true
	b.mu.Unlock()
	if first {
		b.c.Log.Error("calls have no journals any more: remove old ones, or raise recordings.journals_mib",
			slog.Int64("bytes", b.Stored()), slog.Int64("max_bytes", b.c.Most))
	}
}

// tick hands what waits to the writers.
func (b *Book) tick() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case now := <-tick.C:
			for _, j := range b.waiting() {
				select {
				case b.work <- j:
				case <-b.stop:
					return
				}
			}
			b.recount(now)
		}
	}
}

// waiting returns the journals with something to write.
func (b *Book) waiting() []*Journal {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []*Journal
	for _, j := range b.live {
		if j.waits() {
			out = append(out, j)
		}
	}
	return out
}

// recount counts the files again when there is no room.
func (b *Book) recount(now time.Time) {
	if b.stored.Load() < b.c.Most || now.Sub(b.counted) < recountEvery {
		return
	}
	b.counted = now
	if size, err := Size(b.c.Dir); err == nil {
		b.stored.Store(size)
	}
}

// write is a writer.
func (b *Book) write() {
	p := new(packer)
	for {
		select {
		case <-b.stop:
			return
		case j := <-b.work:
			j.flush(p)
		}
	}
}

// Close ends the writers and writes what is left. The journal of a call that is not over
// stays as one that was cut.
func (b *Book) Close() error {
	close(b.stop)
	b.wg.Wait()
	p := new(packer)
	b.mu.Lock()
	var left []*Journal
	for _, j := range b.live {
		left = append(left, j)
	}
	b.mu.Unlock()
	for _, j := range left {
		j.flush(p)
		j.release()
	}
	return nil
}

func (b *Book) path(callID string) string { return filepath.Join(b.c.Dir, callID+suffix) }

// Text returns the journal of a call, also of one that lives; fs.ErrNotExist when there
// is none.
func (b *Book) Text(ctx context.Context, environmentID, callID string) ([]byte, error) {
	b.mu.Lock()
	j := b.live[callID]
	b.mu.Unlock()
	if j != nil {
		j.flush(new(packer))
	}
	f, err := b.read(ctx, environmentID, callID)
	return f.text, err
}

// stored is the file of a journal that was read.
type stored struct {
	text []byte
	size int
	key  vault.Key
}

// read reads the file of a call's journal; fs.ErrNotExist when there is none.
func (b *Book) read(ctx context.Context, environmentID, callID string) (stored, error) {
	if callID == "" || callID != filepath.Base(callID) || callID[0] == '.' {
		return stored{}, fs.ErrNotExist
	}
	file, err := os.ReadFile(b.path(callID))
	if err != nil {
		return stored{}, fmt.Errorf("read the journal of a call: %w", err)
	}
	key, err := b.c.Key(ctx, environmentID)
	if err != nil {
		return stored{}, fmt.Errorf("read the journal of a call: %w", err)
	}
	text, err := unpack(file, key, callID)
	if err != nil {
		return stored{}, fmt.Errorf("read the journal of call %s: %w", callID, err)
	}
	return stored{text: text, size: len(file), key: key}, nil
}
