package anthropic

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/standin"
)

// request has the members of a request that the stand-in knows; it refuses others,
// as Anthropic does.
type request struct {
	Model         string          `json:"model"`
	MaxTokens     int             `json:"max_tokens"`
	Stream        bool            `json:"stream"`
	Messages      []message       `json:"messages"`
	System        json.RawMessage `json:"system"`
	Tools         []tool          `json:"tools"`
	ToolChoice    *toolChoice     `json:"tool_choice"`
	Temperature   *float64        `json:"temperature"`
	TopP          *float64        `json:"top_p"`
	TopK          *int            `json:"top_k"`
	StopSequences []string        `json:"stop_sequences"`
	Metadata      *struct {
		UserID string `json:"user_id"`
	} `json:"metadata"`
}

type toolChoice struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

type tool struct {
	Type         string          `json:"type"`
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	InputSchema  json.RawMessage `json:"input_schema"`
	CacheControl *cacheControl   `json:"cache_control"`
}

type cacheControl struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type block struct {
	Type         string          `json:"type"`
	Text         string          `json:"text"`
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Input        json.RawMessage `json:"input"`
	ToolUseID    string          `json:"tool_use_id"`
	Content      json.RawMessage `json:"content"`
	IsError      bool            `json:"is_error"`
	CacheControl *cacheControl   `json:"cache_control"`
}

// parse reads a request and holds it against the rules of an API version.
func parse(raw []byte, version string) (request, error) {
	var r request
	if err := standin.Strict(raw, &r); err != nil {
		return r, fmt.Errorf("%w: Extra inputs are not permitted", err)
	}
	sampled := r.Temperature != nil || r.TopP != nil || r.TopK != nil
	switch {
	case version != "2023-06-01" && version != "2026-10-21":
		return r, errors.New("anthropic-version: header is required")
	case version == "2026-10-21" && sampled:
		return r, errors.New("temperature: Extra inputs are not permitted")
	case r.Temperature != nil && (*r.Temperature < 0 || *r.Temperature > 1):
		return r, errors.New("temperature: range: 0..1")
	case r.Model == "":
		return r, errors.New("model: Field required")
	case r.MaxTokens < 1:
		return r, errors.New("max_tokens: Field required")
	case !r.Stream:
		return r, errors.New("this stand-in only streams")
	case len(r.Messages) == 0:
		return r, errors.New("messages: at least one message is required")
	case r.Messages[0].Role != "user":
		return r, errors.New(`messages: first message must use the "user" role`)
	case r.Messages[len(r.Messages)-1].Role != "user":
		return r, errors.New("this model does not support assistant message prefill; the conversation must end with a user message")
	}
	return r, r.check()
}

// check looks into the blocks.
func (r request) check() error {
	marks, calls := 0, map[string]bool{}
	system, err := blocks(r.System)
	if err != nil {
		return fmt.Errorf("system: %w", err)
	}
	for _, t := range r.Tools {
		var schema map[string]any
		if t.Name == "" || json.Unmarshal(t.InputSchema, &schema) != nil || schema["type"] != "object" {
			return fmt.Errorf("tools: %q: input_schema.type: Input should be 'object'", t.Name)
		}
		marks += count(t.CacheControl)
	}
	for _, b := range system {
		marks += count(b.CacheControl)
	}
	var open []string
	for i, m := range r.Messages {
		content, err := blocks(m.Content)
		if err != nil || len(content) == 0 {
			return fmt.Errorf("messages.%d: content must not be empty: %w", i, err)
		}
		answered := results(content)
		for _, id := range open {
			if !slices.Contains(answered, id) {
				return fmt.Errorf("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s", i-1, id)
			}
		}
		open = nil
		for _, b := range content {
			marks += count(b.CacheControl)
			if err := b.check(m.Role, calls, len(r.Tools)); err != nil {
				return fmt.Errorf("messages.%d.content: %w", i, err)
			}
			if b.Type == "tool_use" {
				open = append(open, b.ID)
			}
		}
	}
	if marks > 4 {
		return fmt.Errorf("a maximum of 4 blocks with cache_control may be provided, found %d", marks)
	}
	return nil
}

// check holds a block against the rules; calls are those made so far.
func (b block) check(role string, calls map[string]bool, tools int) error {
	var input map[string]any
	switch {
	case b.Type == "text" && strings.TrimSpace(b.Text) == "":
		return errors.New("text content blocks must contain non-whitespace text")
	case b.Type == "text":
	case b.Type == "tool_use" && role == "assistant":
		if !validID(b.ID) || b.Name == "" || json.Unmarshal(b.Input, &input) != nil {
			return errors.New("tool_use: invalid id, name or input")
		}
		if tools == 0 {
			return errors.New("requests which include `tool_use` or `tool_result` blocks must define tools")
		}
		calls[b.ID] = true
	case b.Type == "tool_result" && role == "user" && calls[b.ToolUseID]:
	case b.Type == "tool_result":
		return fmt.Errorf("unexpected `tool_use_id` found in `tool_result` blocks: %s", b.ToolUseID)
	default:
		return fmt.Errorf("a block of type %q is not for the role %q", b.Type, role)
	}
	return nil
}

func count(c *cacheControl) int {
	if c == nil {
		return 0
	}
	return 1
}

// results are the calls that blocks answer.
func results(content []block) (ids []string) {
	for _, b := range content {
		if b.Type == "tool_result" {
			ids = append(ids, b.ToolUseID)
		}
	}
	return ids
}

// blocks reads a content: a text, or blocks.
func blocks(raw json.RawMessage) ([]block, error) {
	var text string
	if len(raw) == 0 {
		return nil, nil
	}
	if json.Unmarshal(raw, &text) == nil {
		return []block{{Type: "text", Text: text}}, nil
	}
	var all []block
	if err := standin.Strict(raw, &all); err != nil {
		return nil, err
	}
	return all, nil
}

// textOf joins the texts of a content.
func textOf(raw json.RawMessage) string {
	var text strings.Builder
	content, _ := blocks(raw) // check has read it
	for _, b := range content {
		text.WriteString(b.Text)
	}
	return text.String()
}

// request is what the model is asked.
func (r request) request() llm.Request {
	out := llm.Request{Model: r.Model, MaxTokens: r.MaxTokens, Messages: []llm.Message{{Role: llm.System, Text: textOf(r.System)}}}
	for _, m := range r.Messages {
		content, _ := blocks(m.Content) // check has read it
		for _, b := range content {
			message := llm.Message{Role: llm.Role(m.Role), Text: b.Text}
			switch b.Type {
			case "tool_use":
				message.Calls = []llm.ToolCall{{ID: b.ID, Name: b.Name, Args: b.Input}}
			case "tool_result":
				message.Role, message.CallID, message.Text = llm.ToolRole, b.ToolUseID, textOf(b.Content)
			}
			out.Messages = append(out.Messages, message)
		}
	}
	if r.ToolChoice != nil && r.ToolChoice.Type == "none" {
		return out
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, llm.Tool{Name: t.Name, Description: t.Description, Schema: t.InputSchema})
	}
	return out
}
