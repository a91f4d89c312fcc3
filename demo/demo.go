package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sidetone/sidetone/client"
)

// Options say how the demo is shown.
type Options struct {
	// Program is the sidetone binary that plays the server and the callers.
	Program string
	// Out is where the story is printed.
	Out io.Writer
	// TTY plays the text telephones' story.
	TTY bool
	// Codec is the only one that the callers offer: G722, PCMU or PCMA. Empty offers
	// all, of which the server takes G722.
	Codec string
	// Dir keeps the data; empty makes a directory that is left behind.
	Dir string
	// Shift delays each caller line, to move its frame alignment.
	Shift time.Duration
}

// tooLong bounds a demo: it is a failure by then.
const tooLong = 110 * time.Second

// show is one demo under way.
type show struct {
	o     Options
	story story
	dir   string
	sip   string
	api   *client.Client
	begun time.Time

	mu     sync.Mutex
	failed []error
}

// Run shows the demo and returns what went wrong: a line that was not
// recognised, an answer that did not come, an interruption that was not heard.
func Run(ctx context.Context, o Options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, tooLong)
	defer cancel()
	s := &show{o: o, story: spoken(o.Codec), dir: o.Dir, begun: time.Now()}
	if o.TTY {
		s.story = typed()
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "sidetone-demo-"); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	s.printf("Sidetone demo, %s\n\n", s.story.title)
	stop, err := s.startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	call, err := s.tell(ctx)
	if err != nil {
		return err
	}
	s.printf("\nDone in %.1f s.\n", time.Since(s.begun).Seconds())
	s.nextSteps(call)
	return errors.Join(s.failed...)
}

// tell goes through the story and returns the id of the call that came in.
func (s *show) tell(ctx context.Context) (inbound string, err error) {
	agent, err := s.api.Agents().Create(ctx, client.Agent{Name: "Receptionist", InitialMessage: s.story.greeting,
		Prompt: &client.Prompt{Content: s.story.prompt}, Voice: s.voice(ctx)})
	if err != nil {
		return "", fmt.Errorf("create agent: %w", err)
	}
	number, err := s.buy(ctx)
	if err != nil {
		return "", err
	}
	updated, err := s.api.Numbers().Update(ctx, number.Number, client.Change{"inbound_agent": agent.ID, "label": "Front desk"})
	if err != nil {
		return "", fmt.Errorf("place the agent on %s: %w", number.Number, err)
	}
	s.printf("   POST /v1/numbers/update  %s is answered by %q\n\n", number.Number, updated.InboundAgentName)
	inbound, err = s.inbound(ctx, number.Number)
	if err != nil {
		return "", err
	}
	outbound, err := s.outbound(ctx, number.Number)
	if err != nil {
		return "", err
	}
	return inbound, s.epilogue(ctx, inbound, outbound)
}

// voice finds the built-in voice of the story.
func (s *show) voice(ctx context.Context) *client.Voice {
	page, err := s.api.Voices().List(ctx, client.Query{})
	if err != nil {
		s.fail(fmt.Errorf("list voices: %w", err))
		return nil
	}
	for _, v := range page.Items {
		if v.Type == s.story.voice {
			return &client.Voice{ID: v.ID}
		}
	}
	s.fail(fmt.Errorf("no built-in voice of type %s", s.story.voice))
	return nil
}

func (s *show) buy(ctx context.Context) (client.Number, error) {
	page, err := s.api.Numbers().Available(ctx, client.OfferQuery{AreaCode: "415", Limit: 3})
	offers := page.Items
	if err != nil || len(offers) == 0 {
		return client.Number{}, fmt.Errorf("find numbers for sale: %d found, %w", len(offers), err)
	}
	n, err := s.api.Numbers().Buy(ctx, client.Purchase{PhoneNumber: offers[0].Number})
	if err != nil {
		return n, fmt.Errorf("buy %s: %w", offers[0].Number, err)
	}
	s.printf("   POST /v1/numbers/buy     %s from the %s carrier\n", n.Number, n.TelephonyProvider)
	return n, nil
}

// epilogue prints what is stored.
func (s *show) epilogue(ctx context.Context, ids ...string) error {
	s.printf("\nWhat is stored (GET /v1/calls?id=):\n")
	for _, id := range ids {
		c, err := s.finished(ctx, id)
		if err != nil {
			return err
		}
		direction := "in "
		if c.IsOutgoing {
			direction = "out"
		}
		s.printf("\n%s %s  %s -> %s  %s, %s, %.1f s\n%s\n", direction, c.ID, c.FromNumber, c.ToNumber, c.Status, c.StageOutcome,
			c.EndTime.Sub(c.StartTime).Seconds(), indent(c.Transcript))
		path := filepath.Join(s.dir, "recordings", c.ID+".wav")
		if _, err := os.Stat(path); err != nil || !c.RecordingAvailable {
			s.fail(fmt.Errorf("call %s has no recording: %w", c.ID, err))
			continue
		}
		s.printf("recording (left the caller, right the agent): %s\nplay it:  play %s\n", path, path)
	}
	return nil
}

// finished returns the call once its end is stored.
func (s *show) finished(ctx context.Context, id string) (client.Call, error) {
	for {
		c, err := s.api.Calls().Get(ctx, id)
		if err != nil {
			return c, fmt.Errorf("get call %s: %w", id, err)
		}
		if c.Over() {
			return c, nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return c, fmt.Errorf("wait for the end of call %s: %w", id, err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *show) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.o.Out, format, args...) // a closed terminal does not stop the show
}

func (s *show) fail(errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, errs...)
}
