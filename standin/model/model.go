// Package model is what the stand-ins of language models share: where their
// answers come from, and how an answer goes wrong.
package model

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/standin"
)

// Answer yields what d answers to r, spoilt by a fault: EmptySuccess, Blank
// and Pictographs say nothing, ToolOnly and ToolLoop call the request's first tool,
// Unoffered one that it does not have, and say nothing. Other faults change no answer.
func Answer(ctx context.Context, d llm.Driver, r llm.Request, fault standin.Kind) iter.Seq2[llm.Delta, error] {
	var deltas []llm.Delta
	switch fault {
	case standin.EmptySuccess:
	case standin.Blank:
		deltas = []llm.Delta{{Text: " "}, {Text: "\n"}}
	case standin.Pictographs:
		deltas = []llm.Delta{{Text: "😀"}, {Text: " 👍 …"}}
	case standin.Unoffered:
		deltas = []llm.Delta{{Call: &llm.ToolCall{ID: fmt.Sprintf("keys_%d", len(r.Messages)), Name: "send_digits", Args: json.RawMessage(`{"digits":"1"}`)}}}
	case standin.ToolOnly, standin.ToolLoop:
		if len(r.Tools) > 0 {
			deltas = []llm.Delta{{Call: &llm.ToolCall{ID: fmt.Sprintf("again_%d", len(r.Messages)), Name: r.Tools[0].Name, Args: json.RawMessage(`{}`)}}}
		}
	default:
		return d.Generate(ctx, r)
	}
	return func(yield func(llm.Delta, error) bool) {
		for _, d := range deltas {
			if !yield(d, nil) {
				return
			}
		}
		yield(llm.Delta{Done: &llm.Usage{In: 10, Out: len(deltas)}}, nil)
	}
}

// Playbook is a model that follows the playbook in the system prompt of each
// request, see docs/playbook.md; without one it says what it heard.
type Playbook struct{}

// Generate answers by the playbook.
func (Playbook) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	for _, m := range r.Messages {
		if book, found, err := scripted.InPrompt(m.Text); m.Role == llm.System && found && err == nil {
			return scripted.New(book, nil).Generate(ctx, r)
		}
	}
	return echo(r)
}

// Fixed is a model that always says the same.
type Fixed string

// Generate says it, a word at a time.
func (f Fixed) Generate(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
	return words(string(f), llm.Usage{})
}

// echo repeats what was heard last, a word at a time.
func echo(r llm.Request) iter.Seq2[llm.Delta, error] {
	text, used := "I am here.", llm.Usage{}
	for _, m := range r.Messages {
		if used.In += len(strings.Fields(m.Text)); m.Role == llm.User && m.Text != "" {
			text = "You said: " + m.Text
		}
	}
	return words(text, used)
}

// words is an answer that comes word by word.
func words(text string, used llm.Usage) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		for word := range strings.SplitAfterSeq(text, " ") {
			if used.Out++; !yield(llm.Delta{Text: word}, nil) {
				return
			}
		}
		yield(llm.Delta{Done: &used}, nil)
	}
}
