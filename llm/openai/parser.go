package openai

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/answer"
	"github.com/sidetone/sidetone/provider"
)

// chunk is a piece of an answer, see
// https://platform.openai.com/docs/api-reference/chat-streaming. Any member may be
// absent or null, and the list of choices empty.
type chunk struct {
	ID      string `json:"id"`
	Choices []struct {
		Index        int    `json:"index"`
		Delta        delta  `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
		Details          struct {
			CachedTokens int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		// CacheHitTokens is DeepSeek's count of cached tokens.
		CacheHitTokens int `json:"prompt_cache_hit_tokens"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

type delta struct {
	Content   string `json:"content"`
	Refusal   string `json:"refusal"`
	ToolCalls []struct {
		Index    int    `json:"index"`
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// maxCalls bounds the calls of one answer.
const maxCalls = 128

// parser reads one answer.
type parser struct {
	client *provider.Client
	out    *answer.Out
	calls  map[int]*llm.ToolCall
	reason string
	thinks thoughts
}

func newParser(c *provider.Client, out *answer.Out) *parser {
	return &parser{client: c, out: out, calls: map[int]*llm.ToolCall{}}
}

// Event reads one chunk, or the mark of the end.
func (p *parser) Event(e provider.Event) (ended bool, err error) {
	if string(bytes.TrimSpace(e.Data)) == "[DONE]" {
		return true, p.finish()
	}
	var c chunk
	if err := json.Unmarshal(e.Data, &c); err != nil {
		return false, p.client.Fail(provider.Broken, "a chunk of the answer is not what it should be: %v", err)
	}
	if len(c.Error) > 0 && string(c.Error) != "null" {
		return false, p.refused(e.Data)
	}
	if p.out.RequestID == "" {
		p.out.RequestID = c.ID
	}
	for _, choice := range c.Choices {
		if choice.Index != 0 {
			continue
		}
		if err := p.take(choice.Delta); err != nil {
			return false, err
		}
		if choice.FinishReason != "" {
			p.reason = choice.FinishReason
		}
	}
	if u := c.Usage; u != nil {
		p.out.Usage = llm.Usage{In: max(0, u.PromptTokens), Out: max(0, u.CompletionTokens), Cached: max(0, u.Details.CachedTokens, u.CacheHitTokens)}
	}
	return false, nil
}

// take adds a piece, without what the model thinks. A refusal is what the model says instead of an answer: the
// caller hears it.
func (p *parser) take(d delta) error {
	p.out.Text(p.thinks.said(d.Content) + d.Refusal)
	for _, piece := range d.ToolCalls {
		c := p.calls[piece.Index]
		if c == nil {
			if len(p.calls) == maxCalls {
				return p.client.Fail(provider.Broken, "the answer calls more than %d tools", maxCalls)
			}
			c = &llm.ToolCall{}
			p.calls[piece.Index] = c
		}
		if piece.ID != "" {
			c.ID = piece.ID
		}
		if piece.Function.Name != "" {
			c.Name = piece.Function.Name
		}
		c.Args = append(c.Args, piece.Function.Arguments...)
	}
	return nil
}

// End accepts an answer without [DONE] when it gave a reason for its end, as some
// servers leave it out.
func (p *parser) End() error {
	if p.reason == "" {
		return p.client.Fail(provider.Broken, "the answer broke off before its end")
	}
	return p.finish()
}

// finish hands the calls over.
func (p *parser) finish() error {
	p.out.Text(p.thinks.rest())
	p.out.Reason, p.out.Cut = p.reason, p.reason == "length"
	if p.reason == "content_filter" {
		return p.client.Fail(provider.Rejected, "the vendor's filter ended the answer")
	}
	for _, i := range slices.Sorted(maps.Keys(p.calls)) {
		c := p.calls[i]
		if c.Name == "" {
			return p.client.Fail(provider.Broken, "a call of a tool has no name")
		}
		p.out.Call(*c)
	}
	return nil
}

// refused is the failure that the vendor reported inside the stream. OpenRouter
// gives the status as the code.
func (p *parser) refused(body []byte) error {
	var m struct {
		Error struct {
			Code json.RawMessage `json:"code"`
			Type string          `json:"type"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &m) // what it says is looked for once more by Refusal
	status, code := 0, ""
	if json.Unmarshal(m.Error.Code, &status) == nil && status >= 400 && status < 600 {
		return p.client.Refusal(status, nil, body)
	}
	_ = json.Unmarshal(m.Error.Code, &code) // an error may have no code
	switch {
	case code == "rate_limit_exceeded", code == "insufficient_quota":
		status = http.StatusTooManyRequests
	case code == "invalid_api_key":
		status = http.StatusUnauthorized
	case code == "model_not_found":
		status = http.StatusNotFound
	case m.Error.Type == "invalid_request_error":
		status = http.StatusBadRequest
	default:
		status = http.StatusInternalServerError
	}
	return p.client.Refusal(status, nil, body)
}
