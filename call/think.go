package call

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/llm"
)

// mind asks the language model for a session. ask and cancel belong to the
// session's goroutine.
type mind struct {
	plan        Plan
	system      string
	seed        string
	temperature float64
	tools       []llm.Tool
	post        func(any)
	log         *slog.Logger // nil: nothing is logged

	wg      sync.WaitGroup
	running map[uint64]context.CancelFunc
}

// ask starts generation a.Gen on a goroutine that wait waits for.
func (m *mind) ask(ctx context.Context, a conversation.AskModel) {
	if a.Hedge {
		return // one model only: there is nothing to hedge on
	}
	ctx, cancel := context.WithCancel(ctx)
	m.running[a.Gen] = cancel
	request := m.request(a)
	m.wg.Go(func() {
		defer cancel()
		if err := m.generate(ctx, a.Gen, request); err != nil && ctx.Err() == nil {
			m.post(conversation.ModelFailed{Gen: a.Gen, Reason: public(err)})
		}
	})
}

// cancel stops generation gen.
func (m *mind) cancel(gen uint64) {
	if stop, ok := m.running[gen]; ok {
		stop()
		delete(m.running, gen)
	}
}

// wait returns when no generation runs any more.
func (m *mind) wait() { m.wg.Wait() }

func (m *mind) generate(ctx context.Context, gen uint64, r llm.Request) (err error) {
	defer caught(m.log, "model", &err)
	if len(m.plan.Models) == 0 {
		return llm.ErrNoModel
	}
	silent := false
	for d, err := range m.plan.model().Driver.Generate(ctx, r) {
		silent = silent || d.Silent
		switch {
		case err != nil:
			return err
		case d.Call != nil:
			m.post(conversation.ModelCall{Gen: gen, ID: d.Call.ID, Name: d.Call.Name, Args: string(d.Call.Args)})
		case d.Text != "":
			m.post(conversation.ModelText{Gen: gen, Text: d.Text})
		}
	}
	m.post(conversation.ModelDone{Gen: gen, Silent: silent})
	return nil
}

// request renders the history for the model, the system prompt first.
func (m *mind) request(a conversation.AskModel) llm.Request {
	messages := make([]llm.Message, 0, len(a.Messages)+1)
	messages = append(messages, llm.Message{Role: llm.System, Text: m.system})
	for _, h := range a.Messages {
		msg := llm.Message{Role: llm.Role(h.Role), Text: h.Text, Interrupted: h.Interrupted, CallID: h.CallID}
		for _, c := range h.Calls {
			msg.Calls = append(msg.Calls, llm.ToolCall{ID: c.ID, Name: c.Name, Args: json.RawMessage(c.Args)})
		}
		messages = append(messages, msg)
	}
	tools := m.tools
	if a.NoTools {
		tools = nil
	}
	return llm.Request{Model: m.plan.model().Name, Messages: messages, Tools: tools, Temperature: m.temperature, Seed: m.seed}
}

// builtinTools are the actions every agent has.
func builtinTools() []llm.Tool {
	return []llm.Tool{{
		Name:        endConversation,
		Description: "Ends the call after what you said was heard. Use it when the caller says goodbye or nothing is left to do.",
		Schema:      json.RawMessage(`{"type":"object","properties":{}}`),
	}}
}
