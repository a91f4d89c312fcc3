package call

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sidetone/sidetone/conversation"
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
	// Args is a JSON object as the model wrote it, but for secret fields: it has their
	// values in the place of their references.
	Args json.RawMessage
	// Secrets are the values of secret fields that Args has. Nothing that is stored or
	// logged may have them.
	Secrets []string
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
	// own are those that the session runs itself, at once.
	own     map[string]func(args json.RawMessage) (string, error)
	secrets *secrets
	hidden  []string // the names of secret fields
	call    ToolCall // the names that all runs share
	clock   Clock
	post    func(any)
	// commit returns when the call's journal says that a tool is run.
	commit func()
	log    *slog.Logger

	runs int
	wg   sync.WaitGroup
}

func newToolRunner(s *Session) *toolRunner {
	return &toolRunner{
		tools: map[string]Tool{endConversation: hangUp{s.inbox}, sendDigits: presser{s.caller().leg}},
		own:   s.fields.runs(), secrets: s.secrets, hidden: s.fields.secretNames(),
		call:  ToolCall{EnvironmentID: s.call.EnvironmentID, CallID: s.call.ID},
		clock: s.clock, post: s.inbox.post, log: s.log, commit: s.commit,
	}
}

// run starts a tool on a goroutine that wait waits for.
func (r *toolRunner) run(out conversation.RunTool) {
	r.runs++
	c := r.call
	c.Key, c.Name, c.Args = fmt.Sprintf("%s:%d", c.CallID, r.runs), out.Name, json.RawMessage(out.Args)
	if own := r.own[out.Name]; own != nil && !out.Unoffered {
		r.post(done(out.ID)(own(c.Args)))
		return
	}
	tool, ok := r.tools[out.Name]
	if !ok || out.Unoffered {
		r.post(conversation.ToolDone{ID: out.ID, Failed: true, Result: "unknown action: " + out.Name})
		return
	}
	if len(r.hidden) > 0 {
		args, values, err := r.secrets.reveal(out.Args, r.hidden)
		if err != nil {
			r.post(done(out.ID)("", err))
			return
		}
		c.Args, c.Secrets = json.RawMessage(args), values
	}
	r.wg.Go(func() {
		r.commit() // before anything is done, so that a process that takes the call over does not do it again
		result, err := r.runOnce(tool, c)
		told := done(out.ID)(result.Text, err)
		told.Result = withhold(told.Result, c.Secrets)
		r.post(told)
	})
}

// done makes what the machine is told of a run from its result.
func done(id string) func(result string, err error) conversation.ToolDone {
	return func(result string, err error) conversation.ToolDone {
		if err != nil {
			return conversation.ToolDone{ID: id, Failed: true, Result: Public(err)}
		}
		return conversation.ToolDone{ID: id, Result: result}
	}
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
		if done, ok := v.(conversation.ToolDone); ok && s.machine.Ended() {
			s.step(ctx, done)
		}
	}
}

// endConversation is the tool that every agent has.
const endConversation = "end_conversation"

// sendDigits is the tool by which a program of the customer's presses keys. No model
// is offered it.
const sendDigits = "send_digits"

// hangUp ends the call. The machine runs it when what the agent said last was
// heard.
type hangUp struct{ inbox *inbox }

// Run implements Tool.
func (h hangUp) Run(context.Context, ToolCall) (ToolResult, error) {
	h.inbox.postUrgent(leave{"goodbye"})
	return ToolResult{Text: "done"}, nil
}
