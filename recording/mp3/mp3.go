// Package mp3 keeps MP3 copies of recordings: each is made once, when somebody
// first asks for it, by the program lame.
package mp3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/process"
)

const (
	// bitRate in kbit/s is the highest that every sample rate of ours has.
	bitRate = "64"
	// encodeWithin bounds one encoding; an hour of sound takes well under one
	// minute.
	encodeWithin = 10 * time.Minute
	// atOnce bounds how many are encoded at a time; calls need the processor.
	atOnce = 2
)

// Source opens what was recorded; package disk implements it. Its method is safe
// for concurrent use.
type Source interface {
	// Open opens the WAV file that a call's record names; the caller closes it. A
	// missing one is an fs.ErrNotExist.
	Open(path string) (io.ReadSeekCloser, error)
}

// Config says what is copied, by whom, to where.
type Config struct {
	// Source opens the WAV files.
	Source Source
	// Dir is the directory of the copies, which is made when absent.
	Dir string
	// Program is lame, by name or by path; "" makes no copies.
	Program string
	// Log receives what went wrong.
	Log *slog.Logger
}

// Copies makes and opens the copies. Use New; its methods are safe for
// concurrent use.
type Copies struct {
	Config
	slots chan struct{}
	ctx   context.Context
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu     sync.Mutex
	making map[string]*making
}

// making is a copy in the making; err is valid once done is closed.
type making struct {
	done chan struct{}
	err  error
}

// drafts is the pattern of unfinished files.
const drafts = ".draft-*"

// New returns the copies in c.Dir and removes what a crash left unfinished.
func New(c Config) (*Copies, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of MP3 copies: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(c.Dir, drafts))
	for _, name := range left {
		err = errors.Join(err, remove(name))
	}
	if err != nil {
		return nil, fmt.Errorf("clear directory of MP3 copies: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Copies{Config: c, slots: make(chan struct{}, atOnce), ctx: ctx, stop: stop, making: map[string]*making{}}, nil
}

// Close stops what is being encoded and waits for it.
func (c *Copies) Close() error {
	c.stop()
	c.wg.Wait()
	return nil
}

// Open returns the copy of the recording at path and makes it when there is
// none; the caller closes it. Without the program it is an
// errors.ErrUnsupported, without the recording an fs.ErrNotExist. The copy is
// made to its end even if ctx ends before.
func (c *Copies) Open(ctx context.Context, path string) (io.ReadSeekCloser, error) {
	if path == "" || path != filepath.Base(path) || strings.HasPrefix(path, ".") {
		return nil, fmt.Errorf("open MP3 of %q: %w", path, fs.ErrNotExist)
	}
	source, err := c.Source.Open(path)
	if err != nil {
		return nil, err // no copy outlives its recording
	}
	if err := source.Close(); err != nil {
		return nil, fmt.Errorf("open MP3: %w", err)
	}
	file := filepath.Join(c.Dir, strings.TrimSuffix(path, ".wav")+".mp3")
	f, err := os.Open(file)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	program, err := exec.LookPath(c.Program)
	if c.Program == "" || err != nil {
		return nil, fmt.Errorf("no MP3 encoder: %w", errors.ErrUnsupported)
	}
	m := c.make(program, path, file)
	select {
	case <-m.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for MP3: %w", ctx.Err())
	}
	if m.err != nil {
		return nil, m.err
	}
	return os.Open(file)
}

// make starts to make a copy unless somebody did.
func (c *Copies) make(program, path, file string) *making {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.making[file]; m != nil {
		return m
	}
	m := &making{done: make(chan struct{})}
	c.making[file] = m
	c.wg.Go(func() {
		m.err = c.encode(program, path, file)
		c.mu.Lock()
		delete(c.making, file) // the file answers from now on, or the next one tries again
		c.mu.Unlock()
		close(m.done)
	})
	return m
}

func (c *Copies) encode(program, path, file string) error {
	ctx, cancel := context.WithTimeout(c.ctx, encodeWithin)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return fmt.Errorf("encode MP3: %w", ctx.Err())
	}
	source, err := c.Source.Open(path)
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // only read from
	draft, err := os.CreateTemp(c.Dir, drafts)
	if err != nil {
		return fmt.Errorf("encode MP3: %w", err)
	}
	err = c.run(ctx, program, source, draft)
	err = errors.Join(err, draft.Sync(), draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), file)
	}
	if err != nil {
		c.Log.Error("encode MP3", slog.String("recording", path), slog.Any("error", err))
		return errors.Join(fmt.Errorf("encode MP3: %w", err), remove(draft.Name()))
	}
	return nil
}

// run encodes at a constant bit rate, both channels apart, without the tag
// whose frame would be counted as sound.
func (c *Copies) run(ctx context.Context, program string, source io.Reader, draft *os.File) error {
	cmd := process.Command(ctx, program, "--quiet", "--cbr", "-b", bitRate, "-m", "s", "-q", "5", "-t", "-", "-")
	var trouble strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = source, draft, &trouble
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(trouble.String()))
	}
	return nil
}

func remove(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
