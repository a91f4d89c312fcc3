package openai

import (
	"encoding/json"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/answer"
)

// body is a request. What stays the same from turn to turn stands first and the
// messages last, so that each request begins with the bytes of the one before:
// OpenAI then takes them from its cache.
type body struct {
	Model               string         `json:"model"`
	Stream              bool           `json:"stream"`
	StreamOptions       *streamOptions `json:"stream_options,omitempty"`
	PromptCacheKey      string         `json:"prompt_cache_key,omitempty"`
	Temperature         *float64       `json:"temperature,omitempty"`
	MaxTokens           int            `json:"max_tokens,omitempty"`
	MaxCompletionTokens int            `json:"max_completion_tokens,omitempty"`
	Tools               []tool         `json:"tools,omitempty"`
	Messages            []message      `json:"messages"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
}

type message struct {
	Role       llm.Role `json:"role"`
	Content    *string  `json:"content,omitempty"`
	ToolCalls  []call   `json:"tool_calls,omitempty"`
	ToolCallID string   `json:"tool_call_id,omitempty"`
}

type call struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// body renders a request. OpenAI and Azure, and models that reason, are told
// max_completion_tokens, as they want it, and others max_tokens, which is all that many
// know. A temperature is sent when the model accepts one. The seed of the call is
// OpenAI's prompt_cache_key: requests of one call reach the same cache, see
// https://platform.openai.com/docs/guides/prompt-caching.
func (d *Driver) body(r llm.Request) body {
	b := body{Model: d.model(r.Model), Stream: true, Messages: messages(r.Messages)}
	if !d.o.NoUsage {
		b.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	takes := d.TakesTemperature(r.Model)
	if takes {
		b.Temperature = &r.Temperature
	}
	if d.new || !takes {
		b.MaxCompletionTokens = r.MaxTokens
	} else {
		b.MaxTokens = r.MaxTokens
	}
	if d.own {
		b.PromptCacheKey = r.Seed
	}
	for _, t := range r.Tools {
		b.Tools = append(b.Tools, tool{Type: "function", Function: function{t.Name, t.Description, answer.Schema(t)}})
	}
	return b
}

// messages renders the conversation.
func messages(history []llm.Message) []message {
	out := []message{}
	for _, m := range answer.Paired(history) {
		rendered := message{Role: m.Role, ToolCallID: m.CallID}
		if m.Text != "" || len(m.Calls) == 0 {
			rendered.Content = &m.Text
		}
		for _, c := range m.Calls {
			made := call{ID: c.ID, Type: "function"}
			made.Function.Name, made.Function.Arguments = c.Name, string(c.Args)
			rendered.ToolCalls = append(rendered.ToolCalls, made)
		}
		out = append(out, rendered)
	}
	return out
}
