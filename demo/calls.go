package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/client"
)

// calledNumber is where the second softphone listens.
const calledNumber = "+12025550143"

// inbound lets the caller ring the agent and prints the conversation as the
// server tells it.
func (s *show) inbound(ctx context.Context, number string) (id string, err error) {
	s.printf("A caller rings %s (a second process; real SIP and RTP over loopback):\n\n", number)
	var wg sync.WaitGroup
	defer wg.Wait()
	args := []string{"--from", "+12025550117"}
	for _, l := range s.story.lines {
		args = append(args, "--say", l)
	}
	var result phoneEvent
	wg.Go(func() {
		err := s.phone(ctx, func(e phoneEvent) {
			s.printf("%s", e.line())
			if e.Kind == "result" {
				result = e
			}
		}, append(args, "--stay", "--deaf", number)...)
		if err != nil {
			s.fail(err)
		}
	})
	id, err = s.newCall(ctx, false)
	if err != nil {
		return "", err
	}
	watched, err := s.watch(ctx, id)
	if err != nil {
		return "", err
	}
	wg.Wait()
	s.fail(s.story.judge(watched, result)...)
	return id, nil
}

// newCall waits for the newest call of the direction to appear.
func (s *show) newCall(ctx context.Context, outgoing bool) (string, error) {
	for {
		page, err := s.api.Calls().List(ctx, client.Query{})
		if err != nil {
			return "", fmt.Errorf("list calls: %w", err)
		}
		for _, c := range page.Items {
			if c.IsOutgoing == outgoing {
				return c.ID, nil
			}
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return "", fmt.Errorf("wait for the call: %w", err)
		}
	}
}

// watch follows GET /v1/calls/{id}/events to the end of the call.
func (s *show) watch(ctx context.Context, id string) (watched, error) {
	var w watched
	for e, err := range s.api.Calls().Events(ctx, id, 0) {
		if err != nil {
			return w, fmt.Errorf("follow call %s: %w", id, err)
		}
		s.printf("%s", w.take(e))
		if e.Type == "ended" {
			return w, nil
		}
	}
	return w, fmt.Errorf("the events of call %s stopped before its end", id)
}

// outbound lets the agent call a second softphone.
func (s *show) outbound(ctx context.Context, from string) (id string, err error) {
	s.printf("\nThe agent calls %s, where a softphone listens (POST /v1/calls/create):\n\n", calledNumber)
	var wg sync.WaitGroup
	defer wg.Wait()
	ready := filepath.Join(s.dir, "listening")
	args := []string{"--listen", calledNumber, "--count", "1", "--stay", "--deaf", "--ready-file", ready}
	for _, l := range s.story.answer {
		args = append(args, "--say", l)
	}
	wg.Go(func() {
		if err := s.phone(ctx, func(e phoneEvent) { s.printf("%s", e.line()) }, args...); err != nil {
			s.fail(err)
		}
	})
	for {
		if _, err := os.Stat(ready); err == nil {
			break
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return "", fmt.Errorf("wait for the softphone: %w", err)
		}
	}
	prompt := reminderPrompt
	if s.o.TTY {
		prompt = s.story.prompt
	}
	agent := map[string]any{"prompt": map[string]any{"content": prompt}, "voice": s.voice(ctx),
		"initial_message": s.story.reminder, "wait_for_greeting": false}
	c, err := s.api.Calls().Create(ctx, client.CallRequest{FromNumber: from, ToNumber: calledNumber, Agent: agent})
	if err != nil {
		return "", fmt.Errorf("create call: %w", err)
	}
	w, err := s.watch(ctx, c.ID)
	if err != nil {
		return "", err
	}
	s.fail(w.problems...)
	if w.callerTurns == 0 {
		s.fail(errors.New("the called party was not recognised"))
	}
	return c.ID, nil
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
