package call

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
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
	// ID is the model's own name of the run.
	ID string
	// Name is the tool's name.
	Name string
	// Args is a JSON object as the model wrote it. While the tool runs it has the values of
	// secret fields in the place of their references.
	Args json.RawMessage
	// Secrets are the values of secret fields that Args has, by their references. Nothing
	// that is stored or logged may have them.
	Secrets map[string]string
	// Spoken is what was said and done in the call until now. It is not to be changed.
	Spoken []sidetone.Event
}

// ToolResult is what came of a run.
type ToolResult struct {
	// Text is told to the model: JSON or words.
	Text string
	// Say is said because of it instead of an answer of the model's; "" for nothing.
	Say string
	// JSON is the result for the record; nil: that has the text. Status is that of the
	// response of a server; 0 for none.
	JSON   json.RawMessage
	Status int
}

// toolTimeout is how long a tool may take that says nothing else.
const toolTimeout = 10 * time.Second

// toolRunner runs a session's tools beside it. run belongs to the session's
// goroutine; results are posted to the inbox, one for each run.
type toolRunner struct {
	tools   map[string]Tool   // by name
	actions map[string]Action // those of the agent, by the same names
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
	// kept keeps the runs of what is to be done once at most; nil: nobody does.
	kept Runs
	// spoken returns what was said in the call.
	spoken func() []sidetone.Event
	// private says that no result may be kept.
	private bool
	details details

	runs int
	wg   sync.WaitGroup
}

func newToolRunner(s *Session, kept Runs) *toolRunner {
	r := &toolRunner{
		tools: map[string]Tool{EndConversation: hangUp{s.inbox}, sendDigits: presser{s.caller().leg}}, actions: map[string]Action{},
		own: s.fields.runs(), secrets: s.secrets, hidden: s.fields.secretNames(),
		call:  ToolCall{EnvironmentID: s.call.EnvironmentID, CallID: s.call.ID},
		clock: s.clock, post: s.inbox.post, log: s.log, commit: s.commit, kept: kept, private: s.call.HIPAA,
		spoken: func() []sidetone.Event { return slices.Clip(s.spoken) },
	}
	for _, a := range s.plan.runnable() {
		if a.Tool == nil {
			a.Tool = builtin()[a.Type](s, a)
		}
		r.tools[a.Rule.Name], r.actions[a.Rule.Name] = a.Tool, a
	}
	return r
}

// next numbers a run.
func (r *toolRunner) next(out conversation.RunTool) ToolCall {
	r.runs++
	c := r.call
	c.Key, c.ID, c.Name, c.Args = fmt.Sprintf("%s:%d", c.CallID, r.runs), out.ID, out.Name, json.RawMessage(out.Args)
	return c
}

// run starts a tool on a goroutine that wait waits for.
func (r *toolRunner) run(out conversation.RunTool) {
	c := r.next(out)
	if own := r.own[out.Name]; own != nil && !out.Unoffered {
		r.post(told(out.ID)(own(c.Args)))
		return
	}
	tool, ok := r.tools[out.Name]
	if !ok || out.Unoffered {
		r.post(conversation.ToolDone{ID: out.ID, Failed: true, Result: "unknown action: " + out.Name})
		return
	}
	if len(r.hidden) > 0 {
		values, err := r.secrets.in(out.Args, r.hidden)
		if err != nil {
			r.post(told(out.ID)("", err))
			return
		}
		c.Secrets = values
	}
	if r.spoken != nil {
		c.Spoken = r.spoken()
	}
	r.details.add(c, r.actions[c.Name])
	r.wg.Go(func() {
		r.commit() // before anything is done, so that a process that takes the call over does not do it again
		r.post(r.carryOut(tool, c))
	})
}

// told makes what the machine is told of a run from its result.
func told(id string) func(result string, err error) conversation.ToolDone {
	return func(result string, err error) conversation.ToolDone {
		if err != nil {
			return conversation.ToolDone{ID: id, Failed: true, Result: Public(err)}
		}
		return conversation.ToolDone{ID: id, Result: result}
	}
}

// runOnce runs a tool for as long as it may take; a panic in it is an error.
func (r *toolRunner) runOnce(t Tool, c ToolCall) (result ToolResult, err error) {
	returned := false
	defer func() {
		if !returned {
			err = &Uncertain{Public(err)} // a panic, somewhere on the way
		}
	}()
	defer caught(r.log, "tool "+c.Name, &err)
	timeout := cmp.Or(r.actions[c.Name].Timeout, toolTimeout)
	ctx, cancel := withTimeout(r.clock, timeout)
	defer cancel()
	c.Args = reveal(c.Args, c.Secrets)
	result, err = t.Run(ctx, c)
	returned = true
	var unknown *Uncertain
	if err != nil && ctx.Err() != nil && !errors.As(err, &unknown) {
		return result, fmt.Errorf("no result within %s", timeout)
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
		case reached:
			s.turnAway(v.leg)
		}
	}
	s.wg.Wait()
	s.reportLeft()
}

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
