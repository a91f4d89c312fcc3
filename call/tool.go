package call

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/telephony"
)

// Tool does one thing that the model asked for. It may be called concurrently.
type Tool interface {
	// Run does it and returns what the model is told. It returns soon after ctx
	// ends, which is when the tool's time is over; the end of the call does not
	// end ctx, so that what was begun is completed. The text of an error reaches
	// the model and the call's record.
	Run(ctx context.Context, c ToolCall) (ToolResult, error)
}

// ToolCall is one run of a tool.
type ToolCall struct {
	// Key is different for every run of every call. A tool that asks somebody
	// else passes it on, so that a request that is sent again is done once.
	Key string
	// EnvironmentID and CallID name the call.
	EnvironmentID, CallID string
	// Name is the tool's name.
	Name string
	// Args is a JSON object as the model wrote it.
	Args json.RawMessage
}

// ToolResult is what came of a run.
type ToolResult struct {
	// Text is told to the model: JSON or words.
	Text string
}

// toolTimeout is how long a tool may take.
const toolTimeout = 10 * time.Second

// toolRunner runs a session's tools beside it. run belongs to the session's
// goroutine; results are posted to the inbox, one for each run.
type toolRunner struct {
	tools map[string]Tool // by name
	call  ToolCall        // the names that all runs share
	clock Clock
	post  func(any)
	// commit returns when the call's journal says that a tool is run.
	commit func()
	log    *slog.Logger

	runs int
	wg   sync.WaitGroup
}

func newToolRunner(s *Session) *toolRunner {
	return &toolRunner{
		tools: map[string]Tool{endConversation: hangUp{s.inbox}, sendDigits: presser{s.caller().leg}},
		call:  ToolCall{EnvironmentID: s.call.EnvironmentID, CallID: s.call.ID},
		clock: s.clock, post: s.inbox.post, log: s.log, commit: s.commit,
	}
}

// run starts a tool on a goroutine that wait waits for.
func (r *toolRunner) run(out conversation.RunTool) {
	r.runs++
	c := r.call
	c.Key, c.Name, c.Args = fmt.Sprintf("%s:%d", c.CallID, r.runs), out.Name, json.RawMessage(out.Args)
	tool, ok := r.tools[out.Name]
	if !ok || out.Unoffered {
		r.post(conversation.ToolDone{ID: out.ID, Failed: true, Result: "unknown action: " + out.Name})
		return
	}
	r.wg.Go(func() {
		r.commit() // before anything is done, so that a process that takes the call over does not do it again
		result, err := r.runOnce(tool, c)
		if err != nil {
			r.post(conversation.ToolDone{ID: out.ID, Failed: true, Result: Public(err)})
			return
		}
		r.post(conversation.ToolDone{ID: out.ID, Result: result.Text})
	})
}

// runOnce runs a tool for as long as it may take; a panic in it is an error.
func (r *toolRunner) runOnce(t Tool, c ToolCall) (result ToolResult, err error) {
	defer caught(r.log, "tool "+c.Name, &err)
	ctx, cancel := withTimeout(r.clock, toolTimeout)
	defer cancel()
	result, err = t.Run(ctx, c)
	if err != nil && ctx.Err() != nil {
		return result, fmt.Errorf("no result within %s", toolTimeout)
	}
	return result, err
}

// wait returns when no tool runs any more.
func (r *toolRunner) wait() { r.wg.Wait() }

// settleTools waits for the tools that run when the call is over, and puts their
// results into its record.
func (s *Session) settleTools(ctx context.Context) {
	s.tools.wait()
	for v := s.inbox.next(); v != nil; v = s.inbox.next() {
		switch v := v.(type) {
		case conversation.ToolDone:
			if s.machine.Ended() {
				s.step(ctx, v)
			}
		case answered: // nobody is left to talk to
			s.turnAway(v.leg)
		}
	}
	s.wg.Wait()
}

// endConversation is the tool that every agent has.
const endConversation = "end_conversation"

// sendDigits is the tool by which a program of the customer's presses keys. No model
// is offered it.
const sendDigits = "send_digits"

// presser presses keys on a line. The machine runs it when what the agent said before
// was heard.
type presser struct{ leg telephony.Leg }

// Run implements Tool; its argument digits is what telephony.DigitSender takes.
func (p presser) Run(ctx context.Context, c ToolCall) (ToolResult, error) {
	var args struct{ Digits string }
	if err := json.Unmarshal(c.Args, &args); err != nil {
		return ToolResult{}, fmt.Errorf("read the keys: %w", err)
	}
	line, ok := p.leg.(telephony.DigitSender)
	if !ok {
		return ToolResult{}, telephony.Error("the line cannot send keys")
	}
	if err := line.SendDigits(ctx, args.Digits); err != nil {
		return ToolResult{}, fmt.Errorf("send the keys: %w", err)
	}
	return ToolResult{Text: "done"}, nil
}

// hangUp ends the call. The machine runs it when what the agent said last was
// heard.
type hangUp struct{ inbox *inbox }

// Run implements Tool.
func (h hangUp) Run(context.Context, ToolCall) (ToolResult, error) {
	h.inbox.postUrgent(leave{"goodbye"})
	return ToolResult{Text: "done"}, nil
}
