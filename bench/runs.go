package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/sidetone/sidetone/loadgen"
)

// size is how much of everything is measured.
type size struct {
	echoCalls, g722Calls, wheelCalls, turnCalls, talkCalls int
	pairs                                                  int           // of bare sockets and echo agent
	window                                                 time.Duration // of runs with steady load
	turnsOne, turnsMany, interruptions, coughs             int
	setup                                                  time.Duration
	starts, attempts                                       int
	clock                                                  time.Duration
	pipelineCalls, memoryCalls, rampMost                   int // with vendors
	wireCalls                                              int
	secureCalls, securePairs                               int // over TLS and SRTP
	journalCalls, journalTurns, journalPairs               int // with journals and without; turns of each call
}

// sizes returns the whole benchmark's, or the quick one's.
func sizes(o Options) size {
	s := size{
		echoCalls: 210, g722Calls: 210, wheelCalls: 300, turnCalls: 100, talkCalls: 25, pairs: 3, window: 10 * time.Second,
		turnsOne: 500, turnsMany: 500, interruptions: 100, coughs: 75,
		setup: 10 * time.Second, starts: 7, attempts: loadgen.MaxAttempts, clock: 3 * time.Minute,
		pipelineCalls: 100, memoryCalls: 150, rampMost: 400, wireCalls: 200,
		secureCalls: 200, securePairs: 5,
		journalCalls: 100, journalTurns: 20, journalPairs: 3,
	}
	if o.Quick {
		s = size{
			echoCalls: 60, g722Calls: 60, wheelCalls: 100, turnCalls: 30, talkCalls: 20, pairs: 1, window: 4 * time.Second,
			turnsOne: 8, turnsMany: 90, interruptions: 20, coughs: 20,
			setup: 3 * time.Second, starts: 3, attempts: 1, clock: 30 * time.Second,
			pipelineCalls: 20, memoryCalls: 30, rampMost: 30, wireCalls: 20,
			secureCalls: 60, securePairs: 1,
			journalCalls: 20, journalTurns: 10, journalPairs: 1,
		}
	}
	if o.Turns > 0 {
		s.turnsOne = o.Turns
	}
	return s
}

// counted makes a run until the generator was punctual enough, as often as the
// size allows.
func (b *bench) counted(ctx context.Context, c loadgen.Config) (*loadgen.Report, error) {
	return b.countedOn(ctx, b.target, c)
}

// countedOn makes a run against another server.
func (b *bench) countedOn(ctx context.Context, t *target, c loadgen.Config) (*loadgen.Report, error) {
	var first loadgen.Report
	for attempt := 1; ; attempt++ {
		report, err := t.load(ctx, c)
		if err != nil {
			return nil, err
		}
		if report.Attempts = attempt; attempt == 1 {
			first = report
		}
		remember(&report, &first)
		if report.Counts() || attempt == b.size.attempts {
			return &report, nil
		}
		b.printf("          repeated: the callers themselves were %.1f ms late\n", report.Lateness.P99)
	}
}

// remember gives a run the memory figures of the first: later ones find memory
// that earlier calls have used.
func remember(r, first *loadgen.Report) {
	r.BaseKB, r.FullKB, r.KBPerCall = first.BaseKB, first.FullKB, first.KBPerCall
}

// echo measures bare sockets and, right after, the echo agent, several times in
// turns. The pair with the middle ratio of processor time is the result: what
// else a shared machine does falls on either side of a pair.
func (b *bench) echo(ctx context.Context) error {
	type pair struct{ calibration, echo *loadgen.Report }
	var pairs []pair
	for range b.size.pairs {
		calibration, err := loadgen.Calibrate(ctx, loadgen.Calibration{
			Command: []string{b.o.Program, "bench", "--calibration-peer", strconv.Itoa(b.size.echoCalls)},
			Sockets: b.size.echoCalls, Duration: b.size.window,
		})
		if err != nil {
			return err
		}
		echo, err := b.counted(ctx, loadgen.Config{
			Scenario: loadgen.ScenarioEcho, Number: b.target.echo, Calls: b.size.echoCalls, Duration: b.size.window,
		})
		if err != nil {
			return err
		}
		pairs = append(pairs, pair{&calibration, echo})
		remember(echo, pairs[0].echo)
	}
	slices.SortFunc(pairs, func(p, q pair) int {
		return cmp.Compare(p.echo.CPUPerCallMinute*q.calibration.CPUPerCallMinute,
			q.echo.CPUPerCallMinute*p.calibration.CPUPerCallMinute)
	})
	middle := pairs[len(pairs)/2]
	b.results.Calibration, b.results.Echo = middle.calibration, middle.echo
	return nil
}

