// Package pocketsphinx recognises English with the pocketsphinx_continuous
// program: one long-lived child process for each stream, about 104 MB of memory
// and a third of a core while somebody speaks. It understands sound of 16 kHz, and
// of 8 kHz with more word errors; it gives no partial texts and no word times, and
// hears American voices best.
package pocketsphinx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/transcriber"
)

// Options configures a Driver.
type Options struct {
	// Program is the recogniser; "" means "pocketsphinx_continuous" on the PATH.
	Program string
	// MaxStreams is how many streams may be open at once; Open of one more
	// returns transcriber.ErrBusy. 0 means 4.
	MaxStreams int
	// FlushWait is how long a Finalize waits for a text before it is answered
	// with an empty one; 0 means 600 ms.
	FlushWait time.Duration
	// Logger gets a line when a recogniser ends by itself; nil means none.
	Logger *slog.Logger
}

// Driver is a transcriber.Driver. Its methods may be called concurrently.
type Driver struct {
	options Options
	mu      sync.Mutex
	open    int
}

// New returns a driver. It does not look for the program; a missing one is an
// error of Open.
func New(o Options) *Driver {
	if o.Program == "" {
		o.Program = "pocketsphinx_continuous"
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = 4
	}
	if o.FlushWait <= 0 {
		o.FlushWait = 600 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Driver{options: o}
}

const (
	// rate is the sample rate that the model was trained for.
	rate = 16000
	// narrowRate is the other rate that frames may have; they are resampled.
	narrowRate = 8000
)

// Open starts a recogniser. It does not wait for its model: what is written
// meanwhile is read later.
func (d *Driver) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	if c.Rate != rate && c.Rate != narrowRate {
		return nil, fmt.Errorf("open a recogniser: rate %d Hz, pocketsphinx reads %d and %d only", c.Rate, narrowRate, rate)
	}
	if language, _, _ := strings.Cut(strings.ToLower(c.Language), "-"); language != "" && language != "en" {
		return nil, fmt.Errorf("open a recogniser: language %q, pocketsphinx has a model for English only", c.Language)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("open a recogniser: %w", context.Cause(ctx))
	}
	if !d.take() {
		return nil, transcriber.ErrBusy
	}
	s, err := start(ctx, d.options, c.Rate, d.release)
	if err != nil {
		d.release()
		return nil, fmt.Errorf("open a recogniser: %w", err)
	}
	return s, nil
}

// Streams returns how many streams are open.
func (d *Driver) Streams() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

func (d *Driver) take() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open >= d.options.MaxStreams {
		return false
	}
	d.open++
	return true
}

func (d *Driver) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open--
}

// errEnded says that the child ended by itself.
func errEnded(err error) error {
	if err == nil {
		err = errors.New("it closed its output")
	}
	return fmt.Errorf("recogniser ended: %w", err)
}
