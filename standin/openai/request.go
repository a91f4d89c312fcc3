package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/standin"
)

// chatRequest has the members of a request that the stand-in knows; it refuses
// others, as OpenAI does.
type chatRequest struct {
	Model               string          `json:"model"`
	Messages            []message       `json:"messages"`
	Stream              bool            `json:"stream"`
	StreamOptions       *streamOptions  `json:"stream_options"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	MaxTokens           int             `json:"max_tokens"`
	MaxCompletionTokens int             `json:"max_completion_tokens"`
	Tools               []tool          `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls"`
	PromptCacheKey      string          `json:"prompt_cache_key"`
	Seed                *int64          `json:"seed"`
	User                string          `json:"user"`
}

type streamOptions struct {
	IncludeUsage       bool  `json:"include_usage"`
	IncludeObfuscation *bool `json:"include_obfuscation"`
}

type message struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	Name       string          `json:"name"`
	ToolCalls  []toolCall      `json:"tool_calls"`
	ToolCallID string          `json:"tool_call_id"`
}

type toolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function functionCall `json:"function"`
}

type functionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      *bool           `json:"strict"`
}

// parse reads a request and holds it against the vendor's rules.
func parse(raw []byte) (chatRequest, error) {
	var r chatRequest
	if err := standin.Strict(raw, &r); err != nil {
		return r, fmt.Errorf("unrecognized request: %w", err)
	}
	switch {
	case r.Model == "":
		return r, errors.New("you must provide a model parameter")
	case !r.Stream:
		return r, errors.New("this stand-in only streams")
	case len(r.Messages) == 0:
		return r, errors.New("[] is too short - 'messages'")
	case r.Temperature != nil && (*r.Temperature < 0 || *r.Temperature > 2):
		return r, errors.New("invalid 'temperature': must be between 0 and 2")
	case r.Temperature != nil && reasons(r.Model):
		return r, errors.New("unsupported parameter: 'temperature' is not supported with this model")
	case r.MaxTokens > 0 && reasons(r.Model):
		return r, errors.New("unsupported parameter: 'max_tokens' is not supported with this model, use 'max_completion_tokens'")
	}
	return r, errors.Join(checkTools(r.Tools), checkOrder(r.Messages))
}

// reasons reports whether a model refuses what steers sampling.
func reasons(model string) bool {
	return !strings.HasPrefix(model, "gpt-5-chat") && slices.ContainsFunc([]string{"o1", "o3", "o4", "gpt-5"}, func(p string) bool { return strings.HasPrefix(model, p) })
}

func checkTools(tools []tool) error {
	for i, t := range tools {
		var schema map[string]any
		if t.Type != "function" || t.Function.Name == "" || len(t.Function.Name) > 64 {
			return fmt.Errorf("invalid 'tools[%d]'", i)
		}
		if len(t.Function.Parameters) > 0 && (json.Unmarshal(t.Function.Parameters, &schema) != nil || schema["type"] != "object") {
			return fmt.Errorf("invalid schema for function '%s': schema must be a JSON Schema of 'type: \"object\"'", t.Function.Name)
		}
	}
	return nil
}

// checkOrder sees to it that the results of tools follow the calls that they
// answer, all of them.
func checkOrder(messages []message) error {
	var open []string
	for i, m := range messages {
		if m.Role == "tool" {
			at := slices.Index(open, m.ToolCallID)
			if at < 0 {
				return fmt.Errorf("invalid parameter: messages[%d] with role 'tool' must be a response to a preceding message with 'tool_calls'", i)
			}
			open = slices.Delete(open, at, at+1)
			continue
		}
		if len(open) > 0 {
			break
		}
		if !slices.Contains([]string{"system", "developer", "user", "assistant"}, m.Role) {
			return fmt.Errorf("invalid value: '%s', messages[%d].role", m.Role, i)
		}
		if _, err := textOf(m.Content); err != nil || len(m.Content) == 0 && len(m.ToolCalls) == 0 {
			return fmt.Errorf("invalid value for 'content' of messages[%d]", i)
		}
		for _, c := range m.ToolCalls {
			open = append(open, c.ID)
		}
	}
	if len(open) > 0 {
		return errors.New("an assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'")
	}
	return nil
}

// textOf reads a content: a text, parts of text, or null.
func textOf(raw json.RawMessage) (string, error) {
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(raw, &parts); err != nil {
		return "", fmt.Errorf("content: %w", err)
	}
	for _, p := range parts {
		text += p.Text
	}
	return text, nil
}

// request is what the model is asked.
func (r chatRequest) request() llm.Request {
	out := llm.Request{Model: r.Model, MaxTokens: max(r.MaxTokens, r.MaxCompletionTokens)}
	for _, m := range r.Messages {
		text, _ := textOf(m.Content) // parse has read it
		role := llm.Role(m.Role)
		if role == "developer" {
			role = llm.System
		}
		message := llm.Message{Role: role, Text: text, CallID: m.ToolCallID}
		for _, c := range m.ToolCalls {
			message.Calls = append(message.Calls, llm.ToolCall{ID: c.ID, Name: c.Function.Name, Args: json.RawMessage(c.Function.Arguments)})
		}
		out.Messages = append(out.Messages, message)
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, llm.Tool{Name: t.Function.Name, Description: t.Function.Description, Schema: t.Function.Parameters})
	}
	return out
}
