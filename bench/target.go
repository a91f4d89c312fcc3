package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/loadgen"
	"github.com/sidetone/sidetone/process"
	"github.com/sidetone/sidetone/server"
)

const (
	// startPatience bounds the wait for a server that starts.
	startPatience = 20 * time.Second
	// stopPatience is how long a server may take to end before it is killed.
	stopPatience = 10 * time.Second
	// shortWords, mediumWords and longWords are lengths of answers; a word of
	// the bench's voice lasts 200 ms.
	shortWords, mediumWords, longWords = "1", "25", "60"
)

// target is the server that is measured, and the numbers that lead to its
// agents.
type target struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	exited chan struct{}
	err    error // how the process ended, once exited is closed
	log    string
	sip    string
	secure string // where SIP over TLS is taken; empty: nowhere
	api    *client.Client
	// echo returns the caller's sound; short, medium and long answer every turn
	// with 0.2, 5 and 12 s of sound.
	echo, short, medium, long string
}

// start runs a server on dir, with more flags, and waits until it can take calls.
// The caller stops it.
func start(ctx context.Context, program, dir string, flags ...string) (*target, error) {
	ready := filepath.Join(dir, "ready.json")
	t := &target{exited: make(chan struct{}), log: filepath.Join(dir, "server.log")}
	log, err := os.Create(t.log)
	if err != nil {
		return nil, fmt.Errorf("make server log: %w", err)
	}
	defer func() { _ = log.Close() }() // the server has a handle of its own
	life, cancel := context.WithCancel(ctx)
	t.cancel = cancel
	flags = append([]string{"serve", "--data", dir, "--http", "127.0.0.1:0", "--sip", "127.0.0.1:0", "--ready-file", ready}, flags...)
	t.cmd = process.Command(life, program, flags...)
	t.cmd.Env, t.cmd.Stdout, t.cmd.Stderr = environment(os.Environ()), log, log
	t.cmd.Cancel = func() error { return t.cmd.Process.Signal(os.Interrupt) }
	t.cmd.WaitDelay = stopPatience
	if err := t.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start server: %w", err)
	}
	go func() { t.err = t.cmd.Wait(); close(t.exited) }()
	if err := t.await(ctx, ready); err != nil {
		return nil, errors.Join(err, t.stop())
	}
	return t, nil
}

// await waits for the ready file and connects to the server.
func (t *target) await(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		data, err := os.ReadFile(path)
		switch {
		case err == nil:
			var r server.Ready
			if err := json.Unmarshal(data, &r); err != nil {
				return fmt.Errorf("read ready file: %w", err)
			}
			t.sip, t.secure, t.api = r.SIP, r.SIPTLS, client.New(r.HTTP, sidetone.Secret(r.APIKey))
			return nil
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("read ready file: %w", err)
		}
		select {
		case <-look.C:
		case <-t.exited:
			text, _ := os.ReadFile(t.log) // the exit is the error
			return fmt.Errorf("the server ended at its start: %s", strings.TrimSpace(string(text)))
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", ctx.Err())
		}
	}
}

// stop ends the server and waits for it. It may be called again.
func (t *target) stop() error {
	t.cancel()
	<-t.exited
	var exit *exec.ExitError
	if t.err == nil || errors.Is(t.err, context.Canceled) || errors.As(t.err, &exit) && exit.Exited() {
		return nil
	}
	return fmt.Errorf("the server did not end as it should: %w", t.err)
}

// load makes a run against the server.
func (t *target) load(ctx context.Context, c loadgen.Config) (loadgen.Report, error) {
	if c.Target = t.sip; c.TLS != nil {
		c.Target = t.secure
	}
	c.ServerPID = t.cmd.Process.Pid
	return loadgen.Run(ctx, c)
}

// environment is ours without SIDETONE_* variables, which would change what is
// measured.
func environment(all []string) []string {
	var kept []string
	for _, v := range all {
		if !strings.HasPrefix(v, "SIDETONE_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// prepare makes the agents and places each on a number.
func (t *target) prepare(ctx context.Context) (err error) {
	page, err := t.api.Numbers().Available(ctx, client.OfferQuery{Limit: 4})
	offers := page.Items
	if err != nil || len(offers) < 4 {
		return fmt.Errorf("find 4 numbers for sale, found %d: %w", len(offers), err)
	}
	t.echo, t.short, t.medium, t.long = offers[0].Number, offers[1].Number, offers[2].Number, offers[3].Number
	for _, a := range []struct{ number, provider, model string }{
		{t.echo, "echo", ""}, {t.short, "bench", shortWords}, {t.medium, "bench", mediumWords}, {t.long, "bench", longWords},
	} {
		if err := t.place(ctx, client.Purchase{PhoneNumber: a.number}, a.provider, a.model); err != nil {
			return err
		}
	}
	return nil
}

// place makes an agent and lets it answer the number that is bought.
func (t *target) place(ctx context.Context, number client.Purchase, provider, model string) error {
	no := new(bool)
	agent, err := t.api.Agents().Create(ctx, client.Agent{
		Name: provider + " " + model, Prompt: &client.Prompt{Content: "Measure."}, Provider: provider, Model: model,
		ConversationSpeed: 1, EndpointingSensitivity: "auto", EnableDynamicTurns: no, AskIfHumanPresentOnIdle: no,
		IdleTimeSeconds: 3600, // a caller that only clicks says nothing
		CallDurationSec: 3600, // one call makes hundreds of turns
	})
	if err != nil {
		return fmt.Errorf("create %s agent: %w", provider, err)
	}
	number.InboundAgent = agent.ID
	if _, err := t.api.Numbers().Buy(ctx, number); err != nil {
		return fmt.Errorf("buy %s for the %s agent: %w", number.PhoneNumber, provider, err)
	}
	return nil
}
