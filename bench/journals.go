package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sidetone/sidetone/loadgen"
)

// journalRest is how long after its last call a server may still work on journals.
const journalRest = 2 * time.Second

// journals measures what journals cost: the same calls with vendors against a server that
// keeps them and one that does not, in turns.
func (b *bench) journals(ctx context.Context) (err error) {
	dir := filepath.Join(b.dir, "journals")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	stop, config, err := b.vendors(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	var kinds [2]kept // without journals, and with them
	for i, keeps := range []bool{false, true} {
		k, err := b.keeping(ctx, dir, config, keeps)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, k.stop()) }()
		kinds[i] = k
	}
	return b.journalPairs(ctx, kinds)
}

// kept is a server that keeps journals or does not, and the load for it.
type kept struct {
	*target
	turns loadgen.Config
}

// keeping starts a server with a directory of its own.
func (b *bench) keeping(ctx context.Context, dir, config string, journals bool) (kept, error) {
	own := filepath.Join(dir, fmt.Sprintf("journals-%t", journals))
	if err := os.Mkdir(own, 0o700); err != nil {
		return kept{}, fmt.Errorf("make data directory: %w", err)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return kept{}, fmt.Errorf("read the configuration: %w", err)
	}
	path := filepath.Join(own, "sidetone.yaml")
	if err := os.WriteFile(path, fmt.Appendf(text, "recordings: {journals: %t}\n", journals), 0o600); err != nil {
		return kept{}, fmt.Errorf("write the configuration: %w", err)
	}
	t, turns, err := b.talkative(ctx, own, path)
	turns.Calls, turns.Turns = b.size.journalCalls, b.size.journalCalls*b.size.journalTurns
	return kept{t, turns}, err
}

// journalPairs makes pairs of runs until as many count as the size asks for, and less than
// twice as many in all. Every other pair begins with the other kind, so that what grows
// or shrinks in the meantime falls on both. A first run of each warms both up.
func (b *bench) journalPairs(ctx context.Context, kinds [2]kept) error {
	for _, k := range kinds {
		if _, _, err := k.run(ctx); err != nil {
			return err
		}
	}
	var pairs []loadgen.JournalPair
	for len(pairs) == 0 || b.results.Journals.Pairs < b.size.journalPairs && len(pairs) < 2*b.size.journalPairs-1 {
		var reports [2]*loadgen.Report
		var used [2]time.Duration
		for n := range kinds {
			i := (n + len(pairs)) % 2
			var err error
			if reports[i], used[i], err = kinds[i].run(ctx); err != nil {
				return err
			}
		}
		pair := loadgen.JournalPair{Without: reports[0], With: reports[1], WithoutCPU: used[0], WithCPU: used[1]}
		pairs = append(pairs, pair)
		b.results.Journals = loadgen.SumUpJournals(pairs)
		b.printf("          pair %d: %.2f s of cpu without journals, %.2f s with; the callers were %.1f ms late\n", len(pairs),
			used[0].Seconds(), used[1].Seconds(), max(reports[0].Lateness.P99, reports[1].Lateness.P99))
	}
	return nil
}

// run makes the calls, and returns the processor time of the server from before them until
// their journals are closed.
func (k kept) run(ctx context.Context) (*loadgen.Report, time.Duration, error) {
	before, err := loadgen.ProcessorTime(k.cmd.Process.Pid)
	if err != nil {
		return nil, 0, err
	}
	report, err := k.load(ctx, k.turns)
	if err != nil {
		return nil, 0, err
	}
	rest := time.NewTimer(journalRest)
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	after, err := loadgen.ProcessorTime(k.cmd.Process.Pid)
	return &report, after - before, err
}
