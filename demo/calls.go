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
			s.heardByCaller(e)
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
	s.judge(watched, result)
	return id, nil
}

// newCall waits for the newest call of the direction to appear.
func (s *show) newCall(ctx context.Context, outgoing bool) (string, error) {
	for {
		page, err := s.api.Calls(ctx, client.Query{})
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

// watched is what the event stream told.
type watched struct {
	callerTurns int
	answers     []string // the agent's words after each caller turn
	interrupted bool
	gaps        []float64
}

// watch follows GET /v1/calls/{id}/events to the end of the call.
func (s *show) watch(ctx context.Context, id string) (watched, error) {
	var w watched
	for e, err := range s.api.Events(ctx, id, 0) {
		if err != nil {
			return w, fmt.Errorf("follow call %s: %w", id, err)
		}
		s.print(e, &w)
		if e.Type == "ended" {
			return w, nil
		}
	}
	return w, fmt.Errorf("the events of call %s stopped before its end", id)
}

func (s *show) print(e client.Event, w *watched) {
	at := fmt.Sprintf("%6.2fs", float64(e.OffsetMS)/1000)
	switch e.Type {
	case "connected":
		s.printf("%s  connected, %v\n", at, e.Data["codec"])
	case "caller":
		w.callerTurns++
		w.answers = append(w.answers, "")
		s.printf("%s  CALLER  %s\n", at, e.Text)
	case "agent":
		if n := len(w.answers); n > 0 {
			w.answers[n-1] += " " + strings.ToLower(e.Text)
		}
		s.printf("%s  AGENT   %s\n", at, e.Text)
		if said, ok := e.Data["said"].(string); ok && e.Data["interrupted"] == true {
			w.interrupted = true
			s.printf("         cut off here; never heard: %q\n", strings.TrimSpace(strings.TrimPrefix(said, e.Text)))
		}
	case "paused":
		s.printf("%s  ...     the agent stops: the caller speaks\n", at)
	case "resumed":
		s.printf("%s  ...     a false alarm: the agent goes on\n", at)
	case "turn":
		if gap, ok := e.Data["gap_ms"].(float64); ok {
			w.gaps = append(w.gaps, gap)
			s.printf("%s          gap by the server: %.0f ms\n", at, gap)
		}
	case "error":
		s.printf("%s  ERROR   %s\n", at, e.Text)
		s.fail(errors.New(e.Text))
	case "ended":
		s.printf("%s  ended: %s\n", at, e.Text)
	}
}

// heardByCaller prints what the caller's process measured.
func (s *show) heardByCaller(e phoneEvent) {
	switch e.Kind {
	case "gap":
		s.printf("                 gap by the caller: %.0f ms\n", e.Took)
	case "stopped":
		s.printf("                 the agent fell silent %.0f ms after the caller's first voiced sample\n", e.Took)
	}
}

// judge checks that the story went as it should.
func (s *show) judge(w watched, r phoneEvent) {
	if want := len(s.story.lines); w.callerTurns < want {
		s.fail(fmt.Errorf("%d of the caller's %d turns were recognised", w.callerTurns, want))
	}
	for i, word := range s.story.expect {
		if i >= len(w.answers) || !strings.Contains(w.answers[i], word) {
			s.fail(fmt.Errorf("the answer to %q was not about %q", s.story.lines[i], word))
		}
	}
	interrupts := false
	for _, l := range s.story.lines {
		interrupts = interrupts || strings.HasPrefix(l, "@")
	}
	if interrupts && !w.interrupted {
		s.fail(errors.New("the interruption was not heard"))
	}
	if len(w.gaps) == 0 || len(r.Gaps) == 0 {
		s.fail(errors.New("no gap was measured"))
	}
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
		if err := s.phone(ctx, s.heardByCaller, args...); err != nil {
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
	c, err := s.api.CreateCall(ctx, client.CallRequest{FromNumber: from, ToNumber: calledNumber, Agent: agent})
	if err != nil {
		return "", fmt.Errorf("create call: %w", err)
	}
	w, err := s.watch(ctx, c.ID)
	if err != nil {
		return "", err
	}
	if w.callerTurns == 0 {
		s.fail(errors.New("the called party was not recognised"))
	}
	return c.ID, nil
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
