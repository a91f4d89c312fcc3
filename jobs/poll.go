package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// pollEvery is how often this node looks whether jobs wait for River.
	pollEvery = 2 * time.Second
	// restAfter is how long River goes on after the last of them.
	restAfter = 30 * time.Second
)

// poll runs River while jobs wait for it. River's completer ticks 20 times a
// second whether or not there are jobs, which is most of what an idle server
// would do.
type poll struct {
	queue   queue
	waiting func(context.Context) (bool, error)
	log     *slog.Logger
	running bool
	// last is when jobs were seen.
	last time.Time
}

// run looks until ctx ends, and then stops River.
func (p *poll) run(ctx context.Context, now func() time.Time) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := p.look(ctx, now()); err != nil && ctx.Err() == nil {
			p.log.Warn("look for waiting jobs", "error", err)
		}
		select {
		case <-ctx.Done():
			if err := p.stop(ctx); err != nil {
				p.log.Warn("stop job queue", "error", err)
			}
			return
		case <-tick.C:
		}
	}
}

// look starts River when jobs wait and stops it when none did for a while.
func (p *poll) look(ctx context.Context, now time.Time) error {
	limited, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	waiting, err := p.waiting(limited)
	if err != nil {
		return err
	}
	if waiting {
		p.last = now
	}
	switch {
	case waiting && !p.running:
		if err := p.queue.Start(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("start job queue: %w", err)
		}
		p.running = true
	case p.running && now.Sub(p.last) >= restAfter:
		return p.stop(ctx)
	}
	return nil
}

// stop ends River and the jobs it works on: none of them lasts, and what is cut
// off is found again.
func (p *poll) stop(ctx context.Context) error {
	if !p.running {
		return nil
	}
	p.running = false
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	return p.queue.StopAndCancel(last)
}

// quiet lets River say only what went wrong: that it starts and stops is no news.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(warnings{log.Handler()}) }

// warnings is a handler without what is less than a warning.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (w warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{w.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
