package anthropic

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/answer"
)

// body is a request. What stays the same from turn to turn stands first, in the
// order in which the vendor caches it, and the messages last, see
// https://platform.claude.com/docs/en/build-with-claude/prompt-caching.
type body struct {
	Model       string      `json:"model"`
	MaxTokens   int         `json:"max_tokens"`
	Stream      bool        `json:"stream"`
	Temperature *float64    `json:"temperature,omitempty"`
	Tools       []tool      `json:"tools,omitempty"`
	ToolChoice  *toolChoice `json:"tool_choice,omitempty"`
	System      []block     `json:"system,omitempty"`
	Messages    []message   `json:"messages"`
}

type tool struct {
	Name         string          `json:"name"`
	Description  string          `json:"description,omitempty"`
	InputSchema  json.RawMessage `json:"input_schema"`
	CacheControl *cacheControl   `json:"cache_control,omitempty"`
}

type toolChoice struct {
	Type string `json:"type"`
}

type cacheControl struct {
	Type string `json:"type"`
}

type message struct {
	Role    string  `json:"role"`
	Content []block `json:"content"`
}

// block is a text, a call of a tool (tool_use) or its result (tool_result).
type block struct {
	Type         string          `json:"type"`
	Text         string          `json:"text,omitempty"`
	ID           string          `json:"id,omitempty"`
	Name         string          `json:"name,omitempty"`
	Input        json.RawMessage `json:"input,omitempty"`
	ToolUseID    string          `json:"tool_use_id,omitempty"`
	Content      string          `json:"content,omitempty"`
	IsError      bool            `json:"is_error,omitempty"`
	CacheControl *cacheControl   `json:"cache_control,omitempty"`
}

// body renders a request with three breakpoints of the cache: behind the tools,
// behind the system prompt, and behind the newest turn.
func (d *Driver) body(r llm.Request) body {
	b := body{Model: r.Model, MaxTokens: r.MaxTokens, Stream: true}
	if b.MaxTokens == 0 {
		b.MaxTokens = defaultMaxTokens
	}
	if d.TakesTemperature(r.Model) {
		temperature := min(r.Temperature, 1)
		b.Temperature = &temperature
	}
	for _, t := range r.Tools {
		b.Tools = append(b.Tools, tool{Name: t.Name, Description: t.Description, InputSchema: answer.Schema(t)})
	}
	if len(b.Tools) == 0 {
		b.forbidTools(r.Messages)
	}
	breakpoint := &cacheControl{"ephemeral"}
	if n := len(b.Tools); n > 0 {
		b.Tools[n-1].CacheControl = breakpoint
	}
	system, turns := answer.Turns(r.Messages)
	if strings.TrimSpace(system) != "" {
		b.System = []block{{Type: "text", Text: system, CacheControl: breakpoint}}
	}
	for _, t := range turns {
		b.Messages = append(b.Messages, turn(t))
	}
	newest := b.Messages[len(b.Messages)-1].Content
	newest[len(newest)-1].CacheControl = breakpoint
	return b
}

// forbidTools declares the tools of earlier calls when none may be called now.
func (b *body) forbidTools(history []llm.Message) {
	for _, m := range history {
		for _, c := range m.Calls {
			if !slices.ContainsFunc(b.Tools, func(t tool) bool { return t.Name == c.Name }) {
				b.Tools = append(b.Tools, tool{Name: c.Name, InputSchema: answer.Schema(llm.Tool{})})
				b.ToolChoice = &toolChoice{"none"}
			}
		}
	}
}

// turn renders what one side says and does, each message a block of its own: a
// block never changes when another follows it.
func turn(t answer.Turn) message {
	out := message{Role: "user"}
	if t.Assistant {
		out.Role = "assistant"
	}
	for _, m := range t.Messages {
		if m.Role == llm.ToolRole {
			out.Content = append(out.Content, block{Type: "tool_result", ToolUseID: cleanID(m.CallID), Content: m.Text,
				IsError: strings.HasPrefix(m.Text, llm.FailedResult)})
			continue
		}
		if text := strings.TrimRight(m.Text, " \n"); strings.TrimSpace(text) != "" {
			out.Content = append(out.Content, block{Type: "text", Text: text})
		}
		for _, c := range m.Calls {
			out.Content = append(out.Content, block{Type: "tool_use", ID: cleanID(c.ID), Name: c.Name, Input: answer.Object(c.Args)})
		}
	}
	return out
}

// cleanID is an id in the letters that the vendor accepts: another vendor's model may
// have made it.
func cleanID(id string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, id)
}
