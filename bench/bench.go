package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/loadgen"
)

// Error is the type of the package's constant errors.
type Error string

// Error returns the text of the error.
func (e Error) Error() string { return string(e) }

const (
	// ErrMissed is returned when a judged figure is outside its limit.
	ErrMissed = Error("a limit was missed")
	// ErrPart is wrapped by the error about a part that does not exist.
	ErrPart = Error("unknown part")
)

// Options say what is measured and where the figures go.
type Options struct {
	// Program is the sidetone binary that is measured; it is started as
	// `serve` and as `bench --calibration-peer N`.
	Program string
	// Out is where progress and judgement are printed. Required.
	Out io.Writer
	// Baseline is the file with limits and earlier figures; empty: the promised
	// limits and no earlier figures.
	Baseline string
	// WriteBaseline is the file the figures are written to as the next
	// baseline, with those of Baseline for parts that were not measured; empty: none.
	WriteBaseline string
	// Quick measures less of everything, in about three minutes.
	Quick bool
	// Only names the parts to measure; empty: all.
	Only []string
	// Turns is the number of turns of the single call; zero: 500, or 8 when
	// Quick.
	Turns int
	// Keep leaves the data directory and the server's log behind.
	Keep bool
}

// Part is one piece of the benchmark.
type Part struct {
	// Name selects it in Options.Only.
	Name string
	// About says in a few words what it measures.
	About string
	run   func(*bench, context.Context) error
}

// Parts lists the pieces in the order in which they are measured.
func Parts() []Part {
	return []Part{
		{Name: "echo", About: "200 calls with sound both ways against bare sockets; memory per call", run: (*bench).echo},
		{Name: "g722", About: "the same in G.722", run: (*bench).wideband},
		{Name: "wheels", About: "G.722 calls that one goroutine paces, and two; not judged", run: (*bench).wheels},
		{Name: "turn", About: "what the platform adds to a turn, at 1 and at 100 calls", run: (*bench).turn},
		{Name: "bargein", About: "how soon an agent is silent that real speech interrupts, clean and in noise", run: (*bench).bargeIn},
		{Name: "cough", About: "how long a cough silences the agent", run: (*bench).cough},
		{Name: "setup", About: "INVITE to 200 at 50 calls a second, with the call's row committed", run: (*bench).setup},
		{Name: "pipeline", About: "calls with vendors behind TLS: latency, processor time, memory, how many at once", run: (*bench).pipeline},
		{Name: "secure", About: "200 calls over TLS and SRTP against as many plain ones: processor time, set-up", run: (*bench).secure},
		{Name: "journals", About: "the same calls with vendors, with journals and without: processor time", run: (*bench).journals},
		{Name: "recording", About: "three minutes with a caller whose clock runs 200 ppm fast", run: (*bench).recording},
		{Name: "wire", About: "what is reported of turns beside what their callers hear", run: (*bench).wire},
		{Name: "cold", About: "start of the program to the first answered call", run: (*bench).cold},
	}
}

// bench is one benchmark under way.
type bench struct {
	o       Options
	size    size
	dir     string
	results loadgen.Results
	target  *target
	begun   time.Time
}

// now is the time; progress is printed with it.
func (b *bench) now() time.Duration { return time.Since(b.begun) }

// Run measures, prints and judges. It returns ErrMissed when a figure is
// outside its limit; every process it started has ended when it returns.
func Run(ctx context.Context, o Options) (err error) {
	parts, err := choose(o.Only)
	if err != nil {
		return err
	}
	baseline, err := readBaseline(o.Baseline)
	if err != nil {
		return err
	}
	b := &bench{o: o, size: sizes(o), begun: time.Now()}
	if b.dir, err = os.MkdirTemp("", "sidetone-bench-"); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if o.Keep {
		b.printf("data and server log are kept in %s\n", b.dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	}
	if err := b.measure(ctx, parts); err != nil {
		return err
	}
	return b.judge(baseline)
}

// choose returns the named parts, in their own order.
func choose(only []string) ([]Part, error) {
	var chosen []Part
	var names []string
	for _, p := range Parts() {
		names = append(names, p.Name)
		if slices.Contains(only, p.Name) || len(only) == 0 {
			chosen = append(chosen, p)
		}
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w %q; there are %s", ErrPart, name, strings.Join(names, ", "))
		}
	}
	return chosen, nil
}

// measure makes the runs.
func (b *bench) measure(ctx context.Context, parts []Part) (err error) {
	if b.target, err = start(ctx, b.o.Program, b.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.target.stop()) }()
	if err := b.target.prepare(ctx); err != nil {
		return err
	}
	for _, p := range parts {
		b.printf("%6.1f s  %s: %s\n", b.now().Seconds(), p.Name, p.About)
		if err := p.run(b, ctx); err != nil {
			return fmt.Errorf("measure %s: %w", p.Name, err)
		}
	}
	b.printf("%6.1f s  done\n\n", b.now().Seconds())
	return nil
}

// judge prints the figures and writes the next baseline.
func (b *bench) judge(baseline loadgen.Baseline) error {
	met, err := b.results.WriteText(b.o.Out, baseline)
	if err != nil {
		return err
	}
	if b.o.WriteBaseline != "" {
		if err := writeBaseline(b.o.WriteBaseline, loadgen.Baseline{Limits: baseline.Limits, Results: b.results.Over(baseline.Results)}); err != nil {
			return err
		}
		b.printf("\nwritten to %s\n", b.o.WriteBaseline)
	}
	if !met {
		return ErrMissed
	}
	return nil
}

func readBaseline(path string) (loadgen.Baseline, error) {
	if path == "" {
		return loadgen.Baseline{Limits: loadgen.DefaultLimits()}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return loadgen.Baseline{}, fmt.Errorf("open baseline: %w", err)
	}
	defer func() { _ = f.Close() }() // only read from
	return loadgen.ReadBaseline(f)
}

// writeBaseline replaces the file at path, never leaving half of one.
func writeBaseline(path string, base loadgen.Baseline) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".baseline-*")
	if err != nil {
		return fmt.Errorf("make baseline: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already after the rename
	err = errors.Join(base.WriteJSON(f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write baseline: %w", err)
	}
	return nil
}

func (b *bench) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(b.o.Out, format, args...) // a closed terminal does not stop the measurement
}
