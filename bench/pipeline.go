package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/loadgen"
	"github.com/sidetone/sidetone/process"
	"github.com/sidetone/sidetone/standin/tonewords"
)

const (
	// rampStep is how many calls a run of the ramp has more than the one before it.
	rampStep = 25
	// turnsPerCall is how many turns a call of the ramp makes.
	turnsPerCall = 3
)

// pipeline measures calls with vendors: stand-ins of Deepgram, OpenAI and ElevenLabs
// in one other process, behind TLS, which answer without thinking in tone words.
func (b *bench) pipeline(ctx context.Context) (err error) {
	dir := filepath.Join(b.dir, "pipeline")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	stop, config, err := b.vendors(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	t, turns, err := b.talkative(ctx, dir, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	return b.pipelineRuns(ctx, t, turns)
}

// talkative starts a server whose agent works with vendors, and returns what makes turns with
// it.
func (b *bench) talkative(ctx context.Context, dir, config string) (*target, loadgen.Config, error) {
	said, _ := tonewords.Speak("please go on", bargeInRate)
	turns := loadgen.Config{Scenario: loadgen.ScenarioTurn, Stimuli: [][]int16{said}}
	t, err := start(ctx, b.o.Program, dir, "--config", config)
	if err != nil {
		return nil, turns, err
	}
	offers, err := t.api.Numbers().Available(ctx, client.OfferQuery{Limit: 1})
	if err != nil || len(offers.Items) == 0 {
		return nil, turns, errors.Join(fmt.Errorf("find a number for sale: %w", err), t.stop())
	}
	turns.Number = offers.Items[0].Number
	if err := t.place(ctx, client.Purchase{PhoneNumber: turns.Number}, "openai", "gpt-4.1-mini"); err != nil {
		return nil, turns, errors.Join(err, t.stop())
	}
	return t, turns, nil
}

// pipelineRuns makes the runs.
func (b *bench) pipelineRuns(ctx context.Context, t *target, c loadgen.Config) error {
	p := &loadgen.Pipeline{}
	b.results.Pipeline = p
	memory := c
	memory.Calls, memory.BaseCalls = b.size.memoryCalls, b.size.memoryCalls/3
	memory.Turns = memory.Calls * turnsPerCall
	var err error
	if p.Memory, err = b.countedOn(ctx, t, memory); err != nil { // first, while no memory was used
		return err
	}
	calibration, err := loadgen.Calibrate(ctx, loadgen.Calibration{
		Command: []string{b.o.Program, "bench", "--calibration-peer", strconv.Itoa(b.size.pipelineCalls)},
		Sockets: b.size.pipelineCalls, Duration: b.size.window,
	})
	if err != nil {
		return err
	}
	p.Calibration = &calibration
	c.Calls, c.BaseCalls, c.Turns = b.size.pipelineCalls, 1, b.size.turnsMany
	if p.Turns, err = b.countedOn(ctx, t, c); err != nil {
		return err
	}
	for calls := b.size.memoryCalls; calls <= b.size.rampMost; calls += rampStep {
		c.Calls, c.Turns = calls, calls*turnsPerCall
		report, err := b.countedOn(ctx, t, c)
		if err != nil {
			return err
		}
		b.printf("          %d calls: inter-arrival p99 %.1f ms, the callers' own lateness %.1f ms, %d failed\n",
			calls, report.Gap.P99, report.Lateness.P99, report.Failed())
		if !report.InTime() {
			return nil
		}
		p.Most = calls
	}
	return nil
}

// vendors starts the stand-ins and writes the configuration of a server that works
// with them.
func (b *bench) vendors(ctx context.Context, dir string) (stop func() error, config string, err error) {
	ca, ready := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "standin.json")
	life, cancel := context.WithCancel(ctx)
	cmd := process.Command(life, b.o.Program, "standin", "pipeline", "--tls", "--ca-file", ca, "--ready-file", ready)
	cmd.Env = environment(os.Environ())
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopPatience
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, "", fmt.Errorf("start the stand-ins: %w", err)
	}
	stop = func() error {
		cancel()
		err := cmd.Wait()
		var exit *exec.ExitError
		if errors.Is(err, context.Canceled) || errors.As(err, &exit) {
			return nil
		}
		return err
	}
	url, err := standinURL(ctx, ready)
	if err != nil {
		return nil, "", errors.Join(err, stop())
	}
	config = filepath.Join(dir, "sidetone.yaml")
	text := fmt.Sprintf(`providers:
  deepgram: {api_key: bench, base_url: %[1]q}
  openai: {api_key: bench, base_url: %[2]q}
  elevenlabs: {api_key: bench, base_url: %[1]q}
defaults: {voice: voice_eleven_labs/bench, transcriber: transcriber_deepgram}
outbound: {ca_file: %[3]q, concurrent: 10000}
`, url, url+"/v1", ca)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, "", errors.Join(fmt.Errorf("write the configuration: %w", err), stop())
	}
	return stop, config, nil
}

// standinURL waits for the file in which the stand-ins say where they are.
func standinURL(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		if raw, err := os.ReadFile(path); err == nil {
			var at struct{ URL string }
			if err := json.Unmarshal(raw, &at); err != nil {
				return "", fmt.Errorf("read %s: %w", path, err)
			}
			return at.URL, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return "", fmt.Errorf("wait for the stand-ins: %w", ctx.Err())
		}
	}
}
