package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal/rerun"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/scripted"
)

// modelScripted is the --model that answers by the playbook in the agent's prompt.
const modelScripted = "scripted"

// scriptedModel answers questions by the playbook in a prompt.
func scriptedModel(a *app, prompt string) (func(conversation.AskModel) (rerun.Answer, error), error) {
	if prompt == "" {
		return nil, errors.New("--model scripted: the journal has no prompt (a test leaves it out); give --with a file with the agent and its prompt")
	}
	book, found, err := scripted.InPrompt(prompt)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--model scripted: read the playbook in the agent's prompt: %w", err)
	case !found:
		return nil, errors.New(`--model scripted: the agent's prompt has no playbook, which begins with a line "playbook: NAME"; with --model none what a model would have said is left out`)
	}
	if strings.Contains(prompt, "${") {
		fmt.Fprintln(a.err, "the journal does not have what fills the playbook's ${...}: they are empty where the playbook answers")
	}
	driver := scripted.New(book, nil)
	return func(ask conversation.AskModel) (rerun.Answer, error) {
		if ask.Continue {
			return rerun.Answer{}, nil // a playbook's answer does not break off
		}
		return collectAnswer(a, driver, ask)
	}, nil
}

func collectAnswer(a *app, driver llm.Driver, ask conversation.AskModel) (rerun.Answer, error) {
	var r llm.Request
	for _, m := range ask.Messages {
		message := llm.Message{Role: llm.Role(m.Role), Text: m.Text, Interrupted: m.Interrupted, HeardFor: m.HeardFor, CallID: m.CallID}
		for _, c := range m.Calls {
			message.Calls = append(message.Calls, llm.ToolCall{ID: c.ID, Name: c.Name, Args: json.RawMessage(c.Args)})
		}
		r.Messages = append(r.Messages, message)
	}
	if !ask.NoTools {
		r.Tools = []llm.Tool{{Name: "end_conversation"}}
	}
	var out rerun.Answer
	for d, err := range driver.Generate(a.ctx, r) {
		if err != nil {
			return out, err
		}
		out.Text += d.Text
		if c := d.Call; c != nil {
			out.Calls = append(out.Calls, conversation.ToolCall{ID: c.ID, Name: c.Name, Args: string(c.Args)})
		}
	}
	return out, nil
}
