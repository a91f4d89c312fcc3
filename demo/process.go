package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/process"
)

// startServer starts a server on the empty directory and waits until it can
// take calls; stop ends it and waits.
func (s *show) startServer(ctx context.Context) (stop func() error, err error) {
	ready := filepath.Join(s.dir, "ready.json")
	log, err := os.Create(filepath.Join(s.dir, "server.log"))
	if err != nil {
		return nil, fmt.Errorf("make server log: %w", err)
	}
	defer func() { _ = log.Close() }() // the server has its own handle
	cmd := process.Command(context.WithoutCancel(ctx), s.o.Program, "serve", "--data", s.dir, "--http", "127.0.0.1:0", "--sip", "127.0.0.1:0", "--ready-file", ready)
	cmd.Env = cleanEnvironment(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	stop = func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		select {
		case err := <-exited:
			return err
		case <-time.After(15 * time.Second):
			_ = cmd.Process.Kill()
			return errors.New("the server did not stop within 15 s")
		}
	}
	for {
		data, err := os.ReadFile(ready)
		if err == nil {
			return stop, s.connected(data)
		}
		select {
		case err := <-exited:
			text, _ := os.ReadFile(log.Name()) // the exit is the error
			return nil, fmt.Errorf("the server ended: %w\n%s", err, text)
		default:
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, errors.Join(fmt.Errorf("wait for the server: %w", err), stop())
		}
	}
}

// connected takes the ready file's content.
func (s *show) connected(data []byte) error {
	var r struct {
		HTTP   string `json:"http"`
		SIP    string `json:"sip"`
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("read ready file: %w", err)
	}
	s.sip, s.api = r.SIP, client.New(r.HTTP, sidetone.Secret(r.APIKey))
	s.printf("A server is ready after %d ms: API %s, SIP %s, data %s\n", time.Since(s.begun).Milliseconds(), r.HTTP, r.SIP, s.dir)
	return nil
}

// cleanEnvironment is all without SIDETONE_* variables, which would change the
// demo's server.
func cleanEnvironment(all []string) []string {
	var kept []string
	for _, v := range all {
		if !strings.HasPrefix(v, "SIDETONE_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// phoneEvent is a line that `sidetone phone --json` prints.
type phoneEvent struct {
	Kind  string    `json:"kind"`
	Text  string    `json:"text"`
	Took  float64   `json:"took_ms"`
	At    float64   `json:"at_ms"`
	Gaps  []float64 `json:"gaps_ms"`
	Stops []float64 `json:"stops_ms"`
	Heard []string  `json:"heard"`
}

// phone runs `sidetone phone` and hands its events to each; it returns when the
// process ended.
func (s *show) phone(ctx context.Context, each func(phoneEvent), args ...string) error {
	args = append([]string{"phone", "--json", "--server", s.sip, "--patience", "700ms", "--shift", s.o.Shift.String(), "--codec", s.o.Codec}, args...)
	cmd := process.Command(ctx, s.o.Program, append(args, s.story.flags...)...)
	cmd.Env = cleanEnvironment(os.Environ())
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start caller: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start caller: %w", err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var e phoneEvent
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			each(e)
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("caller: %w: %s", err, strings.TrimSpace(problems.String()))
	}
	return nil
}