func (b *bench) wideband(ctx context.Context) (err error) {
	b.results.EchoG722, err = b.counted(ctx, loadgen.Config{
		Scenario: loadgen.ScenarioEcho, Number: b.target.echo, Calls: b.size.g722Calls, BaseCalls: 1,
		Duration: b.size.window, Codec: loadgen.G722,
	})
	return err
}

// wheels measures how evenly G.722 calls are paced by servers with one wheel and
// with two.
func (b *bench) wheels(ctx context.Context) error {
	for _, run := range []struct {
		wheels string
		report **loadgen.Report
	}{{"1", &b.results.OneWheel}, {"2", &b.results.TwoWheels}} {
		if err := b.paced(ctx, run.wheels, run.report); err != nil {
			return err
		}
	}
	return nil
}

// paced makes the run with a server of its own.
func (b *bench) paced(ctx context.Context, wheels string, report **loadgen.Report) (err error) {
	dir := filepath.Join(b.dir, "wheels-"+wheels)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	t, err := start(ctx, b.o.Program, dir, "--wheels", wheels)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	if err := t.prepare(ctx); err != nil {
		return err
	}
	*report, err = b.countedOn(ctx, t, loadgen.Config{
		Scenario: loadgen.ScenarioEcho, Number: t.echo, Calls: b.size.wheelCalls, BaseCalls: 1,
		Duration: b.size.window, Codec: loadgen.G722,
	})
	return err
}

func (b *bench) turn(ctx context.Context) (err error) {
	c := loadgen.Config{Scenario: loadgen.ScenarioTurn, Number: b.target.short, Calls: 1, Turns: b.size.turnsOne}
	if b.results.TurnOne, err = b.counted(ctx, c); err != nil {
		return err
	}
	c.Calls, c.Turns = b.size.turnCalls, b.size.turnsMany
	b.results.TurnMany, err = b.counted(ctx, c)
	return err
}

// bargeIn interrupts with real speech: clean, and with noise below it.
func (b *bench) bargeIn(ctx context.Context) error {
	said, err := speech(ctx, bargeInRate)
	if err != nil {
		return err
	}
	for _, run := range []struct {
		snr    float64
		report **loadgen.Report
	}{{0, &b.results.BargeIn}, {20, &b.results.BargeIn20}, {10, &b.results.BargeIn10}} {
		*run.report, err = b.counted(ctx, loadgen.Config{
			Scenario: loadgen.ScenarioBargeIn, Number: b.target.long, Calls: b.size.talkCalls, Turns: b.size.interruptions,
			Stimuli: said, SNR: run.snr,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bargeInRate is the sampling rate of PCMU, in which the agent is interrupted.
const bargeInRate = 8000

func (b *bench) cough(ctx context.Context) (err error) {
	b.results.Cough, err = b.counted(ctx, loadgen.Config{
		Scenario: loadgen.ScenarioCough, Number: b.target.medium, Calls: b.size.talkCalls, Turns: b.size.coughs,
	})
	return err
}

func (b *bench) setup(ctx context.Context) (err error) {
	b.results.Setup, err = b.counted(ctx, loadgen.Config{
		Scenario: loadgen.ScenarioSetup, Number: b.target.echo, Rate: 50, Duration: b.size.setup,
	})
	return err
}

// cold, which comes last, stops the server and starts others on its directory. The directory then
// holds a database that is up to date, an agent and its number.
func (b *bench) cold(ctx context.Context) error {
	if err := b.target.stop(); err != nil {
		return err
	}
	var took []time.Duration
	for range b.size.starts {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		d, err := loadgen.ColdStart(ctx, loadgen.ColdStartConfig{
			Command: []string{b.o.Program, "serve", "--data", b.dir, "--http", "127.0.0.1:0", "--sip", address},
			Target:  address, Number: b.target.echo,
		})
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	b.results.ColdStart = loadgen.Summary(took)
	return nil
}

// freeAddress returns an address whose port nobody holds at the moment.
func freeAddress() (string, error) {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(context.Background(), "udp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return conn.LocalAddr().String(), conn.Close()
}

func (b *bench) recording(ctx context.Context) error {
	a, err := RecordingAlignment(ctx, b.target.api, b.target.sip, b.target.echo, b.size.clock)
	if err != nil {
		return err
	}
	b.results.Recording = &a
	return nil
}
